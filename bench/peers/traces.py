"""Traces: a run's settings, initial weights and losses, as examples/trace.ts writes them; and their comparison.

A *trace* is NAME.json and, beside it, the initial weights NAME.safetensors. A peer trains the same network from the
same weights on the same batches. `compare` does that in float32, as loopgrad did, and once more in float64: how far
PyTorch's own float32 is from that shows how much of a difference rounding explains.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

# Makes a function that takes one training step in the given precision, and returns the loss.
Trainer = Callable[[dict, dict[str, torch.Tensor], torch.dtype], Callable[[], float]]


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("trace", type=Path, help="NAME.json, which the example wrote with --trace")
    parser.add_argument("--within", type=float, default=1e-3, help="largest relative difference of a loss allowed")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    return parser


def compare(args: argparse.Namespace, trainer: Trainer) -> int:
    """Repeats the trace, prints the comparison, returns the exit code."""
    torch.set_num_threads(args.threads)
    trace = json.loads(args.trace.read_text())
    if len(trace["losses"]) < 5:
        sys.exit(f"{args.trace} has {len(trace['losses'])} steps: 5 are the least that can be compared and timed")
    weights = load_file(args.trace.with_suffix(".safetensors"))
    ours = trace["losses"]
    theirs, ms = run(trainer(trace["settings"], weights, torch.float32), len(ours))
    exact, _ = run(trainer(trace["settings"], weights, torch.float64), len(ours))

    difference, rounding = relative(ours, theirs), relative(theirs, exact)
    print("step   loopgrad   PyTorch    difference   PyTorch, float32 to float64")
    for i in range(len(ours)):
        if i < 3 or (i + 1) % 10 == 0 or i == len(ours) - 1:
            print(f"{i + 1:4d}   {ours[i]:.6f}   {theirs[i]:.6f}   {difference[i]:.1e}      {rounding[i]:.1e}")
    # The first steps compile kernels, or warm up. The least is nearest to what a machine with nothing else to do takes.
    times = {"loopgrad": trace["ms"][3:], f"PyTorch on {args.threads} thread{'s' * (args.threads > 1)}": ms[3:]}
    for name, steps in times.items():
        print(f"{name}: median step {statistics.median(steps):.1f} ms, least {min(steps):.1f} ms")
    a, b = times.values()
    print(f"loopgrad takes {statistics.median(a) / statistics.median(b):.1f} times as long; by the least {min(a) / min(b):.1f}")
    worst = max(difference)
    verdict = "passed" if worst <= args.within else "FAILED"
    print(
        f"{verdict}: relative difference over {len(ours)} steps at most {worst:.1e}, wanted {args.within:.0e} "
        f"(PyTorch, float32 to float64: {max(rounding):.1e})"
    )
    return 0 if worst <= args.within else 1


def run(step: Callable[[], float], steps: int) -> tuple[list[float], list[float]]:
    """The losses, and the milliseconds of each step."""
    losses, ms = [], []
    for _ in range(steps):
        start = time.perf_counter()
        losses.append(step())
        ms.append(1000 * (time.perf_counter() - start))
    return losses, ms


def relative(values: list[float], reference: list[float]) -> list[float]:
    return [abs(a - b) / abs(b) for a, b in zip(values, reference)]
