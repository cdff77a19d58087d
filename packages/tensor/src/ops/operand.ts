/**
 * Operands: what the two sides of an operation may be, and how they meet.
 *
 * A *number* beside a tensor becomes a runtime scalar of the tensor's dtype: changing it makes no new plan.
 * A *literal* is a small integer that belongs to an operation's formula (the 1 in 1/x); it is part of the plan's key.
 * Two tensors of different dtypes meet in the higher one, as torch promotes: bool < uint32 < int32 < float32 <
 * float64, where a 0-d tensor does not raise a tensor with dimensions within its category (bool, integer, float).
 */

import { apart, bind, bindConstant } from "../bind.ts";
import type { Device } from "../device.ts";
import { DTYPES, type DType, dtypeCode, isFloat, numberDType, promote } from "../dtype.ts";
import { ArgumentError, DTypeError } from "../errors.ts";
import { described, elementOf, isNumberArray } from "../host-data.ts";
import {
  addP,
  aliasP,
  andP,
  castP,
  literalP,
  maximumP,
  minimumP,
  mulP,
  orP,
  type Primitive,
  scalarP,
  whereP,
} from "../primitives.ts";
import { intRange } from "../record/int-range.ts";
import { Tensor } from "../tensor.ts";
import { method } from "./method.ts";

/** A tensor, or a number that becomes a scalar beside one. */
export type Operand = Tensor | number | boolean;

/** Attributes of `scalar` and `cast`, one list per dtype, so that none is made per call. */
const DTYPE_ATTRS = DTYPES.map((_, code) => [code]);

/**
 * A 0-d tensor holding a number that is given anew at every replay.
 *
 * @throws ArgumentError for a number that an integer dtype does not hold
 */
export const scalar = (device: Device, dtype: DType, value: number): Tensor =>
  bindConstant(
    device,
    scalarP,
    DTYPE_ATTRS[dtypeCode(dtype)],
    isFloat(dtype) ? value : elementOf("a number", value, dtype),
  );

/** A 0-d integer constant of a formula. */
export const literal = (device: Device, dtype: DType, value: number): Tensor =>
  bindConstant(device, literalP, [dtypeCode(dtype), value]);

/** A literal of the tensor's dtype, on its device. */
export const literalLike = (x: Tensor, value: number): Tensor => literal(x.device, x.dtype, value);

/** A literal for a whole number below 2³¹, else a runtime scalar: for constants that a shape determines. */
export const constantLike = (x: Tensor, value: number): Tensor =>
  Number.isInteger(value) && Math.abs(value) < 0x7fffffff ? literalLike(x, value) : scalar(x.device, x.dtype, value);

/**
 * Change of dtype. Floats truncate towards zero to integers; anything but 0 becomes true.
 *
 * @throws DTypeError for a dtype that does not exist, or not on the tensor's device
 */
export const cast = method("cast(x: tensor, dtype: string)", (x: Tensor, dtype: DType): Tensor => {
  if (x.dtype === dtype) return unchanged(x);
  const attrs = DTYPE_ATTRS[dtypeCode(dtype)];
  x.device.backend.checkDType(dtype);
  return bind(castP, [x], attrs);
});

/**
 * The result of an operation that has nothing to do: the tensor itself. A slot (a parameter, or a handle with
 * a stand-in) may mean another value later, so for a slot the result is an image of what it holds now.
 */
export const unchanged = (x: Tensor): Tensor =>
  x._standIn === null && x.constructor === Tensor ? x : bind(aliasP, [x]);

/**
 * A value that does not change with some tensors, in its own shape, with a place on the tape behind them: by them it has
 * the derivative 0, as a step function has, in place of none. For dtypes and shapes that a `where` takes.
 */
export function constantOf(value: Tensor, ...tensors: readonly Tensor[]): Tensor {
  const always = literal(value.device, "bool", 1);
  return tensors.reduce((y, x) => bind(whereP, [always, y, x]), value);
}

/** A float tensor: integers and bool become the device's default float dtype, as in torch. */
export const asFloat = (x: Tensor): Tensor => (isFloat(x.dtype) ? x : cast(x, x.device.defaultDType));

const category = (dtype: DType): number => (dtype === "bool" ? 0 : isFloat(dtype) ? 2 : 1);

/**
 * The dtype in which two tensors meet.
 *
 * @throws  DeviceError for tensors of two devices, before one is cast in vain
 * @throws  DTypeError for int32 and uint32: there is no integer dtype that holds both
 */
