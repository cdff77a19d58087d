/**
 * Linear algebra of small square matrices, […, n, n].
 *
 * Everything is elimination, one column at a time, recorded operation by operation: so all orders of derivative
 * exist, at the price of some 20 operations per column. Meant for the matrices of a model (up to a few dozen
 * rows), not for large systems.
 */

import { bind, bindUntracked } from "../bind.ts";
import { iota } from "../creation.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import {
  absP,
  addP,
  argmaxP,
  divP,
  eqP,
  gatherP,
  leP,
  logP,
  ltP,
  mulP,
  neP,
  prodP,
  reshapeP,
  sqrtP,
  subP,
  sumP,
  whereP,
  xorP,
} from "../primitives.ts";
import { broadcastShapes, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { diagonal } from "./diagonal.ts";
import { cat } from "./join.ts";
import { expandTo, flip, reshapeTo, sliceAxis, transpose } from "./movement.ts";
import { named } from "./named.ts";
import { literal, literalLike, scalar, wantFloat } from "./operand.ts";

function wantSquare(op: string, a: Tensor): number {
  wantFloat(op, a);
  const n = a.shape[a.rank - 1];
  if (a.rank < 2 || n !== a.shape[a.rank - 2]) throw new ShapeError(`${op}: ${show(a.shape)}: wanted […, n, n]`);
  return n;
}

const row = (a: Tensor, i: number): Tensor => sliceAxis(a, a.rank - 2, i, 1);
const column = (a: Tensor, j: number): Tensor => sliceAxis(a, a.rank - 1, j, 1);

/** 0, 1, …, n − 1 as a column. */
const rowNumbers = (a: Tensor): Tensor =>
  bind(reshapeP, [iota(a.device, "int32", a.shape[a.rank - 2])], [a.shape[a.rank - 2], 1]);

/**
 * Lower Cholesky factor L of a symmetric positive definite matrix: A = L Lᵀ. Of another matrix, that of (A + Aᵀ) / 2;
 * NaN where the matrix is not positive definite.
 */
export const cholesky = named("cholesky", (a: Tensor): Tensor => {
  const n = wantSquare("cholesky", a);
  let rest = bind(mulP, [bind(addP, [a, transpose(a, -1, -2)]), scalar(a.device, a.dtype, 0.5)]);
  const rows = rowNumbers(a);
  const columns: Tensor[] = [];
  for (let j = 0; j < n; j++) {
    const below = bind(leP, [literal(a.device, "int32", j), rows]);
    const pivot = bind(sqrtP, [row(column(rest, j), j)]);
    const l = bind(whereP, [below, bind(divP, [column(rest, j), pivot]), literalLike(a, 0)]);
    columns.push(l);
    if (j + 1 < n) rest = bind(subP, [rest, bind(mulP, [l, transpose(l, -1, -2)])]);
  }
  return cat(columns, -1);
});

/** Batch dims of a and b broadcast. */
function paired(op: string, a: Tensor, b: Tensor): [Tensor, Tensor] {
  const n = wantSquare(op, a);
  if (a.dtype !== b.dtype) throw new DTypeError(`${op}: dtypes ${a.dtype} and ${b.dtype} differ`);
  if (b.rank < 2 || b.shape[b.rank - 2] !== n) {
    throw new ShapeError(`${op}: ${show(a.shape)} and ${show(b.shape)}: wanted […, n, n] and […, n, k]`);
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), op);
  return [expandTo(a, [...batch, n, n]), expandTo(b, [...batch, n, b.shape[b.rank - 1]])];
}

/**
 * Solution X of A X = B for a triangular A; the other triangle is not read.
 *
 * @param a        […, n, n]
 * @param b        […, n, k]
 * @param options  `upper`: which triangle holds A; `left`: false solves X A = B; `unitriangular`: the diagonal is taken as 1
 */
export const triangularSolve = named(
  "triangularSolve",
  (a: Tensor, b: Tensor, options: { upper: boolean; left?: boolean; unitriangular?: boolean }): Tensor => {
    checkOptions("triangularSolve", options, ["upper", "left", "unitriangular"]);
    const { upper, left = true, unitriangular = false } = options;
    if (!left) {
      const solution = triangularSolve(transpose(a, -1, -2), transpose(b, -1, -2), { upper: !upper, unitriangular });
      return transpose(solution, -1, -2);
    }
    const [p, q] = paired("triangularSolve", a, b);
    // An upper system is a lower one read backwards.
    if (upper) return flip(forward(flip(p, [-1, -2]), flip(q, -2), unitriangular), -2);
    return forward(p, q, unitriangular);
  },
);

/** Forward substitution. */
function forward(a: Tensor, b: Tensor, unitriangular: boolean): Tensor {
  const n = a.shape[a.rank - 1];
  const solved: Tensor[] = [];
  let rest = b;
  for (let j = 0; j < n; j++) {
    const l = column(a, j);
    const x = unitriangular ? row(rest, j) : bind(divP, [row(rest, j), row(l, j)]);
    solved.push(x);
    if (j + 1 < n) rest = bind(subP, [rest, bind(mulP, [l, x])]);
  }
  return cat(solved, -2);
}

