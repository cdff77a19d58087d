/**
 * Lowering packs: where each piece comes from.
 *
 * A piece that exists before the plan runs (a *leaf*, or a range of one) is copied, by the queue and without a kernel.
 * Any other is written in its place by the kernel that makes it. So that others may read the value as well, what lies
 * in the pack is an *alias* of it: one store more in the same kernel, and the only one if nobody else wants the value.
 * Kernels of some roles store one value and nothing else: theirs is a piece itself, if the pack alone reads it.
 */
import { rangeStart } from "@loopgrad/kernels";
import { elementBytes } from "../../half.ts";
import { packLayout, reshapeP } from "../../primitives.ts";
import type { GraphNode } from "../../record/backend.ts";
import { numel } from "../../shape.ts";
import type { Lowering } from "./lower.ts";
import { chainOf, type Piece, type Ref } from "./work.ts";

/** Copies between buffers start at multiples of this, and are that long. */
const COPY_BYTES = 4;

export function piecesOf(lowering: Lowering, { inputs, dtype }: GraphNode): Piece[] {
  const { graph } = lowering;
  const sizes = inputs.map((input) => numel(graph.nodes[input].shape));
  const { starts } = packLayout(sizes, dtype);
  return inputs.flatMap((input, i): Piece[] => {
    const [size, start] = [sizes[i], starts[i]];
    if (size === 0) return [];
    const ref = lowering.refs[input];
    const from = copiedFrom(lowering, ref, size);
    if (from >= 0) return [{ ref: { node: ref.node, moves: [] }, from, size, start }];
    const own = madeAlone(lowering, input);
    if (own >= 0) return [{ ref: lowering.refs[own], from: 0, size, start }];
    const { shape } = graph.nodes[input];
    const alias = lowering.add({ kind: "map", op: "alias", args: [ref], store: true, shape, dtype });
    return [{ ref: alias, from: 0, size, start }];
  });
}

/** The sum at indices, or running sum, that a piece is, if nothing else reads it; −1 where it is something else. */
function madeAlone({ graph, uses }: Lowering, piece: number): number {
  let i = piece;
  while (graph.nodes[i].primitive === reshapeP && uses[i] === 1) i = graph.nodes[i].inputs[0];
  const kind = graph.nodes[i].primitive?.kind;
  return uses[i] === 1 && (kind === "scatter" || kind === "scan") ? i : -1;
}

/** The element of a leaf from which on the piece can be copied; −1 where a kernel must write it. */
function copiedFrom(lowering: Lowering, ref: Ref, size: number): number {
  const { kind, dtype } = lowering.work[ref.node];
  if (kind !== "leaf") return -1;
  const from = rangeStart(chainOf(lowering.work, ref));
  const bytes = elementBytes(dtype);
  return (from * bytes) % COPY_BYTES === 0 && (size * bytes) % COPY_BYTES === 0 ? from : -1;
}
