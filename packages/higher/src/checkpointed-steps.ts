/**
 * Checkpointed steps: an unrolled loop that is computed twice, and held once in a while.
 *
 * The steps of a loop are cut into *segments*. Kept for the outer backward are the weights, the buffers and the
 * optimizer's state where a segment begins, and what the losses read from outside. The backward takes the segments
 * from the last to the first: runs the steps of one again, walks back through them, lets go. So at any time there is
 * one segment's graph, and one set of weights for each segment; both are about √k for segments of √k steps.
 *
 * A step is a function of tensors, from weights, buffers and state to their successors: a stage of a checkpoint chain
 * (see autograd). It runs on the functional model itself, put back to its time (`_during`).
 */
import { CheckpointChain } from "@loopgrad/autograd";
import type { State } from "@loopgrad/optim";
import { ArgumentError, keep, scope, Tensor } from "@loopgrad/tensor";
import { type DifferentiableOptimizer, inScope, type StepOptions } from "./differentiable.ts";
import type { FunctionalModule } from "./functional-module.ts";

/**
 * What a loop keeps of its steps for the outer backward.
 *
 * - `"none"`: everything. Nothing is computed twice.
 * - `"step"`: weights, buffers and optimizer state of every step. Each step is computed again by itself.
 * - an integer: weights, buffers and state of every so many steps, a *segment*. Segments are computed again one by one.
 * - `"sqrt"`: segments as long as there are segments: memory that grows with √k. `run(k)` knows k; a loop of single
 *   steps does not, and makes longer segments as it goes on.
 */
export type Checkpoint = "none" | "step" | "sqrt" | number;

/** Checks the option. */
export function checkpointOf(checkpoint: Checkpoint): Checkpoint {
  const isLength = typeof checkpoint === "number" && Number.isInteger(checkpoint) && checkpoint >= 1;
  if (isLength || checkpoint === "none" || checkpoint === "step" || checkpoint === "sqrt") return checkpoint;
  throw new ArgumentError(
    `innerLoop: checkpoint is ${String(checkpoint)}, wanted "none", "step", "sqrt", or a number of steps, at least 1`,
  );
}

/** The loss that a function of the user's computes, checked. */
export function lossOf(fn: () => Tensor): Tensor {
  if (typeof fn !== "function") {
    throw new ArgumentError(
      `step: got ${String(fn)}, wanted a function that computes the loss; diffopt.step takes a loss`,
    );
  }
  const loss: unknown = fn();
  if (loss instanceof Tensor) return loss;
  if (loss instanceof Promise) {
    loss.catch(() => {});
    throw new TypeError("step: the function is async; compute the loss synchronously, and await data() outside");
  }
  throw new ArgumentError(`step: the function returned ${String(loss)}, wanted the loss: a tensor`);
}

/** The least power of two whose square exceeds a number: a segment's length after so many steps. */
function lengthAfter(steps: number): number {
  let length = 1;
  while (length * length <= steps) length *= 2;
  return length;
}

/** Takes the steps of a loop. */
export class CheckpointedSteps {
  readonly #fmodel: FunctionalModule;
  readonly #diffopt: DifferentiableOptimizer;
  readonly #checkpoint: Checkpoint;
  /** Of single steps. */
  readonly #chain: CheckpointChain;
  readonly #submit: () => void;
  #steps = 0;

  /** @param submit  submits the work of a step, in forward and in backward */
  constructor(
    fmodel: FunctionalModule,
    diffopt: DifferentiableOptimizer,
    { checkpoint, submit }: { checkpoint: Checkpoint; submit: () => void },
  ) {
    this.#fmodel = fmodel;
    this.#diffopt = diffopt;
    this.#checkpoint = checkpoint;
    this.#submit = submit;
    this.#chain = new CheckpointChain(submit);
  }

  /** The next step has nothing to do with those before. */
  begin(): void {
    this.#chain.cut();
    this.#steps = 0;
  }

  step(fn: () => Tensor, options: StepOptions): Tensor {
    const loss = this.#extend(this.#chain, this.#length(lengthAfter(this.#steps)), fn, options);
    this.#steps++;
    return loss;
  }

  run(count: number, fn: (i: number) => Tensor, options: StepOptions): Tensor[] {
    this.begin();
    const length = this.#length(Math.ceil(Math.sqrt(count)));
    const losses: Tensor[] = [];
    const chain = new CheckpointChain(this.#submit, 1, (emitted) => losses.push(...keep(emitted)));
    try {
      for (let i = 0; i < count; i++) scope(() => void this.#extend(chain, length, () => fn(i), options));
    } finally {
      chain.cut();
    }
    return losses.map((loss) => {
      const handle = inScope(loss);
      loss.dispose();
      return handle;
    });
  }

  #length(sqrt: number): number {
    if (this.#checkpoint === "sqrt") return sqrt;
    return this.#checkpoint === "step" ? 1 : (this.#checkpoint as number);
  }

  /** One step, in a segment of at most `length`. */
  #extend(chain: CheckpointChain, length: number, fn: () => Tensor, options: StepOptions): Tensor {
    if (chain.length >= length) chain.cut();
    const [fmodel, diffopt] = [this.#fmodel, this.#diffopt];
    const moment = fmodel._moment();
    const groups = diffopt.paramGroups.map((group) => ({ ...group }));
    const count = fmodel.names.length;
    const states = fmodel.names.map((_, i) => diffopt.stateOf(i));
    const buffers = fmodel._bufferList();
    /** For each parameter the state after the step, with positions among the results; null where it was left alone. */
    let after: (Record<string, number | { readonly at: number }> | null)[] = [];

    const stage = (...given: Tensor[]): Tensor[] => {
      const weights = given.slice(0, count);
      let next = count + buffers.length;
      const from = states.map((state) => mapTensors(state, () => given[next++]));
      return fmodel._during(moment, weights, given.slice(count, count + buffers.length), () => {
        const loss = lossOf(fn);
        const updates = diffopt._updates(loss, { params: fmodel.parameters(), states: from, groups }, options);
        const out = [diffopt.mode === "second-order" ? loss : loss.detach()];
        updates.forEach((updated, i) => {
          out.push(updated === null ? weights[i] : inScope(updated.param));
        });
        out.push(...fmodel._bufferList().map(inScope));
        after = updates.map((updated) => {
          if (updated === null) return null;
          return Object.fromEntries(
            Object.entries(updated.state).map(([name, value]) => [
              name,
              value instanceof Tensor ? { at: out.push(inScope(value)) - 1 } : value,
            ]),
          );
        });
        return out;
      });
    };

    return scope(() => {
      const tensors = states.flatMap((state) => Object.values(state).filter((value) => value instanceof Tensor));
      const results = chain.extend(stage, [...fmodel.parameters(), ...buffers, ...tensors]);
      const first = 1 + count;
      fmodel._setBuffers(results.slice(first, first + buffers.length));
      fmodel._advance(results.slice(1, first).map((param) => param._share()));
      after.forEach((state, i) => {
        if (state === null) return;
        const entries = Object.entries(state).map(([name, value]) => [
          name,
          typeof value === "number" ? value : results[value.at],
        ]);
        diffopt._setState(i, Object.fromEntries(entries));
      });
      this.#submit();
      return results[0];
    });
  }
}

const mapTensors = (state: State, fn: (tensor: Tensor) => Tensor): State =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [name, value instanceof Tensor ? fn(value) : value]));
