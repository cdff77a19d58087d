/**
 * Indexing by tensors of indices: int32, −n ≤ index < n for a dim of n; negative ones count from the end.
 *
 * An index outside is an error: at once where the host knows the indices, at the next read where only the device does (see
 * positions.ts). What was computed then has 0 where it read outside, and nothing written there.
 */

import { bind, bindUntracked, untracked } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { addP, aliasP, divP, eqP, gatherP, ltP, mulP, reshapeP, scatterAddP, subP, whereP } from "../primitives.ts";
import { intRange } from "../record/int-range.ts";
import { broadcastShapes, normalizeAxis, sameShape, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { expandTo } from "./movement.ts";
import { binary, cast, literal, numberOf, type Operand, scalar } from "./operand.ts";
import { positions } from "./positions.ts";
import { norm } from "./reduce.ts";
import { replaceAt } from "./replace.ts";
import { multipliedAt } from "./scatter-reduce.ts";
import { along, raised, scattered, shaped, sourceFor } from "./scattered.ts";
import { reciprocal } from "./unary.ts";

/**
 * out[i][j] = x[index[i][j]][j] for dim 0, and so on for other dims and ranks.
 *
 * @param index  int32, x's rank; no larger than x in the other dims. Negative ones count from the end
 * @returns      index's shape
 * @throws       IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see          torch.gather
 */
export const gather = method(
  "gather(x: tensor, dim: number, index: tensor)",
  (x: Tensor, dim: number, index: Tensor): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "gather");
    if (x.rank === 0 || index.rank === 0) return shaped(gather(raised(x), axis, raised(index)), index.shape);
    return bind(gatherP, [x, along("gather", x, axis, index)], [axis]);
  },
);

/**
 * `gather` whose other dims broadcast between x and index. Without a dim, x and index are flattened, as in torch.
 *
 * @throws  IndexError as {@link gather}
 * @see     torch.take_along_dim
 * @example takeAlongDim(x, argmax(x, 1, { keepdim: true }), 1)
 */
export const takeAlongDim = method(
  "takeAlongDim(x: tensor, index: tensor, dim?: number|null)",
  (x: Tensor, index: Tensor, dim?: number | null): Tensor => {
    if (dim === undefined || dim === null) {
      const at = along("takeAlongDim", shaped(x, [x.size]), 0, shaped(index, [index.size]));
      return bind(gatherP, [shaped(x, [x.size]), at], [0]);
    }
    const axis = normalizeAxis(dim, x.rank, "takeAlongDim");
    if (x.rank === 0) return gather(x, axis, index);
    if (index.rank !== x.rank) {
      throw new ShapeError(`takeAlongDim: x ${show(x.shape)} and index ${show(index.shape)}: the ranks differ`);
    }
    const common = broadcastShapes(x.shape.with(axis, 1), index.shape.with(axis, 1), "takeAlongDim");
    const from = expandTo(x, common.with(axis, x.shape[axis]));
    const at = along("takeAlongDim", x, axis, index);
    return bind(gatherP, [from, expandTo(at, common.with(axis, index.shape[axis]))], [axis]);
  },
);

/**
 * x with `source` added at the indices; repeated indices add up.
 *
 * @param index   int32, the shape of the part of source that is used. Negative ones count from the end
 * @param source  tensor at least as large as index in every dim, or a number
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.scatter_add
 */
export const scatterAdd = method(
  "scatterAdd(x: tensor, dim: number, index: tensor, source: operand)",
  (x: Tensor, dim: number, index: Tensor, source: Operand): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "scatterAdd");
    const [to, at, from] = scattered("scatterAdd", x, axis, index, source);
    return shaped(addedAt(to, at, from, axis), x.shape);
  },
);

/** x with source added at positions; of bool "or". */
function addedAt(x: Tensor, at: Tensor, source: Tensor, axis: number): Tensor {
  if (x.dtype !== "bool") return bind(scatterAddP, [x, at, source], [axis]);
  return cast(bind(scatterAddP, [cast(x, "int32"), at, cast(source, "int32")], [axis]), "bool");
}

export interface ScatterOptions {
  /** "add" or "multiply": what is there is added to, or multiplied by, in place of being replaced. Default null. */
  reduce?: "add" | "multiply" | null;
}

/**
 * x with elements replaced by those of `source` at the indices.
 *
 * An index should occur once along the dim (torch's result is arbitrary then): tensor sources of a repeated index add up.
 *
 * @param index   int32, the shape of the part of source that is used. Negative ones count from the end
 * @param source  tensor at least as large as index in every dim, or a number
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.scatter
 * @see           {@link scatterReduce}, which has more ways to meet what is there
 */
