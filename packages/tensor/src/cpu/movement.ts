/**
 * Movement primitives for which strides do not suffice: `pad`, and reshapes across a broken run.
 */
import type { HostArray } from "../dtype.ts";
import { padP } from "../primitives.ts";
import type { GraphNode } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { contiguous, copyInto, type HostView, type Layout } from "./layout.ts";

/** Copies the input to where it belongs in `out`, row-major. */
export function move(node: GraphNode, [x]: readonly HostView[], out: HostArray): void {
  if (node.primitive !== padP) {
    copyInto(out, contiguous(x.shape), x);
    return;
  }
  out.fill(0, 0, numel(node.shape));
  const { strides } = contiguous(node.shape);
  const inner: Layout = {
    shape: x.shape,
    strides,
    offset: strides.reduce((offset, stride, axis) => offset + stride * node.attrs[axis], 0),
  };
  copyInto(out, inner, x);
}
