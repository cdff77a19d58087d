/**
 * Softmax and its logarithm. The largest logit is subtracted first, which changes nothing but the range;
 * so the shift is a constant to the tape.
 */

import { bind, bindUntracked } from "../bind.ts";
import { operation } from "../checked.ts";
import { type DType, isFloat } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { divP, eqP, expP, logP, maxP, negP, subP, sumP, whereP } from "../primitives.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { asFloat, cast, literalLike, scalar } from "./operand.ts";

/** Options of softmax and its kin. */
export interface SoftmaxOptions {
  /** The dtype in which it is computed, and of the result: x is cast first. */
  dtype?: DType | null;
}

/** The operand in the dtype that is asked for, else as a float. */
function converted(op: string, x: Tensor, options: SoftmaxOptions | undefined): Tensor {
  const dtype = options?.dtype ?? null;
  if (dtype === null) return asFloat(x);
  if (!isFloat(dtype)) throw new DTypeError(`${op}: dtype is ${dtype}: wanted a float`);
  return cast(x, dtype);
}

function shifted(x: Tensor, axes: readonly number[]): Tensor {
  return bind(subP, [x, bindUntracked(maxP, [x], axes)]);
}

/**
 * eˣ / Σ eˣ along a dim.
 *
 * @example softmax(logits, -1)
 */
export const softmax = method(
  "softmax(x: tensor, dim: number, options?: { dtype: string|null })",
  (x: Tensor, dim: number, options?: SoftmaxOptions): Tensor => {
    const axes = [normalizeAxis(dim, x.rank, "softmax")];
    x = converted("softmax", x, options);
    if (x.rank === 0) axes.length = 0;
    const e = bind(expP, [shifted(x, axes)]);
    return bind(divP, [e, bind(sumP, [e], axes)]);
  },
);

/**
 * Softmax with 0 along a row in which all is −Infinity, where {@link softmax} has NaN: what attention gives to a query
 * that may see no key. The derivatives there are 0, at every order.
 *
 * @example safeSoftmax(scores.maskedFill(hidden, -Infinity), -1)
 */
export const safeSoftmax = operation("safeSoftmax(x: tensor, dim: number)", (x: Tensor, dim: number): Tensor => {
  const axes = [normalizeAxis(dim, x.rank, "safeSoftmax")];
  x = asFloat(x);
  if (x.rank === 0) axes.length = 0;
  const largest = bindUntracked(maxP, [x], axes);
  const none = bind(eqP, [largest, scalar(x.device, x.dtype, -Infinity)]);
  const e = bind(expP, [bind(subP, [x, bind(whereP, [none, literalLike(x, 0), largest])])]);
  return bind(divP, [e, bind(whereP, [none, literalLike(x, 1), bind(sumP, [e], axes)])]);
});

/** log softmax(x) along a dim, accurate where softmax underflows. */
export const logSoftmax = method(
  "logSoftmax(x: tensor, dim: number, options?: { dtype: string|null })",
  (x: Tensor, dim: number, options?: SoftmaxOptions): Tensor => {
    const axes = [normalizeAxis(dim, x.rank, "logSoftmax")];
    x = converted("logSoftmax", x, options);
    if (x.rank === 0) axes.length = 0;
    const z = shifted(x, axes);
    return bind(subP, [z, bind(logP, [bind(sumP, [bind(expP, [z])], axes)])]);
  },
);

/** softmax(−x) along a dim. */
export const softmin = operation(
  "softmin(x: tensor, dim: number, options?: { dtype: string|null })",
  (x: Tensor, dim: number, options?: SoftmaxOptions): Tensor => {
    return softmax(bind(negP, [converted("softmin", x, options)]), dim);
  },
);
