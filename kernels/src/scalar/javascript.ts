/**
 * The scalar functions in JavaScript.
 *
 * A *formula* takes and gives JavaScript numbers (doubles; 0 and 1 for bool). Storing the result in a typed
 * array rounds it to float32, or wraps it to 32 bits, so a formula need not. Integers of 32 bits, their sums
 * and quotients are exact in doubles; only their products need a formula of their own.
 */
import type { BinaryName } from "./binary.ts";
import type { CompareName } from "./compare.ts";
import { digamma, polygamma } from "./gamma.ts";
import { erf, erfc, logistic, pow, roundHalfEven, sech2, sigmoid, softplus } from "./special.ts";
import type { UnaryName } from "./unary.ts";

export type Formula1 = (x: number) => number;
export type Formula2 = (x: number, y: number) => number;

/** What numbers are to a formula. Floats of every width are alike. */
export type NumberType = "float" | "int32" | "uint32" | "bool";

const UNARY: Readonly<Record<UnaryName, Formula1>> = {
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
  digamma,
  isnan: (x) => (Number.isNaN(x) ? 1 : 0),
  isinf: (x) => (x === Infinity || x === -Infinity ? 1 : 0),
  not: (x) => 1 - x,
};

/** One formula for all types, or one for floats and others. What is missing is that for int32. */
type Formulas = Formula2 | { readonly float?: Formula2; readonly int32: Formula2; readonly uint32?: Formula2 };

const BINARY: Readonly<Record<BinaryName | CompareName, Formulas>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: { float: (x, y) => x * y, int32: Math.imul },
  div: { float: (x, y) => x / y, int32: (x, y) => (y === 0 ? 0 : Math.trunc(x / y)) },
  pow,
  maximum: (x, y) => Math.max(x, y),
  minimum: (x, y) => Math.min(x, y),
  fmod: { float: (x, y) => x % y, int32: (x, y) => (y === 0 ? 0 : x % y) },
  atan2: Math.atan2,
  polygamma,
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => x << y,
  shr: { int32: (x, y) => x >> y, uint32: (x, y) => x >>> y },
  eq: (x, y) => (x === y ? 1 : 0),
  ne: (x, y) => (x === y ? 0 : 1),
  lt: (x, y) => (x < y ? 1 : 0),
  le: (x, y) => (x <= y ? 1 : 0),
};

export const unaryFormula = (name: UnaryName): Formula1 => UNARY[name];

/** The formula for operands of a type. */
export function binaryFormula(name: BinaryName | CompareName, type: NumberType): Formula2 {
  const formulas = BINARY[name];
  if (typeof formulas === "function") return formulas;
  return (type === "bool" ? undefined : formulas[type]) ?? formulas.int32;
}

/** Floats are cut towards zero and held within the integer's range (NaN becomes 0); anything but 0 is true. */
export function castFormula(from: NumberType, to: NumberType): Formula1 {
  if (to === "bool") return (x) => (x === 0 ? 0 : 1);
  if (from !== "float" || to === "float") return (x) => x;
  const [least, most] = to === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return (x) => Math.min(Math.max(Math.trunc(x), least), most);
}
