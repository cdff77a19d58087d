/**
 * Contractions: products summed over a shared dim.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { addP, matmulP, mulP, permuteP, reshapeP, sumP } from "../primitives.ts";
import { normalizeAxis, numel, type Shape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { permuteTo, reshapeTo } from "./movement.ts";
import { binary, cast, type Operand, resultDType } from "./operand.ts";

/**
 * Matrix product, by the ranks of its operands as in torch:
 * [K]·[K] → [], [M, K]·[K] → [M], [K]·[K, N] → [N], […, M, K]·[…, K, N] → […, M, N] with batch dims broadcasting.
 *
 * @throws ShapeError if the inner dimensions differ
 */
export const matmul = method("matmul(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  if (a.dtype !== b.dtype) {
    const dtype = resultDType(a, b);
    a = cast(a, dtype);
    b = cast(b, dtype);
  }
  const [p, q] = [a._shape, b._shape];
  const [m, n] = [p.length, q.length];
  if (m === 0 || n === 0) throw new ShapeError(`matmul: ${show(p)} × ${show(q)}: both need at least one dim`);
  if (p[m - 1] !== q[Math.max(0, n - 2)]) {
    throw new ShapeError(
      `matmul: ${show(p)} × ${show(q)}: inner dimensions ${p[m - 1]} and ${q[Math.max(0, n - 2)]} differ`,
    );
  }
  if (m === 2 && n === 2) return bind(matmulP, [a, b]);
  if (m === 1 && n === 1) return bind(reshapeP, [bind(sumP, [bind(mulP, [a, b])], [0])], []);
  if (n === 1) {
    const rows = bind(reshapeP, [a], [numel(p.slice(0, -1)), p[m - 1]]);
    return bind(reshapeP, [bind(matmulP, [rows, bind(reshapeP, [b], [q[0], 1])])], p.slice(0, -1));
  }
  if (m === 1) {
    const row = bind(reshapeP, [a], [...new Array<number>(n - 1).fill(1), p[0]]);
    return bind(reshapeP, [bind(matmulP, [row, b])], q.toSpliced(n - 2, 1));
  }
  // All rows of the batch against one matrix: a single contraction, and one for the matrix's gradient.
  if (n === 2) {
    const rows = bind(reshapeP, [a], [numel(p.slice(0, -1)), p[m - 1]]);
    return bind(reshapeP, [bind(matmulP, [rows, b])], [...p.slice(0, -1), q[1]]);
  }
  const rank = Math.max(m, n);
  return bind(matmulP, [raised(a, rank), raised(b, rank)]);
});

/** With dims of size 1 in front, up to the rank. */
const raised = (x: Tensor, rank: number): Tensor =>
  reshapeTo(x, [...new Array<number>(rank - x.rank).fill(1), ...x.shape]);

function wantRanks(op: string, a: Tensor, rankA: number, b: Tensor, rankB: number): void {
  if (a.rank !== rankA || b.rank !== rankB) {
    throw new ShapeError(`${op}: ${show(a.shape)} × ${show(b.shape)}: wanted ranks ${rankA} and ${rankB}`);
  }
}

/** [M, K] × [K, N] → [M, N]. */
export const mm = method("mm(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  wantRanks("mm", a, 2, b, 2);
  return matmul(a, b);
});

/** [B, M, K] × [B, K, N] → [B, M, N]; no broadcasting. */
export const bmm = method("bmm(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  wantRanks("bmm", a, 3, b, 3);
  if (a.shape[0] !== b.shape[0]) throw new ShapeError(`bmm: ${show(a.shape)} × ${show(b.shape)}: batches differ`);
  return matmul(a, b);
});

/** [M, K] × [K] → [M]. */
export const mv = method("mv(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  wantRanks("mv", a, 2, b, 1);
  return matmul(a, b);
});

/** [K] · [K] → []. */
export const dot = method("dot(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  wantRanks("dot", a, 1, b, 1);
  return matmul(a, b);
});

