/**
 * Lowering convolutions: each of the three is a contraction of a tensor with *windows* of another.
 *
 * Windows [N, C, …out, …kernel] are a view of a padded tensor with overlapping strides; nothing is unfolded in memory.
 * Below, G are the groups, O and C the output and input channels of one group, Y the output's spatial dimensions,
 * S the input's, K the kernel's.
 */
import type { Move } from "@loopgrad/kernels";
import type { DType } from "../../dtype.ts";
import { type Attrs, type ConvGeometry, convGeometry, convInputP, convP, type Primitive } from "../../primitives.ts";
import { contiguousStrides, type Shape } from "../../shape.ts";
import { contract } from "./contraction.ts";
import type { Lowering } from "./lower.ts";
import { expandTo, permuteBy, type Ref, reshapeTo } from "./work.ts";

export function conv(
  lowering: Lowering,
  primitive: Primitive,
  inputs: readonly Ref[],
  attrs: Attrs,
  shape: Shape,
  dtype: DType,
): Ref {
  const geometry = convGeometry(attrs);
  if (primitive === convP) return forward(lowering, inputs, geometry, shape, dtype);
  if (primitive === convInputP) return inputGradient(lowering, inputs, geometry, shape, dtype);
  return weightGradient(lowering, inputs, geometry, shape, dtype);
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

/** out[N, G·O, …Y] = Σ over C and K of w[G, O, C, …K] · windows of x[N, G, C, …Y, …K]. */
function forward(lowering: Lowering, [x, w]: readonly Ref[], g: ConvGeometry, shape: Shape, dtype: DType): Ref {
  const [O, C, ...kernel] = lowering.shapeOf(w);
  const grouped = [g.groups, O / g.groups, C, ...kernel];
  const source = windows(lowering, padded(lowering, x, g.padding, g.padding), g, shape.slice(2), kernel);
  return slide(lowering, lowering.move(w, reshapeTo(grouped)), source, grouped, g, shape, dtype);
}

/**
 * dx[N, G·C, …S] = Σ over O and K of w[G, C, O, …K reversed] · windows of the gradient, which is spread by the stride
 * and padded so that a window starts at every input position.
 */
function inputGradient(lowering: Lowering, [dy, w]: readonly Ref[], g: ConvGeometry, shape: Shape, dtype: DType): Ref {
  const weight = lowering.shapeOf(w);
  const [O, C, ...kernel] = weight;
  const out = shape.slice(2);
  const y = lowering.shapeOf(dy).slice(2);
  const before = kernel.map((size, i) => (size - 1) * g.dilation[i] - g.padding[i]);
  const after = out.map((size, i) => size - 1 + g.padding[i] - (y[i] - 1) * g.stride[i]);
  const apart = padded(lowering, spread(lowering, dy, g.stride), before, after);
  const unit = { ...g, stride: g.stride.map(() => 1) };
  const grouped = [g.groups, O / g.groups, C, ...kernel];
  const flipped: Move = { name: "flip", attrs: range(2, g.n), shape: weight };
  const swapped = permuteBy([0, 2, 1, ...range(3, g.n)], grouped);
  const reversed = lowering.move(w, flipped, reshapeTo(grouped), swapped);
  return slide(lowering, reversed, windows(lowering, apart, unit, out, kernel), swapped.shape, g, shape, dtype);
}

/** A weight [G, rows, depth, …K] over windows [N, G·depth, …out, …K]: the output is [N, G·rows, …out]. */
function slide(
  lowering: Lowering,
  weight: Ref,
  source: Ref,
  [G, rows, depth, ...kernel]: Shape,
  { n }: ConvGeometry,
  shape: Shape,
  dtype: DType,
): Ref {
  const [N, , ...out] = shape;
  const strides = contiguousStrides(shape);
  const a = lowering.move(weight, reshapeTo([1, G, rows, depth, ...kernel]), expandTo([N, G, rows, depth, ...kernel]));
  const split = [N, G, depth, ...out, ...kernel];
  const b = lowering.move(source, reshapeTo(split), permuteBy([0, 1, ...range(3, n), 2, ...range(3 + n, n)], split));
  return contract(
    lowering,
    a,
    b,
    { batch: [N, G], m: [rows], n: out, k: [depth, ...kernel] },
    { batch: [strides[0], rows * strides[1]], m: [strides[1]], n: strides.slice(2) },
    shape,
    dtype,
  );
}

/** dw[G·O, C, …K] = Σ over N and Y of dy[G, O, N, …Y] · windows of x[G, C, …K, N, …Y]. */
function weightGradient(lowering: Lowering, [x, dy]: readonly Ref[], g: ConvGeometry, shape: Shape, dtype: DType): Ref {
  const { n, groups: G } = g;
  const [N, all, ...y] = lowering.shapeOf(dy);
  const [, C, ...kernel] = shape;
  const O = all / G;
  const strides = contiguousStrides(shape);
  const split = [N, G, O, ...y];
  const a = lowering.move(dy, reshapeTo(split), permuteBy([1, 2, 0, ...range(3, n)], split));
  const source = windows(lowering, padded(lowering, x, g.padding, g.padding), g, y, kernel);
  const apart = [N, G, C, ...y, ...kernel];
  const b = lowering.move(source, reshapeTo(apart), permuteBy([1, 2, ...range(3 + n, n), 0, ...range(3, n)], apart));
  return contract(
    lowering,
    a,
    b,
    { batch: [G], m: [O], n: [C, ...kernel], k: [N, ...y] },
    { batch: [O * strides[0]], m: [strides[0]], n: strides.slice(1) },
    shape,
    dtype,
  );
}

/** Zeros between the elements of the spatial dimensions, as many as a stride skips. */
function spread(lowering: Lowering, ref: Ref, stride: readonly number[]): Ref {
  if (stride.every((s) => s === 1)) return ref;
  const [N, C, ...spatial] = lowering.shapeOf(ref);
  const apart = [N, C, ...spatial.flatMap((d) => [d, 1])];
  const spaced = [N, C, ...spatial.flatMap((d, i) => [d, stride[i]])];
  const joined = [N, C, ...spatial.map((d, i) => d * stride[i])];
  const cut = [N, C, ...spatial.map((d, i) => (d - 1) * stride[i] + 1)];
  return lowering.move(
    ref,
    reshapeTo(apart),
    { name: "pad", attrs: [...apart.map(() => 0), ...spaced.map((d, i) => d - apart[i])], shape: spaced },
    reshapeTo(joined),
    { name: "slice", attrs: [...joined.map(() => 0), ...cut, ...joined.map(() => 1)], shape: cut },
  );
}

/** Spatial dimensions padded before and after; negative counts cut. */
function padded(lowering: Lowering, ref: Ref, before: readonly number[], after: readonly number[]): Ref {
  const shape = lowering.shapeOf(ref);
  const lo = [0, 0, ...before];
  const hi = [0, 0, ...after];
  const start = lo.map((x) => Math.max(-x, 0));
  const cut = shape.map((d, i) => d - start[i] - Math.max(-hi[i], 0));
  const pads = [...lo, ...hi].map((x) => Math.max(x, 0));
  const full = cut.map((d, i) => d + pads[i] + pads[shape.length + i]);
  return lowering.move(
    ref,
    { name: "slice", attrs: [...start, ...cut, ...shape.map(() => 1)], shape: cut },
    { name: "pad", attrs: pads, shape: full },
  );
}

/** [N, C, …S] → [N, C, …out, …kernel]: overlapping windows, as a view of a stored value. */
function windows(
  lowering: Lowering,
  ref: Ref,
  { stride, dilation }: Pick<ConvGeometry, "stride" | "dilation">,
  out: Shape,
  kernel: Shape,
): Ref {
  const base = lowering.strided(ref);
  const [N, C] = lowering.shapeOf(base);
  return lowering.move(base, { name: "window", attrs: [...stride, ...dilation], shape: [N, C, ...out, ...kernel] });
}
