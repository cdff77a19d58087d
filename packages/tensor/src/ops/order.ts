/**
 * Order: extremes with their places, and sorting. Of equal elements the first counts, and gets the gradient.
 */

import { bind, bindUntracked } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import {
  andP,
  argmaxP,
  argsortP,
  divP,
  eqP,
  gatherP,
  isnanP,
  maximumP,
  maxP,
  notP,
  orP,
  reshapeP,
  subP,
  sumP,
  whereP,
} from "../primitives.ts";
import { normalizeAxis, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { maximum, minimum } from "./arithmetic.ts";
import { method } from "./method.ts";
import { sliceAxis } from "./movement.ts";
import { cast, literal, literalLike, scalar, unchanged, wantNumbers } from "./operand.ts";
import { amax, amin, dropped, REDUCE, type ReduceOptions, reversed } from "./reduce.ts";

/** Place of the first largest along an axis, which stays as size 1; true is larger than false. */
function place(x: Tensor, axis: number): Tensor {
  return bind(argmaxP, [x.dtype === "bool" ? cast(x, "int32") : x], [axis]);
}

/**
 * The elements at the places, by a sum over the axis in which all others are 0: the gradient goes to that place only.
 */
function pick(x: Tensor, axis: number, at: Tensor): Tensor {
  if (x.dtype === "bool") return bind(gatherP, [x, at], [axis]);
  const { shape } = x;
  const column = shape.map((d, i) => (i === axis ? d : 1));
  const counting = bind(reshapeP, [iota(x.device, "int32", shape[axis])], column);
  return bind(sumP, [bind(whereP, [bind(eqP, [counting, at]), x, literalLike(x, 0)])], [axis]);
}

/** The first largest along an axis, which disappears: what max-pooling keeps. */
export const firstLargest = operation(
  "firstLargest(x: tensor, axis: number)",
  (x: Tensor, axis: number): Tensor => dropped(pick(x, axis, place(x, axis)), [axis], false),
);

/** @param order  x, or its elements in the opposite order */
function extreme(op: string, x: Tensor, order: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor] {
  const axis = normalizeAxis(dim, x.rank, op);
  if (x.rank === 0) return [unchanged(x), literal(x.device, "int32", 0)];
  if (x.shape[axis] === 0) throw new ShapeError(`${op}: dim ${dim} of ${show(x.shape)} is empty`);
  const at = place(order, axis);
  return [dropped(pick(x, axis, at), [axis], options?.keepdim), dropped(at, [axis], options?.keepdim)];
}

/**
 * The largest element; with a dim, the largest along it and their places; with another tensor, the larger of each pair.
 *
 * @returns without a dim a 0-d tensor (ties share the gradient); with one [values, indices]: int32, the first of a
 *          tie, which also gets the gradient; with a tensor what {@link maximum} gives
 * @example const [best, where] = max(logits, -1)
 */
export const max: Extreme = operation(
  ["max(x: tensor, other?: tensor)", `max(x: tensor, dim: number, options?: ${REDUCE})`],
  (x: Tensor, dim?: number | Tensor, options?: ReduceOptions): Tensor | [Tensor, Tensor] => {
    if (dim instanceof Tensor) return maximum(x, dim);
    return dim === undefined ? amax(x) : extreme("max", x, x, dim, options);
  },
) as Extreme;

interface Extreme {
  (x: Tensor): Tensor;
  (x: Tensor, other: Tensor): Tensor;
  (x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor];
}

/** The smallest element; with a dim, [values, indices]; with another tensor, the smaller of each pair. See {@link max}. */
export const min: Extreme = operation(
  ["min(x: tensor, other?: tensor)", `min(x: tensor, dim: number, options?: ${REDUCE})`],
  (x: Tensor, dim?: number | Tensor, options?: ReduceOptions): Tensor | [Tensor, Tensor] => {
    if (dim instanceof Tensor) return minimum(x, dim);
    if (dim === undefined) return amin(x);
    return extreme("min", x, reversed(x.dtype === "bool" ? cast(x, "int32") : x), dim, options);
  },
) as Extreme;

function argExtreme(op: string, x: Tensor, dim: number | null | undefined, options?: ReduceOptions): Tensor {
  if (x.size === 0) throw new ShapeError(`${op}: ${show(x.shape)} is empty: nothing to choose from`);
  if (dim === undefined || dim === null) {
    const flat = place(bind(reshapeP, [x], [x.size]), 0);
    return bind(reshapeP, [flat], options?.keepdim ? x.shape.map(() => 1) : []);
  }
  if (x.rank === 0) return bind(reshapeP, [place(bind(reshapeP, [x], [1]), 0)], []);
  const axis = normalizeAxis(dim, x.rank, op);
  return dropped(place(x, axis), [axis], options?.keepdim);
}

/** Index of the first largest (the first NaN, if there is one) along a dim, or among all: int32. */
export const argmax = method(
  `argmax(x: tensor, dim?: number|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor => argExtreme("argmax", x, dim, options),
);

/** Index of the first smallest (the first NaN, if there is one) along a dim, or among all: int32. */
export const argmin = method(
  `argmin(x: tensor, dim?: number|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor => argExtreme("argmin", reversed(x), dim, options),
);

export interface SortOptions {
  /** Largest first. */
  descending?: boolean;
}

/** Indices that sort along a dim (the last by default), stable: int32. */
export const argsort = method(
  "argsort(x: tensor, dim?: number, options?: { descending: boolean })",
  (x: Tensor, dim = -1, options: SortOptions = {}): Tensor => {
    const { descending = false } = options;
    const axis = normalizeAxis(dim, x.rank, "argsort");
    if (x.rank === 0) return literal(x.device, "int32", 0);
    return bind(argsortP, [x], [axis, descending ? 1 : 0]);
  },
);

/**
 * Sorts along a dim (the last by default), stable. NaN comes last.
 *
 * @returns [values, indices]
 */
export const sort = method(
  "sort(x: tensor, dim?: number, options?: { descending: boolean })",
  (x: Tensor, dim = -1, options: SortOptions = {}): [Tensor, Tensor] => {
    if (x.rank === 0) return [unchanged(x), argsort(x, dim)];
    const order = argsort(x, dim, options);
    return [bind(gatherP, [x, order], [normalizeAxis(dim, x.rank, "sort")]), order];
  },
);

/**
 * The k largest (or smallest) along a dim, in order. NaN comes last, as in {@link sort}.
 *
 * @returns [values, indices]
 */
export const topk = method(
  "topk(x: tensor, k: number, dim?: number, options?: { largest: boolean })",
  (x: Tensor, k: number, dim = -1, options: { largest?: boolean } = {}): [Tensor, Tensor] => {
    const { largest = true } = options;
    const axis = normalizeAxis(dim, x.rank, "topk");
    const n = x.rank === 0 ? 1 : x.shape[axis];
    if (!Number.isInteger(k) || k < 0 || k > n)
      throw new ShapeError(`topk: k is ${k}: dim ${dim} of ${show(x.shape)} has ${n}`);
    if (x.rank === 0) return sort(x);
    const order = sliceAxis(argsort(x, axis, { descending: largest }), axis, 0, k);
    return [bind(gatherP, [x, order], [axis]), order];
  },
);

/** What counts as the middle. */
interface Middle {
  readonly op: string;
  /** Whether NaN is left out, rather than the answer. */
  readonly skipsNaN: boolean;
}

/** Places of the medians along an axis, which stays as size 1. */
function middlePlace({ skipsNaN }: Middle, x: Tensor, axis: number): Tensor {
  const n = x.shape[axis];
  const order = argsort(x, axis);
  if (!isFloat(x.dtype)) return sliceAxis(order, axis, (n - 1) >> 1, 1);
  if (skipsNaN) {
    // NaN stands at the end of the order.
    const numbers = bind(sumP, [cast(bind(notP, [bindUntracked(isnanP, [x])]), "int32")], [axis]);
    const one = literal(x.device, "int32", 1);
    const last = bind(subP, [bind(maximumP, [numbers, one]), one]);
    return bind(gatherP, [order, bind(divP, [last, literal(x.device, "int32", 2)])], [axis]);
  }
  const hasNaN = bindUntracked(isnanP, [bindUntracked(maxP, [x], [axis])]);
  return bind(whereP, [hasNaN, place(x, axis), sliceAxis(order, axis, (n - 1) >> 1, 1)]);
}

/** The median of all elements. Equal ones share the gradient. */
function medianOfAll(how: Middle, x: Tensor): Tensor {
  const { device, dtype } = x;
  const flat = bind(reshapeP, [x], [x.size]);
  if (x.size === 0) {
    if (isFloat(dtype)) return scalar(device, dtype, Number.NaN);
    throw new ShapeError(`${how.op}: ${show(x.shape)} is empty: nothing to choose from`);
  }
  const value = bindUntracked(gatherP, [flat, middlePlace(how, flat, 0)], [0]);
  if (!isFloat(dtype)) return bind(reshapeP, [value], []);
  const same = bindUntracked(eqP, [flat, value]);
  const chosen = bind(orP, [same, bind(andP, [bindUntracked(isnanP, [flat]), bindUntracked(isnanP, [value])])]);
  const others = bind(whereP, [chosen, flat, scalar(device, dtype, -Infinity)]);
  return bind(reshapeP, [bind(maxP, [others], [0])], []);
}

function medianAlong(how: Middle, x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor] {
  const { op } = how;
  const axis = normalizeAxis(dim, x.rank, op);
  if (x.rank === 0) return [unchanged(x), literal(x.device, "int32", 0)];
  if (x.shape[axis] === 0) throw new ShapeError(`${op}: dim ${dim} of ${show(x.shape)} is empty`);
  const at = middlePlace(how, x, axis);
  const keepdim = options?.keepdim;
  return [dropped(bind(gatherP, [x, at], [axis]), [axis], keepdim), dropped(at, [axis], keepdim)];
}

/** `median` and `nanmedian`, which differ in what NaN does. */
function medians(how: Middle): MedianFunction {
  return operation(
    [`${how.op}(x: tensor)`, `${how.op}(x: tensor, dim: number, options?: ${REDUCE})`],
    (x: Tensor, dim?: number, options?: ReduceOptions) => {
      wantNumbers(how.op, x);
      return dim === undefined ? medianOfAll(how, x) : medianAlong(how, x, dim, options);
    },
  ) as MedianFunction;
}

interface MedianFunction {
  (x: Tensor): Tensor;
  (x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor];
}

/**
 * The median: the lower of the two middle ones for an even number, NaN if there is one.
 *
 * @returns without a dim that of all elements, 0-d (equal ones share the gradient; NaN of nothing); with one [values,
 *          indices], int32: the gradient goes to the place
 * @see     torch.median
 * @example median(x, 1, { keepdim: true })
 */
export const median = medians({ op: "median", skipsNaN: false });

/** The median of what is not NaN; NaN where all is. See {@link median}. @see torch.nanmedian */
export const nanmedian = medians({ op: "nanmedian", skipsNaN: true });
