/**
 * Joining, splitting and repeating tensors along dims.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { type DType, isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { addP, expandP, gatherP, orP, padP, permuteP, reshapeP } from "../primitives.ts";
import { normalizeAxis, type Shape, show } from "../shape.ts";
import { Tensor, wrap } from "../tensor.ts";
import { method } from "./method.ts";
import { expandTo, flip, reshapeTo, select, sliceAxis, transpose, unsqueeze } from "./movement.ts";
import { cast, hostNumber, resultDType, unchanged, wantInteger } from "./operand.ts";

/** How many pieces are added up in one go: with the result they stay within a device's eight bindings. */
const FAN_IN = 7;

/** Throws for `cat(a, b)`: the tensors come in an array. */
function wantList(op: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors)) throw new ArgumentError(`${op}: got ${String(tensors)}: wanted an array of tensors`);
}

/**
 * Tensors one after another along a dim.
 *
 * @throws ShapeError if there are none, or if another dim differs
 */
export const cat = operation("cat(tensors: tensors, dim?: number)", (tensors: readonly Tensor[], dim = 0): Tensor => {
  wantList("cat", tensors);
  if (tensors.length === 0) throw new ShapeError("cat: got no tensors");
  if (tensors.some(isBlank) && tensors.some((x) => x.rank > 1)) {
    return cat(
      sameDType(tensors).filter((x) => !isBlank(x)),
      dim,
    );
  }
  const first = tensors[0];
  const { rank } = first;
  if (rank === 0) throw new ShapeError("cat: 0-d tensors have no dim to join along; use stack");
  const axis = normalizeAxis(dim, rank, "cat");
  for (let k = 1; k < tensors.length; k++) {
    const { shape } = tensors[k];
    if (shape.length !== rank || shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new ShapeError(`cat: ${show(first.shape)} and ${show(shape)} (number ${k}) differ outside dim ${axis}`);
    }
  }
  return joined(sameDType(tensors), axis);
});

/** A tensor [0]: among tensors with more dims it counts for nothing, as in torch. */
const isBlank = (x: Tensor): boolean => x.rank === 1 && x.shape[0] === 0;

/** Each piece padded with zeros to the full length, and the sum of all; for many pieces in groups. */
function joined(pieces: readonly Tensor[], axis: number): Tensor {
  while (pieces.length > FAN_IN) {
    const groups: Tensor[] = [];
    for (let i = 0; i < pieces.length; i += FAN_IN) groups.push(joined(pieces.slice(i, i + FAN_IN), axis));
    pieces = groups;
  }
  if (pieces.length === 1) return unchanged(pieces[0]);
  const { rank, dtype } = pieces[0];
  let rest = 0;
  for (const piece of pieces) rest += piece.shape[axis];
  let before = 0;
  let result: Tensor | null = null;
  for (const piece of pieces) {
    rest -= piece.shape[axis];
    const attrs = new Array<number>(2 * rank).fill(0);
    attrs[axis] = before;
    attrs[rank + axis] = rest;
    before += piece.shape[axis];
    const padded = bind(padP, [piece], attrs);
    result = result === null ? padded : bind(dtype === "bool" ? orP : addP, [result, padded]);
  }
  return result as Tensor;
}

function sameDType(tensors: readonly Tensor[]): readonly Tensor[] {
  let { dtype } = tensors[0];
  let differ = false;
  let like = tensors[0];
  for (const x of tensors) {
    if (x.dtype === dtype) continue;
    differ = true;
    dtype = resultDType(like, x);
    if (x.dtype === dtype) like = x;
  }
  const common: DType = dtype;
  return differ ? tensors.map((x) => cast(x, common)) : tensors;
}

/** Tensors of one shape side by side along a new dim. */
export const stack = operation(
  "stack(tensors: tensors, dim?: number)",
  (tensors: readonly Tensor[], dim = 0): Tensor => {
    wantList("stack", tensors);
    if (tensors.length === 0) throw new ShapeError("stack: got no tensors");
    const { shape } = tensors[0];
    for (let k = 1; k < tensors.length; k++) {
      if (show(tensors[k].shape) !== show(shape)) {
        throw new ShapeError(`stack: ${show(shape)} and ${show(tensors[k].shape)} (number ${k}) differ`);
      }
    }
    const axis = normalizeAxis(dim, shape.length + 1, "stack");
    return joined(
      sameDType(tensors).map((x) => unsqueeze(x, axis)),
      axis,
    );
  },
);

/**
 * Pieces along a dim.
 *
 * @param sizes  one size for all (the last piece may be smaller), or the list of sizes
 */
