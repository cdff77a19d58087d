/**
 * Activation functions. At a kink the derivative is that of the flat (or negative) side: relu'(0) = 0.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import {
  absP,
  addP,
  divP,
  erfcP,
  expm1P,
  leP,
  ltP,
  mulP,
  negP,
  sigmoidP,
  signP,
  softplusP,
  subP,
  tanhP,
  whereP,
} from "../primitives.ts";
import { normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { le } from "./compare.ts";
import { method } from "./method.ts";
import { expandTo, sliceAxis } from "./movement.ts";
import {
  asFloat,
  binary,
  constantOf,
  literalLike,
  type Operand,
  scalar,
  toScalar,
  wantFloat,
  wantNumbers,
} from "./operand.ts";

/** max(x, 0): 0 where x ≤ 0, x elsewhere; NaN stays. */
export const relu = method("relu(x: tensor)", (x: Tensor): Tensor => {
  const zero = literalLike(x, 0);
  return bind(whereP, [bind(leP, [x, zero]), zero, x]);
});

/** min(max(x, low), high), flat at the bounds. These are no NaN. */
function limited(x: Tensor, low: Tensor, high: Tensor): Tensor {
  return bind(whereP, [bind(leP, [x, low]), low, bind(whereP, [bind(leP, [high, x]), high, x])]);
}

/** min(max(x, 0), 6). */
export const relu6 = operation("relu6(x: tensor)", (x: Tensor): Tensor => {
  wantNumbers("relu6", x);
  return limited(x, literalLike(x, 0), literalLike(x, 6));
});

/** x limited to [minVal, maxVal], −1 and 1 by default, with derivative 0 at the bounds. */
export const hardtanh = operation(
  "hardtanh(x: tensor, options?: { minVal: number, maxVal: number })",
  (x: Tensor, options: { minVal?: number; maxVal?: number } = {}): Tensor => {
    const { minVal = -1, maxVal = 1 } = options;
    wantNumbers("hardtanh", x);
    if (Number.isNaN(minVal) || Number.isNaN(maxVal)) {
      return constantOf(expandTo(scalar(x.device, x.dtype, Number.NaN), x.shape), x);
    }
    if (minVal > maxVal) {
      throw new ArgumentError(`hardtanh: minVal is ${minVal} and maxVal ${maxVal}: wanted minVal <= maxVal`);
    }
    return limited(x, scalar(x.device, x.dtype, minVal), scalar(x.device, x.dtype, maxVal));
  },
);

/** x where it is positive, `negative` elsewhere. */
function positiveOr(x: Tensor, negative: Tensor): Tensor {
  return bind(whereP, [bind(ltP, [literalLike(x, 0), x]), x, negative]);
}

/** x, or negativeSlope · x (0.01) below 0. */
export const leakyRelu = operation(
  "leakyRelu(x: tensor, options?: { negativeSlope: operand })",
  (x: Tensor, options: { negativeSlope?: Operand } = {}): Tensor => {
    const { negativeSlope = 0.01 } = options;
    wantFloat("leakyRelu", x);
    return positiveOr(x, binary(mulP, x, negativeSlope));
  },
);

/**
 * Leaky relu with a learned slope.
 *
 * @param weight  one element, or one per channel: dim 1 of x
 */
export const prelu = operation("prelu(x: tensor, weight: tensor)", (x: Tensor, weight: Tensor): Tensor => {
  wantFloat("prelu", x);
  if (weight.size === 1) return positiveOr(x, bind(mulP, [x, weight.reshape(x.shape.map(() => 1))]));
  if (weight.rank !== 1 || x.rank < 2 || x.shape[1] !== weight.size) {
    throw new ShapeError(
      `prelu: x ${show(x.shape)}, weight ${show(weight.shape)}: wanted 1 or ${x.shape[1] ?? 1} slopes`,
    );
  }
  return positiveOr(x, bind(mulP, [x, weight.reshape(x.shape.map((d, i) => (i === 1 ? d : 1)))]));
});

