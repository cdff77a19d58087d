/**
 * Convolutions (cross-correlations, as in all deep-learning libraries) over 1, 2 or 3 spatial dims.
 *
 * A transposed convolution is the gradient of a convolution with respect to its input, as a primitive of its own.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { addP, convAttrs, convInputP, convP, padP, reshapeP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { reshapeTo } from "./movement.ts";
import { spatial } from "./windows.ts";

export interface ConvOptions {
  /** Step of the kernel; 1. */
  stride?: number | readonly number[];
  /** Zeros on both sides of each spatial dim (0); "same" keeps the size (stride 1 only); "valid" is 0. */
  padding?: number | readonly number[] | "same" | "valid";
  /** Distance of kernel elements; 1. */
  dilation?: number | readonly number[];
  /** Channels are split into this many independent convolutions; 1. */
  groups?: number;
}

/** A convolution of some number of dims. Options may stand in the place of the bias. */
export interface Convolution<Options> {
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options?: Options): Tensor;
  (x: Tensor, weight: Tensor, options: Options): Tensor;
}

function conv(n: number, x: Tensor, weight: Tensor, bias: Tensor | null | undefined, options: ConvOptions): Tensor {
  const op = `conv${n}d`;
  const stride = spatial(op, "stride", options.stride ?? 1, n, 1);
  const dilation = spatial(op, "dilation", options.dilation ?? 1, n, 1);
  const groups = wantGroups(op, options.groups);
  const batched = x.rank === n + 1 ? bind(reshapeP, [x], [1, ...x.shape]) : x;
  wantRanks(op, n, x, batched, weight);
  const [input, padding] = padded(op, n, batched, weight, stride, dilation, options.padding ?? 0);
  const attrs = convAttrs({ n, groups, stride, padding, dilation, extra: [] });
  const y = withBias(op, bind(convP, [input, weight], attrs), bias, n);
  return batched === x ? y : reshapeTo(y, y.shape.slice(1));
}

function wantGroups(op: string, groups = 1): number {
  if (!Number.isInteger(groups) || groups < 1)
    throw new ArgumentError(`${op}: groups is ${groups}: wanted an integer >= 1`);
  return groups;
}

function wantRanks(op: string, n: number, x: Tensor, batched: Tensor, weight: Tensor): void {
  if (batched.rank !== n + 2 || weight.rank !== n + 2) {
    throw new ShapeError(
      `${op}: input ${show(x.shape)}, weight ${show(weight.shape)}: wanted ranks ${n + 2} (or ${n + 1} for one unbatched input) and ${n + 2}`,
    );
  }
}

/** The input and the padding on both sides; what "same" has more of on the right is put into the input. */
function padded(
  op: string,
  n: number,
  x: Tensor,
  weight: Tensor,
  stride: readonly number[],
  dilation: readonly number[],
  padding: number | readonly number[] | "same" | "valid",
): [Tensor, number[]] {
  if (padding === "valid") return [x, new Array<number>(n).fill(0)];
  if (padding !== "same") {
    if (typeof padding === "string") {
      throw new ArgumentError(`${op}: padding is "${padding}": wanted a number, ${n} numbers, "same" or "valid"`);
    }
    return [x, spatial(op, "padding", padding, n, 0)];
  }
  if (stride.some((s) => s !== 1)) throw new ArgumentError(`${op}: padding "same" needs stride 1, got ${show(stride)}`);
  const total = dilation.map((d, i) => d * (weight.shape[i + 2] - 1));
  const left = total.map((t) => Math.floor(t / 2));
  if (total.every((t) => t % 2 === 0)) return [x, left];
  const before = new Array<number>(n + 2).fill(0);
  return [bind(padP, [x], [...before, 0, 0, ...total.map((t) => t % 2)]), left];
}

function withBias(op: string, y: Tensor, bias: Tensor | null | undefined, n: number): Tensor {
  if (bias === undefined || bias === null) return y;
  if (bias.rank !== 1 || bias.shape[0] !== y.shape[1]) {
    throw new ShapeError(`${op}: bias ${show(bias.shape)}: wanted [${y.shape[1]}], one per output channel`);
  }
  return bind(addP, [y, bind(reshapeP, [bias], [bias.shape[0], ...new Array<number>(n).fill(1)])]);
}

/**
 * 1-d convolution.
 *
 * @param x       [N, C, L], or [C, L]
 * @param weight  [O, C / groups, k]
 * @param bias    [O], or null for none
 * @returns       [N, O, (L + 2 padding − dilation (k − 1) − 1) / stride + 1]
 * @throws        ShapeError if channels do not fit, or the kernel is larger than the padded input
 */
