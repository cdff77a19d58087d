/**
 * Scans: running sums and products along a dim.
 */
import { bind } from "../bind.ts";
import { iota } from "../creation.ts";
import { cumsumP, ltP, mulP, padP, reshapeP, whereP } from "../primitives.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { sliceAxis } from "./movement.ts";
import { cast, literal, literalLike, unchanged } from "./operand.ts";

/** Running sum along a dim, each element included in its own. */
export function cumsum(x: Tensor, dim: number): Tensor {
  const axis = normalizeAxis(dim, x.rank, "cumsum");
  if (x.rank === 0) return unchanged(x);
  return bind(cumsumP, [x.dtype === "bool" ? cast(x, "int32") : x], [axis]);
}

/**
 * Running product along a dim, each element included in its own.
 *
 * In log₂ n doubling steps (Hillis and Steele), products only: so the derivative is right where factors are 0.
 */
export function cumprod(x: Tensor, dim: number): Tensor {
  const axis = normalizeAxis(dim, x.rank, "cumprod");
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
}
