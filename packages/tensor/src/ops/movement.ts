/**
 * Movement: the same elements under another shape or order. A *dim* may be negative: −1 is the last.
 *
 * Nothing here copies by itself: the index transform ends up in the loads of whatever reads the result.
 */

import { bind } from "../bind.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { expandP, flipP, permuteP, reshapeP, sliceP } from "../primitives.ts";
import { normalizeAxes, normalizeAxis, numel, resolveShape, type Shape, sameShape, show, wantArray } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { hostNumber, unchanged, wantInteger } from "./operand.ts";

/** The shape is known to fit. */
export const reshapeTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x._shape, shape) ? unchanged(x) : bind(reshapeP, [x], shape);

/**
 * The same elements in another shape.
 *
 * @param shape  one size may be −1: it is worked out
 * @throws       ShapeError if the numbers of elements differ
 * @example      reshape(x, [-1, 4])
 */
export const reshape = method(
  "reshape(x: tensor, shape: numbers)",
  (x: Tensor, shape: Shape): Tensor => reshapeTo(x, resolveShape(shape, x.size, "reshape")),
);

/** Merges the dims from `startDim` to `endDim`, both included, into one. */
export const flatten = method(
  "flatten(x: tensor, startDim?: number, endDim?: number)",
  (x: Tensor, startDim = 0, endDim = -1): Tensor => {
    const shape = x._shape;
    const start = normalizeAxis(startDim, shape.length, "flatten");
    const end = normalizeAxis(endDim, shape.length, "flatten");
    if (shape.length === 0) return reshapeTo(x, [1]);
    if (start > end)
      throw new ShapeError(`flatten: startDim ${startDim} comes after endDim ${endDim} in ${show(shape)}`);
    return reshapeTo(x, [...shape.slice(0, start), numel(shape.slice(start, end + 1)), ...shape.slice(end + 1)]);
  },
);

/** Splits one dim into several; one of the sizes may be −1. */
export const unflatten = method(
  "unflatten(x: tensor, dim: number, sizes: numbers)",
  (x: Tensor, dim: number, sizes: Shape): Tensor => {
    const shape = x._shape;
    const axis = normalizeAxis(dim, shape.length, "unflatten");
    const parts = resolveShape(sizes, shape[axis], "unflatten");
    return reshapeTo(x, [...shape.slice(0, axis), ...parts, ...shape.slice(axis + 1)]);
  },
);

/** Drops dims of size 1: all of them, or the given ones (those of another size stay, as in torch); of a list [] none. */
export const squeeze = method(
  "squeeze(x: tensor, dim?: number|numbers|null)",
  (x: Tensor, dim?: number | readonly number[] | null): Tensor => {
    if (Array.isArray(dim) && dim.length === 0) return unchanged(x);
    const shape = x._shape;
    const axes = normalizeAxes(dim, shape.length, "squeeze");
    return reshapeTo(
      x,
      shape.filter((d, i) => d !== 1 || !axes.includes(i)),
    );
  },
);