export const scatter = method(
  "scatter(x: tensor, dim: number, index: tensor, source: operand, options?: { reduce: string|null })",
  (x: Tensor, dim: number, index: Tensor, source: Operand, options: ScatterOptions = {}): Tensor => {
    const { reduce = null } = options;
    const axis = normalizeAxis(dim, x.rank, "scatter");
    if (reduce !== null) {
      if (reduce !== "add" && reduce !== "multiply") {
        throw new ArgumentError(`scatter: reduce is ${JSON.stringify(reduce)}: wanted "add" or "multiply"`);
      }
      const [to, at, from] = scattered("scatter", x, axis, index, source);
      return shaped(reduce === "add" ? addedAt(to, at, from, axis) : multipliedAt(to, at, from, axis), x.shape);
    }
    const to = raised(x);
    const at = along("scatter", to, axis, raised(index));
    const from = source instanceof Tensor ? sourceFor("scatter", to, at, raised(source)) : source;
    return shaped(replaceAt(to, axis, at, from), x.shape);
  },
);

/** A 1-d index along a dim of x, as positions repeated over the other dims. */
function slices(op: string, x: Tensor, axis: number, index: Tensor): Tensor {
  if (index.rank > 1) throw new ShapeError(`${op}: the index has shape ${show(index.shape)}, wanted one dim`);
  return spread(along(op, x, axis, index), x.shape, axis);
}

/** Positions [k], repeated over the other dims of a shape. */
function spread(at: Tensor, shape: readonly number[], axis: number): Tensor {
  const aligned = bind(
    reshapeP,
    [at],
    shape.map((_, i) => (i === axis ? at.size : 1)),
  );
  return expandTo(aligned, shape.with(axis, at.size));
}

/**
 * Whole slices of x, chosen along a dim.
 *
 * @param index  int32, [k]. Negative ones count from the end
 * @returns      x's shape with k in place of the dim
 * @throws       IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see          torch.index_select
 */
export const indexSelect = method(
  "indexSelect(x: tensor, dim: number, index: tensor)",
  (x: Tensor, dim: number, index: Tensor): Tensor => {
    const axis = normalizeAxis(dim, x.rank, "indexSelect");
    if (x.rank === 0) {
      if (index.size !== 1) {
        throw new ShapeError(`indexSelect: index ${show(index.shape)} for a 0-d tensor: wanted one element`);
      }
      return shaped(bind(gatherP, [raised(x), slices("indexSelect", raised(x), 0, index)], [0]), []);
    }
    return bind(gatherP, [x, slices("indexSelect", x, axis, index)], [axis]);
  },
);

/**
 * x with alpha · source added to the chosen slices; repeated indices add up.
 *
 * @param index   int32, [k]. Negative ones count from the end
 * @param source  x's shape with k in place of the dim
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.index_add
 */
export const indexAdd = method(
  "indexAdd(x: tensor, dim: number, index: tensor, source: tensor, options?: { alpha: operand })",
  (x: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: Operand } = {}): Tensor => {
    const { alpha = 1 } = options;
    const axis = normalizeAxis(dim, x.rank, "indexAdd");
    if (x.rank === 0 && source.rank > 0) {
      throw new ShapeError(`indexAdd: source ${show(source.shape)}: wanted [], as x`);
    }
    const at = slices("indexAdd", raised(x), axis, index);
    const from = raised(source);
    if (!sameShape(from.shape, at.shape)) {
      throw new ShapeError(`indexAdd: source ${show(source.shape)}: wanted ${show(at.shape)}`);
    }
    const scaled = alpha === 1 ? from : binary(mulP, from, alpha);
    return shaped(addedAt(raised(x), at, sourceFor("indexAdd", raised(x), at, scaled), axis), x.shape);
  },
);

/** Options of {@link embedding}. */
export interface EmbeddingLookup {
  /** A row that gets no gradient. */
  paddingIdx?: number | null;
  /** Rows that are read and are longer are scaled to this length: a constant to the tape, as in torch. */
  maxNorm?: number | null;
  /** Of the norm that measures rows. Default 2. */
  normType?: number;
  /** Whether a row's gradient is divided by how often it occurs among the indices. Default false. */
  scaleGradByFreq?: boolean;
}

/** Added to lengths before they divide, as torch does. */
const LENGTH_EPS = 1e-7;

/**
 * Rows that are longer than `maxNorm` scaled to that length, the others as they are; off the tape.
 *
 * @param normType  of the norm that measures rows; 2
 */
export const renormalized = operation(
  "renormalized(rows: tensor, maxNorm: number, normType?: number)",
  (rows: Tensor, maxNorm: number, normType = 2): Tensor =>
    untracked(() => {
      const longest = numberOf("renormalized", "maxNorm", maxNorm);
      const length = norm(rows, -1, { p: normType, keepdim: true });
      const isLonger = bind(ltP, [scalar(rows.device, rows.dtype, longest), length]);
      const factor = binary(divP, longest, binary(addP, length, LENGTH_EPS));
      return bind(whereP, [isLonger, bind(mulP, [rows, factor]), rows]);
    }),
);

