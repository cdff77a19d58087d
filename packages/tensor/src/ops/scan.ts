/**
 * Scans: running sums and products along a dim.
 */

import { bind } from "../bind.ts";
import { iota } from "../creation.ts";
import type { DType } from "../dtype.ts";
import { DTypeError } from "../errors.ts";
import { cumsumP, ltP, mulP, padP, reshapeP, whereP } from "../primitives.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { sliceAxis } from "./movement.ts";
import { cast, literal, literalLike, unchanged } from "./operand.ts";

/** Options of running sums and products. */
export interface ScanOptions {
  /** The dtype in which it is computed, and of the result: x is cast first. Bool is none of them. */
  dtype?: DType | null;
}

/** The operand in the dtype that is asked for; bool counts as int32. */
function converted(op: string, x: Tensor, options: ScanOptions | undefined): Tensor {
  const dtype = options?.dtype ?? (x.dtype === "bool" ? "int32" : x.dtype);
  if (dtype === "bool") throw new DTypeError(`${op}: dtype is bool: wanted one of numbers`);
  return dtype === x.dtype ? x : cast(x, dtype);
}

/** Running sum along a dim, each element included in its own. */
export const cumsum = method(
  "cumsum(x: tensor, dim: number, options?: { dtype: string|null })",
  (x: Tensor, dim: number, options?: ScanOptions): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "cumsum");
    x = converted("cumsum", x, options);
    if (x.rank === 0) return unchanged(x);
    return bind(cumsumP, [x], [axis]);
  },
);

/**
 * Running product along a dim, each element included in its own.
 *
 * In log₂ n doubling steps (Hillis and Steele), products only: so the derivative is right where factors are 0.
 */
export const cumprod = method(
  "cumprod(x: tensor, dim: number, options?: { dtype: string|null })",
  (x: Tensor, dim: number, options?: ScanOptions): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "cumprod");
    x = converted("cumprod", x, options);
    if (x.rank === 0) return unchanged(x);
    const { rank } = x;
    const n = x.shape[axis];
    if (n < 2) return unchanged(x);
    const counting = bind(
      reshapeP,
      [iota(x.device, "int32", n)],
      x.shape.map((d, i) => (i === axis ? d : 1)),
    );
    const one = literalLike(x, 1);
    let y = x;
    for (let reach = 1; reach < n; reach *= 2) {
      // y[i] already holds the product of x[i − reach + 1 … i]; multiply by y[i − reach].
      const before = new Array<number>(2 * rank).fill(0).with(axis, reach);
      const earlier = bind(padP, [sliceAxis(y, axis, 0, n - reach)], before);
      const none = bind(ltP, [counting, literal(x.device, "int32", reach)]);
      y = bind(mulP, [y, bind(whereP, [none, one, earlier])]);
    }
    return y;
  },
);
