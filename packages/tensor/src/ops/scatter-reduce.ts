/**
 * Scattering that meets what is there: sources that go to one place are summed, multiplied, averaged, or the largest or
 * smallest of them counts.
 *
 * Sums are `scatterAdd`. The other ways look at every pair of a source and a place along the dim (*pairs*): a reduction in
 * which sources for other places are the neutral element. So the derivatives are those of `prod` and `amax`, right where
 * factors are 0 and shared by equal elements, at the price of n elements for each source.
 */

import { bind } from "../bind.ts";
import { iota } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError } from "../errors.ts";
import { integerRange } from "../host-data.ts";
import { addP, divP, eqP, maximumP, maxP, prodP, reshapeP, scatterAddP, whereP } from "../primitives.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cat } from "./join.ts";
import { method } from "./method.ts";
import { expandTo, unsqueeze } from "./movement.ts";
import { cast, literal, literalLike, scalar } from "./operand.ts";
import { padConstant } from "./padding.ts";
import { reversed } from "./reduce.ts";
import { scattered } from "./scattered.ts";

/** How sources that go to one place, and what is there, become one. */
export type ScatterReduction = "sum" | "prod" | "mean" | "amax" | "amin";

const REDUCTIONS: readonly string[] = ["sum", "prod", "mean", "amax", "amin"];

export interface ScatterReduceOptions {
  /** Whether what is there counts as well. Default true. */
  includeSelf?: boolean;
}

/**
 * x with `source` reduced into the places that the indices name; places without a source keep what they have.
 *
 * @param index   int32, the shape of the part of source that is used. Negative ones count from the end
 * @param source  tensor at least as large as index in every dim
 * @param reduce  "sum", "prod", "mean", "amax" or "amin"; a mean of integers is rounded down
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.scatter_reduce
 * @example       scatterReduce(zeros([groups]), 0, group, values, "mean", { includeSelf: false })
 */
export const scatterReduce = method(
  "scatterReduce(x: tensor, dim: number, index: tensor, source: tensor, reduce: string, options?: { includeSelf: boolean })",
  (
    x: Tensor,
    dim: number,
    index: Tensor,
    source: Tensor,
    reduce: ScatterReduction,
    options: ScatterReduceOptions = {},
  ): Tensor => {
    const { includeSelf = true } = options;
    if (!REDUCTIONS.includes(reduce)) {
      throw new ArgumentError(
        `scatterReduce: reduce is ${JSON.stringify(reduce)}: wanted one of "${REDUCTIONS.join('", "')}"`,
      );
    }
    const axis = normalizeAxis(dim, x.rank, "scatterReduce");
    const [to, at, from] = scattered("scatterReduce", x, axis, index, source);
    const result =
      to.dtype === "bool"
        ? cast(reducedAt(cast(to, "int32"), at, cast(from, "int32"), axis, reduce, includeSelf), "bool")
        : reducedAt(to, at, from, axis, reduce, includeSelf);
    return x.rank === 0 ? bind(reshapeP, [result], []) : result;
  },
);

function reducedAt(
  x: Tensor,
  at: Tensor,
  source: Tensor,
  axis: number,
  reduce: ScatterReduction,
  includeSelf: boolean,
): Tensor {
  switch (reduce) {
    case "sum":
      return bind(scatterAddP, [includeSelf ? x : besides(x, at, axis, literalLike(x, 0)), at, source], [axis]);
    case "mean": {
      const start = includeSelf ? x : besides(x, at, axis, literalLike(x, 0));
      const hits = counts(x, at, axis);
      const one = literal(x.device, "int32", 1);
      const divisor = cast(includeSelf ? bind(addP, [hits, one]) : bind(maximumP, [hits, one]), x.dtype);
      const total = bind(scatterAddP, [start, at, source], [axis]);
      return isFloat(x.dtype) ? bind(divP, [total, divisor]) : total.floorDivide(divisor);
    }
    case "prod":
      return multipliedAt(includeSelf ? x : besides(x, at, axis, literalLike(x, 1)), at, source, axis);
    case "amax":
      return largestAt(x, at, source, axis, includeSelf);
    case "amin":
      return reversed(largestAt(reversed(x), at, reversed(source), axis, includeSelf));
    default:
      return reduce satisfies never;
  }
}

/** How many sources go to each place: int32, x's shape. */
function counts(x: Tensor, at: Tensor, axis: number): Tensor {
  const none = expandTo(literal(x.device, "int32", 0), x.shape);
  return bind(scatterAddP, [none, at, expandTo(literal(x.device, "int32", 1), at.shape)], [axis]);
}

/** x where no source goes, a neutral element elsewhere. */
const besides = (x: Tensor, at: Tensor, axis: number, neutral: Tensor): Tensor =>
  bind(whereP, [cast(counts(x, at, axis), "bool"), neutral, x]);

/**
 * x as one more source of each place, after those of the index: […, k + 1, n, …], the neutral element where a source goes
 * elsewhere.
 */
function pairs(x: Tensor, at: Tensor, source: Tensor, axis: number, neutral: Tensor): Tensor {
  // The index may be smaller than x in other dims: the rest of it leads nowhere.
  const before = x.shape.map(() => 0);
  const after = x.shape.map((d, i) => (i === axis ? 0 : d - at.shape[i]));
  const wide = unsqueeze(padConstant(at, before, after, -1), axis + 1);
  const given = unsqueeze(padConstant(source, before, after, 0), axis + 1);
  const place = bind(
    reshapeP,
    [iota(x.device, "int32", x.shape[axis])],
    [...x.shape, 1].map((_, i) => (i === axis + 1 ? x.shape[axis] : 1)),
  );
  return cat([bind(whereP, [bind(eqP, [wide, place]), given, neutral]), unsqueeze(x, axis)], axis);
}

/** x multiplied by the sources at positions. */
export function multipliedAt(x: Tensor, at: Tensor, source: Tensor, axis: number): Tensor {
  if (x.size === 0) return x;
  if (x.dtype === "bool") {
    return cast(multipliedAt(cast(x, "int32"), at, cast(source, "int32"), axis), "bool");
  }
  const factors = pairs(x, at, source, axis, literalLike(x, 1));
  return bind(reshapeP, [bind(prodP, [factors], [axis])], x.shape);
}

function largestAt(x: Tensor, at: Tensor, source: Tensor, axis: number, includeSelf: boolean): Tensor {
  if (x.size === 0) return x;
  const least = scalar(x.device, x.dtype, integerRange(x.dtype)?.[0] ?? -Infinity);
  const start = includeSelf ? x : besides(x, at, axis, least);
  return bind(reshapeP, [bind(maxP, [pairs(start, at, source, axis, least)], [axis])], x.shape);
}