/** The value of one tensor with the gradient of another: v + (x − x), of which the tape sees the first x. */
function withGradientOf(value: Tensor, x: Tensor): Tensor {
  return bind(addP, [bindUntracked(aliasP, [value]), bind(subP, [x, bindUntracked(aliasP, [x])])]);
}

/**
 * Rows of a table. The table itself stays as it is: what `maxNorm` scales are the rows that are read (the module
 * `Embedding` scales those of its table, as torch does).
 *
 * @param index               int32 in [0, rows), any shape: a name of a row, so none counts from the end
 * @param weight              [rows, d]
 * @param options             `paddingIdx`: a row that gets no gradient; `maxNorm`, `normType`, `scaleGradByFreq`
 * @returns                   index's shape with d behind it
 * @throws                    IndexError for an index outside [0, rows): at once where the host knows it, else at the
 *                            next read; such an index has given a row of zeros
 * @see                       torch.nn.functional.embedding
 */
export const embedding = operation(
  "embedding(index: tensor, weight: tensor, options?: { paddingIdx: number|null, maxNorm: number|null, normType: number, scaleGradByFreq: boolean })",
  (index: Tensor, weight: Tensor, options: EmbeddingLookup = {}): Tensor => {
    const { paddingIdx, maxNorm = null, normType, scaleGradByFreq = false } = options;
    if (weight.rank !== 2) throw new ShapeError(`embedding: weight ${show(weight.shape)}: wanted [rows, d]`);
    const [rows, d] = weight.shape;
    const at = positions("embedding", index, { n: rows, kind: "token" });
    const flat = bind(reshapeP, [at], [at.size]);
    let picked = bind(gatherP, [weight, spread(flat, weight.shape, 0)], [0]);
    if (maxNorm !== null) picked = withGradientOf(renormalized(picked, maxNorm, normType), picked);
    if (scaleGradByFreq) {
      const one = literal(at.device, "int32", 1);
      const none = expandTo(literal(at.device, "int32", 0), [rows]);
      const counts = bind(scatterAddP, [none, flat, expandTo(one, flat.shape)], [0]);
      const often = bind(reshapeP, [cast(bind(gatherP, [counts, flat], [0]), weight.dtype)], [flat.size, 1]);
      picked = withGradientOf(picked, bind(mulP, [picked, reciprocal(often)]));
    }
    if (paddingIdx !== undefined && paddingIdx !== null) {
      const row = paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
      if (!Number.isInteger(row) || row < 0 || row >= rows) {
        throw new ArgumentError(`embedding: paddingIdx ${paddingIdx} is not one of ${rows} rows`);
      }
      const isPadding = bind(eqP, [bind(reshapeP, [flat], [flat.size, 1]), literal(at.device, "int32", row)]);
      picked = bind(whereP, [isPadding, bindUntracked(aliasP, [picked]), picked]);
    }
    return bind(reshapeP, [picked], [...at.shape, d]);
  },
);

/**
 * 1 at the class, 0 elsewhere: int32, with a new last dim.
 *
 * @param numClasses  without one, or with −1: as many as the largest class asks for, where the host knows the classes
 * @param classes  int32 in [0, numClasses), any shape
 * @throws         IndexError for a class outside: at once where the host knows it, else at the next read; such a class has
 *                 given zeros
 * @see            torch.nn.functional.one_hot
 */
export const oneHot = operation(
  "oneHot(classes: tensor, numClasses?: number)",
  (classes: Tensor, numClasses = -1): Tensor => {
    if (numClasses === -1) numClasses = classCount(classes);
    if (!Number.isInteger(numClasses) || numClasses < 1) {
      throw new ArgumentError(`oneHot: numClasses is ${numClasses}: wanted an integer >= 1, or −1 to count them`);
    }
    const index = positions("oneHot", classes, { n: numClasses, kind: "class" });
    const column = bind(reshapeP, [index], [...index.shape, 1]);
    return cast(bind(eqP, [column, iota(classes.device, "int32", numClasses)]), "int32");
  },
);

/** As many classes as the largest names. */
function classCount(classes: Tensor): number {
  const range = isFloat(classes.dtype) || classes.size === 0 ? null : intRange(classes._live());
  // Of tensors of tasks the range is that of all tasks: a task alone may have fewer classes.
  if (range?.exact && classes._tasks === null) return range.max + 1;
  if (isFloat(classes.dtype)) throw new DTypeError(`oneHot: the classes are ${classes.dtype}, wanted int32`);
  const why = classes.size === 0 ? "there are no classes to count" : "the host does not know the classes";
  throw new ArgumentError(`oneHot: ${why}: give numClasses`);
}
