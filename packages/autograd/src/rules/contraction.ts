/**
 * Rules of matmul and the convolutions. Each contraction is linear in either operand, so every derivative
 * is a contraction again: the three convolutions are each the others' derivatives, and close the set.
 */

import type { Attrs } from "@loopgrad/tensor";
import {
  bind,
  convAttrs,
  convGeometry,
  convInputP,
  convP,
  convWeightP,
  matmulP,
  permuteP,
  type Shape,
  sameShape,
  sliceP,
  type Tensor,
} from "@loopgrad/tensor";
import { d, rule } from "./rule.ts";

/** With its last two axes exchanged. */
function transposed(x: Tensor): Tensor {
  const order = x._shape.map((_, axis) => axis);
  const last = order.length - 1;
  [order[last - 1], order[last]] = [last, last - 1];
  return bind(permuteP, [x], order);
}

/** d(A B) = dA B + A dB: the cotangents are G Bᵀ and Aᵀ G. */
rule(
  matmulP,
  d("b", (g, { b }) => bind(matmulP, [g, transposed(b)])),
  d("a", (g, { a }) => bind(matmulP, [transposed(a), g])),
);

/** The same geometry for a convolution whose result has the spatial size of `shape`; none for `conv` itself. */
function geometry(attrs: Attrs, shape?: Shape): number[] {
  return convAttrs({ ...convGeometry(attrs), extra: shape?.slice(2) ?? [] });
}
const conv = (x: Tensor, w: Tensor, attrs: Attrs): Tensor => bind(convP, [x, w], geometry(attrs));
const convInput = (g: Tensor, w: Tensor, attrs: Attrs, x: Shape): Tensor =>
  bind(convInputP, [g, w], geometry(attrs, x));
const convWeight = (x: Tensor, g: Tensor, attrs: Attrs, w: Shape): Tensor =>
  bind(convWeightP, [x, g], geometry(attrs, w));

/**
 * Without the positions that `shape` does not have. The result of a transposed convolution may be longer than its last tap
 * reaches, by `outputPadding`; where that is a stride or more, a window fits in there that no input has made.
 */
function cropped(y: Tensor, shape: Shape): Tensor {
  if (sameShape(y._shape, shape)) return y;
  return bind(sliceP, [y], [...shape.map(() => 0), ...shape, ...shape.map(() => 1)]);
}

/** y = conv(x, w). */
rule(
  convP,
  d("b", (g, { b: w, attrs, shape }) => convInput(g, w, attrs, shape)),
  d("a", (g, { a: x, attrs, shape }) => convWeight(x, g, attrs, shape)),
);

/** x = convInput(y, w): the adjoint of conv in x. */
rule(
  convInputP,
  d("b", (g, { b: w, attrs, shape }) => cropped(conv(g, w, attrs), shape)),
  d("a", (g, { a: y, attrs, shape }) => convWeight(g, y, attrs, shape)),
);

/** w = convWeight(x, y): the adjoint of conv in w. */
rule(
  convWeightP,
  d("b", (g, { b: y, attrs, shape }) => convInput(y, g, attrs, shape)),
  d("a", (g, { a: x, attrs, shape }) => cropped(conv(x, g, attrs), shape)),
);
