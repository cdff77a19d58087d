/**
 * Pooling: one number per window. Windows are laid out by movement (see `windows.ts`) and reduced.
 *
 * Max-pooling takes the first of equal elements, in row-major order of the window; padding never wins.
 */
import { bind } from "../bind.ts";
import { iota, tensor } from "../creation.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { addP, divP, maximumP, minimumP, mulP, reshapeP, subP, sumP } from "../primitives.ts";
import { numel, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./contraction.ts";
import { permuteTo, reshapeTo, transpose } from "./movement.ts";
import { whole } from "./named.ts";
import { constantLike, literalLike, wantFloat } from "./operand.ts";
import { firstLargest } from "./order.ts";
import { padConstant } from "./padding.ts";
import { spatial, windows } from "./windows.ts";

export interface PoolOptions {
  /** Step of the window; its size by default. */
  stride?: number | readonly number[] | null;
  /** On both sides of each spatial dim; at most half the window. */
  padding?: number | readonly number[];
  /** Whether a last window may reach beyond the padded end, if it begins inside. */
  ceilMode?: boolean;
}

const POOL = ["stride", "padding", "ceilMode"];

export interface MaxPoolOptions extends PoolOptions {
  /** Distance of the window's elements; 1. */
  dilation?: number | readonly number[];
}

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor; true. */
  countIncludePad?: boolean;
}

export interface AvgPool2dOptions extends AvgPoolOptions {
  /** Divides by this instead of the number of elements. */
  divisorOverride?: number | null;
}

interface Pooling {
  readonly k: number[];
  readonly o: number[];
  readonly stride: number[];
  readonly padding: number[];
  /** [N, C, k1, …, o1, …] */
  readonly windows: Tensor;
}

/** The windows of the last n dims of x, [N, C, …]. */
function pool(
  op: string,
  n: number,
  x: Tensor,
  kernelSize: number | readonly number[],
  options: MaxPoolOptions,
  fill: number,
): Pooling {
  wantFloat(op, x);
  const k = spatial(op, "kernelSize", kernelSize, n, 1);
  const stride = spatial(op, "stride", options.stride ?? k, n, 1);
  const padding = spatial(op, "padding", options.padding ?? 0, n, 0);
  const dilation = spatial(op, "dilation", options.dilation ?? 1, n, 1);
  if (padding.some((p, i) => 2 * p > k[i])) {
    throw new ArgumentError(`${op}: padding ${show(padding)} is more than half of kernelSize ${show(k)}`);
  }
  const size = x.shape.slice(2);
  const after = [...padding];
  const o = size.map((d, i) => {
    const reach = dilation[i] * (k[i] - 1) + 1;
    const free = d + 2 * padding[i] - reach;
    let count = Math.floor(free / stride[i]) + 1;
    if (options.ceilMode && count * stride[i] < d + padding[i] && free % stride[i] !== 0) {
      after[i] = count * stride[i] + reach - d - padding[i];
      count++;
    }
    return count;
  });
  if (o.some((count) => count < 1)) {
    throw new ShapeError(`${op}: kernelSize ${show(k)} is larger than ${show(size)} padded by ${show(padding)}`);
  }
  let parts = padConstant(x, [0, 0, ...padding], [0, 0, ...after], fill);
  for (let i = n - 1; i >= 0; i--) parts = windows(parts, i + 2, k[i], o[i], stride[i], dilation[i]);
  const order = [0, 1];
  for (let i = 0; i < n; i++) order.push(2 + 2 * i);
  for (let i = 0; i < n; i++) order.push(3 + 2 * i);
  return { k, o, stride, padding, windows: permuteTo(parts, order) };
}

