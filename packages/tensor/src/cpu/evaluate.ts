/**
 * Evaluating: a graph's values, computed node by node as the primitives' definitions say.
 *
 * Movement primitives make views; all else writes a fresh array. Who evaluates brings the formulas of elementwise
 * primitives along: the interpreter its own (interpreter.ts), the cpu device those of the table (peek.ts). The other kinds have
 * one way here, which is also that of the cpu device where it has no faster one.
 */
import { type HostArray, hostArray } from "../dtype.ts";
import { type Elementwise, type Kind, literalP, type Primitive, scalarP } from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { convolution, matmul } from "./contraction.ts";
import { type Arithmetic, elementwise } from "./elementwise.ts";
import { gather, scatterAdd } from "./indexing.ts";
import { contiguous, copyInto, type HostView, moved } from "./layout.ts";
import { move, pack } from "./movement.ts";
import { randomBits } from "./random.ts";
import { argsort, cumsum, reduce } from "./reduce.ts";

/** Computes a node's elements, row-major, into an array that may hold anything before. */
type Evaluate = (node: GraphNode, inputs: readonly HostView[], out: HostArray) => void;

/** The values of a graph's outputs, each row-major in an array of its own. */
export function evaluateGraph(
  graph: Graph,
  leaves: readonly HostArray[],
  scalars: readonly number[],
  arithmetic: Arithmetic,
): HostArray[] {
  const views: HostView[] = [];
  for (const node of graph.nodes) {
    const { shape, dtype } = node;
    if (node.primitive === null) {
      views.push({ ...contiguous(shape), dtype, data: leaves[node.slot] });
      continue;
    }
    const inputs = node.inputs.map((input) => views[input]);
    const layout = node.primitive.kind === "movement" ? moved(inputs[0], node.primitive, node.attrs) : null;
    if (layout !== null) {
      views.push({ ...layout, dtype, data: inputs[0].data });
      continue;
    }
    const data = hostArray(dtype, numel(shape));
    if (node.primitive === scalarP) data[0] = constantOf(node, scalars[node.slot]);
    else if (isElementwise(node.primitive)) elementwise(node, inputs, data, arithmetic);
    else evaluate(node, inputs, data);
    views.push({ ...contiguous(shape), dtype, data });
  }
  return graph.outputs.map((output) => {
    const view = views[output];
    const data = hostArray(view.dtype, numel(view.shape));
    copyInto(data, contiguous(view.shape), view);
    return data;
  });
}

/** A number as an element of the node's dtype. */
export const constantOf = ({ dtype }: GraphNode, value: number): number =>
  dtype === "bool" ? (value === 0 ? 0 : 1) : value;

export const isElementwise = ({ kind }: Primitive): boolean => !(kind in EVALUATE);

const EVALUATE: Readonly<Record<Exclude<Kind, Elementwise["kind"] | "check">, Evaluate>> = {
  constant,
  reduce,
  movement: move,
  pack,
  matmul,
  conv: convolution,
  gather,
  scatter: scatterAdd,
  scan: cumsum,
  sort: argsort,
  random: randomBits,
};

/** Computes one node that is neither a leaf nor a scalar nor elementwise into `out`, row-major. */
export const evaluate: Evaluate = (node, inputs, out) =>
  EVALUATE[(node.primitive as Primitive).kind as keyof typeof EVALUATE](node, inputs, out);

function constant(node: GraphNode, _inputs: readonly HostView[], out: HostArray): void {
  if (node.primitive === literalP) out[0] = constantOf(node, node.attrs[1]);
  else for (let i = 0; i < node.shape[0]; i++) out[i] = i;
}
