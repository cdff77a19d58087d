/**
 * The interpreter: a graph's values, computed node by node as the primitives' definitions say.
 *
 * It is the oracle that kernels of every device are compared with, and the fallback of the cpu device for
 * primitives that have no faster way. Movement primitives make views; all else writes a fresh array.
 */
import { type HostArray, hostArray } from "../dtype.ts";
import { literalP, type Primitive, scalarP } from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { convolution, matmul } from "./contraction.ts";
import { elementwise } from "./elementwise.ts";
import { gather, scatterAdd } from "./indexing.ts";
import { contiguous, copyInto, type HostView, moved } from "./layout.ts";
import { move } from "./movement.ts";
import { randomBits } from "./random.ts";
import { argsort, cumsum, reduce } from "./reduce.ts";

/** The values of a graph's outputs, each row-major in an array of its own. */
export function interpret(graph: Graph, leaves: readonly HostArray[], scalars: readonly number[]): HostArray[] {
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

/** Computes one node that is neither a leaf nor a scalar into `out`, row-major. `out` may hold anything before. */
export function evaluate(node: GraphNode, inputs: readonly HostView[], out: HostArray): void {
  const primitive = node.primitive as Primitive;
  const { kind } = primitive;
  switch (kind) {
    case "constant":
      if (primitive === literalP) out[0] = constantOf(node, node.attrs[1]);
      else for (let i = 0; i < node.shape[0]; i++) out[i] = i;
      return;
    case "unary":
    case "binary":
    case "compare":
    case "where":
    case "cast":
      return elementwise(node, inputs, out);
    case "reduce":
      return reduce(node, inputs, out);
    case "movement":
      return move(node, inputs, out);
    case "matmul":
      return matmul(node, inputs, out);
    case "conv":
      return convolution(node, inputs, out);
    case "gather":
      return gather(node, inputs, out);
    case "scatter":
      return scatterAdd(node, inputs, out);
    case "scan":
      return cumsum(node, inputs, out);
    case "sort":
      return argsort(node, inputs, out);
    case "random":
      return randomBits(node, inputs, out);
    default:
      kind satisfies never;
  }
}

