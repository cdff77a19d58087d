/**
 * bind: the one way in which an operation happens.
 *
 * It is a stack of interpreters. The bottom one resolves stand-ins (parameters under a functional call), checks that the
 * inputs live and share a device, infers the result, records, and tells the listener: the tape. Others may stand above
 * it while a function runs (see {@link interpreted}): they answer operations in their own way, by operations that go to
 * the one below.
 */
import { escaped } from "./batch/level.ts";
import type { Device, DeviceStats } from "./device.ts";
import { DeviceError } from "./errors.ts";
import type { Attrs, Primitive } from "./primitives.ts";
import { NO_ATTRS, NO_INPUTS, type Value } from "./record/value.ts";
import { type Tensor, wrap } from "./tensor.ts";

export type { DeviceStats };

/**
 * Told of every operation, after it was recorded. Inputs are resolved: never a handle with a stand-in. `given` are
 * the handles that the caller named: where one had a stand-in, the two lists differ.
 */
export type BindListener = (
  primitive: Primitive,
  inputs: readonly Tensor[],
  attrs: Attrs,
  output: Tensor,
  given: readonly Tensor[],
) => void;

let listener: BindListener | null = null;

/** Installs the listener; returns the one before, for the new one to call on. */
export function onBind(next: BindListener | null): BindListener | null {
  const before = listener;
  listener = next;
  return before;
}

/** Runs `fn` with no listener: what it records is a constant to the tape. */
export function untracked<T>(fn: () => T): T {
  const before = onBind(null);
  try {
    return fn();
  } finally {
    listener = before;
  }
}

/** `bind` that no listener hears: the result is a constant to the tape. */
export function bindUntracked(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs = NO_ATTRS): Tensor {
  const before = listener;
  listener = null;
  try {
    return bind(primitive, inputs, attrs);
  } finally {
    listener = before;
  }
}

/** Answers operations in its own way. */
export interface Interpreter {
  /**
   * The result of an operation. Whatever it binds goes to the interpreter below.
   *
   * @param inputs  as the caller gave them: a handle may have a stand-in
   */
  apply(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs): Tensor;
}

interface Frame {
  readonly interpreter: Interpreter;
  readonly below: Frame | null;
}

/** The topmost interpreter above the one that records; null for none. */
let top: Frame | null = null;

/** Interpreters that compute with values, task axes and all, are at work: the recorder takes handles of tasks as they are. */
let isPhysical = false;

/**
 * Runs a synchronous function under an interpreter: every operation, those of derivatives and of user code in walks
 * too, is answered by it.
 *
 * Constants, uploads and handles of values that are there are no operations: they pass by it.
 *
 * @throws  TypeError if the function is async
 *
 * @example
 * const names: string[] = [];
 * interpreted(
 *   {
 *     apply(primitive, inputs, attrs) {
 *       names.push(primitive.name);
 *       return bind(primitive, inputs, attrs); // answered below
 *     },
 *   },
 *   () => step(),
 * );
 */
export function interpreted<T>(interpreter: Interpreter, fn: () => T): T {
  const before = top;
  top = { interpreter, below: before };
  try {
    const result = fn();
    if (!(result instanceof Promise)) return result;
    result.catch(() => {});
    throw new TypeError("interpreted: the function is async, and what it does after its first await would go unseen");
  } finally {
    top = before;
  }
}

/** The result of an operation by the topmost interpreter. */
function answered(frame: Frame, primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs): Tensor {
  top = frame.below;
  try {
    return frame.interpreter.apply(primitive, inputs, attrs);
  } finally {
    top = frame;
  }
}

/** @internal Runs a function whose operations are meant for the values of their inputs, task axes and all. */
export function physically<T>(fn: () => T): T {
  const before = isPhysical;
  isPhysical = true;
  try {
    return fn();
  } finally {
    isPhysical = before;
  }
}

/** @internal Whether such a function runs. */
export const isPhysically = (): boolean => isPhysical;

/** Applies a primitive to tensors. */
export function bind(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs = NO_ATTRS): Tensor {
  if (top !== null) return answered(top, primitive, inputs, attrs);
  const count = inputs.length;
  const values = new Array<Value>(count);
  let resolved = inputs;
  for (let i = 0; i < count; i++) {
    const input = inputs[i];
    values[i] = input._live();
    const standIn = input._standIn;
    if ((standIn ?? input)._batch !== null && !isPhysical) throw escaped(input);
    if (standIn !== null) {
      if (resolved === inputs) resolved = [...inputs];
      (resolved as Tensor[])[i] = standIn;
    }
  }
  const { device } = values[0];
  for (let i = 1; i < count; i++) {
    if (values[i].device !== device) {
      throw apart(device, values[i].device, `${primitive.name}: `);
    }
  }
  const output = wrap(device.record(primitive, values, attrs, primitive.infer(values, attrs), 0));
  if (listener === null) return output;
  try {
    listener(primitive, resolved, attrs, output, inputs);
  } catch (error) {
    output._release();
    device.trim();
    throw error;
  }
  return output;
}

/** A tensor that depends on no other: a constant primitive on a device. `scalar` is a runtime number. */
export function bindConstant(device: Device, primitive: Primitive, attrs: Attrs, scalar = 0): Tensor {
  return wrap(device.record(primitive, NO_INPUTS, attrs, primitive.infer([], attrs), scalar));
}

/** Two tensors of an operation are on two devices, which may be of one kind. */
export function apart(a: Device, b: Device, op = ""): DeviceError {
  const isSameKind = String(a) === String(b);
  const [first, second] = [a, b].map((device) => (isSameKind ? `${device}, ${device.defaultDType}` : String(device)));
  return new DeviceError(
    `${op}inputs are on ${first} and on ${isSameKind ? "another device, " : ""}${second}` +
      `${isSameKind ? ": each init() makes one" : ""}; move one with to()`,
  );
}