/** The negative half of x; 0 where x is positive, so that exponentials of it stay finite. */
function negativePart(x: Tensor): Tensor {
  const zero = literalLike(x, 0);
  return bind(whereP, [bind(ltP, [zero, x]), zero, x]);
}

/** x, or alpha (eˣ − 1) below 0. */
export const elu = operation(
  "elu(x: tensor, options?: { alpha: number })",
  (x: Tensor, options: { alpha?: number } = {}): Tensor => {
    const { alpha = 1 } = options;
    wantFloat("elu", x);
    const curve = bind(expm1P, [negativePart(x)]);
    return positiveOr(x, alpha === 1 ? curve : binary(mulP, curve, alpha));
  },
);

/** x, or alpha (e^(x / alpha) − 1) below 0: smooth at 0 for every alpha. */
export const celu = operation(
  "celu(x: tensor, options?: { alpha: number })",
  (x: Tensor, options: { alpha?: number } = {}): Tensor => {
    const { alpha = 1 } = options;
    wantFloat("celu", x);
    return positiveOr(x, binary(mulP, bind(expm1P, [binary(divP, negativePart(x), alpha)]), alpha));
  },
);

const SELU_ALPHA = 1.6732632423543772848170429916717;
const SELU_SCALE = 1.0507009873554804934193349852946;

/** Scaled elu, which keeps activations near mean 0 and variance 1. */
export const selu = operation(
  "selu(x: tensor)",
  (x: Tensor): Tensor => binary(mulP, elu(x, { alpha: SELU_ALPHA }), SELU_SCALE),
);

/** x · sigmoid(x). */
export const silu = operation("silu(x: tensor)", (x: Tensor): Tensor => {
  wantFloat("silu", x);
  return bind(mulP, [x, bind(sigmoidP, [x])]);
});

/** x · tanh(softplus(x)). */
export const mish = operation("mish(x: tensor)", (x: Tensor): Tensor => {
  wantFloat("mish", x);
  return bind(mulP, [x, bind(tanhP, [bind(softplusP, [x])])]);
});

/**
 * log(1 + e^(beta · x)) / beta, and x itself where beta · x > threshold.
 *
 * @param options.threshold  20, as in torch, where it prevents an overflow. There is none here: `Infinity` gives the
 *                           curve everywhere, and with it second derivatives that are not 0 beyond 20
 */
export const softplus = method(
  "softplus(x: tensor, options?: { beta: number, threshold: number })",
  (x: Tensor, options: { beta?: number; threshold?: number } = {}): Tensor => {
    const { beta = 1, threshold = 20 } = options;
    x = asFloat(x);
    const scaled = beta === 1 ? x : binary(mulP, x, beta);
    const soft = bind(softplusP, [scaled]);
    const curve = beta === 1 ? soft : binary(divP, soft, beta);
    return threshold === Infinity ? curve : bind(whereP, [binary(ltP, threshold, scaled), x, curve]);
  },
);

/** log sigmoid(x). */
export const logsigmoid = operation("logsigmoid(x: tensor)", (x: Tensor): Tensor => {
  wantFloat("logsigmoid", x);
  return bind(negP, [bind(softplusP, [bind(negP, [x])])]);
});

/**
 * x / (1 + |x|). Beyond ±1 as ±(1 − 1 / (1 + |x|)): the same number, and a derivative that is no difference of two nearly
 * equal ones.
 */
export const softsign = operation("softsign(x: tensor)", (x: Tensor): Tensor => {
  x = asFloat(x);
  const one = literalLike(x, 1);
  const size = bind(absP, [x]);
  const length = bind(addP, [one, size]);
  const far = bind(mulP, [bind(signP, [x]), bind(subP, [one, bind(divP, [one, length])])]);
  return bind(whereP, [bind(ltP, [one, size]), far, bind(divP, [x, length])]);
});

/** relu6(x + 3) / 6. */
export const hardsigmoid = operation("hardsigmoid(x: tensor)", (x: Tensor): Tensor => {
  wantFloat("hardsigmoid", x);
  return bind(divP, [relu6(bind(addP, [x, literalLike(x, 3)])), literalLike(x, 6)]);
});

