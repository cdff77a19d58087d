/**
 * Functions of one number. The order is that of the primitives' codes.
 */
import type { ScalarFunction } from "./function.ts";

export const UNARY = {
  /** The same value: an image of a tensor that is a place of its own on the tape. */
  alias: { takes: "all", cost: 0, cheap: true },
  neg: { takes: "numbers", cost: 0.5, cheap: true },
  abs: { takes: "numbers", cost: 1, cheap: true },
  /** −1, 0 or 1; 0 at 0; NaN at NaN. */
  sign: { takes: "numbers", cost: 12, cheap: true },
  floor: { takes: "floats", cost: 12 },
  ceil: { takes: "floats", cost: 12 },
  /** Half to even. */
  round: { takes: "floats", cost: 12 },
  trunc: { takes: "floats", cost: 12 },
  sqrt: { takes: "floats", cost: 3 },
  exp: { takes: "floats", cost: 12 },
  expm1: { takes: "floats", cost: 12 },
  log: { takes: "floats", cost: 12 },
  log1p: { takes: "floats", cost: 12 },
  sin: { takes: "floats", cost: 12 },
  cos: { takes: "floats", cost: 12 },
  tan: { takes: "floats", cost: 12 },
  asin: { takes: "floats", cost: 12 },
  acos: { takes: "floats", cost: 12 },
  atan: { takes: "floats", cost: 12 },
  sinh: { takes: "floats", cost: 12 },
  cosh: { takes: "floats", cost: 12 },
  tanh: { takes: "floats", cost: 12, cheap: true },
  asinh: { takes: "floats", cost: 12 },
  acosh: { takes: "floats", cost: 12 },
  atanh: { takes: "floats", cost: 12 },
  erf: { takes: "floats", cost: 12 },
  /** 1 − erf(x), accurate in the tail. */
  erfc: { takes: "floats", cost: 12 },
  /**
   * 1 / (1 + e^−x), without overflow. This one, tanh and their slopes are called cheap because their own derivatives read x:
   * it is saved anyway.
   */
  sigmoid: { takes: "floats", cost: 12, cheap: true },
  /** log(1 + e^x), without overflow. */
  softplus: { takes: "floats", cost: 12 },
  /** σ(x) σ(−x), the density of the logistic distribution and the slope of the sigmoid; accurate in the tails. */
  logistic: { takes: "floats", cost: 12, cheap: true },
  /** 1 / cosh² x, the slope of tanh; accurate in the tails. */
  sech2: { takes: "floats", cost: 12, cheap: true },
  isnan: { takes: "all", gives: "bool", cost: 12 },
  isinf: { takes: "all", gives: "bool", cost: 12 },
  not: { takes: "bools", cost: 12, cheap: true },
} as const satisfies Record<string, ScalarFunction>;

export type UnaryName = keyof typeof UNARY;