export const conv1d: Convolution<ConvOptions> = operation(
  "conv1d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|string|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor =>
    conv(1, x, weight, bias, options),
) as Convolution<ConvOptions>;

/**
 * 2-d convolution; see {@link conv1d}.
 *
 * @param x       [N, C, H, W], or [C, H, W]
 * @param weight  [O, C / groups, kh, kw]
 * @example       conv2d(images, kernels, null, { stride: 2, padding: 1 })
 */
export const conv2d: Convolution<ConvOptions> = operation(
  "conv2d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|string|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor =>
    conv(2, x, weight, bias, options),
) as Convolution<ConvOptions>;

/** 3-d convolution of [N, C, D, H, W] with [O, C / groups, kd, kh, kw]; see {@link conv1d}. */
export const conv3d: Convolution<ConvOptions> = operation(
  "conv3d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|string|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor =>
    conv(3, x, weight, bias, options),
) as Convolution<ConvOptions>;

export interface ConvTransposeOptions {
  stride?: number | readonly number[];
  /** Taken off both sides of the result: the padding of the convolution that this transposes. */
  padding?: number | readonly number[];
  /** Added to one side of the result, where a stride leaves its size open; less than the stride or the dilation. */
  outputPadding?: number | readonly number[];
  dilation?: number | readonly number[];
  groups?: number;
}

function convTranspose(
  n: number,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null | undefined,
  options: ConvTransposeOptions,
): Tensor {
  const op = `convTranspose${n}d`;
  const stride = spatial(op, "stride", options.stride ?? 1, n, 1);
  const padding = spatial(op, "padding", options.padding ?? 0, n, 0);
  const outputPadding = spatial(op, "outputPadding", options.outputPadding ?? 0, n, 0);
  const dilation = spatial(op, "dilation", options.dilation ?? 1, n, 1);
  const groups = wantGroups(op, options.groups);
  const batched = x.rank === n + 1 ? bind(reshapeP, [x], [1, ...x.shape]) : x;
  wantRanks(op, n, x, batched, weight);
  const what = `${op}: input ${show(x.shape)}, weight ${show(weight.shape)}, groups ${groups}`;
  if (x.dtype !== weight.dtype) throw new DTypeError(`${what}: dtypes ${x.dtype} and ${weight.dtype} differ`);
  if (batched.shape[1] !== weight.shape[0] || weight.shape[0] % groups !== 0) {
    throw new ShapeError(
      `${what}: wanted weight [in, out / groups, …] with in = ${batched.shape[1]} divisible by groups`,
    );
  }
  const extra = stride.map((s, i) => {
    if (outputPadding[i] >= Math.max(s, dilation[i])) {
      throw new ArgumentError(
        `${op}: outputPadding ${show(outputPadding)}: wanted less than the stride or the dilation`,
      );
    }
    return (
      (batched.shape[i + 2] - 1) * s - 2 * padding[i] + dilation[i] * (weight.shape[i + 2] - 1) + outputPadding[i] + 1
    );
  });
  if (extra.some((size) => size < 1))
    throw new ShapeError(`${what}: padding ${show(padding)} leaves size ${show(extra)}`);
  const y = bind(convInputP, [batched, weight], convAttrs({ n, groups, stride, padding, dilation, extra }));
  const z = withBias(op, y, bias, n);
  return batched === x ? z : reshapeTo(z, z.shape.slice(1));
}

/**
 * Transposed 1-d convolution.
 *
 * @param x       [N, C, L], or [C, L]
 * @param weight  [C, O / groups, k]
 * @param bias    [O], or null for none
 * @returns       [N, O, (L − 1) stride − 2 padding + dilation (k − 1) + outputPadding + 1]
 */
export const convTranspose1d: Convolution<ConvTransposeOptions> = operation(
  "convTranspose1d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|numbers, outputPadding: number|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor =>
    convTranspose(1, x, weight, bias, options),
) as Convolution<ConvTransposeOptions>;

/** Transposed 2-d convolution of [N, C, H, W] with [C, O / groups, kh, kw]; see {@link convTranspose1d}. */
export const convTranspose2d: Convolution<ConvTransposeOptions> = operation(
  "convTranspose2d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|numbers, outputPadding: number|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor =>
    convTranspose(2, x, weight, bias, options),
) as Convolution<ConvTransposeOptions>;

/** Transposed 3-d convolution of [N, C, D, H, W] with [C, O / groups, kd, kh, kw]; see {@link convTranspose1d}. */
export const convTranspose3d: Convolution<ConvTransposeOptions> = operation(
  "convTranspose3d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, padding: number|numbers, outputPadding: number|numbers, dilation: number|numbers, groups: number })",
  (x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor =>
    convTranspose(3, x, weight, bias, options),
) as Convolution<ConvTransposeOptions>;