/** Runs `fn` on [N, C, …], adding the batch dim that an unbatched input lacks. */
const batched = whole((op: string, n: number, x: Tensor, fn: (x: Tensor) => Tensor): Tensor => {
  if (x.rank === n + 2) return fn(x);
  if (x.rank !== n + 1) throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${n + 2}, or ${n + 1} unbatched`);
  const y = fn(bind(reshapeP, [x], [1, ...x.shape]));
  return reshapeTo(y, y.shape.slice(1));
});

function maxPool(n: number, x: Tensor, kernelSize: number | readonly number[], options: MaxPoolOptions): Tensor {
  const op = `maxPool${n}d`;
  checkOptions(op, options, ["dilation", ...POOL]);
  return batched(op, n, x, (input) => {
    const { k, o, windows: parts } = pool(op, n, input, kernelSize, options, -Infinity);
    const flat = reshapeTo(parts, [...input.shape.slice(0, 2), numel(k), ...o]);
    return firstLargest(flat, 2);
  });
}

/**
 * Largest of every window.
 *
 * @param x           [N, C, L], or [C, L]
 * @param kernelSize  length of the window
 * @throws            ShapeError if the window is larger than the padded input
 */
export const maxPool1d = (x: Tensor, kernelSize: number | readonly number[], options: MaxPoolOptions = {}): Tensor =>
  maxPool(1, x, kernelSize, options);

/**
 * Largest of every window of [N, C, H, W]; see {@link maxPool1d}.
 *
 * @example maxPool2d(x, 3, { stride: 2, padding: 1 })
 */
export const maxPool2d = (x: Tensor, kernelSize: number | readonly number[], options: MaxPoolOptions = {}): Tensor =>
  maxPool(2, x, kernelSize, options);

/** Largest of every window of [N, C, D, H, W]; see {@link maxPool1d}. */
export const maxPool3d = (x: Tensor, kernelSize: number | readonly number[], options: MaxPoolOptions = {}): Tensor =>
  maxPool(3, x, kernelSize, options);

function avgPool(n: number, x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions): Tensor {
  const op = `avgPool${n}d`;
  checkOptions(op, options, ["countIncludePad", ...(n === 1 ? [] : ["divisorOverride"]), ...POOL]);
  const { countIncludePad = true, divisorOverride = null } = options;
  return batched(op, n, x, (input) => {
    const { k, o, stride, padding, windows: parts } = pool(op, n, input, kernelSize, options, 0);
    const axes = k.map((_, i) => i + 2);
    const total = reshapeTo(bind(sumP, [parts], axes), [...input.shape.slice(0, 2), ...o]);
    if (divisorOverride !== null) return bind(divP, [total, constantLike(x, divisorOverride)]);
    const whole = !options.ceilMode && (countIncludePad || padding.every((p) => p === 0));
    if (whole) return bind(divP, [total, constantLike(x, numel(k))]);
    let y = total;
    for (let i = 0; i < n; i++) {
      const counts = elementCounts(x, o[i], k[i], stride[i], padding[i], input.shape[i + 2], countIncludePad);
      y = bind(divP, [y, reshapeTo(counts, [o[i], ...new Array<number>(n - 1 - i).fill(1)])]);
    }
    return y;
  });
}

/** How many elements of each window count, along one dim: [o]. */
function elementCounts(
  like: Tensor,
  o: number,
  k: number,
  stride: number,
  padding: number,
  size: number,
  include: boolean,
): Tensor {
  const start = bind(subP, [
    bind(mulP, [iota(like.device, like.dtype, o), literalLike(like, stride)]),
    literalLike(like, padding),
  ]);
  const end = bind(minimumP, [
    bind(addP, [start, literalLike(like, k)]),
    literalLike(like, include ? size + padding : size),
  ]);
  return bind(subP, [end, include ? start : bind(maximumP, [start, literalLike(like, 0)])]);
}

/** Mean of every window of [N, C, L], or [C, L]. */
export const avgPool1d = (x: Tensor, kernelSize: number | readonly number[], options: AvgPoolOptions = {}): Tensor =>
  avgPool(1, x, kernelSize, options);

/** Mean of every window of [N, C, H, W], or [C, H, W]. */
export const avgPool2d = (x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions = {}): Tensor =>
  avgPool(2, x, kernelSize, options);

/** Mean of every window of [N, C, D, H, W], or [C, D, H, W]. */
export const avgPool3d = (x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions = {}): Tensor =>
  avgPool(3, x, kernelSize, options);

function adaptiveAvgPool(n: number, x: Tensor, outputSize: number | readonly (number | null)[]): Tensor {
  const op = `adaptiveAvgPool${n}d`;
  wantFloat(op, x);
  const list = typeof outputSize === "number" ? new Array<number>(n).fill(outputSize) : outputSize;
  return batched(op, n, x, (input) => {
    const size = spatial(
      op,
      "outputSize",
      list.map((d, i) => d ?? input.shape[i + 2]),
      n,
      1,
    );
    let y = input;
    for (let i = 0; i < n; i++) y = averaged(y, i + 2, size[i]);
    return y;
  });
}

/** An axis of n averaged to o elements: element i over ⌊i n / o⌋ up to ⌈(i + 1) n / o⌉. */
function averaged(x: Tensor, axis: number, o: number): Tensor {
  const { shape } = x;
  const n = shape[axis];
  if (n % o === 0) {
    const parts = reshapeTo(x, [...shape.slice(0, axis), o, n / o, ...shape.slice(axis + 1)]);
    const total = reshapeTo(bind(sumP, [parts], [axis + 1]), shape.with(axis, o));
    return bind(divP, [total, literalLike(x, n / o)]);
  }
  const weights = new Float64Array(n * o);
  for (let i = 0; i < o; i++) {
    const [start, end] = [Math.floor((i * n) / o), Math.ceil(((i + 1) * n) / o)];
    for (let j = start; j < end; j++) weights[j * o + i] = 1 / (end - start);
  }
  return alongAxis(x, axis, tensor(weights, { shape: [n, o], dtype: x.dtype, device: x.device }));
}

/** A matrix [n, o] applied to one axis. */
export function alongAxis(x: Tensor, axis: number, matrix: Tensor): Tensor {
  const last = x.rank - 1;
  return axis === last ? matmul(x, matrix) : transpose(matmul(transpose(x, axis, last), matrix), axis, last);
}

/**
 * Means over windows chosen so that the result has `outputSize` elements.
 *
 * @param x           [N, C, L], or [C, L]
 * @param outputSize  a number; null keeps the size
 */
export const adaptiveAvgPool1d = (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor =>
  adaptiveAvgPool(1, x, outputSize);

/** See {@link adaptiveAvgPool1d}; 1 gives the mean of each channel. */
export const adaptiveAvgPool2d = (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor =>
  adaptiveAvgPool(2, x, outputSize);

/** See {@link adaptiveAvgPool1d}. */
export const adaptiveAvgPool3d = (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor =>
  adaptiveAvgPool(3, x, outputSize);
