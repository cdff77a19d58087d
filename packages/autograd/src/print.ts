/**
 * Printing a graph: one node a line, from the oldest to the one that was asked for.
 *
 *     %1 = leaf float64 [2]
 *     %2 = exp(%1) float64 [2]
 *     %3 = mul(%1, %2) float64 [2]
 *
 * An underscore is an operand that no gradient flows through.
 */
import { type DType, type Shape, show } from "@loopgrad/tensor";

/** A place on the tape, for people and tools to look at. */
export interface GradFn {
  /** What made the tensor: a primitive's name, a custom function's, "checkpoint", or "leaf". */
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** For each operand where it was made; null where no gradient flows. */
  readonly inputs: readonly (GradFn | null)[];
  /** Increases along the tape. */
  readonly seq: number;
  /** The part of the graph that it was put in; see {@link graphGroup}. */
  readonly group: { readonly name: string } | null;
  /** The graph below, an operation a line. */
  toString(): string;
}

/** Lines that `toString` prints at most. */
const MAX_LINES = 1000;

/** Everything that results were computed from, oldest first. */
export function nodesBelow<N extends Pick<GradFn, "seq"> & { readonly inputs: readonly (N | null)[] }>(
  results: readonly N[],
): N[] {
  const seen = new Set(results);
  for (const node of seen) for (const input of node.inputs) if (input !== null) seen.add(input);
  return [...seen].sort((a, b) => a.seq - b.seq);
}

export function printGraph(result: GradFn): string {
  const nodes = nodesBelow([result]);
  const numbers = new Map(nodes.map((node, i) => [node, i + 1]));
  const shown = nodes.slice(-MAX_LINES);
  const lines = shown.map((node) => {
    const operands = node.inputs.map((input) => (input === null ? "_" : `%${numbers.get(input)}`)).join(", ");
    const made = node.inputs.length > 0 ? `${node.name}(${operands})` : node.name;
    const group = node.group === null ? "" : ` in ${node.group.name}`;
    return `%${numbers.get(node)} = ${made} ${node.dtype} ${show(node.shape)}${group}`;
  });
  const left = nodes.length - shown.length;
  return [...(left > 0 ? [`… ${left} older nodes`] : []), ...lines].join("\n");
}
