/**
 * State dicts: the values of a module's parameters and buffers by name, out and in.
 *
 * Names are torch's. A *shared* slot stands under every path that leads to it when a state dict is made, and may be
 * given under any of them when one is loaded. Loading is all or nothing: whatever does not fit is found first, and
 * then either every tensor is assigned or none.
 */
import { noGrad } from "@loopgrad/autograd";
import {
  ArgumentError,
  handleLike,
  isFloat,
  LoopgradError,
  ShapeError,
  sameShape,
  scope,
  show,
  Tensor,
} from "@loopgrad/tensor";
import type { Module } from "./module.ts";
import { Parameter, type Slot } from "./slot.ts";

/** Names and values of all parameters and buffers. */
export type StateDict = Record<string, Tensor>;

/** What a loaded state dict left out, and what it had too much. */
export interface LoadReport {
  missing: string[];
  unexpected: string[];
}

/** See {@link Module.stateDict}. */
export function stateDictOf(module: Module): StateDict {
  const state: StateDict = {};
  for (const [name, slot] of module._everyName()) state[name] = handleLike(slot, slot._live());
  return state;
}

/** See {@link Module.loadStateDict}. */
export function loadInto(module: Module, state: StateDict, options: { strict?: boolean }): LoadReport {
  checkState(state);
  const unexpected = new Set(Object.keys(state));
  const unseen = new Map<Slot, string>();
  const given = new Map<Slot, [name: string, tensor: Tensor]>();
  for (const [name, slot] of module._everyName()) {
    unexpected.delete(name);
    if (state[name] !== undefined) given.set(slot, [name, state[name]]);
    else if (!unseen.has(slot)) unseen.set(slot, name);
  }
  const report = {
    missing: [...unseen].flatMap(([slot, name]) => (given.has(slot) ? [] : [name])),
    unexpected: [...unexpected],
  };
  const misfits = [...given].flatMap(([slot, [name, tensor]]) => misfit(slot, tensor, name));
  const wrongNames = (options.strict ?? true) && report.missing.length + report.unexpected.length > 0;
  if (wrongNames || misfits.length > 0) throw refusal(module, report, misfits, wrongNames);
  using _scope = scope();
  using _mode = noGrad();
  for (const [slot, [, tensor]] of given) slot.assign(tensor.to(slot.dtype));
  return report;
}

/** Throws unless it is an object of tensors: no promise of one, no map. */
function checkState(state: StateDict): void {
  const isObject = typeof state === "object" && state !== null;
  if (!isObject || state instanceof Promise || state instanceof Map) {
    const what = state instanceof Promise ? "a promise (await it)" : isObject ? "a Map" : String(state);
    throw new ArgumentError(`loadStateDict: the state is ${what}: wanted an object of tensors by name`);
  }
  for (const [name, tensor] of Object.entries(state)) {
    if (!(tensor instanceof Tensor)) {
      throw new ArgumentError(`loadStateDict: ${name} is ${String(tensor)}: wanted a tensor, such as tensor([1, 2])`);
    }
  }
}

/** Why a tensor cannot become the slot's value: a line, or none. Floats of another precision are converted. */
function misfit(slot: Slot, tensor: Tensor, name: string): string[] {
  if (!sameShape(slot.shape, tensor.shape)) {
    return [`${name}: the slot has shape ${show(slot.shape)}, the tensor ${show(tensor.shape)}`];
  }
  if (slot.dtype !== tensor.dtype && !(isFloat(slot.dtype) && isFloat(tensor.dtype))) {
    return [`${name}: the slot is ${slot.dtype}, the tensor ${tensor.dtype}`];
  }
  if (slot.device !== tensor.device) {
    return [
      `${name}: the slot is on ${slot.device}, the tensor on ${tensor.device} (await tensor.to(device) moves it)`,
    ];
  }
  if (slot instanceof Parameter && slot._standIn !== null) return [`${name}: a functional call is running`];
  return [];
}

function refusal(
  module: Module,
  { missing, unexpected }: LoadReport,
  misfits: string[],
  names: boolean,
): LoopgradError {
  const list = (items: readonly string[]): string => items.join(", ") || "none";
  const fits = misfits.length > 0 ? `; misfits: ${misfits.join("; ")}` : "";
  const advice = names && misfits.length === 0 ? "; { strict: false } loads what is there" : "";
  const message =
    `loadStateDict: ${module.constructor.name}: missing: ${list(missing)}; ` +
    `unexpected: ${list(unexpected)}${fits}. Nothing was loaded${advice}`;
  return misfits.length > 0 ? new ShapeError(message) : new LoopgradError(message);
}
