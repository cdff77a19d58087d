/**
 * Sliding windows by movement alone: what pooling, im2col and `Tensor.unfold` read.
 *
 * A dim of n elements becomes two: o windows of k elements each, `stride` apart, elements `dilation` apart. The
 * trick: k copies of the dim, end to end, read as rows of n + dilation instead of n. Row j then begins at
 * element j · dilation, so that column i of all rows is the window that begins at i.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { expandP, padP, permuteP, reshapeP, sumP } from "../primitives.ts";
import { normalizeAxis, numel, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { permuteTo, reshapeTo, sliceAxis } from "./movement.ts";

/** Sizes for n spatial dims, from one number for all, or a list. */
export function spatial(
  op: string,
  name: string,
  value: number | readonly number[] | null,
  n: number,
  least: number,
): number[] {
  const list = typeof value === "number" ? new Array<number>(n).fill(value) : [...(value ?? [])];
  if (list.length !== n || list.some((v) => !Number.isInteger(v) || v < least)) {
    throw new ArgumentError(
      `${op}: ${name} is ${JSON.stringify(value ?? [])}: wanted an integer >= ${least}, or ${n} of them`,
    );
  }
  return list;
}

/** Windows that end outside do not count. */
const windowCount = (n: number, k: number, stride: number, dilation: number): number =>
  Math.floor((n - dilation * (k - 1) - 1) / stride) + 1;

/** […, n, …] → […, k, o, …]: element j of window i at [j, i]. `o` windows must fit. */
export function windows(x: Tensor, axis: number, k: number, o: number, stride: number, dilation: number): Tensor {
  const lead = x.shape.slice(0, axis);
  const rest = x.shape.slice(axis + 1);
  const n = x.shape[axis];
  if (k === 1) return reshapeTo(sliceAxis(x, axis, 0, o, stride), [...lead, 1, o, ...rest]);
  if (dilation === 1 && k <= stride && o * stride <= n) {
    // Windows that do not overlap are rows.
    const rows = bind(reshapeP, [sliceAxis(x, axis, 0, o * stride)], [...lead, o, stride, ...rest]);
    const used = sliceAxis(rows, axis + 1, 0, k);
    return bind(permuteP, [used], swapped(used.rank, axis));
  }
  const copies = bind(expandP, [bind(reshapeP, [x], [...lead, 1, n, ...rest])], [...lead, k, n, ...rest]);
  const line = bind(reshapeP, [copies], [...lead, k * n, ...rest]);
  const rows = bind(reshapeP, [padEnd(line, axis, k * dilation)], [...lead, k, n + dilation, ...rest]);
  return sliceAxis(rows, axis + 1, 0, o, stride);
}

/** The order of dims in which axis and the next one are exchanged. */
const swapped = (rank: number, axis: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i === axis ? axis + 1 : i === axis + 1 ? axis : i));

function padEnd(x: Tensor, axis: number, count: number): Tensor {
  return count === 0 ? x : bind(padP, [x], new Array<number>(2 * x.rank).fill(0).with(x.rank + axis, count));
}

/** The adjoint of `windows`: […, k, o, …] → […, n, …], elements that windows share added up. */
export function overlapAdd(x: Tensor, axis: number, n: number, stride: number, dilation: number): Tensor {
  const lead = x.shape.slice(0, axis);
  const rest = x.shape.slice(axis + 2);
  const [k, o] = [x.shape[axis], x.shape[axis + 1]];
  // Stride − 1 zeros behind each element, then rows of n + dilation, read as k copies of the dim.
  const spread = padEnd(reshapeTo(x, [...lead, k, o, 1, ...rest]), axis + 2, stride - 1);
  const sparse = reshapeTo(spread, [...lead, k, o * stride, ...rest]);
  const width = n + dilation;
  const fitted = sliceAxis(sparse, axis + 1, 0, Math.min(width, o * stride));
  const rows = padEnd(fitted, axis + 1, width - fitted.shape[axis + 1]);
  const line = sliceAxis(reshapeTo(rows, [...lead, k * width, ...rest]), axis, 0, k * n);
  return reshapeTo(bind(sumP, [reshapeTo(line, [...lead, k, n, ...rest])], [axis]), [...lead, n, ...rest]);
}

/**
 * All windows along a dim, as a new last dim: `Tensor.unfold` in torch.
 *
 * @returns the dim holds the number of windows, the last dim has length `size`
 */
export const unfoldDim = operation(
  "unfoldDim(x: tensor, dimension: number, size: number, step: number)",
  (x: Tensor, dimension: number, size: number, step: number): Tensor => {
    const axis = normalizeAxis(dimension, x.rank, "unfoldDim");
    if (x.rank === 0) return unfoldedScalar(x, size, step);
    const n = x.shape[axis];
    if (!(Number.isInteger(size) && size >= 1 && size <= n && Number.isInteger(step) && step >= 1)) {
      throw new ShapeError(
        `unfoldDim: size ${size}, step ${step} for dim ${dimension} of ${show(x.shape)}: wanted 1 <= size <= ${n}, step >= 1`,
      );
    }
    const parts = windows(x, axis, size, windowCount(n, size, step, 1), step, 1);
    const order = parts.shape.map((_, i) => i).filter((i) => i !== axis);
    return permuteTo(parts, [...order, axis]);
  },
);