/** Inserts a dim of size 1 before `dim`. */
export const unsqueeze = method("unsqueeze(x: tensor, dim: number)", (x: Tensor, dim: number): Tensor => {
  const shape = x._shape;
  const axis = normalizeAxis(dim, shape.length + 1, "unsqueeze");
  return bind(reshapeP, [x], [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
});

/** The dims are known to be a permutation. */
export function permuteTo(x: Tensor, dims: readonly number[]): Tensor {
  for (let i = 0; i < dims.length; i++) if (dims[i] !== i) return bind(permuteP, [x], dims);
  return unchanged(x);
}

/**
 * Dims in another order.
 *
 * @param dims  for each new dim the old one
 */
export const permute = method("permute(x: tensor, dims: numbers)", (x: Tensor, dims: readonly number[]): Tensor => {
  const { rank } = x;
  wantArray(dims, "permute: the order of dims");
  if (dims.length !== rank)
    throw new ShapeError(`permute: ${show(x._shape)} has ${rank} dims, got the order ${show(dims)}`);
  const order = dims.map((dim) => normalizeAxis(dim, rank, "permute"));
  if (new Set(order).size !== rank) throw new ShapeError(`permute: a dim appears twice in ${show(dims)}`);
  return permuteTo(x, order);
});

/** Swaps two dims. */
export const transpose = method(
  "transpose(x: tensor, dim0: number, dim1: number)",
  (x: Tensor, dim0: number, dim1: number): Tensor => {
    const { rank } = x;
    const a = normalizeAxis(dim0, rank, "transpose");
    const b = normalizeAxis(dim1, rank, "transpose");
    if (a === b) return unchanged(x);
    const order = x._shape.map((_, i) => i);
    order[a] = b;
    order[b] = a;
    return bind(permuteP, [x], order);
  },
);

/** Another name for {@link transpose}. */
export const swapaxes = transpose;

/** The transpose of a matrix; a vector or 0-d tensor stays. */
export const t = method("t(x: tensor)", (x: Tensor): Tensor => {
  if (x.rank > 2) throw new ShapeError(`t: wanted at most 2 dims, got ${show(x._shape)}; use transpose or permute`);
  return x.rank < 2 ? unchanged(x) : bind(permuteP, [x], [1, 0]);
});

/** Moves dims to new places; the others keep their order. */
export const movedim = method(
  "movedim(x: tensor, source: number|numbers, destination: number|numbers)",
  (x: Tensor, source: number | readonly number[], destination: number | readonly number[]): Tensor => {
    const { rank } = x;
    const from = list(source).map((dim) => normalizeAxis(dim, rank, "movedim"));
    const to = list(destination).map((dim) => normalizeAxis(dim, rank, "movedim"));
    if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
      throw new ShapeError(
        `movedim: source ${show(list(source))} and destination ${show(list(destination))} do not pair up`,
      );
    }
    const rest = x._shape.map((_, i) => i).filter((i) => !from.includes(i));
    const order = x._shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)] : (rest.shift() as number)));
    return permuteTo(x, order);
  },
);

const list = (dims: number | readonly number[]): readonly number[] => (typeof dims === "number" ? [dims] : dims);

/**
 * Repeats dims of size 1, without a copy.
 *
 * @param shape  new dims may come in front; −1 keeps a size
 */
export const expand = method("expand(x: tensor, shape: numbers)", (x: Tensor, shape: Shape): Tensor => {
  const from = x._shape;
  wantArray(shape, "expand: the shape");
  const added = shape.length - from.length;
  if (added < 0) throw new ShapeError(`expand: ${show(from)} has more dims than ${show(shape)}`);
  if (shape.some((d, i) => !Number.isInteger(d) || d < (i < added ? 0 : -1))) {
    throw new ShapeError(`expand: ${show(from)} to ${show(shape)}: wanted sizes >= 0, or -1 for a dim that is there`);
  }
  const to = shape.map((d, i) => (d === -1 && i >= added ? from[i - added] : d));
  return expandTo(x, to);
});

/** The shape holds no −1. */
export function expandTo(x: Tensor, shape: Shape): Tensor {
  const from = x._shape;
  if (sameShape(from, shape)) return unchanged(x);
  const added = shape.length - from.length;
  const aligned = added > 0 ? bind(reshapeP, [x], [...new Array<number>(added).fill(1), ...from]) : x;
  return sameShape(aligned.shape, shape) ? aligned : bind(expandP, [aligned], shape);
}

/** The shape of another tensor. */
export const expandAs = method(
  "expandAs(x: tensor, other: tensor)",
  (x: Tensor, other: Tensor): Tensor => expandTo(x, other.shape),
);

/** Another name for {@link expand}. */
export const broadcastTo = expand;

