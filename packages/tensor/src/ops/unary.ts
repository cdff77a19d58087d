/**
 * Elementwise functions of one tensor. The shape stays; integers and bool become floats where the function needs it.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError } from "../errors.ts";
import {
  absP,
  binaryP,
  divP,
  eqP,
  log1pP,
  logP,
  ltP,
  mulP,
  negP,
  powP,
  roundP,
  signP,
  sinP,
  sqrtP,
  subP,
  type UnaryName,
  unaryP,
  whereP,
} from "../primitives.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { asFloat, binary, cast, literalLike, scalar, unchanged, wantFloat, wantInteger } from "./operand.ts";

/** A scalar function of floats, by its name. */
const float = (name: UnaryName, x: Tensor): Tensor => bind(unaryP[name], [asFloat(x)]);

/** Rounding leaves integers as they are. */
const rounding = (name: UnaryName, x: Tensor): Tensor => (isFloat(x.dtype) ? bind(unaryP[name], [x]) : unchanged(x));

/** −x. */
export const neg = method("neg(x: tensor)", (x: Tensor): Tensor => bind(negP, [x]));

/** |x|; the derivative at 0 is 0. */
export const abs = method("abs(x: tensor)", (x: Tensor): Tensor => bind(absP, [x]));

/** −1, 0 or 1; NaN for NaN. */
export const sign = method(
  "sign(x: tensor)",
  (x: Tensor): Tensor => (x.dtype === "bool" ? unchanged(x) : bind(signP, [x])),
);

/** x². */
export const square = method("square(x: tensor)", (x: Tensor): Tensor => {
  if (x.dtype === "bool") x = cast(x, "int32");
  return bind(mulP, [x, x]);
});

/** Square root; NaN below 0. Its derivative at 0 is infinite: see {@link safeSqrt}. */
export const sqrt = method("sqrt(x: tensor)", (x: Tensor): Tensor => float("sqrt", x));

/**
 * Square root whose derivative at 0 is 0, at every order: what norms and optimizers use.
 *
 * @example safeSqrt(sum(square(x))) // the length of x, differentiable at the zero vector
 */
export const safeSqrt = method("safeSqrt(x: tensor)", (x: Tensor): Tensor => {
  x = asFloat(x);
  const zero = literalLike(x, 0);
  const isZero = bind(eqP, [x, zero]);
  return bind(whereP, [isZero, zero, bind(sqrtP, [bind(whereP, [isZero, literalLike(x, 1), x])])]);
});

/** 1 / √x. */
export const rsqrt = method("rsqrt(x: tensor)", (x: Tensor): Tensor => reciprocal(sqrt(x)));

/** 1 / x. */
export const reciprocal = method("reciprocal(x: tensor)", (x: Tensor): Tensor => {
  x = asFloat(x);
  return bind(divP, [literalLike(x, 1), x]);
});

/** eˣ. */
export const exp = method("exp(x: tensor)", (x: Tensor): Tensor => float("exp", x));

/** 2ˣ. */
export const exp2 = method("exp2(x: tensor)", (x: Tensor): Tensor => {
  x = asFloat(x);
  return bind(powP, [literalLike(x, 2), x]);
});

/** eˣ − 1, accurate near 0. */
export const expm1 = method("expm1(x: tensor)", (x: Tensor): Tensor => float("expm1", x));

/** Natural logarithm. */
export const log = method("log(x: tensor)", (x: Tensor): Tensor => float("log", x));

/** log(1 + x), accurate near 0. */
export const log1p = method("log1p(x: tensor)", (x: Tensor): Tensor => float("log1p", x));

/** Logarithm to base 2. */
export const log2 = method("log2(x: tensor)", (x: Tensor): Tensor => binary(mulP, log(x), Math.LOG2E));

/** Logarithm to base 10. */
export const log10 = method("log10(x: tensor)", (x: Tensor): Tensor => binary(mulP, log(x), Math.LOG10E));

/** Sine, of radians. */
export const sin = method("sin(x: tensor)", (x: Tensor): Tensor => float("sin", x));

/** Cosine, of radians. */
export const cos = method("cos(x: tensor)", (x: Tensor): Tensor => float("cos", x));

/** Tangent, of radians. */
export const tan = method("tan(x: tensor)", (x: Tensor): Tensor => float("tan", x));

/** Inverse sine, in radians: from −π/2 to π/2; NaN outside [−1, 1]. Its derivative at ±1 is infinite. */
export const asin = method("asin(x: tensor)", (x: Tensor): Tensor => float("asin", x));

/** Inverse cosine, in radians: from 0 to π; NaN outside [−1, 1]. Its derivative at ±1 is infinite. */
export const acos = method("acos(x: tensor)", (x: Tensor): Tensor => float("acos", x));

/** Inverse tangent, in radians: from −π/2 to π/2. */
export const atan = method("atan(x: tensor)", (x: Tensor): Tensor => float("atan", x));

/** Hyperbolic sine, (eˣ − e⁻ˣ) / 2. */
export const sinh = method("sinh(x: tensor)", (x: Tensor): Tensor => float("sinh", x));

/** Hyperbolic cosine, (eˣ + e⁻ˣ) / 2. */
export const cosh = method("cosh(x: tensor)", (x: Tensor): Tensor => float("cosh", x));

/** Hyperbolic tangent, sinh(x) / cosh(x). */
export const tanh = method("tanh(x: tensor)", (x: Tensor): Tensor => float("tanh", x));

