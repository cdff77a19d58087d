/**
 * Reductions, running sums and sorting: primitives that look along axes.
 *
 * Sums of floats are kept in double precision and rounded once at the end.
 */
import { type HostArray, isFloat } from "../dtype.ts";
import { argmaxP, maxP, type Primitive, prodP, sumP } from "../primitives.ts";
import type { GraphNode } from "../record/backend.ts";
import { numel, type Shape } from "../shape.ts";
import { broadcast, contiguous, type HostView, type Layout, planWalk, walk } from "./layout.ts";

/** Computes a reduction into `out`, row-major. */
export function reduce(node: GraphNode, [x]: readonly HostView[], out: HostArray): void {
  if (node.primitive === argmaxP) {
    argmax(node, x, out);
    return;
  }
  const [identity, combine] = reduction(node.primitive as Primitive, x);
  const size = numel(node.shape);
  const total = new Float64Array(size).fill(identity);
  // The output as seen from the input's elements: stride 0 along reduced axes.
  const plan = planWalk(x.shape, [broadcast(contiguous(node.shape), x.shape), x]);
  const { data } = x;
  const { length } = plan;
  const [step, stepX] = plan.steps;
  walk(plan, ([o, i]) => {
    for (let k = 0; k < length; k++) total[o + k * step] = combine(total[o + k * step], data[i + k * stepX]);
  });
  for (let i = 0; i < size; i++) out[i] = total[i];
}

/** What an empty reduction gives, and how another element joins. */
function reduction(
  primitive: Primitive,
  { dtype }: HostView,
): [identity: number, combine: (x: number, y: number) => number] {
  switch (primitive) {
    case sumP:
      return [0, (x, y) => x + y];
    case prodP:
      return [1, isFloat(dtype) ? (x, y) => x * y : Math.imul];
    case maxP:
      return [isFloat(dtype) ? -Infinity : dtype === "int32" ? -(2 ** 31) : 0, (x, y) => Math.max(x, y)];
    default:
      throw new Error(`internal: ${primitive.name} is not a reduction`);
  }
}

/** Calls `line` with where every line along an axis begins, in the output (row-major) and in the input. */
function lines(shape: Shape, x: Layout, axis: number, line: (o: number, i: number) => void): void {
  const without = ({ strides, offset }: Layout): Layout => ({ shape: across, strides: strides.with(axis, 0), offset });
  const across = x.shape.with(axis, 1);
  const plan = planWalk(across, [without(contiguous(shape)), without(x)]);
  const { length } = plan;
  const [step, stepX] = plan.steps;
  walk(plan, (at) => {
    for (let k = 0; k < length; k++) line(at[0] + k * step, at[1] + k * stepX);
  });
}

function argmax(node: GraphNode, x: HostView, out: HostArray): void {
  const axis = node.attrs[0];
  const { data } = x;
  const [size, stride] = [x.shape[axis], x.strides[axis]];
  lines(node.shape, x, axis, (o, i) => {
    let best = 0;
    let leader = data[i];
    for (let k = 1; k < size; k++) {
      const candidate = data[i + k * stride];
      if (candidate > leader || (Number.isNaN(candidate) && !Number.isNaN(leader))) {
        best = k;
        leader = candidate;
      }
    }
    out[o] = best;
  });
}

/** Inclusive running sums along an axis. */
export function cumsum(node: GraphNode, [x]: readonly HostView[], out: HostArray): void {
  const axis = node.attrs[0];
  const to = contiguous(node.shape);
  const [stride, strideX] = [to.strides[axis], x.strides[axis]];
  lines(node.shape, x, axis, (o, i) => {
    let total = 0;
    for (let k = 0; k < x.shape[axis]; k++) {
      total += x.data[i + k * strideX];
      out[o + k * stride] = total;
    }
  });
}

/** Indices that sort along an axis: stable, NaN last in either direction. */
export function argsort(node: GraphNode, [x]: readonly HostView[], out: HostArray): void {
  const [axis, descending] = node.attrs;
  const to = contiguous(node.shape);
  const stride = to.strides[axis];
  const sign = descending ? -1 : 1;
  const size = x.shape[axis];
  const keys = new Float64Array(size);
  lines(node.shape, x, axis, (o, i) => {
    for (let k = 0; k < size; k++) keys[k] = x.data[i + k * x.strides[axis]];
    const order = Array.from(keys, (_, k) => k);
    order.sort((p, q) => {
      const [a, b] = [keys[p], keys[q]];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
      return a === b ? 0 : a < b ? -sign : sign;
    });
    for (let k = 0; k < size; k++) out[o + k * stride] = order[k];
  });
}
