/**
 * Linear algebra of small square matrices, […, n, n].
 *
 * Everything is elimination, one column at a time, recorded operation by operation: so all orders of derivative
 * exist, at the price of some 20 operations per column. Meant for the matrices of a model (up to a few dozen
 * rows), not for large systems.
 *
 * *Singular* matrices: a determinant is a polynomial, and has its value and derivatives there too. What a singular
 * matrix has none of (an inverse, a solution, a Cholesky factor) is NaN or infinite wherever elimination meets a 0: only
 * the device knows the elements, so there is nothing to raise an error on. Rounding may leave 10⁻¹⁶ in place of that
 * 0, and numbers of the order of 10¹⁶, as in torch.
 */

import { bind, bindUntracked, untracked } from "../bind.ts";
import { operation } from "../checked.ts";
import { iota } from "../creation.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import {
  absP,
  addP,
  argmaxP,
  divP,
  eqP,
  floorP,
  gatherP,
  leP,
  logP,
  ltP,
  maximumP,
  mulP,
  neP,
  powP,
  reshapeP,
  signP,
  sqrtP,
  subP,
  whereP,
  xorP,
} from "../primitives.ts";
import { broadcastShapes, type Shape, sameShape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { cat } from "./join.ts";
import { expandTo, flip, reshapeTo, sliceAxis, transpose } from "./movement.ts";
import { binary, literal, literalLike, scalar, unchanged, wantFloat } from "./operand.ts";

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
 * Cholesky factor of a symmetric positive definite matrix: the lower one, A = L Lᵀ, or with `upper` the upper one, A = Lᵀ L. Of another matrix, that of (A + Aᵀ) / 2.
 * If the first k rows and columns are positive definite and the first k + 1 are not, columns from k on are NaN.
 */
export const cholesky = operation(
  "cholesky(a: tensor, options?: { upper: boolean })",
  (a: Tensor, options: { upper?: boolean } = {}): Tensor => {
    const { upper = false } = options;
    const n = wantSquare("cholesky", a);
    if (n === 0) return unchanged(a);
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
    const lower = cat(columns, -1);
    return upper ? transpose(lower, -1, -2) : lower;
  },
);

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
 * Solution X of A X = B for a triangular A; the other triangle is not read. With a 0 on the diagonal, that row of X and
 * those solved after it are infinite or NaN, as in torch.
 *
 * @param a        […, n, n]
 * @param b        […, n, k]
 * @param options  `upper`: which triangle holds A; `left`: false solves X A = B; `unitriangular`: the diagonal is taken as 1
 */
export const triangularSolve = operation(
  "triangularSolve(a: tensor, b: tensor, options: { upper: boolean, left: boolean, unitriangular: boolean })",
  (a: Tensor, b: Tensor, options: { upper: boolean; left?: boolean; unitriangular?: boolean }): Tensor => {
    const { upper, left = true, unitriangular = false } = options;
    if (upper === undefined) throw new ArgumentError("triangularSolve: upper is missing: wanted true or false");
    if (!left) {
      const solution = triangularSolve(transpose(a, -1, -2), transpose(b, -1, -2), { upper: !upper, unitriangular });
      return transpose(solution, -1, -2);
    }
    const [p, q] = paired("triangularSolve", a, b);
    if (q.size === 0) return unchanged(q);
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
 */
function eliminate(a: Tensor): Tensor {
  const { rank, device } = a;
  const n = a.shape[rank - 2];
  const rows = rowNumbers(a);
  let work = a;
  for (let j = 0; j + 1 < n; j++) {
    const at = literal(device, "int32", j);
    const size = bindUntracked(absP, [column(work, j)]);
    const pivotRow = bind(argmaxP, [bind(whereP, [bind(ltP, [rows, at]), literalLike(a, -1), size])], [rank - 2]);
    const order = exchanged(rows, at, pivotRow);
    work = bind(gatherP, [work, expandTo(order, work.shape)], [rank - 2]);
    const factors = bind(divP, [column(work, j), row(column(work, j), j)]);
    const below = bind(whereP, [bind(ltP, [at, rows]), factors, literalLike(a, 0)]);
    work = bind(subP, [work, bind(mulP, [below, row(work, j)])]);
  }
  return work;
}

/** The numbers `list`, where p and q have changed places. */
const exchanged = (list: Tensor, p: Tensor, q: Tensor): Tensor =>
  bind(whereP, [bind(eqP, [list, p]), q, bind(whereP, [bind(eqP, [list, q]), p, list])]);

/**
 * Solution X of A X = B, or of X A = B. If A is singular, no element of X is finite.
 *
 * @param a        […, n, n]
 * @param b        […, n, k]; [n], or A's shape without the last dim, for one right-hand side each
 * @param options  `left`: false solves X A = B, with B […, k, n]. Default true
 * @see            torch.linalg.solve
 */
export const solve = operation(
  "solve(a: tensor, b: tensor, options?: { left: boolean })",
  (a: Tensor, b: Tensor, options: { left?: boolean } = {}): Tensor => {
    const { left = true } = options;
    const n = wantSquare("solve", a);
    if (b.rank === 1 || (b.rank === a.rank - 1 && sameShape(b.shape, a.shape.slice(0, -1)))) {
      if (b.shape[b.rank - 1] !== n) {
        throw new ShapeError(`solve: ${show(a.shape)} and ${show(b.shape)}: wanted […, n, n] and […, n, k] or […, n]`);
      }
      if (!left) throw new ShapeError(`solve: b ${show(b.shape)} is vectors: with left: false it must be […, k, n]`);
      const solution = solve(a, reshapeTo(b, [...b.shape, 1]));
      return reshapeTo(solution, solution.shape.slice(0, -1));
    }
    if (!left) return transpose(solve(transpose(a, -1, -2), transpose(b, -1, -2)), -1, -2);
    const [p, q] = paired("solve", a, b);
    if (q.size === 0) return unchanged(q);
    const work = eliminate(cat([p, q], -1));
    const [u, y] = [sliceAxis(work, p.rank - 1, 0, n), sliceAxis(work, p.rank - 1, n, q.shape[p.rank - 1])];
    return triangularSolve(u, y, { upper: true });
  },
);

/** The inverse of a matrix. If it is singular, no element of the result is finite. */
export const inverse = operation("inverse(a: tensor)", (a: Tensor): Tensor => {
  const n = wantSquare("inverse", a);
  if (a.size === 0) return unchanged(a);
  const identity = bind(whereP, [
    bind(eqP, [rowNumbers(a), iota(a.device, "int32", n)]),
    literalLike(a, 1),
    literalLike(a, 0),
  ]);
  return solve(a, identity);
});

/** A determinant on its way: ± the product of the factors, times det(rest) / scale^(size of rest − 1). */
interface Elimination {
  /** Powers of two, constants to the tape; or a pivot that is 0. */
  readonly factors: readonly Tensor[];
  /** The last pivot over its factor; null for 1. */
  readonly scale: Tensor | null;
  readonly rest: Tensor;
  /** Whether the number of exchanges is odd; null if there were none. */
  readonly odd: Tensor | null;
}

/**
 * Elimination down to `size` rows, with the largest element of what is left as the next pivot (*complete pivoting*). The
 * choice is a constant to the tape.
 *
 * After Bareiss (1968): (p M − c r) / (the pivot before) in place of M − (c / p) r. What is left are then minors of the
 * matrix, and those of small whole numbers have no rounding: 0 comes out as 0. Each step is divided by a power of two near
 * p besides, so that minors do not grow out of range; that costs no digit.
 */
function eliminated(a: Tensor, size: number): Elimination {
  const factors: Tensor[] = [];
  let odd: Tensor | null = null;
  let scale: Tensor | null = null;
  let rest = a;
  for (let n = a.shape[a.rank - 1]; n > size; n--) {
    const best = largest(rest);
    const exchanges = bind(xorP, [bind(neP, [best.row, best.zero]), bind(neP, [best.column, best.zero])]);
    odd = odd === null ? exchanges : bind(xorP, [odd, exchanges]);
    const step = reduced(broughtForward(rest, best), scale);
    factors.push(step.factor);
    ({ scale, rest } = step);
  }
  return { factors, scale, rest, odd };
}

/** Row and column of the largest element, […, 1, 1]. */
function largest(a: Tensor): { row: Tensor; column: Tensor; zero: Tensor } {
  const n = a.shape[a.rank - 1];
  const batch = a.shape.slice(0, -2);
  const size = bind(reshapeP, [bindUntracked(absP, [a])], [...batch, n * n]);
  const place = bind(reshapeP, [bind(argmaxP, [size], [batch.length])], [...batch, 1, 1]);
  const wide = literalLike(place, n);
  const r = bind(divP, [place, wide]);
  return { row: r, column: bind(subP, [place, bind(mulP, [r, wide])]), zero: literalLike(place, 0) };
}

/** The row and the column change places with the first. */
function broughtForward(a: Tensor, best: { row: Tensor; column: Tensor; zero: Tensor }): Tensor {
  const n = a.shape[a.rank - 1];
  const batch = a.shape.slice(0, -2);
  const rows = exchanged(rowNumbers(a), best.zero, best.row);
  const columns = exchanged(iota(a.device, "int32", n), best.zero, best.column);
  const order = bind(addP, [bind(mulP, [rows, literalLike(rows, n)]), columns]);
  const flat = [...batch, n * n];
  const index = bind(reshapeP, [expandTo(order, a.shape)], flat);
  return bind(reshapeP, [bind(gatherP, [bind(reshapeP, [a], flat), index], [batch.length])], a.shape);
}

/**
 * One step: what is left behind the first row and column.
 *
 * With the pivot all of the block is 0. Then a 1 takes its place, and it is a factor itself: the product is 0, and so
 * are its derivatives of lower order than the block is large.
 */
function reduced(a: Tensor, before: Tensor | null): { factor: Tensor; scale: Tensor; rest: Tensor } {
  const axis = a.rank - 2;
  const n = a.shape[axis];
  const first = row(column(a, 0), 0);
  const isZero = bind(eqP, [first, literalLike(a, 0)]);
  const p = bind(whereP, [isZero, literalLike(a, 1), first]);
  const near = untracked(() => {
    const exponent = bind(floorP, [binary(mulP, bind(logP, [bind(absP, [p])]), Math.LOG2E)]);
    return bind(powP, [literalLike(a, 2), bind(maximumP, [exponent, literalLike(a, -120)])]);
  });
  const scale = bind(divP, [p, near]);
  const [upper, lower] = [sliceAxis(a, axis, 0, 1), sliceAxis(a, axis, 1, n - 1)];
  const [c, m] = [sliceAxis(lower, axis + 1, 0, 1), sliceAxis(lower, axis + 1, 1, n - 1)];
  const r = sliceAxis(upper, axis + 1, 1, n - 1);
  const minors = bind(subP, [bind(mulP, [scale, m]), bind(mulP, [bind(divP, [c, near]), r])]);
  return {
    factor: bind(whereP, [isZero, first, near]),
    scale,
    rest: before === null ? minors : bind(divP, [minors, before]),
  };
}

/** 1 or −1, or for null 1, as a dtype's number. */
const signOf = (odd: Tensor | null, like: Tensor): Tensor =>
  odd === null ? literalLike(like, 1) : bind(whereP, [odd, literalLike(like, -1), literalLike(like, 1)]);

/** The determinant of up to three rows by its definition, […, 1, 1]. */
function expansion(a: Tensor): Tensor {
  const n = a.shape[a.rank - 1];
  const at = (i: number, j: number): Tensor => row(column(a, j), i);
  const minor = (i: number, j: number, k: number, l: number): Tensor =>
    bind(subP, [bind(mulP, [at(i, k), at(j, l)]), bind(mulP, [at(i, l), at(j, k)])]);
  if (n === 0) return literalLike(a, 1);
  if (n === 1) return a;
  if (n === 2) return minor(0, 1, 0, 1);
  const [p, q, r] = [minor(1, 2, 1, 2), minor(1, 2, 0, 2), minor(1, 2, 0, 1)].map((m, j) => bind(mulP, [at(0, j), m]));
  return bind(addP, [bind(subP, [p, q]), r]);
}

/**
 * The determinant: […] for […, n, n].
 *
 * Its derivatives are right at singular matrices as well (of the first order they are the cofactors): at every order
 * if the rank is at least n − 3, else up to the third.
 */
export const det = operation("det(a: tensor)", (a: Tensor): Tensor => {
  wantSquare("det", a);
  const { factors, scale, rest, odd } = eliminated(a, 3);
  let product = expansion(rest);
  if (scale !== null) product = bind(divP, [product, bind(mulP, [scale, scale])]);
  for (const factor of factors) product = bind(mulP, [product, factor]);
  if (odd !== null) product = bind(mulP, [product, signOf(odd, a)]);
  return shaped(positiveZero(product), a.shape.slice(0, -2));
});

/** −0 as 0. The 0 that is added is a runtime scalar: a literal would be simplified away. */
const positiveZero = (x: Tensor): Tensor => binary(addP, x, 0);

/** […, 1, 1] as […]; a 0-d tensor repeated. */
const shaped = (x: Tensor, batch: Shape): Tensor => (x.rank === 0 ? expandTo(x, batch) : reshapeTo(x, batch));

/**
 * Sign and logarithm of the absolute value of the determinant; 0 and −Infinity for a singular matrix. There the
 * logarithm has no derivative: it comes out as NaN.
 *
 * @returns [sign, log |det|], each […] for […, n, n]
 */
export const slogdet = operation("slogdet(a: tensor)", (a: Tensor): [Tensor, Tensor] => {
  wantSquare("slogdet", a);
  const { factors, rest, odd } = eliminated(a, 1);
  const last = expansion(rest);
  let log = bind(logP, [bind(absP, [last])]);
  for (const factor of factors) log = bind(addP, [log, bind(logP, [bind(absP, [factor])])]);
  const sign = bind(mulP, [bindUntracked(signP, [last]), signOf(odd, a)]);
  const batch = a.shape.slice(0, -2);
  return [shaped(positiveZero(sign), batch), shaped(log, batch)];
});
