/**
 * Order: extremes with their places, and sorting. Of equal elements the first counts, and gets the gradient.
 */

import { bind, bindUntracked } from "../bind.ts";
import { iota } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { argmaxP, argsortP, eqP, gatherP, isnanP, maxP, reshapeP, sumP, whereP } from "../primitives.ts";
import { normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { sliceAxis } from "./movement.ts";
import { named } from "./named.ts";
import { literal, literalLike, unchanged, wantNumbers } from "./operand.ts";
import { amax, amin, dropped, REDUCE, type ReduceOptions, reversed } from "./reduce.ts";

/** Place of the first largest along an axis, which stays as size 1. */
function place(x: Tensor, axis: number): Tensor {
  return bind(argmaxP, [x], [axis]);
}

/**
 * The elements at the places, by a sum over the axis in which all others are 0: the gradient goes to that place only.
 */
function pick(x: Tensor, axis: number, at: Tensor): Tensor {
  const { shape } = x;
  const column = shape.map((d, i) => (i === axis ? d : 1));
  const counting = bind(reshapeP, [iota(x.device, "int32", shape[axis])], column);
  return bind(sumP, [bind(whereP, [bind(eqP, [counting, at]), x, literalLike(x, 0)])], [axis]);
}

/** The first largest along an axis, which disappears: what max-pooling keeps. */
export const firstLargest = named("firstLargest", (x: Tensor, axis: number): Tensor => {
  return dropped(pick(x, axis, place(x, axis)), [axis], false);
});

const largest = named("max", (x: Tensor): Tensor => amax(x));
const smallest = named("min", (x: Tensor): Tensor => amin(x));

/** @param order  x, or its elements in the opposite order */
function extreme(op: string, x: Tensor, order: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor] {
  checkOptions(op, options, REDUCE);
  wantNumbers(op, x);
  const axis = normalizeAxis(dim, x.rank, op);
  if (x.rank === 0) return [unchanged(x), literal(x.device, "int32", 0)];
  if (x.shape[axis] === 0) throw new ShapeError(`${op}: dim ${dim} of ${show(x.shape)} is empty`);
  const at = place(order, axis);
  return [dropped(pick(x, axis, at), [axis], options?.keepdim), dropped(at, [axis], options?.keepdim)];
}

/**
 * The largest element; with a dim, the largest along it and their places.
 *
 * @returns without a dim a 0-d tensor (ties share the gradient); with one [values, indices]: int32, the first of a
 *          tie, which also gets the gradient
 * @example const [best, where] = max(logits, -1)
 */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor];
export function max(x: Tensor, dim?: number, options?: ReduceOptions): Tensor | [Tensor, Tensor] {
  return dim === undefined ? largest(x) : extreme("max", x, x, dim, options);
}

/** The smallest element; with a dim, [values, indices]. See {@link max}. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor];
export function min(x: Tensor, dim?: number, options?: ReduceOptions): Tensor | [Tensor, Tensor] {
  if (dim === undefined) return smallest(x);
  wantNumbers("min", x);
  return extreme("min", x, reversed(x), dim, options);
}

function argExtreme(op: string, x: Tensor, dim: number | null | undefined, options?: ReduceOptions): Tensor {
  checkOptions(op, options, REDUCE);
  wantNumbers(op, x);
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
export const argmax = (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor =>
  argExtreme("argmax", x, dim, options);

/** Index of the first smallest (the first NaN, if there is one) along a dim, or among all: int32. */
export const argmin = named(
  "argmin",
  (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor =>
    argExtreme("argmin", x.dtype === "bool" ? x : reversed(x), dim, options),
);

export interface SortOptions {
  /** Largest first. */
  descending?: boolean;
}

/** Indices that sort along a dim (the last by default), stable: int32. */
export function argsort(x: Tensor, dim = -1, options: SortOptions = {}): Tensor {
  const { descending = false } = checkOptions("argsort", options, ["descending"]);
  const axis = normalizeAxis(dim, x.rank, "argsort");
  if (x.rank === 0) return literal(x.device, "int32", 0);
  return bind(argsortP, [x], [axis, descending ? 1 : 0]);
}

/**
 * Sorts along a dim (the last by default), stable. NaN comes last.
 *
 * @returns [values, indices]
 */
export const sort = named("sort", (x: Tensor, dim = -1, options: SortOptions = {}): [Tensor, Tensor] => {
  if (x.rank === 0) return [unchanged(x), argsort(x, dim)];
  const order = argsort(x, dim, options);
  return [bind(gatherP, [x, order], [normalizeAxis(dim, x.rank, "sort")]), order];
});

/**
 * The k largest (or smallest) along a dim, in order. NaN comes last, as in {@link sort}.
 *
 * @returns [values, indices]
 */
export function topk(x: Tensor, k: number, dim = -1, options: { largest?: boolean } = {}): [Tensor, Tensor] {
  const { largest = true } = checkOptions("topk", options, ["largest"]);
  const axis = normalizeAxis(dim, x.rank, "topk");
  const n = x.rank === 0 ? 1 : x.shape[axis];
  if (!Number.isInteger(k) || k < 0 || k > n)
    throw new ShapeError(`topk: k is ${k}: dim ${dim} of ${show(x.shape)} has ${n}`);
  if (x.rank === 0) return sort(x);
  const order = sliceAxis(argsort(x, axis, { descending: largest }), axis, 0, k);
  return [bind(gatherP, [x, order], [axis]), order];
}

/**
 * The median along a dim: the lower of the two middle ones for an even number, NaN if there is one.
 *
 * @returns [values, indices]
 */
export const median = named("median", (x: Tensor, dim = -1): [Tensor, Tensor] => {
  const axis = normalizeAxis(dim, x.rank, "median");
  if (x.shape[axis] === 0) throw new ShapeError(`median: dim ${dim} of ${show(x.shape)} is empty`);
  const middle = (x.shape[axis] - 1) >> 1;
  let order = sliceAxis(argsort(x, axis), axis, middle, 1);
  if (isFloat(x.dtype))
    order = bind(whereP, [bindUntracked(isnanP, [bindUntracked(maxP, [x], [axis])]), place(x, axis), order]);
  return [dropped(bind(gatherP, [x, order], [axis]), [axis], false), dropped(order, [axis], false)];
});
