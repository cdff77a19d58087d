/**
 * Panels: matrices laid out for the kernel that multiplies them.
 *
 * The kernel computes a *tile* of 4 × 4 results in sixteen local variables. It reads *panels*: four lines (rows
 * of the left matrix, columns of the right one) interleaved, so that it walks through memory in order:
 * [depth][4], with zeros for lines that are missing. Panels are of doubles, so sums are in double precision,
 * and one kernel serves float32 and float64.
 */
import type { HostArray } from "../../dtype.ts";
import type { MultiplyPanels } from "../wasm/tiles.ts";

/** Lines of a panel; rows and columns of a tile. */
export const TILE = 4;

/** The next multiple of the tile's size. */
export const tiled = (n: number): number => Math.ceil(n / TILE) * TILE;

/** Panels, sums or other doubles: an array, and where in it they begin. */
export interface Doubles {
  readonly data: Float64Array;
  readonly at: number;
}

/** The same array, some elements further on. */
export const after = ({ data, at }: Doubles, elements: number): Doubles => ({ data, at: at + elements });

const workspaces: Doubles[] = [];

/**
 * An array of at least `size` doubles, with anything in it, grown as needed. All steps share it, as only one runs
 * at a time; a step that needs several asks for several numbers.
 */
export function workspace(number: number, size: number): Doubles {
  const known = workspaces[number];
  if (known !== undefined && known.data.length >= size) return known;
  workspaces[number] = { data: new Float64Array(size), at: 0 };
  return workspaces[number];
}

/** Packs `count` lines of `depth` elements: line r begins at `at` + r · line, its elements are `step` apart. */
export function packStrided(
  to: Doubles,
  from: HostArray,
  at: number,
  count: number,
  line: number,
  depth: number,
  step: number,
): void {
  const { data } = to;
  let p = to.at;
  for (let r = 0; r < count; r += TILE) {
    let i0 = at + r * line;
    const whole = r + TILE <= count;
    if (!whole) data.fill(0, p, p + TILE * depth);
    const [i1, i2, i3] = [line, 2 * line, 3 * line];
    for (let k = 0; k < depth; k++, i0 += step, p += TILE) {
      data[p] = from[i0];
      if (whole) {
        data[p + 1] = from[i0 + i1];
        data[p + 2] = from[i0 + i2];
        data[p + 3] = from[i0 + i3];
      } else for (let t = 1; r + t < count; t++) data[p + t] = from[i0 + t * line];
    }
  }
}

/** Offsets of lines, or of elements in a line: `count` entries of a table, from one on. */
export interface Offsets {
  readonly table: Int32Array;
  readonly first: number;
  readonly count: number;
}

/** Packs lines whose elements lie at `at` + the line's offset + the element's offset. */
export function packGathered(to: Doubles, from: HostArray, at: number, lines: Offsets, elements: Offsets): void {
  const { data } = to;
  const { table, first, count } = elements;
  let p = to.at;
  for (let r = 0; r < lines.count; r += TILE) {
    const line = (t: number) => at + lines.table[lines.first + Math.min(r + t, lines.count - 1)];
    const [i0, i1, i2, i3] = [line(0), line(1), line(2), line(3)];
    const begin = p;
    for (let k = 0; k < count; k++, p += TILE) {
      const element = table[first + k];
      data[p] = from[i0 + element];
      data[p + 1] = from[i1 + element];
      data[p + 2] = from[i2 + element];
      data[p + 3] = from[i3 + element];
    }
    // Missing lines repeat the last one; make them zero.
    for (let t = lines.count - r; t < TILE; t++) for (let i = begin + t; i < p; i += TILE) data[i] = 0;
  }
}

let tiles: MultiplyPanels | null = null;

/** Lets panels be multiplied by another kernel, that of wasm/tiles.ts; null: by this one. Returns the one before. */
export function useTiles(next: MultiplyPanels | null): MultiplyPanels | null {
  const before = tiles;
  tiles = next;
  return before;
}

/** Are panels multiplied by another kernel than this one? */
export const hasTiles = (): boolean => tiles !== null;

/** Multiplications from which on the other kernel, whose panels are copied, is the faster one. */
const MANY = 4096;

/** sum += A B for packed A and B: `rows` × `columns` results, row-major, both rounded up to tiles. */
export function multiplyPanels(
  a: Doubles,
  b: Doubles,
  depth: number,
  rows: number,
  columns: number,
  sum: Doubles,
): void {
  const width = tiled(columns);
  const height = tiled(rows);
  if (tiles !== null && height * width * depth >= MANY) {
    const [left, right, to] = [a, b, sum].map(({ data, at }) => data.subarray(at));
    if (tiles(left, right, depth, height, width, to)) return;
  }
  // A right panel stays in the first cache while all rows pass by.
  for (let q = 0; q < columns; q += TILE) {
    const j = b.at + q * depth;
    for (let p = 0; p < rows; p += TILE) {
      tile(depth, a.data, a.at + p * depth, b.data, j, sum.data, sum.at + p * width + q, width);
    }
  }
}

/** Adds a tile to `sum`, row-major from position `at` with rows `width` apart. */
function tile(
  depth: number,
  a: Float64Array,
  i: number,
  b: Float64Array,
  j: number,
  sum: Float64Array,
  at: number,
  width: number,
): void {
  let [s00, s01, s02, s03] = [0, 0, 0, 0];
  let [s10, s11, s12, s13] = [0, 0, 0, 0];
  let [s20, s21, s22, s23] = [0, 0, 0, 0];
  let [s30, s31, s32, s33] = [0, 0, 0, 0];
  for (let k = 0; k < depth; k++) {
    const b0 = b[j];
    const b1 = b[j + 1];
    const b2 = b[j + 2];
    const b3 = b[j + 3];
    const a0 = a[i];
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    const a1 = a[i + 1];
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    const a2 = a[i + 2];
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    const a3 = a[i + 3];
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
    i += TILE;
    j += TILE;
  }
  sum[at] += s00;
  sum[at + 1] += s01;
  sum[at + 2] += s02;
  sum[at + 3] += s03;
  at += width;
  sum[at] += s10;
  sum[at + 1] += s11;
  sum[at + 2] += s12;
  sum[at + 3] += s13;
  at += width;
  sum[at] += s20;
  sum[at + 1] += s21;
  sum[at + 2] += s22;
  sum[at + 3] += s23;
  at += width;
  sum[at] += s30;
  sum[at + 1] += s31;
  sum[at + 2] += s32;
  sum[at + 3] += s33;
}
