/**
 * Indexing by tensors of indices: int32, −n ≤ index < n for a dim of n; negative ones count from the end.
 *
 * An index outside is an error: at once where the host knows the indices, at the next read where only the device does (see
 * positions.ts). What was computed then has 0 where it read outside, and nothing written there.
 */

import { bind, bindUntracked } from "../bind.ts";
import { iota } from "../creation.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { aliasP, eqP, gatherP, mulP, reshapeP, scatterAddP, whereP } from "../primitives.ts";
import { broadcastShapes, normalizeAxis, sameShape, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { expandTo } from "./movement.ts";
import { named } from "./named.ts";
import { binary, cast, literal, type Operand, toScalar } from "./operand.ts";
import { positions } from "./positions.ts";
import { replaceAt } from "./replace.ts";

/** Positions along an axis of x. What does not fit x otherwise is for the primitive to reject. */
const along = (op: string, x: Tensor, axis: number, index: Tensor): Tensor =>
  positions(op, index, { n: x.shape[axis] ?? 1, kind: "position" });

/**
 * out[i][j] = x[index[i][j]][j] for dim 0, and so on for other dims and ranks.
 *
 * @param index  int32, x's rank; no larger than x in the other dims. Negative ones count from the end
 * @returns      index's shape
 * @throws       IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see          torch.gather
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  const axis = normalizeAxis(dim, x.rank, "gather");
  return bind(gatherP, [x, along("gather", x, axis, index)], [axis]);
}

/**
 * `gather` whose other dims broadcast between x and index.
 *
 * @throws  IndexError as {@link gather}
 * @see     torch.take_along_dim
 * @example takeAlongDim(x, argmax(x, 1, { keepdim: true }), 1)
 */
export const takeAlongDim = named("takeAlongDim", (x: Tensor, index: Tensor, dim: number): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "takeAlongDim");
  if (x.rank === 0) throw new ShapeError("takeAlongDim: a 0-d tensor has no dim to index");
  if (index.rank !== x.rank) {
    throw new ShapeError(`takeAlongDim: x ${show(x.shape)} and index ${show(index.shape)}: the ranks differ`);
  }
  const common = broadcastShapes(x.shape.with(axis, 1), index.shape.with(axis, 1), "takeAlongDim");
  const from = expandTo(x, common.with(axis, x.shape[axis]));
  const at = along("takeAlongDim", x, axis, index);
  return bind(gatherP, [from, expandTo(at, common.with(axis, index.shape[axis]))], [axis]);
});

/**
 * x with `source` added at the indices; repeated indices add up.
 *
 * @param index   int32, the shape of the part of source that is used. Negative ones count from the end
 * @param source  tensor at least as large as index in every dim, or a number
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.scatter_add
 */
export const scatterAdd = named("scatterAdd", (x: Tensor, dim: number, index: Tensor, source: Operand): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "scatterAdd");
  const at = along("scatterAdd", x, axis, index);
  return bind(scatterAddP, [x, at, sourceFor("scatterAdd", x, at, source)], [axis]);
});

/** The part of the source that the index covers. */
function sourceFor(op: string, x: Tensor, index: Tensor, source: Operand): Tensor {
  if (!(source instanceof Tensor)) return expandTo(toScalar(op, source, x), index.shape);
  if (source.dtype !== x.dtype) throw new DTypeError(`${op}: x is ${x.dtype}, source ${source.dtype}: wanted the same`);
  if (sameShape(source.shape, index.shape)) return source;
  if (source.rank !== index.rank || source.shape.some((d, i) => d < index.shape[i])) {
    throw new ShapeError(`${op}: source ${show(source.shape)} is smaller than index ${show(index.shape)}`);
  }
  let part = source;
  for (let axis = 0; axis < index.rank; axis++) part = part.narrow(axis, 0, index.shape[axis]);
  return part;
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
 */
export const scatter = named("scatter", (x: Tensor, dim: number, index: Tensor, source: Operand): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "scatter");
  const at = along("scatter", x, axis, index);
  return replaceAt(x, axis, at, source instanceof Tensor ? sourceFor("scatter", x, at, source) : source);
});

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
export const indexSelect = named("indexSelect", (x: Tensor, dim: number, index: Tensor): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "indexSelect");
  if (x.rank === 0) throw new ShapeError("indexSelect: a 0-d tensor has no dim to select from");
  return bind(gatherP, [x, slices("indexSelect", x, axis, index)], [axis]);
});

/**
 * x with alpha · source added to the chosen slices; repeated indices add up.
 *
 * @param index   int32, [k]. Negative ones count from the end
 * @param source  x's shape with k in place of the dim
 * @throws        IndexError for an index outside the dim: at once where the host knows it, else at the next read
 * @see           torch.Tensor.index_add
 */
export const indexAdd = named(
  "indexAdd",
  (x: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: Operand } = {}): Tensor => {
    const { alpha = 1 } = checkOptions("indexAdd", options, ["alpha"]);
    const axis = normalizeAxis(dim, x.rank, "indexAdd");
    if (x.rank === 0) {
      if (source.rank > 0) throw new ShapeError(`indexAdd: source ${show(source.shape)}: wanted [], as x`);
      const [row, more] = [x, source].map((t) => bind(reshapeP, [t], [1]));
      return bind(reshapeP, [indexAdd(row, 0, index, more, { alpha })], []);
    }
    const at = slices("indexAdd", x, axis, index);
    if (!sameShape(source.shape, at.shape)) {
      throw new ShapeError(`indexAdd: source ${show(source.shape)}: wanted ${show(at.shape)}`);
    }
    const scaled = alpha === 1 ? source : binary(mulP, source, alpha);
    return bind(scatterAddP, [x, at, sourceFor("indexAdd", x, at, scaled)], [axis]);
  },
);

/**
 * Rows of a table.
 *
 * @param index               int32 in [0, rows), any shape: a name of a row, so none counts from the end
 * @param weight              [rows, d]
 * @param options.paddingIdx  a row that gets no gradient
 * @returns                   index's shape with d behind it
 * @throws                    IndexError for an index outside [0, rows): at once where the host knows it, else at the
 *                            next read; such an index has given a row of zeros
 * @see                       torch.nn.functional.embedding
 */
export const embedding = named(
  "embedding",
  (index: Tensor, weight: Tensor, options: { paddingIdx?: number | null } = {}): Tensor => {
    const { paddingIdx } = checkOptions("embedding", options, ["paddingIdx"]);
    if (weight.rank !== 2) throw new ShapeError(`embedding: weight ${show(weight.shape)}: wanted [rows, d]`);
    const [rows, d] = weight.shape;
    const at = positions("embedding", index, { n: rows, kind: "token" });
    const flat = bind(reshapeP, [at], [at.size]);
    let picked = bind(gatherP, [weight, spread(flat, weight.shape, 0)], [0]);
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
 * @param classes  int32 in [0, numClasses), any shape
 * @throws         IndexError for a class outside: at once where the host knows it, else at the next read; such a class has
 *                 given zeros
 * @see            torch.nn.functional.one_hot
 */
export function oneHot(classes: Tensor, numClasses: number): Tensor {
  if (!Number.isInteger(numClasses) || numClasses < 1) {
    throw new ArgumentError(
      `oneHot: numClasses is ${numClasses}: wanted an integer >= 1; it is not inferred from the data`,
    );
  }
  const index = positions("oneHot", classes, { n: numClasses, kind: "class" });
  const column = bind(reshapeP, [index], [...index.shape, 1]);
  return cast(bind(eqP, [column, iota(classes.device, "int32", numClasses)]), "int32");
}
