/**
 * Matrix products of floats, block by block.
 */
import type { HostArray } from "../../dtype.ts";
import type { GraphNode } from "../../record/backend.ts";
import { broadcast, contiguous, type Layout, planWalk, walk } from "../layout.ts";
import type { Operand, Run } from "../program.ts";
import { multiplyPanels, packStrided, tiled, workspace } from "./panels.ts";

/** Rows and columns packed at once: as much as the processor's second cache holds. */
const BLOCK = 128;
/** Depth at which a sum is continued in another pass. */
const DEPTH = 1024;

/** A matrix in an array: where its first element is, and the strides from row to row and column to column. */
interface Matrix {
  readonly data: HostArray;
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

/** A product of float matrices, over broadcast batch axes. */
export function lowerMatmul(node: GraphNode, [a, b]: readonly Operand[], slot: number): Run {
  const { shape } = node;
  const [m, n] = shape.slice(-2);
  const k = a.shape[a.shape.length - 1];
  const batch = shape.slice(0, -2);
  const outer = ({ shape, strides, offset }: Layout) =>
    broadcast({ shape: shape.slice(0, -2), strides: strides.slice(0, -2), offset }, batch);
  const to = contiguous(shape);
  const plan = planWalk(batch, [{ shape: batch, strides: to.strides.slice(0, -2), offset: 0 }, outer(a), outer(b)]);
  const [aRow, aColumn] = a.strides.slice(-2);
  const [bRow, bColumn] = b.strides.slice(-2);
  const [stepTo, stepA, stepB] = plan.steps;
  return (arrays) => {
    const out = arrays[slot];
    const left = arrays[a.slot];
    const right = arrays[b.slot];
    walk(plan, ([o, i, j]) => {
      for (let r = 0; r < plan.length; r++, o += stepTo, i += stepA, j += stepB) {
        const x = { data: left, at: i, row: aRow, column: aColumn };
        if (n === 1) multiplyVector(x, right, j, bRow, m, k, out, o);
        else if (m === 1) {
          multiplyVector({ data: right, at: j, row: bColumn, column: bRow }, left, i, aColumn, n, k, out, o);
        } else multiply(x, { data: right, at: j, row: bRow, column: bColumn }, m, n, k, out, o);
      }
    });
  };
}

/** `out`, row-major from `at`, = A [m, k] × B [k, n]. */
function multiply(a: Matrix, b: Matrix, m: number, n: number, k: number, out: HostArray, at: number): void {
  const left = workspace(0, tiled(Math.min(m, BLOCK)) * Math.min(k, DEPTH));
  const right = workspace(1, tiled(Math.min(n, BLOCK)) * Math.min(k, DEPTH));
  const sum = workspace(2, tiled(Math.min(m, BLOCK)) * tiled(Math.min(n, BLOCK)));
  const leftOnce = m <= BLOCK && k <= DEPTH;
  if (leftOnce) packStrided(left, a.data, a.at, m, a.row, k, a.column);
  for (let q = 0; q < n; q += BLOCK) {
    const columns = Math.min(BLOCK, n - q);
    for (let p = 0; p < m; p += BLOCK) {
      const rows = Math.min(BLOCK, m - p);
      const width = tiled(columns);
      sum.data.fill(0, 0, tiled(rows) * width);
      for (let r = 0; r < k; r += DEPTH) {
        const depth = Math.min(DEPTH, k - r);
        if (!leftOnce) packStrided(left, a.data, a.at + p * a.row + r * a.column, rows, a.row, depth, a.column);
        if (p === 0 || k > DEPTH) {
          packStrided(right, b.data, b.at + q * b.column + r * b.row, columns, b.column, depth, b.row);
        }
        multiplyPanels(left, right, depth, rows, columns, sum);
      }
      for (let i = 0; i < rows; i++) {
        const o = at + (p + i) * n + q;
        for (let j = 0; j < columns; j++) out[o + j] = sum.data[i * width + j];
      }
    }
  }
}

/** A matrix times a vector: `out[at + i]` = Σ a[i, j] x[j]. */
function multiplyVector(
  a: Matrix,
  x: HostArray,
  from: number,
  step: number,
  m: number,
  k: number,
  out: HostArray,
  at: number,
): void {
  if (Math.abs(a.column) > Math.abs(a.row)) {
    const sum = workspace(2, m).data.fill(0, 0, m);
    for (let j = 0; j < k; j++) {
      const y = x[from + j * step];
      for (let i = 0, p = a.at + j * a.column; i < m; i++, p += a.row) sum[i] += a.data[p] * y;
    }
    for (let i = 0; i < m; i++) out[at + i] = sum[i];
    return;
  }
  for (let i = 0; i < m; i++) {
    let p = a.at + i * a.row;
    let q = from;
    let [s0, s1] = [0, 0];
    let j = 0;
    for (; j + 1 < k; j += 2) {
      s0 += a.data[p] * x[q];
      s1 += a.data[p + a.column] * x[q + step];
      p += 2 * a.column;
      q += 2 * step;
    }
    if (j < k) s0 += a.data[p] * x[q];
    out[at + i] = s0 + s1;
  }
}