/** x · hardsigmoid(x). */
export const hardswish = operation("hardswish(x: tensor)", (x: Tensor): Tensor => {
  wantFloat("hardswish", x);
  return bind(mulP, [x, hardsigmoid(x)]);
});

/**
 * x · Φ(x), Φ the distribution function of the standard normal.
 *
 * @param options.approximate  "none" (exact, by erf) or "tanh"
 */
export const gelu = operation(
  "gelu(x: tensor, options?: { approximate: string })",
  (x: Tensor, options: { approximate?: "none" | "tanh" } = {}): Tensor => {
    const { approximate = "none" } = options;
    wantFloat("gelu", x);
    // Φ as erfc(−x / √2) / 2, which keeps its digits where 1 + erf cancels.
    if (approximate === "none")
      return bind(mulP, [binary(mulP, x, 0.5), bind(erfcP, [binary(mulP, x, -Math.SQRT1_2)])]);
    if (approximate !== "tanh") {
      throw new ArgumentError(`gelu: approximate is ${JSON.stringify(approximate)}: wanted "none" or "tanh"`);
    }
    // (1 + tanh u) / 2 = σ(2u) for u = √(2/π) x (1 + 0.044715 x²)
    const cubic = bind(addP, [literalLike(x, 1), binary(mulP, bind(mulP, [x, x]), 0.044715)]);
    const twice = binary(mulP, bind(mulP, [x, cubic]), 2 * Math.sqrt(2 / Math.PI));
    return bind(mulP, [x, bind(sigmoidP, [twice])]);
  },
);

/** x − tanh(x). */
export const tanhshrink = operation("tanhshrink(x: tensor)", (x: Tensor): Tensor => {
  x = asFloat(x);
  return bind(subP, [x, bind(tanhP, [x])]);
});

/** x moved towards 0 by lambd (0.5); 0 in between. */
export const softshrink = operation(
  "softshrink(x: tensor, options?: { lambd: number })",
  (x: Tensor, options: { lambd?: number } = {}): Tensor => {
    const { lambd = 0.5 } = options;
    wantFloat("softshrink", x);
    if (!(lambd >= 0)) throw new ArgumentError(`softshrink: lambd is ${lambd}, wanted a number >= 0`);
    const bound = scalar(x.device, x.dtype, lambd);
    const moved = bind(whereP, [bind(ltP, [bound, x]), bind(subP, [x, bound]), bind(addP, [x, bound])]);
    return bind(whereP, [bind(leP, [bind(absP, [x]), bound]), literalLike(x, 0), moved]);
  },
);

/** x where |x| > lambd (0.5), 0 elsewhere. */
export const hardshrink = operation(
  "hardshrink(x: tensor, options?: { lambd: number })",
  (x: Tensor, options: { lambd?: number } = {}): Tensor => {
    const { lambd = 0.5 } = options;
    wantFloat("hardshrink", x);
    return bind(whereP, [binary(leP, bind(absP, [x]), lambd), literalLike(x, 0), x]);
  },
);

/** x where it is above the threshold, `value` elsewhere. */
export const threshold = operation(
  "threshold(x: tensor, limit: number, value: number)",
  (x: Tensor, limit: number, value: number): Tensor => {
    return bind(whereP, [le(x, limit), toScalar("threshold", value, x), x]);
  },
);

/** The first half of a dim times the sigmoid of the second. */
export const glu = operation("glu(x: tensor, dim?: number)", (x: Tensor, dim = -1): Tensor => {
  wantFloat("glu", x);
  const axis = normalizeAxis(dim, x.rank, "glu");
  const n = x.shape[axis];
  if (x.rank === 0 || n % 2 !== 0) throw new ShapeError(`glu: dim ${dim} of ${show(x.shape)} cannot be halved`);
  return bind(mulP, [sliceAxis(x, axis, 0, n / 2), bind(sigmoidP, [sliceAxis(x, axis, n / 2, n / 2)])]);
});
