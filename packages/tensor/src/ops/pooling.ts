/**
 * Pooling: one number per window. Windows are laid out by movement (see `windows.ts`) and reduced.
 *
 * Max-pooling takes the first of equal elements, in row-major order of the window; padding never wins.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota, tensor } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { integerRange } from "../host-data.ts";
import { addP, divP, maximumP, minimumP, mulP, reshapeP, subP, sumP } from "../primitives.ts";
import { numel, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./contraction.ts";
import { permuteTo, reshapeTo, transpose } from "./movement.ts";
import { cast, constantLike, literal, literalLike, wantFloat, wantNumbers } from "./operand.ts";
import { argmax, firstLargest } from "./order.ts";
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

const POOL = "stride: number|numbers|null, padding: number|numbers, ceilMode: boolean";

export interface MaxPoolOptions extends PoolOptions {
  /** Distance of the window's elements; 1. */
  dilation?: number | readonly number[];
  /** Whether to give the places of the elements as well, as {@link maxUnpool2d} takes them. Default false. */
  returnIndices?: boolean;
}

/** Options of max-pooling that also gives places. */
export type WithIndices<O> = O & { returnIndices: true };

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor; true. */
  countIncludePad?: boolean;
}

export interface AvgPool2dOptions extends AvgPoolOptions {
  /** Divides by this instead of the number of elements. */
  divisorOverride?: number | null;
}

/** A list of one number is that number for every dim; an empty one is none, as in torch. */
function forAll(value: number | readonly number[] | null | undefined): number | readonly number[] | null {
  if (!Array.isArray(value)) return (value as number | null | undefined) ?? null;
  return value.length === 0 ? null : value.length === 1 ? value[0] : value;
}

interface Pooling {
  readonly k: number[];
  readonly o: number[];
  readonly stride: number[];
  readonly padding: number[];
  readonly dilation: number[];
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
  wantNumbers(op, x);
  if (x._shape.some((d, i) => i > 0 && d === 0)) {
    throw new ShapeError(`${op}: ${show(x.shape)}: only the batch may be empty`);
  }
  const k = spatial(op, "kernelSize", forAll(kernelSize), n, 1);
  const stride = spatial(op, "stride", forAll(options.stride) ?? k, n, 1);
  const padding = spatial(op, "padding", forAll(options.padding) ?? 0, n, 0);
  const dilation = spatial(op, "dilation", forAll(options.dilation) ?? 1, n, 1);
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
  return { k, o, stride, padding, dilation, windows: permuteTo(parts, order) };
}

