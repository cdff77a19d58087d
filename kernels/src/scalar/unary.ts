/**
 * Functions of one number. The order is that of the primitives' codes.
 */
import type { ScalarFunction } from "./function.ts";

/** What most of them are: dear next to an addition, and of no other numbers. */
const ELEMENTARY = { takes: "floats", cost: 12 } as const satisfies ScalarFunction;

export const UNARY = {
  /** The same value: an image of a tensor that is a place of its own on the tape. */
  alias: { takes: "all", cost: 0, cheap: true },
  neg: { takes: "numbers", cost: 0.5, cheap: true },
  abs: { takes: "numbers", cost: 1, cheap: true },
  /** −1, 0 or 1; 0 at 0; NaN at NaN. */
  sign: { takes: "numbers", cost: 12, cheap: true },
  floor: ELEMENTARY,
  ceil: ELEMENTARY,
  /** Half to even. */
  round: ELEMENTARY,
  trunc: ELEMENTARY,
  sqrt: { takes: "floats", cost: 3 },
  exp: ELEMENTARY,
  expm1: ELEMENTARY,
  log: ELEMENTARY,
  log1p: ELEMENTARY,
  sin: ELEMENTARY,
  cos: ELEMENTARY,
  tan: ELEMENTARY,
  asin: ELEMENTARY,
  acos: ELEMENTARY,
  atan: ELEMENTARY,
  sinh: ELEMENTARY,
  cosh: ELEMENTARY,
  tanh: { takes: "floats", cost: 12, cheap: true },
  asinh: ELEMENTARY,
  acosh: ELEMENTARY,
  atanh: ELEMENTARY,
  erf: ELEMENTARY,
  /** 1 − erf(x), accurate in the tail. */
  erfc: ELEMENTARY,
  /**
   * 1 / (1 + e^−x), without overflow. This one, tanh and their slopes are called cheap because their own derivatives read x:
   * it is saved anyway.
   */
  sigmoid: { takes: "floats", cost: 12, cheap: true },
  /** log(1 + e^x), without overflow. */
  softplus: ELEMENTARY,
  /** σ(x) σ(−x), the density of the logistic distribution and the slope of the sigmoid; accurate in the tails. */
  logistic: { takes: "floats", cost: 12, cheap: true },
  /** 1 / cosh² x, the slope of tanh; accurate in the tails. */
  sech2: { takes: "floats", cost: 12, cheap: true },
  /** ψ(x), the derivative of log Γ: at 0 infinite with the sign of −x, NaN at negative integers. */
  digamma: { takes: "floats", cost: 40 },
  isnan: { takes: "all", gives: "bool", cost: 12 },
  isinf: { takes: "all", gives: "bool", cost: 12 },
  not: { takes: "bools", cost: 12, cheap: true },
} as const satisfies Record<string, ScalarFunction>;

export type UnaryName = keyof typeof UNARY;
