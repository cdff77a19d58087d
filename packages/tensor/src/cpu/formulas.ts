/**
 * What each elementwise primitive does to numbers.
 *
 * A *formula* takes and gives JavaScript numbers (doubles; 0 and 1 for bool). Storing the result in a typed
 * array rounds it to float32, or wraps it to 32 bits, so a formula need not. Integers of 32 bits, their sums
 * and quotients are exact in doubles; only their products need a formula of their own.
 */
import { type DType, isFloat } from "../dtype.ts";
import type { Primitive } from "../primitives.ts";
import { erf, erfc, logistic, pow, roundHalfEven, sech2, sigmoid, softplus } from "./special.ts";

export type Formula1 = (x: number) => number;
export type Formula2 = (x: number, y: number) => number;

const UNARY: Readonly<Record<string, Formula1>> = {
  alias: (x) => x,
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
  trunc: Math.trunc,
  sqrt: Math.sqrt,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  erf,
  erfc,
  sigmoid,
  softplus,
  logistic,
  sech2,
  isnan: (x) => (Number.isNaN(x) ? 1 : 0),
  isinf: (x) => (x === Infinity || x === -Infinity ? 1 : 0),
  not: (x) => 1 - x,
};

/** Formulas for floats, for comparisons of any dtype, and for integers where they do not differ. */
const BINARY: Readonly<Record<string, Formula2>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  pow,
  maximum: (x, y) => Math.max(x, y),
  minimum: (x, y) => Math.min(x, y),
  fmod: (x, y) => x % y,
  atan2: Math.atan2,
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => x << y,
  shr: (x, y) => x >> y,
  eq: (x, y) => (x === y ? 1 : 0),
  ne: (x, y) => (x === y ? 0 : 1),
  lt: (x, y) => (x < y ? 1 : 0),
  le: (x, y) => (x <= y ? 1 : 0),
};

const INTEGER: Readonly<Record<string, Formula2>> = {
  mul: Math.imul,
  div: (x, y) => (y === 0 ? 0 : Math.trunc(x / y)),
  fmod: (x, y) => (y === 0 ? 0 : x % y),
};

const UNSIGNED: Readonly<Record<string, Formula2>> = {
  shr: (x, y) => x >>> y,
};

export const unaryFormula = (primitive: Primitive): Formula1 => found(UNARY[primitive.name], primitive);

/** The formula for operands of a dtype. */
export function binaryFormula(primitive: Primitive, dtype: DType): Formula2 {
  const { name } = primitive;
  const own = dtype === "uint32" ? (UNSIGNED[name] ?? INTEGER[name]) : isFloat(dtype) ? undefined : INTEGER[name];
  return found(own ?? BINARY[name], primitive);
}

/** Floats are cut towards zero and held within the integer's range (NaN becomes 0); anything but 0 is true. */
export function castFormula(from: DType, to: DType): Formula1 {
  if (to === "bool") return (x) => (x === 0 ? 0 : 1);
  if (!isFloat(from) || isFloat(to)) return (x) => x;
  const [least, most] = to === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return (x) => Math.min(Math.max(Math.trunc(x), least), most);
}

function found<T>(formula: T | undefined, primitive: Primitive): T {
  if (formula === undefined) throw new Error(`internal: no formula for ${primitive.name}`);
  return formula;
}
