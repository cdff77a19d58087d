/**
 * Diagonals and triangles. A *diagonal offset* k counts from the main diagonal: k > 0 above it, k < 0 below.
 */

import { bind } from "../bind.ts";
import { iota } from "../creation.ts";
import { ShapeError } from "../errors.ts";
import { addP, leP, padP, reshapeP, sumP, whereP } from "../primitives.ts";
import { normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { permuteTo, reshapeTo, sliceAxis } from "./movement.ts";
import { literal, literalLike, wantInteger } from "./operand.ts";

function triangle(op: string, x: Tensor, diagonal: number, lower: boolean): Tensor {
  const { shape, rank, device } = x;
  wantInteger(op, "diagonal", diagonal);
  if (rank < 2) throw new ShapeError(`${op}: ${show(shape)}: wanted a matrix, or a batch of them`);
  const rows = bind(reshapeP, [iota(device, "int32", shape[rank - 2])], [shape[rank - 2], 1]);
  const limit = bind(addP, [rows, literal(device, "int32", diagonal)]);
  const columns = iota(device, "int32", shape[rank - 1]);
  const inside = bind(leP, lower ? [columns, limit] : [limit, columns]);
  return bind(whereP, [inside, x, literalLike(x, 0)]);
}

/** The lower triangle of the last two dims, up to a diagonal; 0 above it. */
export const tril = method(
  "tril(x: tensor, diagonal?: number)",
  (x: Tensor, diagonal = 0): Tensor => triangle("tril", x, diagonal, true),
);

/** The upper triangle of the last two dims, from a diagonal on; 0 below it. */
export const triu = method(
  "triu(x: tensor, diagonal?: number)",
  (x: Tensor, diagonal = 0): Tensor => triangle("triu", x, diagonal, false),
);

/**
 * A diagonal of the plane of two dims, as a new last dim in their place.
 *
 * By movement alone: behind each row of an [n, n] square one more element makes rows of n + 1 begin on the diagonal.
 */
export const diagonal = method(
  "diagonal(x: tensor, offset?: number, dim1?: number, dim2?: number)",
  (x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor => {
    const { rank } = x;
    wantInteger("diagonal", "offset", offset);
    const [a, b] = [normalizeAxis(dim1, rank, "diagonal"), normalizeAxis(dim2, rank, "diagonal")];
    if (a === b || rank < 2) throw new ShapeError(`diagonal: dims ${dim1} and ${dim2} of ${show(x.shape)}: wanted two`);
    const rest = x.shape.map((_, i) => i).filter((i) => i !== a && i !== b);
    let plane = permuteTo(x, [...rest, a, b]);
    const lead = plane.shape.slice(0, -2);
    const [rows, columns] = [x.shape[a] - Math.max(0, -offset), x.shape[b] - Math.max(0, offset)];
    const n = Math.max(0, Math.min(rows, columns));
    plane = sliceAxis(plane, rank - 2, n === 0 ? 0 : Math.max(0, -offset), n);
    plane = sliceAxis(plane, rank - 1, n === 0 ? 0 : Math.max(0, offset), n);
    if (n <= 1) return reshapeTo(plane, [...lead, n]);
    const flat = lengthened(reshapeTo(plane, [...lead, n * n]), n);
    const sheared = bind(reshapeP, [flat], [...lead, n, n + 1]);
    return reshapeTo(sliceAxis(sheared, rank - 1, 0, 1), [...lead, n]);
  },
);

/** Zeros behind the last dim. */
function lengthened(x: Tensor, count: number): Tensor {
  return bind(padP, [x], new Array<number>(2 * x.rank).fill(0).with(2 * x.rank - 1, count));
}

/** The last dim laid on a diagonal of a new plane (the last two dims, or those given); 0 elsewhere. */
export const diagEmbed = method(
  "diagEmbed(x: tensor, offset?: number, dim1?: number, dim2?: number)",
  (x: Tensor, offset = 0, dim1 = -2, dim2 = -1): Tensor => {
    if (x.rank === 0) throw new ShapeError("diagEmbed: a 0-d tensor has no dim to lay on a diagonal");
    wantInteger("diagEmbed", "offset", offset);
    const rank = x.rank + 1;
    const [a, b] = [normalizeAxis(dim1, rank, "diagEmbed"), normalizeAxis(dim2, rank, "diagEmbed")];
    if (a === b) throw new ShapeError(`diagEmbed: dims ${dim1} and ${dim2} are the same`);
    const lead = x.shape.slice(0, -1);
    const n = x.shape[x.rank - 1];
    // The inverse of `diagonal`: rows of n + 1 with the element in front, read as rows of n.
    const sheared = lengthened(reshapeTo(x, [...lead, n, 1]), n);
    const flat = sliceAxis(reshapeTo(sheared, [...lead, n * (n + 1)]), rank - 2, 0, n * n);
    let plane = reshapeTo(flat, [...lead, n, n]);
    if (offset !== 0) {
      const attrs = new Array<number>(2 * rank).fill(0);
      attrs[offset > 0 ? rank - 1 : rank - 2] = Math.abs(offset);
      attrs[offset > 0 ? 2 * rank - 2 : 2 * rank - 1] = Math.abs(offset);
      plane = bind(padP, [plane], attrs);
    }
    const rest = lead.map((_, i) => i);
    const order = Array.from({ length: rank }, (_, i) =>
      i === a ? rank - 2 : i === b ? rank - 1 : (rest.shift() as number),
    );
    return permuteTo(plane, order);
  },
);

/** A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector. */
export const diag = method("diag(x: tensor, offset?: number)", (x: Tensor, offset = 0): Tensor => {
  if (x.rank === 1) return diagEmbed(x, offset);
  if (x.rank === 2) return diagonal(x, offset);
  throw new ShapeError(`diag: ${show(x.shape)}: wanted a vector or a matrix`);
});

/** Sum of the main diagonal of a matrix. */
export const trace = method("trace(x: tensor)", (x: Tensor): Tensor => {
  if (x.rank !== 2) throw new ShapeError(`trace: ${show(x.shape)}: wanted a matrix`);
  return reshapeTo(bind(sumP, [diagonal(x)], [0]), []);
});
