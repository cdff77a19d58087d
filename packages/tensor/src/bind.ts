/**
 * bind: the one way in which an operation happens.
 *
 * It resolves stand-ins (parameters under a functional call), checks that the inputs live and share a device,
 * infers the result, records, and tells the listener: the tape.
 */
import type { Device, DeviceStats } from "./device.ts";
import { DeviceError } from "./errors.ts";
import type { Attrs, Primitive } from "./primitives.ts";
import { NO_ATTRS, NO_INPUTS, type Value } from "./record/value.ts";
import { Tensor } from "./tensor.ts";

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

/** Applies a primitive to tensors. */
export function bind(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs = NO_ATTRS): Tensor {
  const count = inputs.length;
  const values = new Array<Value>(count);
  let resolved = inputs;
  for (let i = 0; i < count; i++) {
    const input = inputs[i];
    values[i] = input._live();
    const standIn = input._standIn;
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
  const output = new Tensor(device.record(primitive, values, attrs, primitive.infer(values, attrs), 0));
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
  return new Tensor(device.record(primitive, NO_INPUTS, attrs, primitive.infer([], attrs), scalar));
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