export function resultDType(a: Tensor, b: Tensor): DType {
  if (a.device !== b.device) throw apart(a.device, b.device);
  const [p, q] = [a.dtype, b.dtype];
  if (p !== q && [p, q].every((dtype) => dtype === "int32" || dtype === "uint32")) {
    throw new DTypeError(
      `${p} beside ${q}: no integer dtype holds both: convert one with to("${p}"), or both to a float dtype`,
    );
  }
  if (p !== q && category(p) === category(q)) {
    if (a.rank === 0 && b.rank > 0) return q;
    if (b.rank === 0 && a.rank > 0) return p;
  }
  return promote(p, q);
}

/** Both sides as tensors of one dtype. At least one must be a tensor. */
export function meet(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (a instanceof Tensor) {
    if (b instanceof Tensor) {
      if (a.dtype === b.dtype) return [a, b];
      const dtype = resultDType(a, b);
      return [cast(a, dtype), cast(b, dtype)];
    }
    const dtype = numberDType(b, a.dtype, a.device.defaultDType);
    return [a.dtype === dtype ? a : cast(a, dtype), scalarOf(op, a.device, dtype, b)];
  }
  if (b instanceof Tensor) {
    const dtype = numberDType(a, b.dtype, b.device.defaultDType);
    return [scalarOf(op, b.device, dtype, a), b.dtype === dtype ? b : cast(b, dtype)];
  }
  throw new ArgumentError(`${op}: got ${typeof a} and ${typeof b}: at least one operand must be a tensor`);
}

function scalarOf(op: string, device: Device, dtype: DType, value: number | boolean): Tensor {
  const number = numberOf(op, "an operand", value);
  return scalar(device, dtype, isFloat(dtype) ? number : elementOf(`${op}: an operand`, number, dtype));
}

/** A number or boolean as a number; throws for anything else, which JavaScript would make one in silence. */
export function numberOf(op: string, what: string, value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  const advice = Array.isArray(value) || isNumberArray(value) ? "; tensor(data) makes one" : "";
  const given = typeof value === "object" && value !== null ? described(value) : typeof value;
  throw new ArgumentError(`${op}: ${what} is ${value === null ? "null" : given}: wanted a tensor or a number${advice}`);
}

/** The operand as a tensor of `like`'s device; a number takes its dtype, a tensor keeps its own. */
export const toTensor = (op: string, value: Operand, like: Tensor): Tensor =>
  value instanceof Tensor
    ? value
    : scalarOf(op, like.device, numberDType(value, like.dtype, like.device.defaultDType), value);

/** A number as a 0-d tensor of x's dtype, on its device. */
export const toScalar = (op: string, value: number | boolean, x: Tensor): Tensor =>
  scalar(x.device, x.dtype, numberOf(op, "the value", value));

/** What sums, products and extremes of truths are: either of them, or both. */
const LOGICAL = new Map<Primitive, Primitive>([
  [addP, orP],
  [maximumP, orP],
  [mulP, andP],
  [minimumP, andP],
]);

/** A binary primitive on operands. Of two bool operands a sum or maximum is "or", a product or minimum "and", as in torch. */
export function binary(primitive: Primitive, a: Operand, b: Operand): Tensor {
  if (a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype && a.dtype !== "bool") {
    return bind(primitive, [a, b]);
  }
  return bindMet(primitive, a, b);
}

function bindMet(primitive: Primitive, a: Operand, b: Operand): Tensor {
  const met = meet(primitive.name, a, b);
  return bind(met[0].dtype === "bool" ? (LOGICAL.get(primitive) ?? primitive) : primitive, met);
}

/**
 * A number that shapes a result: a step, a bound, a place. A tensor of one element stands for one if the host knows it.
 *
 * @throws ArgumentError for a tensor that only the device knows, or that has several elements
 */
export function hostNumber(op: string, what: string, value: number | Tensor): number {
  if (!(value instanceof Tensor)) return value;
  if (value.size !== 1) {
    throw new ArgumentError(`${op}: ${what} is a tensor of shape [${value.shape.join(", ")}]: wanted a number`);
  }
  const range = intRange(value._live());
  if (range === null || !range.exact || range.min !== range.max) {
    throw new ArgumentError(
      `${op}: ${what} is a tensor that was computed, whose element the host does not know: read it first, await x.item()`,
    );
  }
  return range.min;
}

/** Rejects what is not a float tensor, where torch does too. */
export function wantFloat(op: string, x: Tensor): void {
  if (!isFloat(x.dtype)) throw new DTypeError(`${op}: wanted a float tensor, got ${x.dtype}; cast it first`);
}

/** Rejects bool, for operations that count or order. */
export function wantNumbers(op: string, x: Tensor): void {
  if (x.dtype === "bool") throw new DTypeError(`${op}: wanted numbers, got bool; cast it first`);
}

/** Rejects a number with a fraction, where a place or a count is meant. */
export function wantInteger(op: string, name: string, value: number): void {
  if (!Number.isInteger(value)) throw new ArgumentError(`${op}: ${name} is ${value}: wanted an integer`);
}
