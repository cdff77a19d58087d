/**
 * Activation functions. At a kink the derivative is that of the flat (or negative) side: relu'(0) = 0.
 */
import { bind } from "../bind.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import {
  absP,
  addP,
  divP,
  erfP,
  expm1P,
  leP,
  ltP,
  mulP,
  negP,
  sigmoidP,
  softplusP,
  subP,
  tanhP,
  whereP,
} from "../primitives.ts";
import { normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { sliceAxis } from "./movement.ts";
import { asFloat, binary, literalLike, type Operand, scalar } from "./operand.ts";

/** max(x, 0): 0 where x ≤ 0, x elsewhere; NaN stays. */
export function relu(x: Tensor): Tensor {
  const zero = literalLike(x, 0);
  return bind(whereP, [bind(leP, [x, zero]), zero, x]);
}

/** min(max(x, low), high), flat at the bounds. */
function limited(x: Tensor, low: Tensor, high: Tensor): Tensor {
  return bind(whereP, [bind(leP, [x, low]), low, bind(whereP, [bind(leP, [high, x]), high, x])]);
}

/** min(max(x, 0), 6). */
export const relu6 = (x: Tensor): Tensor => limited(x, literalLike(x, 0), literalLike(x, 6));

/** x limited to [minVal, maxVal], −1 and 1 by default, with derivative 0 at the bounds. */
export const hardtanh = (x: Tensor, { minVal = -1, maxVal = 1 }: { minVal?: number; maxVal?: number } = {}): Tensor =>
  limited(x, scalar(x.device, x.dtype, minVal), scalar(x.device, x.dtype, maxVal));

/** x where it is positive, `negative` elsewhere. */
function positiveOr(x: Tensor, negative: Tensor): Tensor {
  return bind(whereP, [bind(ltP, [literalLike(x, 0), x]), x, negative]);
}

/** x, or negativeSlope · x (0.01) below 0. */
export const leakyRelu = (x: Tensor, { negativeSlope = 0.01 }: { negativeSlope?: Operand } = {}): Tensor =>
  positiveOr(x, binary(mulP, x, negativeSlope));

/**
 * Leaky relu with a learned slope.
 *
 * @param weight  one element, or one per channel: dim 1 of x
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  if (weight.size === 1) return positiveOr(x, bind(mulP, [x, weight.reshape(x.shape.map(() => 1))]));
  if (weight.rank !== 1 || x.rank < 2 || x.shape[1] !== weight.size) {
    throw new ShapeError(
      `prelu: x ${show(x.shape)}, weight ${show(weight.shape)}: wanted 1 or ${x.shape[1] ?? 1} slopes`,
    );
  }
  return positiveOr(x, bind(mulP, [x, weight.reshape(x.shape.map((d, i) => (i === 1 ? d : 1)))]));
}

/** The negative half of x; 0 where x is positive, so that exponentials of it stay finite. */
function negativePart(x: Tensor): Tensor {
  const zero = literalLike(x, 0);
  return bind(whereP, [bind(ltP, [zero, x]), zero, x]);
}

/** x, or alpha (eˣ − 1) below 0. */
export const elu = (x: Tensor, { alpha = 1 }: { alpha?: number } = {}): Tensor => {
  const curve = bind(expm1P, [negativePart(x)]);
  return positiveOr(x, alpha === 1 ? curve : binary(mulP, curve, alpha));
};

/** x, or alpha (e^(x / alpha) − 1) below 0: smooth at 0 for every alpha. */
export const celu = (x: Tensor, { alpha = 1 }: { alpha?: number } = {}): Tensor =>
  positiveOr(x, binary(mulP, bind(expm1P, [binary(divP, negativePart(x), alpha)]), alpha));

const SELU_ALPHA = 1.6732632423543772848170429916717;
const SELU_SCALE = 1.0507009873554804934193349852946;

/** Scaled elu, which keeps activations near mean 0 and variance 1. */
export const selu = (x: Tensor): Tensor => binary(mulP, elu(x, { alpha: SELU_ALPHA }), SELU_SCALE);

/** x · sigmoid(x). */
export const silu = (x: Tensor): Tensor => bind(mulP, [x, bind(sigmoidP, [x])]);

/** x · tanh(softplus(x)). */
export const mish = (x: Tensor): Tensor => bind(mulP, [x, bind(tanhP, [bind(softplusP, [x])])]);

/**
 * log(1 + e^(beta · x)) / beta, and x itself where beta · x > threshold.
 */
export function softplus(x: Tensor, { beta = 1, threshold = 20 }: { beta?: number; threshold?: number } = {}): Tensor {
  x = asFloat(x);
  const scaled = beta === 1 ? x : binary(mulP, x, beta);
  const soft = bind(softplusP, [scaled]);
  const linear = binary(ltP, threshold, scaled);
  return bind(whereP, [linear, x, beta === 1 ? soft : binary(divP, soft, beta)]);
}

/** log sigmoid(x). */
export const logsigmoid = (x: Tensor): Tensor => bind(negP, [bind(softplusP, [bind(negP, [x])])]);

/** x / (1 + |x|). */
export const softsign = (x: Tensor): Tensor => bind(divP, [x, bind(addP, [literalLike(x, 1), bind(absP, [x])])]);

/** relu6(x + 3) / 6. */
export const hardsigmoid = (x: Tensor): Tensor =>
  bind(divP, [relu6(bind(addP, [x, literalLike(x, 3)])), literalLike(x, 6)]);

/** x · hardsigmoid(x). */
export const hardswish = (x: Tensor): Tensor => bind(mulP, [x, hardsigmoid(x)]);

/**
 * x · Φ(x), Φ the distribution function of the standard normal.
 *
 * @param options.approximate  "none" (exact, by erf) or "tanh"
 */
export function gelu(x: Tensor, { approximate = "none" }: { approximate?: "none" | "tanh" } = {}): Tensor {
  const half = binary(mulP, x, 0.5);
  const one = literalLike(x, 1);
  if (approximate === "none") return bind(mulP, [half, bind(addP, [one, bind(erfP, [binary(mulP, x, Math.SQRT1_2)])])]);
  if (approximate !== "tanh") {
    throw new ArgumentError(`gelu: approximate is ${JSON.stringify(approximate)}: wanted "none" or "tanh"`);
  }
  // √(2/π) x (1 + 0.044715 x²)
  const cubic = bind(addP, [one, binary(mulP, bind(mulP, [x, x]), 0.044715)]);
  const inner = binary(mulP, bind(mulP, [x, cubic]), Math.sqrt(2 / Math.PI));
  return bind(mulP, [half, bind(addP, [one, bind(tanhP, [inner])])]);
}

/** x − tanh(x). */
export const tanhshrink = (x: Tensor): Tensor => bind(subP, [x, bind(tanhP, [x])]);

/** x moved towards 0 by lambd (0.5); 0 in between. */
export function softshrink(x: Tensor, { lambd = 0.5 }: { lambd?: number } = {}): Tensor {
  const bound = scalar(x.device, x.dtype, lambd);
  const moved = bind(whereP, [bind(ltP, [bound, x]), bind(subP, [x, bound]), bind(addP, [x, bound])]);
  return bind(whereP, [bind(leP, [bind(absP, [x]), bound]), literalLike(x, 0), moved]);
}

/** x where |x| > lambd (0.5), 0 elsewhere. */
export const hardshrink = (x: Tensor, { lambd = 0.5 }: { lambd?: number } = {}): Tensor =>
  bind(whereP, [binary(leP, bind(absP, [x]), lambd), literalLike(x, 0), x]);

/** x where it is above the threshold, `value` elsewhere. */
export const threshold = (x: Tensor, limit: number, value: number): Tensor =>
  bind(whereP, [binary(leP, x, limit), scalar(x.device, x.dtype, value), x]);

/** The first half of a dim times the sigmoid of the second. */
export function glu(x: Tensor, dim = -1): Tensor {
  const axis = normalizeAxis(dim, x.rank, "glu");
  const n = x.shape[axis];
  if (x.rank === 0 || n % 2 !== 0) throw new ShapeError(`glu: dim ${dim} of ${show(x.shape)} cannot be halved`);
  return bind(mulP, [sliceAxis(x, axis, 0, n / 2), bind(sigmoidP, [sliceAxis(x, axis, n / 2, n / 2)])]);
}