/** Attributes of `slice` that leave all dims but one whole. */
export function sliceAxis(x: Tensor, axis: number, start: number, size: number, step = 1): Tensor {
  const shape = x._shape;
  if (start === 0 && size === shape[axis] && step === 1) return unchanged(x);
  const rank = shape.length;
  const attrs = new Array<number>(3 * rank);
  for (let i = 0; i < rank; i++) {
    attrs[i] = 0;
    attrs[rank + i] = shape[i];
    attrs[2 * rank + i] = 1;
  }
  attrs[axis] = start;
  attrs[rank + axis] = size;
  attrs[2 * rank + axis] = step;
  return bind(sliceP, [x], attrs);
}

/**
 * x[start:stop:step] along one dim, as Python slices: negative bounds count from the end, those outside are clipped.
 *
 * @param start  a number, or a tensor of one element that the host knows; `stop` likewise
 * @param step   ≥ 1
 * @example      slice(x, 0, 1, -1) // without the first and the last row
 */
export const slice = method(
  "slice(x: tensor, dim: number, start?: tensor|number|null, stop?: tensor|number|null, step?: number)",
  (x: Tensor, dim: number, start?: number | Tensor | null, stop?: number | Tensor | null, step = 1): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "slice");
    if (x.rank === 0) throw new ShapeError("slice: a 0-d tensor has no dim to slice");
    const { start: from, size } = sliceBounds(
      x._shape[axis],
      start instanceof Tensor ? hostNumber("slice", "start", start) : start,
      stop instanceof Tensor ? hostNumber("slice", "stop", stop) : stop,
      step,
    );
    return sliceAxis(x, axis, from, size, step);
  },
);

/** Where start:stop:step of a dim of n elements begins, and how many it takes. */
export function sliceBounds(
  n: number,
  start: number | null | undefined,
  stop: number | null | undefined,
  step: number,
): { start: number; size: number } {
  if (!Number.isInteger(step) || step < 1) {
    throw new ArgumentError(`slice: step ${step}: wanted an integer >= 1; flip() reverses a dim`);
  }
  wantInteger("slice", "start", start ?? 0);
  wantInteger("slice", "stop", stop ?? 0);
  const from = clip(start ?? 0, n);
  const to = clip(stop ?? n, n);
  return { start: from, size: Math.max(0, Math.ceil((to - from) / step)) };
}

const clip = (bound: number, n: number): number => Math.min(Math.max(bound < 0 ? bound + n : bound, 0), n);

/** `length` elements along a dim, beginning at `start`: a number, or a tensor of one integer that the host knows. */
export const narrow = method(
  "narrow(x: tensor, dim: number, first: tensor|number, length: number)",
  (x: Tensor, dim: number, first: number | Tensor, length: number): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "narrow");
    const start = hostNumber("narrow", "start", first);
    const n = x._shape[axis];
    const from = start < 0 ? start + n : start;
    if (!(Number.isInteger(from) && Number.isInteger(length) && from >= 0 && length >= 0 && from + length <= n)) {
      throw new ShapeError(`narrow: start ${start}, length ${length} leaves dim ${dim} of ${show(x._shape)}`);
    }
    return sliceAxis(x, axis, from, length);
  },
);

/** One index along a dim, which disappears. */
export const select = method(
  "select(x: tensor, dim: number, index: number)",
  (x: Tensor, dim: number, index: number): Tensor => {
    const shape = x._shape;
    const axis = normalizeAxis(dim, shape.length, "select");
    const n = shape[axis];
    if (!Number.isInteger(index) || index < -n || index >= n || shape.length === 0) {
      throw new ShapeError(`select: index ${index} is outside dim ${dim} of ${show(shape)}`);
    }
    return bind(reshapeP, [sliceAxis(x, axis, index < 0 ? index + n : index, 1)], shape.toSpliced(axis, 1));
  },
);

/** Reverses dims. */
export const flip = method(
  "flip(x: tensor, dims: number|numbers)",
  (x: Tensor, dims: number | readonly number[]): Tensor => {
    const axes = list(dims).length === 0 ? [] : normalizeAxes(dims, x.rank, "flip");
    return axes.length === 0 ? unchanged(x) : bind(flipP, [x], axes);
  },
);
