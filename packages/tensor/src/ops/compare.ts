/**
 * Comparisons, logic and choice. Comparisons give bool tensors, promote their operands and broadcast;
 * a comparison with NaN is false, except `ne`. Integers are compared with a number exactly, whatever the number.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { integerRange } from "../host-data.ts";
import { andP, eqP, isinfP, isnanP, leP, ltP, neP, notP, orP, whereP, xorP } from "../primitives.ts";
import { sameShape, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { expandTo } from "./movement.ts";
import {
  binary,
  cast,
  literal,
  meet,
  numberOf,
  type Operand,
  resultDType,
  scalar,
  toScalar,
  toTensor,
  unchanged,
} from "./operand.ts";

/** How a tensor stands to a number. */
type Relation = "eq" | "ne" | "lt" | "le" | "gt" | "ge";
const PRIMITIVE = { eq: eqP, ne: neP, lt: ltP, le: leP } as const;
const MIRRORED = { eq: "eq", ne: "ne", lt: "gt", le: "ge" } as const;

function compare(name: "eq" | "ne" | "lt" | "le", a: Operand, b: Operand): Tensor {
  if (typeof b === "number" && a instanceof Tensor && !isFloat(a.dtype)) return compareIntegers(name, a, b);
  if (typeof a === "number" && b instanceof Tensor && !isFloat(b.dtype)) return compareIntegers(MIRRORED[name], b, a);
  return binary(PRIMITIVE[name], a, b);
}

/**
 * Integers and any number, compared exactly: with the nearest integer in place of a fraction, and with an answer that
 * is the same for all where the number is outside of what the dtype holds.
 */
function compareIntegers(relation: Relation, given: Tensor, number: number): Tensor {
  const x = given.dtype === "bool" ? cast(given, "int32") : given;
  const { device, dtype } = x;
  const [least, most] = integerRange(dtype) as readonly [number, number];
  const always = (answer: boolean): Tensor => expandTo(literal(device, "bool", Number(answer)), x.shape);
  const at = (value: number): Tensor => scalar(device, dtype, value);
  if (Number.isNaN(number)) return always(relation === "ne");
  const [floor, ceil] = [Math.floor(number), Math.ceil(number)];
  switch (relation) {
    case "eq":
    case "ne":
      if (floor !== ceil || number < least || number > most) return always(relation === "ne");
      return bind(PRIMITIVE[relation], [x, at(number)]);
    case "lt":
      return ceil > most || ceil <= least ? always(ceil > most) : bind(ltP, [x, at(ceil)]);
    case "ge":
      return ceil > most || ceil <= least ? always(ceil <= least) : bind(leP, [at(ceil), x]);
    case "le":
      return floor >= most || floor < least ? always(floor >= most) : bind(leP, [x, at(floor)]);
    case "gt":
      return floor >= most || floor < least ? always(floor < least) : bind(ltP, [at(floor), x]);
    default:
      return relation satisfies never;
  }
}