/** A 0-d tensor has one element along its dim 0, and stays without the dim that counts windows, as in torch. */
function unfoldedScalar(x: Tensor, size: number, step: number): Tensor {
  if (!(size === 0 || size === 1) || !Number.isInteger(step) || step < 1) {
    throw new ShapeError(`unfoldDim: size ${size}, step ${step} for a 0-d tensor: wanted size 0 or 1, step >= 1`);
  }
  const line = bind(reshapeP, [x], [1]);
  return size === 1 ? line : sliceAxis(line, 0, 0, 0);
}

export interface UnfoldOptions {
  stride?: number | readonly number[];
  padding?: number | readonly number[];
  dilation?: number | readonly number[];
}

/**
 * Patches as columns (im2col).
 *
 * @param x           [N, C, H, W]
 * @param kernelSize  one number, or [height, width]
 * @returns           [N, C · kh · kw, L], L the number of places of the kernel
 */
export const unfold = operation(
  "unfold(x: tensor, kernelSize: number|numbers, options?: { stride: number|numbers, padding: number|numbers, dilation: number|numbers })",
  (x: Tensor, kernelSize: number | readonly number[], options: UnfoldOptions = {}): Tensor => {
    if (x.rank !== 4) throw new ShapeError(`unfold: ${show(x.shape)}: wanted [N, C, H, W]`);
    const [n, c, h, w] = x.shape;
    const { k, stride, padding, dilation } = geometry("unfold", kernelSize, options);
    const padded = bind(padP, [x], [0, 0, ...padding, 0, 0, ...padding]);
    const o = places("unfold", [h, w], k, stride, padding, dilation);
    const columns = windows(padded, 3, k[1], o[1], stride[1], dilation[1]);
    const patches = windows(columns, 2, k[0], o[0], stride[0], dilation[0]); // [n, c, k0, o0, k1, o1]
    return reshapeTo(permuteTo(patches, [0, 1, 2, 4, 3, 5]), [n, c * k[0] * k[1], o[0] * o[1]]);
  },
);

function geometry(op: string, kernelSize: number | readonly number[], options: UnfoldOptions) {
  const { stride = 1, padding = 0, dilation = 1 } = options;
  return {
    k: spatial(op, "kernelSize", kernelSize, 2, 1),
    stride: spatial(op, "stride", stride, 2, 1),
    padding: spatial(op, "padding", padding, 2, 0),
    dilation: spatial(op, "dilation", dilation, 2, 1),
  };
}

function places(
  op: string,
  size: readonly number[],
  k: readonly number[],
  stride: readonly number[],
  padding: readonly number[],
  dilation: readonly number[],
): number[] {
  const o = size.map((d, i) => windowCount(d + 2 * padding[i], k[i], stride[i], dilation[i]));
  if (o.some((count) => count < 1)) {
    throw new ShapeError(
      `${op}: kernel ${show(k)}, dilation ${show(dilation)} is larger than ${show(size)} padded by ${show(padding)}`,
    );
  }
  return o;
}

/**
 * Patches from columns (col2im): elements that patches share add up.
 *
 * @param x           [N, C · kh · kw, L]
 * @param outputSize  [H, W] of the result
 * @returns           [N, C, H, W]
 */
export const fold = operation(
  "fold(x: tensor, outputSize: number|numbers, kernelSize: number|numbers, options?: { stride: number|numbers, padding: number|numbers, dilation: number|numbers })",
  (
    x: Tensor,
    outputSize: number | readonly number[],
    kernelSize: number | readonly number[],
    options: UnfoldOptions = {},
  ): Tensor => {
    const size = spatial("fold", "outputSize", outputSize, 2, 1);
    const { k, stride, padding, dilation } = geometry("fold", kernelSize, options);
    const o = places("fold", size, k, stride, padding, dilation);
    const c = x.shape[1] / numel(k);
    if (x.rank !== 3 || !Number.isInteger(c) || x.shape[2] !== numel(o)) {
      throw new ShapeError(
        `fold: ${show(x.shape)} for outputSize ${show(size)}: wanted [N, C · ${numel(k)}, ${numel(o)}]`,
      );
    }
    const n = x.shape[0];
    const patches = permuteTo(reshapeTo(x, [n, c, ...k, ...o]), [0, 1, 2, 4, 3, 5]); // [n, c, k0, o0, k1, o1]
    const columns = overlapAdd(patches, 2, size[0] + 2 * padding[0], stride[0], dilation[0]);
    const padded = overlapAdd(columns, 3, size[1] + 2 * padding[1], stride[1], dilation[1]);
    return sliceAxis(sliceAxis(padded, 2, padding[0], size[0]), 3, padding[1], size[1]);
  },
);