/** [M], [N] → [M, N]: all products. */
export const outer = method("outer(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  wantRanks("outer", a, 1, b, 1);
  return binary(mulP, bind(reshapeP, [a], [a.shape[0], 1]), b);
});

/**
 * x · weightᵀ + bias.
 *
 * @param x       […, in]
 * @param weight  [out, in]
 * @param bias    [out], or null for none
 * @returns       […, out]
 * @throws        ShapeError if the last dimension of x is not `in`
 */
export const linear = operation(
  "linear(x: tensor, weight: tensor, bias?: tensor|null)",
  (x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor => {
    if (weight.rank !== 2 || x.rank === 0 || x._shape[x.rank - 1] !== weight._shape[1]) {
      throw new ShapeError(
        `linear: input ${show(x.shape)}, weight ${show(weight.shape)}: wanted […, in] and [out, in]`,
      );
    }
    if (bias && show(bias._shape) !== show([weight._shape[0]])) {
      throw new ShapeError(`linear: bias ${show(bias._shape)}: wanted [${weight._shape[0]}], one per output`);
    }
    const y = matmul(x, bind(permuteP, [weight], [1, 0]));
    return bias === undefined || bias === null ? y : binary(addP, y, bias);
  },
);

export interface AddMatmulOptions {
  /** Factor of the product; 1. */
  alpha?: Operand;
  /** Factor of the addend; 1. */
  beta?: Operand;
}

function addProduct(x: Tensor, product: Tensor, options: AddMatmulOptions): Tensor {
  const { alpha = 1, beta = 1 } = options;
  return binary(addP, beta === 1 ? x : binary(mulP, x, beta), alpha === 1 ? product : binary(mulP, product, alpha));
}

/** beta · x + alpha · (a × b) for matrices. */
export const addmm = operation(
  "addmm(x: tensor, a: tensor, b: tensor, options?: { alpha: operand, beta: operand })",
  (x: Tensor, a: Tensor, b: Tensor, options: AddMatmulOptions = {}): Tensor => addProduct(x, mm(a, b), options),
);

/** beta · x + alpha · (a × b) for batches of matrices. */
export const baddbmm = operation(
  "baddbmm(x: tensor, a: tensor, b: tensor, options?: { alpha: operand, beta: operand })",
  (x: Tensor, a: Tensor, b: Tensor, options: AddMatmulOptions = {}): Tensor => addProduct(x, bmm(a, b), options),
);

/** beta · x + alpha · (a × b) for a matrix and a vector. */
export const addmv = operation(
  "addmv(x: tensor, a: tensor, b: tensor, options?: { alpha: operand, beta: operand })",
  (x: Tensor, a: Tensor, b: Tensor, options: AddMatmulOptions = {}): Tensor => addProduct(x, mv(a, b), options),
);

/**
 * Sum of products over pairs of dims.
 *
 * @param dims  a number n: the last n dims of a with the first n of b; or the two lists of dims to pair
 */
export const tensordot = operation(
  "tensordot(a: tensor, b: tensor, dims: number|list)",
  (a: Tensor, b: Tensor, dims: number | readonly [readonly number[], readonly number[]]): Tensor => {
    if (typeof dims === "number" && !(Number.isInteger(dims) && dims >= 0 && dims <= Math.min(a.rank, b.rank))) {
      throw new ShapeError(`tensordot: ${dims} dims of ${show(a.shape)} and ${show(b.shape)}: they have not so many`);
    }
    if (typeof dims !== "number" && !(dims.length === 2 && dims.every(Array.isArray))) {
      throw new ArgumentError("tensordot: dims is an array: wanted a number, or two arrays [[…], […]]");
    }
    const [ofA, ofB] =
      typeof dims === "number"
        ? [Array.from({ length: dims }, (_, i) => a.rank - dims + i), Array.from({ length: dims }, (_, i) => i)]
        : [
            dims[0].map((d) => normalizeAxis(d, a.rank, "tensordot")),
            dims[1].map((d) => normalizeAxis(d, b.rank, "tensordot")),
          ];
    const sizes = (x: Tensor, axes: readonly number[]): number[] => axes.map((axis) => x.shape[axis]);
    // A dim of 1 goes with any: the other one is summed, as in torch.
    for (let i = 0; i < Math.min(ofA.length, ofB.length); i++) {
      if (a.shape[ofA[i]] === 1 && b.shape[ofB[i]] !== 1) b = bind(sumP, [b], [ofB[i]]);
      else if (b.shape[ofB[i]] === 1 && a.shape[ofA[i]] !== 1) a = bind(sumP, [a], [ofA[i]]);
    }
    if (show(sizes(a, ofA)) !== show(sizes(b, ofB))) {
      throw new ShapeError(
        `tensordot: ${show(a.shape)} over ${show(ofA)} and ${show(b.shape)} over ${show(ofB)}: the sizes differ`,
      );
    }
    const restA = rest(a.shape, ofA);
    const restB = rest(b.shape, ofB);
    const inner = numel(sizes(a, ofA));
    const rows = reshapeTo(permuteTo(a, [...restA, ...ofA]), [numel(sizes(a, restA)), inner]);
    const columns = reshapeTo(permuteTo(b, [...ofB, ...restB]), [inner, numel(sizes(b, restB))]);
    return reshapeTo(matmul(rows, columns), [...sizes(a, restA), ...sizes(b, restB)]);
  },
);

const rest = (shape: Shape, axes: readonly number[]): number[] =>
  shape.map((_, i) => i).filter((i) => !axes.includes(i));

/** Kronecker product: every element of a times all of b; shapes multiply. */
export const kron = operation("kron(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => {
  const rank = Math.max(a.rank, b.rank);
  const [p, q] = [raised(a, rank), raised(b, rank)];
  const spread = reshapeTo(
    p,
    p.shape.flatMap((d) => [d, 1]),
  );
  const block = reshapeTo(
    q,
    q.shape.flatMap((d) => [1, d]),
  );
  return reshapeTo(
    binary(mulP, spread, block),
    p.shape.map((d, i) => d * q.shape[i]),
  );
});