/** a = b. */
export const eq = method("eq(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("eq", a, b));
/** a ≠ b; true beside NaN. */
export const ne = method("ne(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("ne", a, b));
/** a < b. */
export const lt = method("lt(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("lt", a, b));
/** a ≤ b. */
export const le = method("le(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("le", a, b));
/** a > b. */
export const gt = method("gt(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("lt", b, a));
/** a ≥ b. */
export const ge = method("ge(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => compare("le", b, a));

const truth = (x: Tensor): Tensor => cast(x, "bool");

/** Both; anything but 0 counts as true. */
export const logicalAnd = method(
  "logicalAnd(a: tensor, b: tensor)",
  (a: Tensor, b: Tensor): Tensor => bind(andP, [truth(a), truth(b)]),
);
/** Either or both. */
export const logicalOr = method(
  "logicalOr(a: tensor, b: tensor)",
  (a: Tensor, b: Tensor): Tensor => bind(orP, [truth(a), truth(b)]),
);
/** One of the two. */
export const logicalXor = method(
  "logicalXor(a: tensor, b: tensor)",
  (a: Tensor, b: Tensor): Tensor => bind(xorP, [truth(a), truth(b)]),
);
/** True where x is 0 or false. */
export const logicalNot = method("logicalNot(x: tensor)", (x: Tensor): Tensor => bind(notP, [truth(x)]));

/** True where x is not a number. */
export const isnan = method(
  "isnan(x: tensor)",
  (x: Tensor): Tensor => (isFloat(x.dtype) ? bind(isnanP, [x]) : bind(neP, [x, x])),
);
/** True where x is ∞ or −∞. */
export const isinf = method(
  "isinf(x: tensor)",
  (x: Tensor): Tensor => (isFloat(x.dtype) ? bind(isinfP, [x]) : bind(neP, [x, x])),
);
/** True where x is neither infinite nor NaN. */
export const isfinite = method(
  "isfinite(x: tensor)",
  (x: Tensor): Tensor =>
    isFloat(x.dtype) ? bind(notP, [bind(orP, [bind(isnanP, [x]), bind(isinfP, [x])])]) : bind(eqP, [x, x]),
);

/**
 * condition ? a : b, elementwise. The branch not taken has no influence, not even as NaN, and gets gradient 0.
 *
 * @param condition  bool; broadcasts with a and b
 * @throws           DTypeError if the condition is not bool
 * @example          where(x.gt(0), x, 0)
 */
export const where = operation(
  "where(condition: tensor, a: operand, b: operand)",
  (condition: Tensor, a: Operand, b: Operand): Tensor => {
    if (a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype) return bind(whereP, [condition, a, b]);
    return choose(condition, a, b);
  },
);

function choose(condition: Tensor, a: Operand, b: Operand): Tensor {
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) {
    const { device } = condition;
    const dtype = typeof a === "boolean" && typeof b === "boolean" ? "bool" : device.defaultDType;
    const [p, q] = [a, b].map((x) => scalar(device, dtype, numberOf("where", "an operand", x)));
    return bind(whereP, [condition, p, q]);
  }
  const [p, q] = meet("where", a, b);
  return bind(whereP, [condition, p, q]);
}

/**
 * x with `value` where the mask is true.
 *
 * @param mask   bool; broadcasts with x
 * @param value  a number or a 0-d tensor
 */
export const maskedFill = method(
  "maskedFill(x: tensor, mask: tensor, value: operand)",
  (x: Tensor, mask: Tensor, value: Operand): Tensor => {
    if (mask.dtype !== "bool")
      throw new DTypeError(`maskedFill: the mask is ${mask.dtype} ${show(mask.shape)}, wanted bool`);
    if (value instanceof Tensor && value.rank > 0) {
      throw new ShapeError(`maskedFill: the value has shape ${show(value.shape)}, wanted a number or a 0-d tensor`);
    }
    const fill = value instanceof Tensor ? cast(value, x.dtype) : toScalar("maskedFill", value, x);
    return bind(whereP, [mask, fill, x]);
  },
);

/**
 * x limited to [min, max]. NaN stays, and a bound that is NaN gives NaN. The gradient passes inside and at the bounds.
 *
 * @param min  lower bound, number or tensor; null for none
 * @param max  upper bound, number or tensor; null for none; wins where min > max
 */
export const clamp = method(
  "clamp(x: tensor, min?: operand|null, max?: operand|null)",
  (x: Tensor, min?: Operand | null, max?: Operand | null): Tensor => {
    if ((min ?? null) === null && (max ?? null) === null) throw new ArgumentError("clamp: give min, max or both");
    if (min !== undefined && min !== null && !isBeyond(x, min, "below")) {
      const [p, low] = meet("clamp", x, min);
      x = bind(whereP, [orUnordered(bind(ltP, [p, low]), low, min), low, p]);
    }
    if (max !== undefined && max !== null && !isBeyond(x, max, "above")) {
      const [p, high] = meet("clamp", x, max);
      x = bind(whereP, [orUnordered(bind(ltP, [high, p]), high, max), high, p]);
    }
    return unchanged(x);
  },
);

/** Whether a bound is a whole number that no integer of the dtype reaches, and so bounds nothing. */
function isBeyond({ dtype }: Tensor, bound: Operand, where: "below" | "above"): boolean {
  const range = integerRange(dtype);
  if (range === null || typeof bound !== "number" || !Number.isInteger(bound)) return false;
  return where === "below" ? bound < range[0] : bound > range[1];
}

/** The condition, or that the bound is NaN: then it is the result. A number shows that without a look at the device. */
function orUnordered(condition: Tensor, bound: Tensor, given: Operand): Tensor {
  if (!isFloat(bound.dtype) || (typeof given !== "object" && !Number.isNaN(Number(given)))) return condition;
  return bind(orP, [condition, bind(isnanP, [bound])]);
}

/**
 * Replaces NaN and infinities by numbers; they get gradient 0.
 *
 * @param options  `nan` (0), `posinf` (the dtype's largest), `neginf` (the dtype's smallest)
 */
export const nanToNum = method(
  "nanToNum(x: tensor, options?: { nan: number, posinf: number, neginf: number })",
  (x: Tensor, options: { nan?: number; posinf?: number; neginf?: number } = {}): Tensor => {
    if (!isFloat(x.dtype)) return cast(x, x.dtype);
    const largest = x.dtype === "float64" ? Number.MAX_VALUE : 3.4028234663852886e38;
    const { nan = 0, posinf = largest, neginf = -largest } = options;
    const number = (value: number): Tensor => scalar(x.device, x.dtype, value);
    const infinite = bind(whereP, [bind(ltP, [x, literal(x.device, x.dtype, 0)]), number(neginf), number(posinf)]);
    return bind(whereP, [bind(isnanP, [x]), number(nan), bind(whereP, [bind(isinfP, [x]), infinite, x])]);
  },
);

/** Whether all elements are within `atol + rtol · |b|`; reads both from the device. NaN never is. */
export const allclose = operation(
  "allclose(a: tensor, b: tensor, options?: { rtol: number, atol: number })",
  async (a: Tensor, b: Tensor, options: { rtol?: number; atol?: number } = {}): Promise<boolean> => {
    const { rtol = 1e-5, atol = 1e-8 } = options;
    const dtype = resultDType(a, b);
    const [x, y] = await Promise.all([cast(a, dtype).data(), cast(toTensor("allclose", b, a), dtype).data()]);
    if (!sameShape(a.shape, b.shape))
      throw new ShapeError(`allclose: shapes ${show(a.shape)} and ${show(b.shape)} differ`);
    for (let i = 0; i < x.length; i++) {
      if (x[i] !== y[i] && !(Math.abs(x[i] - y[i]) <= atol + rtol * Math.abs(y[i]))) return false;
    }
    return true;
  },
  "promise",
);
