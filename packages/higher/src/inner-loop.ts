/**
 * Inner loops: a functional module and a differentiable optimizer that train together, inside an outer computation.
 *
 * A *step* goes down the gradient of an inner loss. `diffopt.step(loss)` takes the loss; `loop.step(() => loss)` and
 * `loop.run(k, (i) => loss)` take the function that computes it, and so can *checkpoint*: keep the weights and the state
 * at the borders of *segments* of steps only, and run the steps again in the outer backward.
 */

import type { Module } from "@loopgrad/nn";
import {
  ArgumentError,
  admit,
  type Device,
  Scope,
  scope,
  type Tensor,
  visitTensors,
  withinScope,
} from "@loopgrad/tensor";
import { type Checkpoint, CheckpointedSteps, checkpointOf, lossOf } from "./checkpointed-steps.ts";
import {
  type AnyOptimizer,
  type DifferentiableOptimizer,
  differentiable,
  type GradCallback,
  type Mode,
  type StepOptions,
} from "./differentiable.ts";
import { FunctionalModule, type History, type Initial } from "./functional-module.ts";
import type { Override } from "./override.ts";

/** Options of {@link innerLoop}. */
export interface InnerLoopOptions {
  /**
   * Weights at time 0. "connected": images of the model's parameters, an outer `backward()` fills the model's
   * `.grad`; "detached": leaves of their own. Default "connected"; in mode "none" they are always detached.
   */
  initial?: Initial;
  /** How much is recorded; see {@link Mode}. Default "second-order". */
  mode?: Mode;
  /** Hyperparameters in place of the optimizer's, as numbers or tensors. */
  override?: Override;
  /** Replaces the gradients of every step. */
  gradCallback?: GradCallback;
  /**
   * Which weights `fmodel.parameters({ time })` can give: those of every time, or of time 0 and the latest. Default
   * "all"; "ends" where a long loop is meant to hold little: in mode "none", and with checkpoints.
   */
  history?: History;
  /** What of the steps is kept for the outer backward, and what is computed again; see {@link Checkpoint}. Default "none". */
  checkpoint?: Checkpoint;
}

/** What {@link InnerLoop.stats} returns. */
export interface LoopStats {
  /** Inner steps since the loop began, or was reset: the time of the latest weights. */
  steps: number;
  /**
   * Bytes held now: of the weights that are kept, the buffers, the optimizer's state, and of what the graph behind them
   * has saved for the outer backward, data included. Each value counts once, also if others hold it too. A graph that
   * a backward has gone through has let go of what it saved.
   */
  bytes: number;
  /**
   * The same by time: at 0 what the loop began with, at t what the t-th step added and is still held. A value counts
   * where it was first saved; what a checkpointed segment holds, at its last step.
   */
  bytesByTime: number[];
  /**
   * The most by which the bytes that the device uses, for values and scratch, exceeded what they were when the loop began. Looked at
   * whenever the loop submits work: here, after each step of a checkpointed loop, and after each step that an outer
   * backward computes again.
   */
  peakBytes: number;
}

/** Options of {@link InnerLoop.step} and {@link InnerLoop.run}: of `diffopt.step`, those that fit. */
export type LoopStepOptions = Pick<StepOptions, "override" | "gradCallback" | "allowUnused">;

/** Recorded operations at which `step` and `run` submit the work: between steps, so that steps replay one plan. */
const MANY = 8192;

/** What {@link innerLoop} returns. */
export class InnerLoop<M extends Module = Module> {
  readonly fmodel: FunctionalModule<M>;
  readonly diffopt: DifferentiableOptimizer;
  #scope: Scope | null = null;
  readonly #checkpointed: CheckpointedSteps | null;
  readonly #device: Device;
  #recorded = 0;
  /** Of the device's values when the loop began. */
  readonly #bytesBefore: number;
  #peakBytes = 0;

