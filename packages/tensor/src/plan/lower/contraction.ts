/**
 * Lowering contractions: matrix products, and sums of products that are one in disguise.
 */
import { isMasked, type Move } from "@loopgrad/kernels";
import type { DType } from "../../dtype.ts";
import { mulP } from "../../primitives.ts";
import { contiguousStrides, numel, type Shape } from "../../shape.ts";
import type { Lowering } from "./lower.ts";
import { inParts, pieceOf } from "./reduction.ts";
import { chainOf, permuteBy, type Ref, reshapeTo } from "./work.ts";

/** Terms that a single contraction adds up; beyond, it is cut in parts. */
const DEEPEST_CONTRACTION = 2048;

export function matmul(lowering: Lowering, a: Ref, b: Ref, shape: Shape, dtype: DType): Ref {
  const rank = shape.length;
  const batch = shape.slice(0, -2);
  const [m, n] = shape.slice(-2);
  const k = lowering.shapeOf(a)[rank - 1];
  const left = lowering.fit(a, [...batch, m, k]);
  const right = lowering.fit(b, [...batch, k, n]);
  const swap = [...batch.map((_, i) => i), rank - 1, rank - 2];
  const strides = contiguousStrides(shape);
  if (k === 1) {
    // An outer product: a multiplication, which fuses into whatever reads it.
    const args = [lowering.fit(left, shape), lowering.fit(right, shape)];
    return lowering.add({ kind: "map", op: mulP.name, args, store: false, shape, dtype });
  }
  return contract(
    lowering,
    left,
    lowering.move(right, permuteBy(swap, [...batch, k, n])),
    { batch, m: [m], n: [n], k: [k] },
    { batch: strides.slice(0, -2), m: [strides[rank - 2]], n: [strides[rank - 1]] },
    shape,
    dtype,
  );
}

/** A contraction, in parts along k where it is deep. `a` is [batch, m, k], `b` is [batch, n, k]. */
export function contract(
  lowering: Lowering,
  a: Ref,
  b: Ref,
  dims: { batch: Shape; m: Shape; n: Shape; k: Shape },
  strides: { batch: number[]; m: number[]; n: number[] },
  shape: Shape,
  dtype: DType,
): Ref {
  const { batch, m, n, k } = dims;
  if (numel(k) <= DEEPEST_CONTRACTION) {
    const left = lowering.strided(a);
    return lowering.add({ kind: "contract", a: left, b: lowering.strided(b), ...dims, strides, shape, dtype });
  }
  let lead = 0;
  while (lead < k.length - 1 && numel(k.slice(lead)) > DEEPEST_CONTRACTION) lead++;
  let cut = k;
  if (numel(k.slice(lead)) > DEEPEST_CONTRACTION) {
    const length = k[lead];
    const piece = pieceOf(length, 0);
    const left = lowering.strided(a);
    if (piece === 0)
      return lowering.add({ kind: "contract", a: left, b: lowering.strided(b), ...dims, strides, shape, dtype });
    cut = [...k.slice(0, lead), length / piece, piece, ...k.slice(lead + 1)];
    lead++;
  }
  // Leading parts of k become leading batch dimensions, and are summed afterwards.
  const parts = cut.slice(0, lead);
  const rest = cut.slice(lead);
  const front = (ref: Ref, own: Shape) => {
    const full = [...batch, ...own, ...cut];
    const at = batch.length + own.length;
    const list = full.map((_, i) => i);
    const perm = [...list.slice(at, at + lead), ...list.slice(0, at), ...list.slice(at + lead)];
    return lowering.move(ref, reshapeTo(full), permuteBy(perm, full));
  };
  const size = numel(shape);
  const partStrides = contiguousStrides([...parts, size]).slice(0, -1);
  const partial = contract(
    lowering,
    front(a, m),
    front(b, n),
    { batch: [...parts, ...batch], m, n, k: rest },
    { batch: [...partStrides, ...strides.batch], m: strides.m, n: strides.n },
    [...parts, ...shape],
    dtype,
  );
  const all = [...parts, ...shape];
  const perm = [...shape.map((_, i) => i + lead), ...parts.map((_, i) => i)];
  return inParts(lowering, "sum", lowering.move(partial, permuteBy(perm, all)), shape, parts, shape, dtype);
}

/**
 * sum(a · b) as a contraction, where a and b each repeat along dimensions in which the other does not: the outer
 * product is then never made. null where it would gain nothing.
 */
export function sumOfProducts(lowering: Lowering, arg: Ref, outer: number, shape: Shape, dtype: DType): Ref | null {
  const product = lowering.work[arg.node];
  if (product.kind !== "map" || product.op !== mulP.name || (dtype !== "float32" && dtype !== "float64")) return null;
  const space = lowering.shapeOf(arg);
  const sides = product.args.map((ref) => lowering.move(ref, ...arg.moves));
  const chains = sides.map((ref) => chainOf(lowering.work, ref));
  if (chains.some((chain) => chain.length > 1 || isMasked(chain))) return null;
  if (sides.some(({ node }) => ["literal", "scalar", "iota"].includes(lowering.work[node].kind))) return null;
  const [a, b] = chains.map(([view]) => space.map((d, i) => d !== 1 && view.strides[i] !== 0));
  const dims = space.map((_, i) => i);
  const reduced = dims.slice(outer);
  const kept = dims.slice(0, outer);
  if (!reduced.every((i) => space[i] === 1 || (a[i] && b[i]))) return null;
  const m = kept.filter((i) => a[i] && !b[i]);
  const n = kept.filter((i) => b[i] && !a[i]);
  if (m.length === 0 || n.length === 0) return null;
  const batch = kept.filter((i) => !m.includes(i) && !n.includes(i));
  const strides = contiguousStrides(kept.map((i) => space[i]));
  const sizes = (list: number[]) => list.map((i) => space[i]);
  const order = (ref: Ref, own: number[], other: number[]) => {
    // The other side's dimensions are dropped: the ref repeats along them.
    const slim = space.map((d, i) => (other.includes(i) ? 1 : d));
    const slice: Move = {
      name: "slice",
      attrs: [...space.map(() => 0), ...slim, ...space.map(() => 1)],
      shape: slim,
    };
    const list = [...batch, ...own, ...reduced];
    return lowering.move(ref, slice, permuteBy([...list, ...other], slim), reshapeTo(sizes(list)));
  };
  return contract(
    lowering,
    order(sides[0], m, n),
    order(sides[1], n, m),
    { batch: sizes(batch), m: sizes(m), n: sizes(n), k: sizes(reduced) },
    { batch: batch.map((i) => strides[i]), m: m.map((i) => strides[i]), n: n.map((i) => strides[i]) },
    shape,
    dtype,
  );
}
