/**
 * Softmax and its logarithm. The largest logit is subtracted first, which changes nothing but the range;
 * so the shift is a constant to the tape.
 */

import { bind, bindUntracked } from "../bind.ts";
import { divP, expP, logP, maxP, subP, sumP } from "../primitives.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { named } from "./named.ts";
import { asFloat } from "./operand.ts";

function shifted(x: Tensor, axes: readonly number[]): Tensor {
  return bind(subP, [x, bindUntracked(maxP, [x], axes)]);
}

/**
 * eˣ / Σ eˣ along a dim.
 *
 * @example softmax(logits, -1)
 */
export function softmax(x: Tensor, dim: number): Tensor {
  const axes = [normalizeAxis(dim, x.rank, "softmax")];
  x = asFloat(x);
  if (x.rank === 0) axes.length = 0;
  const e = bind(expP, [shifted(x, axes)]);
  return bind(divP, [e, bind(sumP, [e], axes)]);
}

/** log softmax(x) along a dim, accurate where softmax underflows. */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  const axes = [normalizeAxis(dim, x.rank, "logSoftmax")];
  x = asFloat(x);
  if (x.rank === 0) axes.length = 0;
  const z = shifted(x, axes);
  return bind(subP, [z, bind(logP, [bind(sumP, [bind(expP, [z])], axes)])]);
}

/** softmax(−x) along a dim. */
export const softmin = named("softmin", (x: Tensor, dim: number): Tensor => softmax(x.neg(), dim));