/**
 * aᵀ · weight · b for every output, plus bias.
 *
 * @param a       […, in1]
 * @param b       […, in2]
 * @param weight  [out, in1, in2]
 * @param bias    [out], or null for none
 * @returns       […, out]
 */
export const bilinear = operation(
  "bilinear(a: tensor, b: tensor, weight: tensor, bias?: tensor|null)",
  (a: Tensor, b: Tensor, weight: Tensor, bias?: Tensor | null): Tensor => {
    const [out, in1, in2] = weight.shape;
    if (weight.rank !== 3 || a.shape[a.rank - 1] !== in1 || b.shape[b.rank - 1] !== in2) {
      throw new ShapeError(
        `bilinear: inputs ${show(a.shape)} and ${show(b.shape)}, weight ${show(weight.shape)}: wanted […, in1], […, in2], [out, in1, in2]`,
      );
    }
    const lead = a.shape.slice(0, -1);
    if (show(lead) !== show(b.shape.slice(0, -1))) {
      throw new ShapeError(`bilinear: inputs ${show(a.shape)} and ${show(b.shape)} differ before the last dim`);
    }
    if (bias && show(bias.shape) !== show([out])) {
      throw new ShapeError(`bilinear: bias ${show(bias.shape)}: wanted [${out}], one per output`);
    }
    const rows = numel(lead);
    // [B, in1] × [in1, out·in2] → [B, out, in2], then against b
    const half = matmul(reshapeTo(a, [rows, in1]), reshapeTo(permuteTo(weight, [1, 0, 2]), [in1, out * in2]));
    const y = matmul(reshapeTo(half, [rows, out, in2]), reshapeTo(b, [rows, in2, 1]));
    const result = reshapeTo(y, [...lead, out]);
    return bias === undefined || bias === null ? result : binary(addP, result, bias);
  },
);
