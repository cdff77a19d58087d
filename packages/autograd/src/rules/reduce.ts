/**
 * Rules of the reductions and of the running sum. Reduced axes stay as 1, so a cotangent broadcasts by itself.
 */
import {
  bind,
  cast,
  cumsumP,
  div,
  eq,
  expandP,
  flipP,
  iota,
  literal,
  literalLike,
  lt,
  maximum,
  maxP,
  mul,
  numel,
  padP,
  permuteP,
  prodP,
  reshapeP,
  sliceP,
  sumP,
  type Tensor,
  where,
} from "@loopgrad/tensor";
import { undo } from "./movement.ts";
import { d, rule } from "./rule.ts";

/** d Σ x = Σ dx: every element gets the cotangent. */
rule(
  sumP,
  d("", (g, { shape }) => bind(expandP, [g], shape)),
);

/** d max x goes in equal shares to all that are largest. */
rule(
  maxP,
  d("xy", (g, { x, y, attrs: axes }) => {
    const largest = eq(x, y);
    // At least 1: where the maximum is NaN, nothing equals it.
    const ties = maximum(bind(sumP, [cast(largest, g.dtype)], axes), literalLike(g, 1));
    return where(largest, div(g, ties), literalLike(g, 0));
  }),
);

/** d Π x = Σᵢ (Πⱼ≠ᵢ xⱼ) dxᵢ: products of all the others, never Πx / xᵢ, which fails at zeros. */
rule(
  prodP,
  d("x", (g, { x, shape, attrs: axes }) => {
    const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const order = [...kept, ...axes];
    const front = kept.map((axis) => shape[axis]);
    const moved = bind(permuteP, [x], order);
    const rows = bind(reshapeP, [moved], [numel(front), numel(axes.map((axis) => shape[axis]))]);
    const others = bind(reshapeP, [productOfOthers(rows)], moved.shape);
    return mul(g, bind(permuteP, [others], undo(order)));
  }),
);

/**
 * For each element of a row the product of the others, in linear work: pair neighbours up, find the same for the
 * products of pairs, and multiply what a pair gets with the neighbour in it. [R, N] → [R, N].
 */
function productOfOthers(x: Tensor): Tensor {
  const [rows, n] = x.shape;
  if (n <= 1) return bind(expandP, [bind(reshapeP, [literalLike(x, 1)], [1, 1])], [rows, n]);
  const half = Math.ceil(n / 2);
  const pairs = bind(reshapeP, [evened(x)], [rows, half, 2]);
  const neighbour = bind(flipP, [pairs], [2]);
  if (half === 1) return bind(reshapeP, [neighbour], [rows, 2]);
  const side = (i: number): Tensor =>
    bind(reshapeP, [bind(sliceP, [pairs], [0, 0, i, rows, half, 1, 1, 1, 1])], [rows, half]);
  const above = bind(reshapeP, [productOfOthers(mul(side(0), side(1)))], [rows, half, 1]);
  const all = bind(reshapeP, [mul(above, neighbour)], [rows, 2 * half]);
  return n === 2 * half ? all : bind(sliceP, [all], [0, 0, rows, n, 1, 1]);
}

/** Rows of even length: a 1 is appended where it was odd. */
function evened(x: Tensor): Tensor {
  const [, n] = x.shape;
  if (n % 2 === 0) return x;
  const padded = bind(padP, [x], [0, 0, 0, 1]);
  const { device } = x;
  const inside = lt(iota(device, "int32", n + 1), literal(device, "int32", n));
  return where(inside, padded, literalLike(x, 1));
}

/** d cumsum x = cumsum dx, and its adjoint runs from the other end. */
rule(
  cumsumP,
  d("", (g, { attrs: axis }) => bind(flipP, [bind(cumsumP, [bind(flipP, [g], axis)], axis)], axis)),
);
