/**
 * Lengths, distances and angles of vectors. All are differentiable where a vector or a difference is 0.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ShapeError } from "../errors.ts";
import { addP, divP, ltP, mulP, reshapeP, subP, sumP, whereP } from "../primitives.ts";
import { broadcastShapes, normalizeAxis, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { expandTo } from "./movement.ts";
import { binary, meet, scalar, wantFloat } from "./operand.ts";
import { dropped, norm } from "./reduce.ts";

/** x, but at least eps: with derivative 0 below, as torch's clamp_min. */
function atLeast(x: Tensor, eps: number): Tensor {
  const least = scalar(x.device, x.dtype, eps);
  return bind(whereP, [bind(ltP, [x, least]), least, x]);
}

/**
 * x divided by its norm along a dim.
 *
 * @param options  `p` of the norm (2), `dim` (1), `eps`: the least divisor (1e-12)
 */
export const normalize = operation(
  "normalize(x: tensor, options?: { p: number, dim: number, eps: number })",
  (x: Tensor, options: { p?: number; dim?: number; eps?: number } = {}): Tensor => {
    const { p = 2, dim = 1, eps = 1e-12 } = options;
    wantFloat("normalize", x);
    return bind(divP, [x, atLeast(norm(x, dim, { p, keepdim: true }), eps)]);
  },
);

/**
 * Cosine of the angle between vectors along a dim. The two broadcast first, the vectors' dim as well as the others.
 *
 * @param options  `dim` (1), `eps`: the least length (1e-8)
 */
export const cosineSimilarity = operation(
  "cosineSimilarity(a: tensor, b: tensor, options?: { dim: number, eps: number })",
  (a: Tensor, b: Tensor, options: { dim?: number; eps?: number } = {}): Tensor => {
    const { dim = 1, eps = 1e-8 } = options;
    const [p, q] = meet("cosineSimilarity", a, b);
    wantFloat("cosineSimilarity", p);
    const axis = normalizeAxis(dim, Math.max(p.rank, q.rank), "cosineSimilarity");
    const shape = broadcastShapes(p.shape, q.shape, "cosineSimilarity");
    // One number is a vector of length 1.
    const axes = shape.length === 0 ? [] : [axis];
    const [x, y] = [expandTo(p, shape), expandTo(q, shape)];
    const length = (v: Tensor): Tensor => atLeast(norm(v, dim, { keepdim: true }), eps);
    const cosine = bind(divP, [bind(sumP, [bind(mulP, [x, y])], axes), bind(mulP, [length(x), length(y)])]);
    return dropped(cosine, axes, false);
  },
);

/**
 * Length of a − b along the last dim.
 *
 * @param options  `p` of the norm (2), `eps` added to the difference (1e-6), `keepdim`
 */
export const pairwiseDistance = operation(
  "pairwiseDistance(a: tensor, b: tensor, options?: { p: number, eps: number, keepdim: boolean })",
  (a: Tensor, b: Tensor, options: { p?: number; eps?: number; keepdim?: boolean } = {}): Tensor => {
    const { p = 2, eps = 1e-6, keepdim } = options;
    return norm(binary(addP, binary(subP, a, b), eps), -1, { p, keepdim });
  },
);

/** Whether all dims but the last two broadcast. */
const batchesMeet = (a: Tensor, b: Tensor): boolean => {
  const [p, q] = [a, b].map(({ shape }) => shape.slice(0, -2).reverse());
  return p.every((d, i) => i >= q.length || d === q[i] || d === 1 || q[i] === 1);
};

/**
 * Distances of all pairs of rows.
 *
 * @param a  […, P, d]
 * @param b  […, R, d]
 * @returns  […, P, R]
 */
export const cdist = operation(
  "cdist(a: tensor, b: tensor, options?: { p: number })",
  (a: Tensor, b: Tensor, options: { p?: number } = {}): Tensor => {
    const { p = 2 } = options;
    const [x, y] = meet("cdist", a, b);
    if (x.rank < 2 || y.rank < 2 || x.shape[x.rank - 1] !== y.shape[y.rank - 1]) {
      throw new ShapeError(`cdist: ${show(x.shape)} and ${show(y.shape)}: wanted […, P, d] and […, R, d]`);
    }
    if (!batchesMeet(x, y))
      throw new ShapeError(`cdist: the batches of ${show(x.shape)} and ${show(y.shape)} do not broadcast`);
    const rows = bind(reshapeP, [x], [...x.shape.slice(0, -1), 1, x.shape[x.rank - 1]]);
    const columns = bind(reshapeP, [y], [...y.shape.slice(0, -2), 1, ...y.shape.slice(-2)]);
    return norm(bind(subP, [rows, columns]), -1, { p });
  },
);
