/**
 * Lowering reductions: long ones are cut in parts.
 */

import type { DType } from "../../dtype.ts";
import { type Attrs, maxP, type Primitive, prodP, sumP } from "../../primitives.ts";
import { numel, type Shape } from "../../shape.ts";
import { sumOfProducts } from "./contraction.ts";
import type { Lowering } from "./lower.ts";
import { permuteBy, type Ref, reshapeTo } from "./work.ts";

/** Terms that a single reduction adds up; beyond, it is cut in parts. */
const LONGEST_REDUCTION = 4096;

export function reduce(lowering: Lowering, primitive: Primitive, x: Ref, axes: Attrs, shape: Shape, dtype: DType): Ref {
  const full = lowering.shapeOf(x);
  const kept = full.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const arg = lowering.move(x, permuteBy([...kept, ...axes], full));
  const space = lowering.shapeOf(arg);
  const outer = space.slice(0, kept.length);
  const inner = space.slice(kept.length);
  if (primitive === sumP) {
    const contraction = sumOfProducts(lowering, arg, kept.length, shape, dtype);
    if (contraction !== null) return contraction;
  }
  const op = primitive === sumP ? "sum" : primitive === prodP ? "prod" : primitive === maxP ? "max" : "argmax";
  if (op === "argmax") return lowering.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
  return inParts(lowering, op, arg, outer, inner, shape, dtype);
}

/** A reduction, in two steps where it is long: parts first, then over the parts. */
export function inParts(
  lowering: Lowering,
  op: "sum" | "prod" | "max",
  arg: Ref,
  outer: Shape,
  inner: Shape,
  shape: Shape,
  dtype: DType,
): Ref {
  if (numel(inner) <= LONGEST_REDUCTION) {
    return lowering.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
  }
  // Leading reduced dimensions are left to the second step; where one dimension is all there is, it is cut.
  let lead = 0;
  while (lead < inner.length - 1 && numel(inner.slice(lead)) > LONGEST_REDUCTION) lead++;
  if (numel(inner.slice(lead)) > LONGEST_REDUCTION || lead === 0) {
    const last = inner.length - 1;
    const length = inner[last];
    const piece = pieceOf(length, op === "sum" ? LONGEST_REDUCTION / 4 : 0);
    if (piece === 0) return lowering.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
    const count = Math.ceil(length / piece);
    const rank = outer.length + inner.length;
    const padded = [...outer, ...inner.slice(0, last), count * piece];
    const after = padded.map((_, i) => (i === rank - 1 ? count * piece - length : 0));
    const cut = [...outer, ...inner.slice(0, last), count, piece];
    const moved = lowering.move(
      arg,
      { name: "pad", attrs: [...padded.map(() => 0), ...after], shape: padded },
      reshapeTo(cut),
    );
    return inParts(lowering, op, moved, outer, cut.slice(outer.length), shape, dtype);
  }
  const partial = [...outer, ...inner.slice(0, lead)];
  const parts = lowering.add({ kind: "reduce", op, arg, axes: inner.length - lead, shape: partial, dtype });
  return inParts(lowering, op, parts, outer, inner.slice(0, lead), shape, dtype);
}

/** A length of pieces near the square root: a divisor from there on, or, where padding is allowed, any; 0 for none. */
export function pieceOf(length: number, padTo: number): number {
  const root = Math.ceil(Math.sqrt(length));
  for (let piece = root; piece <= Math.min(length / 2, root * 8); piece++) if (length % piece === 0) return piece;
  return padTo > 0 ? Math.min(padTo, root) : 0;
}
