/**
 * gather and scatterAdd: reading and adding at positions that a tensor holds.
 */
import { type HostArray, hostArray, isFloat } from "../dtype.ts";
import type { GraphNode } from "../record/backend.ts";
import { numel, type Shape } from "../shape.ts";
import { contiguous, copyInto, type HostView, type Layout, planWalk, walk } from "./layout.ts";

/** `layout` as seen from an index tensor: its shape, and no movement along the indexed axis. */
function fromIndex({ strides, offset }: Layout, shape: Shape, axis: number): Layout {
  return { shape, strides: strides.map((stride, i) => (i === axis ? 0 : stride)), offset };
}

/** out[…i…] = x[…index[…i…]…]; 0 where the index is outside. */
export function gather(node: GraphNode, [x, index]: readonly HostView[], out: HostArray): void {
  const [axis] = node.attrs;
  const [stride, size] = [x.strides[axis], x.shape[axis]];
  const plan = planWalk(node.shape, [contiguous(node.shape), index, fromIndex(x, node.shape, axis)]);
  const [step, stepIndex, stepX] = plan.steps;
  walk(plan, ([o, i, j]) => {
    for (let k = 0; k < plan.length; k++) {
      const at = index.data[i + k * stepIndex];
      out[o + k * step] = at >= 0 && at < size ? x.data[j + k * stepX + at * stride] : 0;
    }
  });
}

/** x with src added at the indexed positions; those outside are left out. */
export function scatterAdd(node: GraphNode, [x, index, src]: readonly HostView[], out: HostArray): void {
  const [axis] = node.attrs;
  const to = contiguous(node.shape);
  const [stride, size] = [to.strides[axis], node.shape[axis]];
  const sum = isFloat(node.dtype) ? new Float64Array(numel(node.shape)) : hostArray(node.dtype, numel(node.shape));
  copyInto(sum, to, x);
  const plan = planWalk(index.shape, [fromIndex(to, index.shape, axis), index, src]);
  const [step, stepIndex, stepSrc] = plan.steps;
  walk(plan, ([o, i, j]) => {
    for (let k = 0; k < plan.length; k++) {
      const at = index.data[i + k * stepIndex];
      if (at >= 0 && at < size) sum[o + k * step + at * stride] += src.data[j + k * stepSrc];
    }
  });
  for (let i = 0; i < sum.length; i++) out[i] = sum[i];
}
