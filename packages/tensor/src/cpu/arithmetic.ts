/**
 * The interpreter's arithmetic: what the elementwise primitives do to numbers, written down a second time.
 *
 * Devices take it from the table of scalar functions in @loopgrad/kernels. Compared with that, a mistake in either shows: so
 * nothing of it is used here, and what `Math` lacks is computed in another way than there, by series and continued fractions
 * that need no fitted numbers. Nobody waits for it. Numbers are doubles, 0 and 1 for bool; storing rounds or wraps them.
 */
import type { BinaryName, CompareName, UnaryName } from "@loopgrad/kernels/scalar";
import type { DType } from "../dtype.ts";
import type { Arithmetic } from "./elementwise.ts";

type Formula1 = (x: number) => number;
type Formula2 = (x: number, y: number) => number;

// ---- what Math lacks ------------------------------------------------------------------------------------------

/** e^(−x²): the square of the leading digits is exact, the rest is small. */
function bell(x: number): number {
  const head = Math.fround(x);
  return Math.exp(-head * head) * Math.exp((head - x) * (head + x));
}

/** 2x/√π e^(−x²) (1 + 2x²/3 + (2x²)²/(3·5) + …) where that converges soon, 1 − erfc(x) beyond. */
export function erf(x: number): number {
  if (Math.abs(x) > 2) return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
  let sum = 0;
  for (let term = 1, n = 1; sum + term > sum; n++, term *= (2 * x * x) / (2 * n - 1)) sum += term;
  return ((2 * x) / Math.sqrt(Math.PI)) * bell(x) * sum;
}

/** e^(−x²)/√π / (x + ½/(x + 1/(x + 1½/(x + …)))) for x > 1, 1 − erf(x) before. */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 1) return x < -2 ? 2 - erfc(-x) : 1 - erf(x);
  if (x > 40) return 0;
  let rest = x;
  for (let n = 200; n > 0; n--) rest = x + n / 2 / rest;
  return bell(x) / Math.sqrt(Math.PI) / rest;
}

/** 1 / (1 + e^−x); e^x where 1 makes no difference. */
export const sigmoid = (x: number): number => (x < -40 ? Math.exp(x) : 1 / (1 + Math.exp(-x)));

/** σ(x) σ(−x). */
export const logistic = (x: number): number => sigmoid(x) * sigmoid(-x);

/** 1 / cosh² x. */
export const sech2 = (x: number): number => (1 / Math.cosh(x)) ** 2;

/** log(1 + e^x); x where 1 makes no difference. */
export const softplus = (x: number): number => (x > 40 ? x : Math.log1p(Math.exp(x)));

/** To the nearest integer, halves to the even one: beyond 2^52 doubles have no digits behind the point. */
export function roundHalfEven(x: number): number {
  if (x === 0 || !(Math.abs(x) < 2 ** 51)) return x;
  return x + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
}

/** x^y as IEEE 754 has it: 1 for x = 1 and for (−1)^±∞, where JavaScript gives NaN. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}

/** ψ by its recurrence up to 30, and three terms of its expansion; ψ(1 − x) = ψ(x) + π cot πx below 0. */
export function digamma(x: number): number {
  if (x === 0) return -1 / x;
  if (x < 0) {
    const angle = Math.PI * (x % 1);
    return angle === 0 || x === -Infinity ? Number.NaN : digamma(1 - x) - (Math.PI * Math.cos(angle)) / Math.sin(angle);
  }
  let sum = 0;
  for (; x < 30; x++) sum -= 1 / x;
  return sum + Math.log(x) - 1 / (2 * x) - 1 / (12 * x ** 2) + 1 / (120 * x ** 4) - 1 / (252 * x ** 6);
}

/** Its derivatives by their series, of which the integral stands for what lies beyond 60; below 0 by that of the terms there. */
export function polygamma(n: number, x: number): number {
  if (n === 0) return digamma(x);
  if (!(n > 0 && n < 1000 && n % 1 === 0 && x > -Infinity)) return Number.NaN;
  const sign = n % 2 === 1 ? 1 : -1;
  if (x <= 0 && Math.floor(x) === x) return sign * Infinity;
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;
  /** Σ (y + k)^(−n−1). */
  const zeta = (y: number): number => {
    let sum = 0;
    for (; y < 60; y++) sum += y ** (-n - 1);
    const first = (n + 1) / y;
    const second = (first * (n + 2) * (n + 3)) / y ** 2;
    const third = (second * (n + 4) * (n + 5)) / y ** 2;
    return sum + y ** -n / n + y ** (-n - 1) * (0.5 + first / 12 - second / 720 + third / 30240);
  };
  if (x > 0) return sign * factorial * zeta(x);
  const before = Math.floor(x);
  return factorial * (zeta(before + 1 - x) + sign * zeta(x - before) - zeta(1 - x));
}

// ---- the primitives -------------------------------------------------------------------------------------------

const isFloat = (dtype: DType): boolean => dtype.startsWith("float");

/** Of one number. */
const UNARY: Readonly<Record<UnaryName, Formula1>> = {
  alias: (x) => x,
  neg: (x) => -x,
  abs: (x) => (x < 0 ? -x : x === 0 ? 0 : x),
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : x),
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
  isnan: (x) => Number(Number.isNaN(x)),
  isinf: (x) => Number(Math.abs(x) === Infinity),
  not: (x) => Number(x === 0),
};

/** Of two numbers, given the dtype of both. */
const BINARY: Readonly<Record<BinaryName | CompareName, (dtype: DType) => Formula2>> = {
  add: () => (x, y) => x + y,
  sub: () => (x, y) => x - y,
  mul: (dtype) => (isFloat(dtype) ? (x, y) => x * y : Math.imul),
  div: (dtype) => (isFloat(dtype) ? (x, y) => x / y : (x, y) => (y === 0 ? 0 : Math.trunc(x / y))),
  pow: () => pow,
  maximum: () => (x, y) => Math.max(x, y),
  minimum: () => (x, y) => Math.min(x, y),
  fmod: (dtype) => (x, y) => (y === 0 && !isFloat(dtype) ? 0 : x % y),
  atan2: () => Math.atan2,
  polygamma: () => polygamma,
  and: () => (x, y) => x & y,
  or: () => (x, y) => x | y,
  xor: () => (x, y) => x ^ y,
  shl: () => (x, y) => x << y,
  shr: (dtype) => (dtype === "uint32" ? (x, y) => x >>> y : (x, y) => x >> y),
  eq: () => (x, y) => Number(x === y),
  ne: () => (x, y) => Number(x !== y),
  lt: () => (x, y) => Number(x < y),
  le: () => (x, y) => Number(x <= y),
};

/** Floats are cut towards zero and held within the integer's range (NaN becomes 0); anything but 0 is true. */
function castOf(from: DType, to: DType): Formula1 {
  if (to === "bool") return (x) => Number(x !== 0);
  if (!isFloat(from) || isFloat(to)) return (x) => x;
  const [least, most] = to === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return (x) => (x < least ? least : x > most ? most : Math.trunc(x));
}

/** A chunk of its own where programs are bundled: it is loaded when the check mode is on, so it imports nothing. */
export const arithmetic: Arithmetic = {
  unary: (name) => UNARY[name],
  binary: (name, dtype) => BINARY[name](dtype),
  cast: castOf,
};