export const split = method(
  "split(x: tensor, sizes: number|numbers, dim?: number)",
  (x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] => {
    const axis = normalizeAxis(dim, x.rank, "split");
    if (x.rank === 0) throw new ShapeError("split: a 0-d tensor has no dim to split");
    const n = x.shape[axis];
    let list: readonly number[];
    if (typeof sizes === "number") {
      if (!Number.isInteger(sizes) || sizes < 1)
        throw new ArgumentError(`split: size ${sizes}: wanted an integer >= 1`);
      list = Array.from({ length: Math.max(1, Math.ceil(n / sizes)) }, (_, i) => Math.min(sizes, n - i * sizes));
    } else list = sizes;
    const total = list.reduce((a, b) => a + b, 0);
    if (total !== n || list.some((size) => !Number.isInteger(size) || size < 0))
      throw new ShapeError(
        `split: sizes ${show(list)} for dim ${dim} of ${show(x.shape)}: wanted integers >= 0 that add up to ${n}`,
      );
    let start = 0;
    return list.map((size) => {
      const piece = sliceAxis(x, axis, start, size);
      start += size;
      return piece;
    });
  },
);

/** At most `chunks` pieces of equal size along a dim; the last may be smaller. */
export const chunk = method(
  "chunk(x: tensor, chunks: number, dim?: number)",
  (x: Tensor, chunks: number, dim = 0): Tensor[] => {
    const axis = normalizeAxis(dim, x.rank, "chunk");
    if (x.rank === 0) throw new ShapeError("chunk: a 0-d tensor has no dim to split");
    if (!Number.isInteger(chunks) || chunks < 1)
      throw new ArgumentError(`chunk: ${chunks} chunks: wanted an integer >= 1`);
    return split(x, Math.max(1, Math.ceil(x.shape[axis] / chunks)), axis);
  },
);

/** The slices along a dim, without it. */
export const unbind = method("unbind(x: tensor, dim?: number)", (x: Tensor, dim = 0): Tensor[] => {
  const axis = normalizeAxis(dim, x.rank, "unbind");
  if (x.rank === 0) throw new ShapeError("unbind: a 0-d tensor has no dim");
  return Array.from({ length: x.shape[axis] }, (_, i) => select(x, axis, i));
});

/**
 * The whole tensor repeated along its dims.
 *
 * @param repeats  one count per dim; more counts than dims add dims in front
 */
export const repeat = method("repeat(x: tensor, repeats: numbers)", (x: Tensor, repeats: readonly number[]): Tensor => {
  if (repeats.length < x.rank) {
    throw new ShapeError(`repeat: ${show(repeats)} for ${show(x.shape)}: wanted at least ${x.rank} counts`);
  }
  if (repeats.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ArgumentError(`repeat: counts ${show(repeats)}: wanted integers >= 0`);
  }
  const added = repeats.length - x.rank;
  const shape = repeats.map((_, i) => (i < added ? 1 : x.shape[i - added]));
  if (repeats.every((n) => n === 1)) return reshapeTo(x, shape);
  // [a, b] → [1, a, 1, b] → [r, a, s, b] → [r·a, s·b]
  const spread = bind(
    reshapeP,
    [x],
    shape.flatMap((d) => [1, d]),
  );
  const expanded = bind(
    expandP,
    [spread],
    shape.flatMap((d, i) => [repeats[i], d]),
  );
  return bind(
    reshapeP,
    [expanded],
    shape.map((d, i) => d * repeats[i]),
  );
});

/** `repeat` in which missing counts, in front, are 1. */
export const tile = method("tile(x: tensor, repeats: numbers)", (x: Tensor, repeats: readonly number[]): Tensor => {
  const missing = Math.max(0, x.rank - repeats.length);
  return repeat(x, [...new Array<number>(missing).fill(1), ...repeats]);
});

/**
 * Every element repeated in place, along a dim, or of the flattened tensor.
 *
 * @param repeats  how often each is repeated; or int32 [n] (or [1]), a count for each along the dim: the counts make the
 *                 result's shape, so the host must know them
 * @throws         ArgumentError for counts that only the device knows: read them first
 * @see            torch.repeat_interleave
 * @example        repeatInterleave(x, tensor([2, 1], { dtype: "int32" }), 0)
 */
export const repeatInterleave = method(
  "repeatInterleave(x: tensor, repeats: tensor|number, dim?: number|null)",
  (x: Tensor, repeats: number | Tensor, dim?: number | null): Tensor => {
    if (repeats instanceof Tensor) return repeatEach(x, repeats, dim);
    if (!Number.isInteger(repeats) || repeats < 0) {
      throw new ArgumentError(`repeatInterleave: ${repeats} repeats: wanted an integer >= 0`);
    }
    if (dim === undefined || dim === null) return repeatInterleave(reshapeTo(x, [x.size]), repeats, 0);
    const axis = normalizeAxis(dim, x.rank, "repeatInterleave");
    const { shape } = x;
    const spread = unsqueeze(x, axis + 1);
    const repeated = expandTo(spread, [...shape.slice(0, axis + 1), repeats, ...shape.slice(axis + 1)]);
    return reshapeTo(repeated, shape.with(axis, shape[axis] * repeats));
  },
);