/**
 * Gaussian elimination with partial pivoting: what is left of the matrix is upper triangular, but for rounding below
 * the diagonal. Columns behind the n-th are right-hand sides. The choice of pivots is a constant to the tape.
 *
 * @param exchanged  told, for each column, whether rows changed place: bool, […, 1, 1]
 */
function eliminate(a: Tensor, exchanged?: (yes: Tensor) => void): Tensor {
  const { rank, device } = a;
  const n = a.shape[rank - 2];
  const rows = rowNumbers(a);
  let work = a;
  for (let j = 0; j + 1 < n; j++) {
    const at = literal(device, "int32", j);
    const size = bindUntracked(absP, [column(work, j)]);
    const pivotRow = bind(argmaxP, [bind(whereP, [bind(ltP, [rows, at]), literalLike(a, -1), size])], [rank - 2]);
    // Rows j and pivotRow change places.
    const order = bind(whereP, [
      bind(eqP, [rows, at]),
      pivotRow,
      bind(whereP, [bind(eqP, [rows, pivotRow]), at, rows]),
    ]);
    exchanged?.(bind(neP, [pivotRow, at]));
    work = bind(gatherP, [work, expandTo(order, work.shape)], [rank - 2]);
    const factors = bind(divP, [column(work, j), row(column(work, j), j)]);
    const below = bind(whereP, [bind(ltP, [at, rows]), factors, literalLike(a, 0)]);
    work = bind(subP, [work, bind(mulP, [below, row(work, j)])]);
  }
  return work;
}

/**
 * Solution X of A X = B.
 *
 * @param a  […, n, n]
 * @param b  […, n, k], or [n] for one right-hand side
 */
export const solve = named("solve", (a: Tensor, b: Tensor): Tensor => {
  if (b.rank === 1 && b.shape[0] === a.shape[a.rank - 1])
    return reshapeTo(solve(a, reshapeTo(b, [b.shape[0], 1])), [...a.shape.slice(0, -2), b.shape[0]]);
  const [p, q] = paired("solve", a, b);
  const work = eliminate(cat([p, q], -1));
  const n = p.shape[p.rank - 1];
  const [u, y] = [sliceAxis(work, p.rank - 1, 0, n), sliceAxis(work, p.rank - 1, n, q.shape[p.rank - 1])];
  return triangularSolve(u, y, { upper: true });
});

/** The inverse of a matrix. */
export const inverse = named("inverse", (a: Tensor): Tensor => {
  const n = wantSquare("inverse", a);
  const identity = bind(whereP, [
    bind(eqP, [rowNumbers(a), iota(a.device, "int32", n)]),
    literalLike(a, 1),
    literalLike(a, 0),
  ]);
  return solve(a, identity);
});

/** 1 or −1 as a dtype's number, for a condition that makes it −1. */
const signOf = (negative: Tensor, like: Tensor): Tensor =>
  bind(whereP, [negative, literalLike(like, -1), literalLike(like, 1)]);

/** Pivots of the elimination, […, n], and the sign of the row exchanges, which broadcasts to […, 1]. */
function pivots(op: string, a: Tensor): { diagonal: Tensor; sign: Tensor } {
  wantSquare(op, a);
  let odd: Tensor | null = null;
  const u = eliminate(a, (yes) => {
    odd = odd === null ? yes : bind(xorP, [odd, yes]);
  });
  const sign = odd === null ? literalLike(a, 1) : signOf(odd, a);
  return {
    diagonal: diagonal(u, 0, -2, -1),
    sign: sign.rank === 0 ? sign : bind(reshapeP, [sign], sign.shape.slice(0, -1)),
  };
}

/** The determinant: […] for […, n, n]. */
export const det = named("det", (a: Tensor): Tensor => {
  const { diagonal: d, sign } = pivots("det", a);
  const product = bind(mulP, [bind(prodP, [d], [d.rank - 1]), sign]);
  return reshapeTo(product, a.shape.slice(0, -2));
});

/**
 * Sign and logarithm of the absolute value of the determinant.
 *
 * @returns [sign, log |det|], each […] for […, n, n]
 */
export const slogdet = named("slogdet", (a: Tensor): [Tensor, Tensor] => {
  const { diagonal: d, sign } = pivots("slogdet", a);
  const axis = [d.rank - 1];
  const signs = bind(mulP, [bind(prodP, [signOf(bind(ltP, [d, literalLike(a, 0)]), a)], axis), sign]);
  const logs = bind(sumP, [bind(logP, [bind(absP, [d])])], axis);
  return [reshapeTo(signs, a.shape.slice(0, -2)), reshapeTo(logs, a.shape.slice(0, -2))];
});
