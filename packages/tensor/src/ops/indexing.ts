/**
 * Indexing by tensors of indices: int32, 0 ≤ index < size of the dim.
 *
 * Indices are known only on the device, so one outside cannot be an error: reading there gives 0, writing nothing.
 */

import { bind, bindUntracked } from "../bind.ts";
import { iota } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { aliasP, eqP, gatherP, mulP, reshapeP, scatterAddP, whereP } from "../primitives.ts";
import { broadcastShapes, normalizeAxis, sameShape, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { expandTo } from "./movement.ts";
import { named } from "./named.ts";
import { binary, cast, literal, literalLike, type Operand, scalar } from "./operand.ts";

/** Indices as int32. */
function indices(op: string, index: Tensor): Tensor {
  if (index.dtype === "int32") return index;
  if (isFloat(index.dtype) || index.dtype === "bool") {
    throw new DTypeError(`${op}: the index is ${index.dtype}, wanted int32; use to("int32")`);
  }
  return cast(index, "int32");
}

/**
 * out[i][j] = x[index[i][j]][j] for dim 0, and so on for other dims and ranks.
 *
 * @param index  int32, x's rank; no larger than x in the other dims
 * @returns      index's shape
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  return bind(gatherP, [x, indices("gather", index)], [normalizeAxis(dim, x.rank, "gather")]);
}

/** `gather` whose other dims broadcast between x and index. */
export const takeAlongDim = named("takeAlongDim", (x: Tensor, index: Tensor, dim: number): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "takeAlongDim");
  if (index.rank !== x.rank) {
    throw new ShapeError(`takeAlongDim: x ${show(x.shape)} and index ${show(index.shape)}: the ranks differ`);
  }
  const common = broadcastShapes(x.shape.with(axis, 1), index.shape.with(axis, 1), "takeAlongDim");
  const from = expandTo(x, common.with(axis, x.shape[axis]));
  return gather(from, axis, expandTo(index, common.with(axis, index.shape[axis])));
});

/**
 * x with `source` added at the indices; repeated indices add up.
 *
 * @param index   int32, the shape of the part of source that is used
 * @param source  tensor at least as large as index in every dim, or a number
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Operand): Tensor {
  const axis = normalizeAxis(dim, x.rank, "scatterAdd");
  return bind(scatterAddP, [x, indices("scatterAdd", index), sourceFor("scatterAdd", x, index, source)], [axis]);
}

/** The part of the source that the index covers. */
function sourceFor(op: string, x: Tensor, index: Tensor, source: Operand): Tensor {
  if (!(source instanceof Tensor)) return expandTo(scalar(x.device, x.dtype, Number(source)), index.shape);
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
 */
export const scatter = named("scatter", (x: Tensor, dim: number, index: Tensor, source: Operand): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "scatter");
  const at = indices("scatter", index);
  const none = expandTo(literal(x.device, "int32", 0), x.shape);
  const one = expandTo(literal(x.device, "int32", 1), at.shape);
  const hit = cast(bind(scatterAddP, [none, at, one], [axis]), "bool");
  if (!(source instanceof Tensor)) return bind(whereP, [hit, scalar(x.device, x.dtype, Number(source)), x]);
  const blank = expandTo(literalLike(x, 0), x.shape);
  return bind(whereP, [hit, bind(scatterAddP, [blank, at, sourceFor("scatter", x, at, source)], [axis]), x]);
});

/** A 1-d index, repeated over the other dims of a shape. */
function spread(op: string, index: Tensor, shape: readonly number[], axis: number): Tensor {
  if (index.rank > 1) throw new ShapeError(`${op}: the index has shape ${show(index.shape)}, wanted one dim`);
  const aligned = bind(
    reshapeP,
    [indices(op, index)],
    shape.map((_, i) => (i === axis ? index.size : 1)),
  );
  return expandTo(aligned, shape.with(axis, index.size));
}

/**
 * Whole slices of x, chosen along a dim.
 *
 * @param index  int32, [k]
 * @returns      x's shape with k in place of the dim
 */
export const indexSelect = named("indexSelect", (x: Tensor, dim: number, index: Tensor): Tensor => {
  const axis = normalizeAxis(dim, x.rank, "indexSelect");
  if (x.rank === 0) throw new ShapeError("indexSelect: a 0-d tensor has no dim to select from");
  return bind(gatherP, [x, spread("indexSelect", index, x.shape, axis)], [axis]);
});

/**
 * x with alpha · source added to the chosen slices; repeated indices add up.
 *
 * @param index   int32, [k]
 * @param source  x's shape with k in place of the dim
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
    const at = spread("indexAdd", index, x.shape, axis);
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
 * @param index               int32, any shape
 * @param weight              [rows, d]
 * @param options.paddingIdx  a row that gets no gradient
 * @returns                   index's shape with d behind it
 * @throws                    ArgumentError for an index outside [0, rows), if the elements are known on the host;
 *                            elsewhere such an index gives a row of zeros
 */
export const embedding = named(
  "embedding",
  (index: Tensor, weight: Tensor, options: { paddingIdx?: number | null } = {}): Tensor => {
    const { paddingIdx } = checkOptions("embedding", options, ["paddingIdx"]);
    if (weight.rank !== 2) throw new ShapeError(`embedding: weight ${show(weight.shape)}: wanted [rows, d]`);
    const [rows, d] = weight.shape;
    const at = indices("embedding", index);
    const outside = index._live().host?.find((row) => row < 0 || row >= rows);
    if (outside !== undefined) throw new ArgumentError(`embedding: index ${outside} is outside [0, ${rows})`);
    const flat = bind(reshapeP, [at], [at.size]);
    let picked = bind(gatherP, [weight, spread("embedding", flat, weight.shape, 0)], [0]);
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
 * @param numClasses  a class outside [0, numClasses) gives zeros
 */
export function oneHot(classes: Tensor, numClasses: number): Tensor {
  if (!Number.isInteger(numClasses) || numClasses < 1) {
    throw new ArgumentError(
      `oneHot: numClasses is ${numClasses}: wanted an integer >= 1; it is not inferred from the data`,
    );
  }
  const index = indices("oneHot", classes);
  const column = bind(reshapeP, [index], [...index.shape, 1]);
  return cast(bind(eqP, [column, iota(classes.device, "int32", numClasses)]), "int32");
}