/** Inverse hyperbolic sine. */
export const asinh = method("asinh(x: tensor)", (x: Tensor): Tensor => float("asinh", x));

/** Inverse hyperbolic cosine; NaN below 1. */
export const acosh = method("acosh(x: tensor)", (x: Tensor): Tensor => float("acosh", x));

/** Inverse hyperbolic tangent; ±∞ at ±1, NaN beyond. */
export const atanh = method("atanh(x: tensor)", (x: Tensor): Tensor => float("atanh", x));

/** The error function. */
export const erf = method("erf(x: tensor)", (x: Tensor): Tensor => float("erf", x));

/** 1 − erf(x), accurate in the tail. */
export const erfc = method("erfc(x: tensor)", (x: Tensor): Tensor => float("erfc", x));

/**
 * ψ(x), the derivative of log Γ(x). −∞ at 0 (∞ at −0), NaN at negative integers.
 *
 * @see  torch.digamma
 */
export const digamma = method("digamma(x: tensor)", (x: Tensor): Tensor => float("digamma", x));

/**
 * The n-th derivative of {@link digamma}: ψ′ for n = 1, ψ itself for n = 0. Infinite at 0 and the negative integers.
 *
 * @param n  a whole number from 0 to 100
 * @throws   ArgumentError for another n
 * @see      torch.polygamma
 * @example  polygamma(1, tensor([1])); // [π² / 6]
 */
export const polygamma = operation("polygamma(n: number, x: tensor)", (n: number, x: Tensor): Tensor => {
  if (!(Number.isInteger(n) && n >= 0 && n <= 100)) {
    throw new ArgumentError(`polygamma: n is ${n}: wanted a whole number from 0 to 100`);
  }
  x = asFloat(x);
  return n === 0 ? bind(unaryP.digamma, [x]) : bind(binaryP.polygamma, [literalLike(x, n), x]);
});

/** 1 / (1 + e⁻ˣ), without overflow. */
export const sigmoid = method("sigmoid(x: tensor)", (x: Tensor): Tensor => float("sigmoid", x));

/**
 * log(x / (1 − x)), the inverse of the sigmoid: −∞ at 0, ∞ at 1, NaN outside; its derivative is ∞ at both ends.
 *
 * @param options.eps  clamp x to [eps, 1 − eps] first; outside, the derivative is 0
 */
export const logit = method(
  "logit(x: tensor, options?: { eps: number })",
  (x: Tensor, options: { eps?: number } = {}): Tensor => {
    const { eps } = options;
    x = asFloat(x);
    if (eps !== undefined) {
      const [low, high] = [scalar(x.device, x.dtype, eps), scalar(x.device, x.dtype, 1 - eps)];
      x = bind(whereP, [bind(ltP, [x, low]), low, x]);
      x = bind(whereP, [bind(ltP, [high, x]), high, x]);
    }
    // Not the logarithm of a quotient, whose derivative at 0 and 1 would be 0 · ∞.
    return bind(subP, [bind(logP, [x]), bind(log1pP, [bind(negP, [x])])]);
  },
);

/** Largest integer ≤ x. */
export const floor = method("floor(x: tensor)", (x: Tensor): Tensor => rounding("floor", x));

/** Smallest integer ≥ x. */
export const ceil = method("ceil(x: tensor)", (x: Tensor): Tensor => rounding("ceil", x));

/**
 * Nearest integer, halves to even.
 *
 * @param options.decimals  how many digits behind the point stay; a negative number rounds to tens, hundreds, … Default 0
 * @throws                  DTypeError for integers and decimals other than 0, as torch
 * @see                     torch.round
 */
export const round = method(
  "round(x: tensor, options?: { decimals: number })",
  (x: Tensor, options: { decimals?: number } = {}): Tensor => {
    const { decimals = 0 } = options;
    wantInteger("round", "decimals", decimals);
    if (decimals === 0) return rounding("round", x);
    wantFloat("round", x);
    const power = 10 ** Math.abs(decimals);
    const [there, back] = decimals > 0 ? ([mulP, divP] as const) : ([divP, mulP] as const);
    return binary(back, bind(roundP, [binary(there, x, power)]), power);
  },
);

/** Towards zero. */
export const trunc = method("trunc(x: tensor)", (x: Tensor): Tensor => rounding("trunc", x));

/** x − trunc(x): keeps the sign. */
export const frac = method("frac(x: tensor)", (x: Tensor): Tensor => bind(subP, [x, trunc(x)]));

/** Half-width of the interval around 0 where `sinc` is its Taylor polynomial: the first term left out is below 10⁻²⁰. */
const SINC_TAYLOR = 0.02;

/** sin(πx) / (πx), 1 at 0. Near 0 a polynomial, so that the derivatives there are right too. */
export const sinc = method("sinc(x: tensor)", (x: Tensor): Tensor => {
  const t = binary(mulP, asFloat(x), Math.PI);
  const s = square(t);
  const one = literalLike(t, 1);
  // 1 − s/6 (1 − s/20 (1 − s/42 (1 − s/72)))
  let taylor = one;
  for (const divisor of [72, 42, 20, 6]) {
    taylor = bind(subP, [one, bind(divP, [bind(mulP, [s, taylor]), literalLike(t, divisor)])]);
  }
  const near = binary(ltP, bind(absP, [t]), SINC_TAYLOR);
  const away = bind(whereP, [near, one, t]);
  return bind(whereP, [near, taylor, bind(divP, [bind(sinP, [away]), away])]);
});
