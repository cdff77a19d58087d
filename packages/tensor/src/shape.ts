/**
 * Shapes: lists of dimension sizes, row-major. An *axis* given by a user may be negative; inside it never is.
 */
import { ShapeError } from "./errors.ts";

export type Shape = readonly number[];

export const show = (shape: Shape): string => `[${shape.join(", ")}]`;

/** Number of elements; 1 for a 0-d shape. */
export function numel(shape: Shape): number {
  let n = 1;
  for (let i = 0; i < shape.length; i++) n *= shape[i];
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Row-major strides in elements. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** The shape two operands broadcast to, by NumPy's rule. Returns `a` itself where nothing changes. */
export function broadcastShapes(a: Shape, b: Shape, op = "broadcast"): Shape {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i] : 1;
    const y = i <= b.length ? b[b.length - i] : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(`${op}: shapes ${show(a)} and ${show(b)} do not broadcast: ${x} and ${y} at axis -${i}`);
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** An axis in [0, rank), from one in [-rank, rank). A 0-d tensor takes axes 0 and -1, as in torch. */
export function normalizeAxis(axis: number, rank: number, op: string): number {
  const bound = Math.max(rank, 1);
  if (!Number.isInteger(axis) || axis < -bound || axis >= bound) {
    throw new ShapeError(`${op}: axis ${axis} is out of range for rank ${rank}: wanted [${-bound}, ${bound - 1}]`);
  }
  return axis < 0 ? axis + bound : axis;
}

/** Throws unless it is an array: what `x.reshape(2, 3)` lacks are brackets. */
export function wantArray(list: readonly unknown[], what: string): void {
  if (!Array.isArray(list)) throw new ShapeError(`${what} is ${String(list)}: wanted an array such as [2, 3]`);
}

/** Sorted axes without repetition; undefined, null or [] means all. */
export function normalizeAxes(axes: number | readonly number[] | null | undefined, rank: number, op: string): number[] {
  if (axes === undefined || axes === null) return Array.from({ length: rank }, (_, i) => i);
  const list = typeof axes === "number" ? [axes] : axes;
  wantArray(list, `${op}: dim`);
  if (list.length === 0) return Array.from({ length: rank }, (_, i) => i);
  const out = list.map((axis) => normalizeAxis(axis, rank, op));
  if (rank === 0) return [];
  out.sort((x, y) => x - y);
  for (let i = 1; i < out.length; i++) {
    if (out[i] === out[i - 1]) throw new ShapeError(`${op}: axis ${out[i]} appears twice in ${show(list)}`);
  }
  return out;
}

/** A shape from a user: non-negative integers, and at most one -1 that is worked out from `size`. */
export function resolveShape(shape: Shape, size: number, op: string): number[] {
  wantArray(shape, `${op}: the shape`);
  const out = [...shape];
  let known = 1;
  let unknown = -1;
  for (let i = 0; i < out.length; i++) {
    if (out[i] === -1 && unknown < 0) unknown = i;
    else if (!Number.isInteger(out[i]) || out[i] < 0) throw new ShapeError(`${op}: ${show(shape)} is not a shape`);
    else known *= out[i];
  }
  if (unknown >= 0) {
    if (known === 0 || size % known !== 0) {
      throw new ShapeError(`${op}: cannot infer -1 in ${show(shape)} for ${size} elements`);
    }
    out[unknown] = size / known;
  } else if (known !== size) {
    throw new ShapeError(`${op}: ${show(shape)} holds ${known} elements, the tensor has ${size}`);
  }
  return out;
}

/** A shape for a new tensor. */
export function checkShape(shape: Shape, op: string): Shape {
  wantArray(shape, `${op}: the shape`);
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) throw new ShapeError(`${op}: ${show(shape)} is not a shape of sizes >= 0`);
  }
  return shape;
}