  /** @internal */
  constructor(model: M, opt: AnyOptimizer, options: InnerLoopOptions) {
    const { initial, mode = "second-order", override, gradCallback, checkpoint = "none", history } = options;
    // Without a graph there is nothing to trade for time.
    const checkpoints = checkpointOf(checkpoint) !== "none" && mode !== "none";
    this.fmodel = new FunctionalModule(model, {
      initial: mode === "none" ? "detached" : initial,
      history: history ?? (mode === "none" || checkpoints ? "ends" : "all"),
    });
    try {
      const { fmodel } = this;
      const settings = { mode, override, gradCallback, fmodel, _wantsFunctions: checkpoints };
      this.diffopt = differentiable(opt, fmodel._handles, settings);
      this.#checkpointed = checkpoints
        ? new CheckpointedSteps(fmodel, this.diffopt, { checkpoint, submit: () => this.#submit() })
        : null;
    } catch (error) {
      this.fmodel.dispose();
      throw error;
    }
    this.#device = this.fmodel._handles[0].device;
    const { usedBytes, recorded } = this.#device.stats();
    this.#bytesBefore = usedBytes;
    this.#recorded = recorded;
  }

  #submit(): void {
    this.#device.flush();
    const { usedBytes, recorded } = this.#device.stats();
    this.#recorded = recorded;
    this.#peakBytes = Math.max(this.#peakBytes, usedBytes - this.#bytesBefore);
  }

  /**
   * One inner step, by a function that computes the inner loss from the present weights. What else it makes is released.
   *
   * In a checkpointed loop the function runs again in the outer backward, with the weights, buffers, random numbers,
   * hyperparameters and training mode of that step. It must do the same then: read its data from variables that do
   * not change, and draw no batches. Tensors it reads, whatever they were computed from, get their gradients.
   *
   * @param fn  a synchronous function that returns a scalar
   * @returns   the loss. In mode "second-order" it can be differentiated; in the others it is a constant
   * @example   for (const { x, y } of batches) loop.step(() => F.mseLoss(loop.fmodel.forward(x), y));
   */
  step(fn: () => Tensor, options: LoopStepOptions = {}): Tensor {
    admit(
      arguments,
      "InnerLoop.step(fn: any, options?: { override: object, gradCallback: function, allowUnused: boolean })",
    );
    return this.#checkpointed === null ? this.#plainStep(fn, options) : this.#checkpointed.step(fn, options);
  }

  /**
   * `count` inner steps. With `checkpoint: "sqrt"` the segments are √count long.
   *
   * @param count  0 or more
   * @param fn     computes the inner loss of a step from its number, from 0 up; see {@link step}
   * @returns      the losses of the steps, in order
   * @example
   * const losses = loop.run(100, (i) => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]));
   * losses.reduce((a, b) => a.add(b)).backward(); // the sum over the way, as learned optimizers want
   */
  run(count: number, fn: (i: number) => Tensor, options: LoopStepOptions = {}): Tensor[] {
    admit(
      arguments,
      "InnerLoop.run(count: number, fn: any, options?: { override: object, gradCallback: function, allowUnused: boolean })",
    );
    if (!Number.isInteger(count) || count < 0) {
      throw new ArgumentError(`loop.run: ${String(count)} steps: wanted an integer, at least 0`);
    }
    if (this.#checkpointed !== null) return this.#checkpointed.run(count, fn, options);
    return Array.from({ length: count }, (_, i) => this.#plainStep(() => fn(i), options));
  }

  #plainStep(fn: () => Tensor, options: LoopStepOptions): Tensor {
    const loss = scope(() => {
      const loss = lossOf(fn);
      this.diffopt.step(loss, options);
      return this.diffopt.mode === "second-order" ? loss : loss.detach();
    });
    if (this.#device.recorded - this.#recorded > MANY) {
      this.#submit();
      this.diffopt._loop.isLong = true;
    }
    return loss;
  }

  /**
   * What the loop holds of the device's memory. Submits the work that is pending, so that it is there to be counted.
   *
   * @example  const { bytes, peakBytes } = loop.stats(); // before the outer backward, and after it
   */
  stats(): LoopStats {
    admit(arguments, "InnerLoop.stats()");
    this.#submit();
    const { fmodel, diffopt } = this;
    const bytesByTime = new Array<number>(fmodel.time + 1).fill(0);
    for (const { value, time } of fmodel._held(diffopt._stateTensors())) bytesByTime[time] += value.storage?.bytes ?? 0;
    const bytes = bytesByTime.reduce((sum, n) => sum + n, 0);
    return { steps: fmodel.time, bytes, bytesByTime, peakBytes: this.#peakBytes };
  }

  /** Truncates: weights, buffers and optimizer state become constants for what follows. */
  detach(): void {
    admit(arguments, "InnerLoop.detach()");
    this.fmodel.detach();
    this.diffopt.detach();
    this.#checkpointed?.begin();
  }

  /** Back to time 0: the model's present parameters, the optimizer's present state. */
  reset(): void {
    admit(arguments, "InnerLoop.reset()");
    this.fmodel.reset();
    this.diffopt.reset();
    this.#checkpointed?.begin();
  }

  /** Releases everything made since the loop began that no graph still needs, except what `keep` marked. */
  dispose(): void {
    admit(arguments, "InnerLoop.dispose()");
    this.diffopt.dispose();
    this.fmodel.dispose();
    this.#scope?.end();
  }

  /** @internal Begins: the scope is the loop's. */
  _open(own: Scope): this {
    this.#scope = own;
    return this;
  }

  /** @internal Hands tensors that a function returned over to the scope around the loop. */
  _handOver(returned: unknown, own: Scope, outer: Scope | null): void {
    visitTensors(returned, (tensor) => {
      if (tensor._scope !== own.context && !this.fmodel._yield(tensor)) return;
      if (outer === null) tensor._scope = null;
      else outer._adopt(tensor);
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Begins an inner loop: fast weights from the model's parameters, steps by the optimizer's rule from its present
 * state. Model and optimizer stay as they are, until `fmodel.commitTo(model)` and `diffopt.commitTo(opt)`.
 *
 * The loop is a scope: when it ends, what was made in it is released, except what the graph of an outer loss needs.
 * In a long unroll give each step a scope of its own; fast weights and state outlive it.
 *
 * @param fn  runs the loop, which is disposed of at the end; tensors that it returns live on. It may be async, and
 *            several may run at the same time: use it around an `await`
 * @example
 * for (const task of tasks) {
 *   using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
 *   const { fmodel, diffopt } = loop;
 *   for (let k = 0; k < 5; k++) diffopt.step(mseLoss(fmodel.forward(task.x), task.y));
 *   mseLoss(fmodel.forward(task.queryX), task.queryY).backward(); // fills model's .grad
 * }
 */
export function innerLoop<M extends Module>(model: M, opt: AnyOptimizer, options?: InnerLoopOptions): InnerLoop<M>;
export function innerLoop<M extends Module, T>(
  model: M,
  opt: AnyOptimizer,
  options: InnerLoopOptions,
  fn: (loop: InnerLoop<M>) => T,
): T;
export function innerLoop<M extends Module, T>(
  model: M,
  opt: AnyOptimizer,
  options: InnerLoopOptions = {},
  fn?: (loop: InnerLoop<M>) => T,
): T | InnerLoop<M> {
  admit(
    arguments,
    "innerLoop(model: module, opt: optimizer, options?: { initial: string, mode: string, override: object, gradCallback: any, history: string, checkpoint: any }, fn?: function)",
  );
  const loop = new InnerLoop(model, opt, options);
  if (fn === undefined) return loop._open(new Scope(null, innerLoop));
  return withinScope(
    (own) => fn(loop._open(own)),
    (result, own, outer) => loop._handOver(result, own, outer),
    () => loop.dispose(),
  );
}
