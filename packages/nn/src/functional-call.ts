/**
 * Functional calls: a module run with other tensors in place of its parameters and buffers.
 *
 * For the length of a call each slot has a *stand-in*; `bind` sees the stand-in wherever the slot is
 * used, so any entry point works: the root, a submodule called directly, a method of the user's. The module
 * itself never changes: a buffer assigned during the call rebinds its stand-in, and the caller gets the result.
 */
import { ArgumentError, admit, type Tensor, withStandIns } from "@loopgrad/tensor";
import type { Module } from "./module.ts";
import { checkFits, type Slot } from "./slot.ts";

/** GivenTensors by name (as in `namedParameters`, `namedBuffers`), or in that order. */
export type GivenTensors = Readonly<Record<string, Tensor>> | readonly Tensor[];

/** What the module's slots stand for; its own values where left out. */
export interface FunctionalState {
  params?: GivenTensors;
  buffers?: GivenTensors;
}

/**
 * The module's output with other parameters and buffers. The module is not changed: buffers that its forward
 * assigns (running statistics) are dropped; {@link substitute} returns them.
 *
 * @param state  all parameters and/or all buffers, by name or in order; a shared one once
 * @returns      what `module.forward(...args)` returns
 * @throws       ArgumentError for missing or unknown names, ShapeError for a wrong shape
 * @see          torch.func.functional_call
 * @example      const loss = functionalCall(model, { params: fast }, x).sub(y).square().mean();
 */
export function functionalCall<M extends Module>(
  module: M,
  state: FunctionalState,
  ...args: Parameters<M["forward"]>
): ReturnType<M["forward"]> {
  admit(
    arguments,
    "functionalCall(module: module, state: { params: tensors|object, buffers: tensors|object }, ...args: any)",
  );
  return called(module, state, (m) => m.forward(...args) as ReturnType<M["forward"]>);
}

/** What {@link substitute} returns. */
export interface Substituted<T> {
  output: T;
  /** As the function left them, by name. */
  buffers: Record<string, Tensor>;
}

/**
 * Runs any function of a module with other parameters and buffers, and returns the buffers it left.
 *
 * @param fn  may be async: other code that runs meanwhile sees the module as it is
 * @returns   the function's output and the buffers; for an async function a promise of them
 * @example   const { output, buffers } = substitute(model, { params, buffers }, (m) => m.encoder.forward(x));
 */
export function substitute<M extends Module, T>(
  module: M,
  state: FunctionalState,
  fn: (module: M) => Promise<T>,
): Promise<Substituted<T>>;
export function substitute<M extends Module, T>(
  module: M,
  state: FunctionalState,
  fn: (module: M) => T,
): Substituted<T>;
export function substitute<M extends Module, T>(
  module: M,
  state: FunctionalState,
  fn: (module: M) => T,
): Substituted<T> | Promise<Substituted<Awaited<T>>> {
  admit(
    arguments,
    "substitute(module: module, state: { params: tensors|object, buffers: tensors|object }, fn: function)",
  );
  const buffers: Record<string, Tensor> = {};
  const output = called(module, state, fn, buffers);
  return output instanceof Promise ? output.then((awaited) => ({ output: awaited, buffers })) : { output, buffers };
}

/** @param after  gets the buffers that the function left, by name */
function called<M extends Module, T>(
  module: M,
  state: FunctionalState,
  fn: (module: M) => T,
  after: Record<string, Tensor> = {},
): T {
  const namedBuffers = module.namedBuffers();
  const buffers = namedBuffers.map(([, buffer]) => buffer);
  const slots: Slot[] = [...buffers];
  const tensors = state.buffers === undefined ? [...buffers] : inOrder("buffers", namedBuffers, state.buffers);
  if (state.params !== undefined) {
    const named = module.namedParameters();
    tensors.push(...inOrder("params", named, state.params));
    for (const [, parameter] of named) slots.push(parameter);
  }
  for (let i = 0; i < slots.length; i++) checkFits("functionalCall", slots[i], tensors[i]);
  return withStandIns(
    slots,
    tensors,
    () => fn(module),
    (_, standIn) => {
      for (const [name, buffer] of namedBuffers) after[name] = standIn(buffer);
    },
  );
}

/** The given tensors in the order of the module's slots. */
function inOrder(
  what: "params" | "buffers",
  named: readonly (readonly [string, Slot])[],
  given: GivenTensors,
): Tensor[] {
  if (Array.isArray(given)) {
    if (given.length !== named.length) {
      throw new ArgumentError(`functionalCall: ${given.length} ${what} were given, the module has ${named.length}`);
    }
    return [...given];
  }
  const byName = given as Readonly<Record<string, Tensor>>;
  const known = new Set(named.map(([name]) => name));
  const unknown = Object.keys(byName).filter((name) => !known.has(name));
  const missing = [...known].filter((name) => byName[name] === undefined);
  if (unknown.length > 0 || missing.length > 0) {
    throw new ArgumentError(
      `functionalCall: ${what}: missing: ${missing.join(", ") || "none"}; unknown: ${unknown.join(", ") || "none"}`,
    );
  }
  return named.map(([name]) => byName[name]);
}
