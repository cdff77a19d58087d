/**
 * Inner loops: a functional module and a differentiable optimizer that train together, inside an outer computation.
 */
import type { Module } from "@loopgrad/nn";
import { ArgumentError, type Scope, scope, type Tensor, visitTensors } from "@loopgrad/tensor";
import {
  type AnyOptimizer,
  type DifferentiableOptimizer,
  differentiable,
  type GradCallback,
  type Mode,
} from "./differentiable.ts";
import { FunctionalModule, type Initial } from "./functional-module.ts";
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
  /** Keep the weights of every time. Default: unless the mode is "none". */
  history?: boolean;
}

/** What {@link innerLoop} returns. */
export class InnerLoop<M extends Module = Module> {
  readonly fmodel: FunctionalModule<M>;
  readonly diffopt: DifferentiableOptimizer;
  readonly #scope: Scope;

  /** @internal */
  constructor(model: M, opt: AnyOptimizer, options: InnerLoopOptions) {
    const { initial, mode = "second-order", override, gradCallback, history = mode !== "none", ...rest } = options;
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new ArgumentError(`innerLoop: unknown option ${unknown.join(", ")}`);
    this.fmodel = new FunctionalModule(model, { initial: mode === "none" ? "detached" : initial, history });
    try {
      const { fmodel } = this;
      this.diffopt = differentiable(opt, model.parameters(), { mode, override, gradCallback, fmodel });
    } catch (error) {
      this.fmodel.dispose();
      throw error;
    }
    this.#scope = scope();
  }

  /** Truncates: weights, buffers and optimizer state become constants for what follows. */
  detach(): void {
    this.fmodel.detach();
    this.diffopt.detach();
  }

  /** Back to time 0: the model's present parameters, the optimizer's present state. */
  reset(): void {
    this.fmodel.reset();
    this.diffopt.reset();
  }

  /** Releases everything made since the loop began that no graph still needs, except what `keep` marked. */
  dispose(): void {
    this._end(new Set());
  }

  /** @internal Disposes of the loop, but hands some tensors over to the scope around it. */
  _end(returned: ReadonlySet<Tensor>): void {
    const { parent } = this.#scope;
    for (const tensor of returned) {
      if (tensor._scope !== this.#scope && !this.fmodel._yield(tensor)) continue;
      tensor._scope = parent;
      parent?.handles.push(tensor);
    }
    this.diffopt.dispose();
    this.fmodel.dispose();
    this.#scope.end();
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
 * In a long unroll give each step a scope of its own; fast weights and state outlive it. Scopes nest: loops of async
 * functions that run at the same time would end each other's, so run them one after the other.
 *
 * @param fn  runs the loop, and disposes of it at the end; tensors that it returns live on
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
  const loop = new InnerLoop(model, opt, options);
  if (fn === undefined) return loop;
  const returned = new Set<Tensor>();
  try {
    const result = fn(loop);
    if (result instanceof Promise) {
      throw new TypeError("innerLoop(…, fn): fn is async; use `using loop = innerLoop(…)` inside it instead");
    }
    visitTensors(result, (tensor) => returned.add(tensor));
    return result;
  } finally {
    loop._end(returned);
  }
}
