/**
 * Movement primitives for which strides do not suffice: `pad`, and reshapes across a broken run. And packs.
 */
import type { HostArray } from "../dtype.ts";
import { packLayout, padP } from "../primitives.ts";
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

/** Copies the pieces to their places in `out`; zeros between them. */
export function pack(node: GraphNode, pieces: readonly HostView[], out: HostArray): void {
  const { starts } = packLayout(
    pieces.map(({ shape }) => numel(shape)),
    node.dtype,
  );
  out.fill(0, 0, numel(node.shape));
  for (const [i, piece] of pieces.entries()) {
    copyInto(out, { ...contiguous(piece.shape), offset: starts[i] }, piece);
  }
}