function repeatEach(x: Tensor, repeats: Tensor, dim?: number | null): Tensor {
  if (dim === undefined || dim === null) return repeatEach(reshapeTo(x, [x.size]), repeats, 0);
  if (isFloat(repeats.dtype) || repeats.dtype === "bool") {
    throw new DTypeError(`repeatInterleave: repeats are ${repeats.dtype}, wanted int32; use to("int32")`);
  }
  if (repeats.size === 1) return repeatInterleave(x, hostNumber("repeatInterleave", "repeats", repeats), dim);
  const axis = normalizeAxis(dim, x.rank, "repeatInterleave");
  if (repeats.rank !== 1 || repeats.size !== (x.shape[axis] ?? 1)) {
    throw new ShapeError(
      `repeatInterleave: repeats ${show(repeats.shape)} for dim ${dim} of ${show(x.shape)}: wanted [${x.shape[axis] ?? 1}]`,
    );
  }
  const { host } = repeats._live();
  if (host === null || repeats._tasks !== null) {
    throw new ArgumentError(
      "repeatInterleave: repeats were computed, and only the device knows them, or each task of a vmap has its own, but they " +
        "make the result's shape: " +
        "read them first, tensor(await repeats.data())",
    );
  }
  const index: number[] = [];
  host.forEach((n: number, i: number) => {
    if (n < 0) throw new ArgumentError(`repeatInterleave: repeats[${i}] is ${n}: wanted an integer >= 0`);
    for (let j = 0; j < n; j++) index.push(i);
  });
  const at = x.device.fromHost(Int32Array.from(index), [index.length], "int32");
  const column = reshapeTo(
    wrap(at),
    x.shape.map((_, i) => (i === axis ? index.length : 1)),
  );
  return bind(gatherP, [x, expandTo(column, x.shape.with(axis, index.length))], [axis]);
}

/** Elements moved along dims by `shifts`, those that leave come in at the other end. Without dims: of the flattened tensor. */
export const roll = method(
  "roll(x: tensor, shifts: number|numbers, dims?: number|numbers|null)",
  (x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[] | null): Tensor => {
    const by = typeof shifts === "number" ? [shifts] : shifts;
    for (const shift of by) wantInteger("roll", "a shift", shift);
    const along = typeof dims === "number" ? [dims] : (dims ?? [0]);
    if (by.length !== along.length) throw new ArgumentError(`roll: ${by.length} shifts for ${along.length} dims`);
    if (dims === undefined || dims === null) return reshapeTo(roll(reshapeTo(x, [x.size]), by, 0), x.shape);
    const axes = along.map((dim) => normalizeAxis(dim, x.rank, "roll"));
    let y = x;
    for (const [i, axis] of axes.entries()) {
      if (x.rank === 0) continue;
      const n = x.shape[axis];
      const shift = n === 0 ? 0 : ((by[i] % n) + n) % n;
      if (shift === 0) continue;
      y = joined([sliceAxis(y, axis, n - shift, shift), sliceAxis(y, axis, 0, n - shift)], axis);
    }
    return y === x ? unchanged(x) : y;
  },
);

/** Turned by k · 90° in the plane of two dims, from the first towards the second. */
export const rot90 = method(
  "rot90(x: tensor, k?: number, dims?: numbers)",
  (x: Tensor, k = 1, dims: readonly [number, number] = [0, 1]): Tensor => {
    wantInteger("rot90", "k", k);
    const [a, b] = dims.map((dim) => normalizeAxis(dim, x.rank, "rot90"));
    if (a === b || dims.length !== 2) throw new ShapeError(`rot90: dims ${show(dims)}: wanted two different ones`);
    switch (((k % 4) + 4) % 4) {
      case 0:
        return unchanged(x);
      case 1:
        return transpose(flip(x, b), a, b);
      case 2:
        return flip(x, [a, b]);
      default:
        return flip(transpose(x, a, b), b);
    }
  },
);

/**
 * Coordinates of a grid: tensor i varies along dim i.
 *
 * @param options.indexing  "ij" (default) or "xy", which swaps the first two dims
 */
export const meshgrid = operation(
  "meshgrid(tensors: tensors, options?: { indexing: string })",
  (tensors: readonly Tensor[], options: { indexing?: "ij" | "xy" } = {}): Tensor[] => {
    const { indexing = "ij" } = options;
    if (indexing !== "ij" && indexing !== "xy") {
      throw new ArgumentError(`meshgrid: indexing is ${JSON.stringify(indexing)}: wanted "ij" or "xy"`);
    }
    for (const { shape } of tensors) {
      if (shape.length > 1) throw new ShapeError(`meshgrid: ${show(shape)}: wanted vectors or 0-d tensors`);
    }
    const shape: Shape = tensors.map((x) => x.size);
    const grids = tensors.map((x, i) =>
      expandTo(
        reshapeTo(
          x,
          shape.map((d, j) => (i === j ? d : 1)),
        ),
        shape,
      ),
    );
    if (indexing === "ij" || tensors.length < 2) return grids;
    const order = shape.map((_, i) => (i < 2 ? 1 - i : i));
    return grids.map((x) => bind(permuteP, [x], order));
  },
);
