"""A peer's side of the conversation: a request on a line of stdin, an answer on a line of stdout, both JSON.

    {"op": "make", "id", "settings", "repeat"}   makes a workload's task -> {"description", "device"}
    {"op": "call", "results"}                    one call, up to its results on the host -> {"ms", "results"}
    {"op": "measure", "id", "settings"}          a workload that measures itself -> its numbers

An answer {"error"} says in words what went wrong. `src/peers.ts` asks. The numbers are those of `src/data.ts`.
"""

import json
import sys
import time

import numpy as np


def raw(seed: int, n: int, drawn: int = 0) -> np.ndarray:
    """Numbers in [0, 1) of a stream of mulberry32: those after `drawn`. Its state is a counter, so all come at once."""
    with np.errstate(over="ignore"):
        s = np.uint32(seed % 2**32) + np.uint32(0x6D2B79F5) * np.arange(1 + drawn, 1 + drawn + n, dtype=np.uint32)
        t = (s ^ (s >> np.uint32(15))) * (np.uint32(1) | s)
        t = (t + (t ^ (t >> np.uint32(7))) * (np.uint32(61) | t)) ^ t
        t = t ^ (t >> np.uint32(14))
    return t.astype(np.float64) / 2**32


def uniform(seed: int, shape, bound: float = 1) -> np.ndarray:
    return (bound * (2 * raw(seed, int(np.prod(shape))) - 1)).astype(np.float32).reshape(shape)


def classes(seed: int, n: int, count: int) -> np.ndarray:
    return np.floor(count * raw(seed, n)).astype(np.int64)


def weight(i: int, name: str, shape) -> np.ndarray:
    """The i-th parameter's start: matrices uniform within 1/sqrt(fan-in), biases 0, the weights of norms 1."""
    if len(shape) > 1:
        return uniform(1000 + i, shape, (shape[0] / np.prod(shape)) ** 0.5)
    return (np.zeros if "bias" in name else np.ones)(shape, np.float32)


def waves(tasks: int):
    """The tasks of w0 and w1, in the order in which they are drawn: four arrays [tasks, 10, 1] at every call."""
    per, drawn = 22, 0

    def draw():
        nonlocal drawn
        u = raw(1, tasks * per, drawn).reshape(tasks, per)
        drawn += tasks * per
        amplitude, phase = 0.1 + 4.9 * u[:, 0:1], np.pi * u[:, 1:2]
        sets = []
        for x in (u[:, 2:12], u[:, 12:22]):
            x = (x * 10 - 5).astype(np.float32)
            sets += [x, (amplitude * np.sin(x - phase)).astype(np.float32)]
        return [one.reshape(tasks, 10, 1) for one in sets]

    return draw


WAVE_SHAPES = [(40, 1), (40,), (40, 40), (40,), (1, 40), (1,)]


def matmul_sizes(s):
    n, shape = s["size"], s["shape"]
    if shape == "tall":
        return [], 8 * n, n, -(-n // 8)
    return ([8], n // 2, n // 2, n // 2) if shape == "batched" else ([], n, n, n)


def conv_sizes(s):
    n, shape = s["size"], s["shape"]
    return (8, 64, 4 * n, -(-n // 4)) if shape == "tall" else (32 if shape == "batched" else 8, 64, n, n)


def stream_sizes(s):
    n, shape = s["size"], s["shape"]
    if shape == "tall":
        return (16 * n, -(-n // 16)), 1
    return ((8, n, -(-n // 8)), 1) if shape == "batched" else ((n, n), 0 if shape == "transposed" else 1)


def sample(result: np.ndarray) -> list[float]:
    flat = np.asarray(result).reshape(-1)
    count = min(64, len(flat))
    return [float(flat[i * len(flat) // count]) for i in range(count)]


def serve(description: str, device: str, make, measure=None):
    """Answers requests until stdin ends.

    make(id, settings, repeat) -> a task: a function that returns its results, arrays on the host; None where there is no such.
    measure(id, settings) -> numbers, by name.
    """
    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    task = None

    def answer(value):
        out.write(json.dumps(value) + "\n")
        out.flush()

    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["op"] == "make":
                task = None
                task = make(request["id"], request["settings"], request.get("repeat", 1))
                answer({"description": description, "device": device} if task else {"error": f"has no {request['id']}"})
            elif request["op"] == "measure":
                answer({"description": description, "device": device, **measure(request["id"], request["settings"])})
            else:
                started = time.perf_counter()
                results = task()
                ms = 1000 * (time.perf_counter() - started)
                answer({"ms": ms, "results": [sample(one) for one in results] if request["results"] else None})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})