/** Runs `fn` on [N, C, …], adding the batch dim that an unbatched input lacks. */
function batched(op: string, n: number, x: Tensor, fn: (x: Tensor) => Tensor): Tensor {
  if (x.rank === n + 2) return fn(x);
  if (x.rank !== n + 1) throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${n + 2}, or ${n + 1} unbatched`);
  const y = fn(bind(reshapeP, [x], [1, ...x.shape]));
  return reshapeTo(y, y.shape.slice(1));
}

/** A max-pooling function of n spatial dims. */
export interface MaxPool {
  (x: Tensor, kernelSize: number | readonly number[], options: WithIndices<MaxPoolOptions>): [Tensor, Tensor];
  (x: Tensor, kernelSize: number | readonly number[], options?: MaxPoolOptions): Tensor;
}

function maxPool(n: number): MaxPool {
  const op = `maxPool${n}d`;
  const call = (x: Tensor, kernelSize: number | readonly number[], options: MaxPoolOptions = {}) => {
    const { returnIndices = false } = options;
    let indices: Tensor | null = null;
    const values = batched(op, n, x, (input) => {
      const pooling = pool(op, n, input, kernelSize, options, integerRange(x.dtype)?.[0] ?? -Infinity);
      const { k, o, windows: parts } = pooling;
      const flat = reshapeTo(parts, [...input.shape.slice(0, 2), numel(k), ...o]);
      if (returnIndices) indices = planePlaces(argmax(flat, 2), pooling, input.shape.slice(2));
      return firstLargest(flat, 2);
    });
    return indices === null ? values : [values, reshapeTo(indices, values.shape)];
  };
  const text = `${op}(x: tensor, kernelSize: number|numbers, options?: { dilation: number|numbers, returnIndices: boolean, ${POOL} })`;
  return operation(text, call) as MaxPool;
}

/**
 * Places in windows as places in the planes that the windows lie in, row by row: int32.
 *
 * @param at    [N, C, o1, …]: the window's elements are counted row by row
 * @param size  of the planes
 */
function planePlaces(at: Tensor, { k, o, stride, padding, dilation }: Pooling, size: readonly number[]): Tensor {
  const int = (value: number): Tensor => literal(at.device, "int32", value);
  let rest = at;
  let place: Tensor | null = null;
  for (let i = k.length - 1; i >= 0; i--) {
    const above = bind(divP, [rest, int(k[i])]);
    const offset = bind(subP, [rest, bind(mulP, [above, int(k[i])])]);
    rest = above;
    const column = o.map((d, j) => (i === j ? d : 1));
    const start = bind(subP, [bind(mulP, [iota(at.device, "int32", o[i]), int(stride[i])]), int(padding[i])]);
    let along = bind(addP, [reshapeTo(start, column), bind(mulP, [offset, int(dilation[i])])]);
    if (padding[i] > 0) {
      // Only a window without a number above −∞ points at padding: its first element that is none counts.
      const short = bind(maximumP, [bind(subP, [int(dilation[i] - 1), along]), int(0)]);
      const steps = bind(divP, [short, int(dilation[i])]);
      along = bind(addP, [along, bind(mulP, [steps, int(dilation[i])])]);
    }
    const scaled = bind(mulP, [along, int(numel(size.slice(i + 1)))]);
    place = place === null ? scaled : bind(addP, [place, scaled]);
  }
  return place as Tensor;
}

/**
 * Largest of every window.
 *
 * @param x           [N, C, L], or [C, L]
 * @param kernelSize  length of the window
 * @returns           the values; with `returnIndices` [values, places]: int32, places in [0, L)
 * @throws            ShapeError if the window is larger than the padded input
 */
export const maxPool1d = maxPool(1);

/**
 * Largest of every window of [N, C, H, W]; see {@link maxPool1d}. Places count row by row, in [0, H · W).
 *
 * @example maxPool2d(x, 3, { stride: 2, padding: 1 })
 */
export const maxPool2d = maxPool(2);

/** Largest of every window of [N, C, D, H, W]; see {@link maxPool1d}. */
export const maxPool3d = maxPool(3);

function avgPool(n: number, x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions): Tensor {
  const op = `avgPool${n}d`;
  const { countIncludePad = true, divisorOverride = null } = options;
  if (divisorOverride === 0) throw new ArgumentError(`${op}: divisorOverride is 0, wanted another number, or null`);
  return batched(op, n, x, (input) => {
    const { k, o, stride, padding, windows: parts } = pool(op, n, input, kernelSize, options, 0);
    const axes = k.map((_, i) => i + 2);
    const total = reshapeTo(bind(sumP, [parts], axes), [...input.shape.slice(0, 2), ...o]);
    if (divisorOverride !== null) return bind(divP, [total, constantLike(x, divisorOverride)]);
    const whole = !options.ceilMode && (countIncludePad || padding.every((p) => p === 0));
    if (whole) return bind(divP, [total, constantLike(x, numel(k))]);
    let y = total;
    // Integers are divided once: a quotient of a quotient would be cut off twice.
    let divisor: Tensor | null = null;
    for (let i = 0; i < n; i++) {
      const counts = elementCounts(x, o[i], k[i], stride[i], padding[i], input.shape[i + 2], countIncludePad);
      const column = reshapeTo(counts, [o[i], ...new Array<number>(n - 1 - i).fill(1)]);
      if (isFloat(x.dtype)) y = bind(divP, [y, column]);
      else divisor = divisor === null ? column : bind(mulP, [divisor, column]);
    }
    return divisor === null ? y : bind(divP, [y, cast(divisor, x.dtype)]);
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
  const dtype = isFloat(like.dtype) ? like.dtype : "int32";
  const number = (value: number): Tensor => literal(like.device, dtype, value);
  const start = bind(subP, [bind(mulP, [iota(like.device, dtype, o), number(stride)]), number(padding)]);
  const end = bind(minimumP, [bind(addP, [start, number(k)]), number(include ? size + padding : size)]);
  return bind(subP, [end, include ? start : bind(maximumP, [start, number(0)])]);
}

/** Mean of every window of [N, C, L], or [C, L]. */
export const avgPool1d = operation(
  `avgPool1d(x: tensor, kernelSize: number|numbers, options?: { countIncludePad: boolean, ${POOL} })`,
  (x: Tensor, kernelSize: number | readonly number[], options: AvgPoolOptions = {}): Tensor =>
    avgPool(1, x, kernelSize, options),
);

/** Mean of every window of [N, C, H, W], or [C, H, W]. */
export const avgPool2d = operation(
  `avgPool2d(x: tensor, kernelSize: number|numbers, options?: { divisorOverride: number|null, countIncludePad: boolean, ${POOL} })`,
  (x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions = {}): Tensor =>
    avgPool(2, x, kernelSize, options),
);

/** Mean of every window of [N, C, D, H, W], or [C, D, H, W]. */
export const avgPool3d = operation(
  `avgPool3d(x: tensor, kernelSize: number|numbers, options?: { divisorOverride: number|null, countIncludePad: boolean, ${POOL} })`,
  (x: Tensor, kernelSize: number | readonly number[], options: AvgPool2dOptions = {}): Tensor =>
    avgPool(3, x, kernelSize, options),
);

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
export const adaptiveAvgPool1d = operation(
  "adaptiveAvgPool1d(x: tensor, outputSize: number|list)",
  (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor => adaptiveAvgPool(1, x, outputSize),
);

/** See {@link adaptiveAvgPool1d}; 1 gives the mean of each channel. */
export const adaptiveAvgPool2d = operation(
  "adaptiveAvgPool2d(x: tensor, outputSize: number|list)",
  (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor => adaptiveAvgPool(2, x, outputSize),
);

/** See {@link adaptiveAvgPool1d}. */
export const adaptiveAvgPool3d = operation(
  "adaptiveAvgPool3d(x: tensor, outputSize: number|list)",
  (x: Tensor, outputSize: number | readonly (number | null)[]): Tensor => adaptiveAvgPool(3, x, outputSize),
);
