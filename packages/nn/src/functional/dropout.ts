/**
 * Functions that draw random numbers in training: dropout, and a leaky rectifier with random slopes.
 *
 * What they draw comes from the random stream that `manualSeed` sets, and is a constant to the tape: a backward pass of
 * any order sees the numbers of the forward, and a `checkpoint`, which computes the forward again, draws them again.
 */

import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, operation, rand, type Shape, ShapeError, show, type Tensor, where } from "@loopgrad/tensor";
import { checkProbability } from "../options.ts";

/** Options of the dropout functions. */
export interface DropoutOptions {
  /** Probability of being dropped. Default 0.5. */
  p?: number;
  /** Without training nothing is dropped. Default true. */
  training?: boolean;
}

/** 1 with probability 1 − p, else 0. */
const kept = (x: Tensor, p: number, shape: Shape): Tensor =>
  rand([...shape], { device: x.device, dtype: x.dtype })
    .ge(p)
    .to(x.dtype);

/** The probability, or 0 outside of training. */
function probability(op: string, options: DropoutOptions): number {
  const { p = 0.5, training = true } = options;
  checkProbability(op, "p", p);
  return training ? p : 0;
}

/** Drops along the dimensions of a mask's shape, and divides by 1 − p, so that the mean stays. */
function dropped(x: Tensor, p: number, maskShape: Shape): Tensor {
  if (p === 0) return x;
  const mask = noGrad(() => (p === 1 ? kept(x, p, maskShape) : kept(x, p, maskShape).mul(1 / (1 - p))));
  return x.mul(mask);
}

/** The shape with all dimensions from `spatial` on as 1. */
const wholeChannels = (x: Tensor, channels: number): Shape => x.shape.map((size, axis) => (axis < channels ? size : 1));

/** Drops single elements. @see torch.nn.functional.dropout */
export const dropout = operation(
  "dropout(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor => dropped(x, probability("dropout", options), x.shape),
);

/** Drops whole channels of [N, C, L], or of [C, L]. @see torch.nn.functional.dropout1d */
export const dropout1d = operation(
  "dropout1d(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor => ofChannels("dropout1d", x, options, { 3: 2, 2: 1 }),
);

/** Drops whole channels of [N, C, H, W], or of [N, C, L]. @see torch.nn.functional.dropout2d */
export const dropout2d = operation(
  "dropout2d(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor => ofChannels("dropout2d", x, options, { 4: 2, 3: 2 }),
);

/** Drops whole channels of [N, C, D, H, W], or of [C, D, H, W]. @see torch.nn.functional.dropout3d */
export const dropout3d = operation(
  "dropout3d(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor => ofChannels("dropout3d", x, options, { 5: 2, 4: 1 }),
);

/** @param leading  for each rank that is taken, how many dimensions there are up to the channels */
function ofChannels(op: string, x: Tensor, options: DropoutOptions, leading: Readonly<Record<number, number>>): Tensor {
  const p = probability(op, options);
  if (!(x.rank in leading)) {
    throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${Object.keys(leading).join(" or ")}`);
  }
  return dropped(x, p, wholeChannels(x, leading[x.rank]));
}

/** The value that a unit of a network with SELU has when it is off: −λα. */
const OFF = -1.7580993408473766;

/**
 * Sets elements to SELU's least value, and then scales and shifts so that mean and variance stay.
 *
 * @see torch.nn.functional.alpha_dropout
 */
export const alphaDropout = operation(
  "alphaDropout(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor => alphaDropped(x, probability("alphaDropout", options), x.shape),
);

/** Alpha dropout of whole channels of [N, C, …]. @see torch.nn.functional.feature_alpha_dropout */
export const featureAlphaDropout = operation(
  "featureAlphaDropout(x: tensor, options?: { p: number, training: boolean })",
  (x: Tensor, options: DropoutOptions = {}): Tensor =>
    alphaDropped(x, probability("featureAlphaDropout", options), wholeChannels(x, 2)),
);

/** a (x m + OFF (1 − m)) + b with a = ((1 − p)(1 + p OFF²))^−½ and b = −a p OFF. */
function alphaDropped(x: Tensor, p: number, maskShape: Shape): Tensor {
  if (p === 0) return x;
  if (p === 1) return x.mul(0);
  const a = 1 / Math.sqrt((1 - p) * (1 + p * OFF ** 2));
  const { scale, shift } = noGrad(() => {
    const mask = kept(x, p, maskShape);
    return {
      scale: mask.mul(a),
      shift: mask
        .neg()
        .add(1 - p)
        .mul(a * OFF),
    };
  });
  return x.mul(scale).add(shift);
}

/**
 * x for x > 0, a slope times x below: in training drawn for each element from U[lower, upper), else their mean.
 *
 * @param options  `lower` (1/8), `upper` (1/3), `training` (false)
 * @see            torch.nn.functional.rrelu
 */
export const rrelu = operation(
  "rrelu(x: tensor, options?: { lower: number, upper: number, training: boolean })",
  (x: Tensor, options: { lower?: number; upper?: number; training?: boolean } = {}): Tensor => {
    const { lower = 1 / 8, upper = 1 / 3, training = false } = options;
    if (!(lower <= upper)) throw new ArgumentError(`rrelu: slopes from ${lower} to ${upper}: wanted lower <= upper`);
    const slope = training
      ? noGrad(() =>
          rand([...x.shape], { device: x.device, dtype: x.dtype })
            .mul(upper - lower)
            .add(lower),
        )
      : (lower + upper) / 2;
    return where(x.gt(0), x, x.mul(slope));
  },
);
