/**
 * Joining: long sums of pieces, put together in a tree.
 *
 * A *piece* is a padded tensor: zeros but for a range of one axis. The gradient of a sequence that was read step by step
 * (`unbind`, `split`) is the sum of as many pieces as there are steps, each of the whole length: T additions of length T. Where
 * the ranges are disjoint, neighbours are joined first, in tensors no longer than what they hold, and those joined in
 * turn: T log T, with groups of seven, which one kernel can read.
 */
import { addP, padP } from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { type Shape, sameShape } from "../shape.ts";

/** Pieces joined in one go: with the result they stay within eight bindings. */
const FAN_IN = 7;

/** Something that fills the range from `start` to `end` of the axis. */
interface Piece {
  readonly node: number;
  readonly start: number;
  readonly end: number;
}

/** The same graph, in which no long sum of disjoint pieces is left. */
export function joinPieces(graph: Graph): Graph {
  const sums = findSums(graph);
  if (sums.size === 0) return graph;
  const nodes: GraphNode[] = [];
  const place = new Int32Array(graph.nodes.length);
  const add = (node: GraphNode): number => nodes.push(node) - 1;
  graph.nodes.forEach((node, i) => {
    const sum = sums.get(i);
    if (sum === undefined) {
      place[i] = add({ ...node, inputs: node.inputs.map((input) => place[input]) });
      return;
    }
    const { shape, dtype, section } = node;
    const plus = (x: number, y: number, of: Shape): number =>
      add({ primitive: addP, inputs: [x, y], attrs: [], shape: of, dtype, slot: -1, section });
    const joined = join(
      sum.pieces.map((piece) => ({ ...piece, node: place[piece.node] })),
      { from: 0, to: shape[sum.axis] },
      (piece, from, to) => {
        const [before, after] = [piece.start - from, to - piece.end];
        if (before === 0 && after === 0) return piece.node;
        const attrs = new Array<number>(2 * shape.length).fill(0);
        attrs[sum.axis] = before;
        attrs[shape.length + sum.axis] = after;
        return add({ primitive: padP, inputs: [piece.node], attrs, shape: along(to - from), dtype, slot: -1, section });
      },
      (x, y, from, to) => plus(x, y, along(to - from)),
    );
    place[i] = sum.others.reduce((x, other) => plus(x, place[other], shape), joined);

    function along(length: number): Shape {
      return shape.map((d, axis) => (axis === sum?.axis ? length : d));
    }
  });
  return { ...graph, nodes, outputs: graph.outputs.map((i) => place[i]) };
}

/** Joins pieces, in the order of their ranges, to one that fills the range from `from` to `to`. Returns its node. */
function join(
  pieces: readonly Piece[],
  { from, to }: { from: number; to: number },
  pad: (piece: Piece, from: number, to: number) => number,
  plus: (x: number, y: number, from: number, to: number) => number,
): number {
  let level = pieces;
  while (level.length > FAN_IN) {
    const next: Piece[] = [];
    for (let i = 0; i < level.length; i += FAN_IN) {
      const group = level.slice(i, i + FAN_IN);
      const [start, end] = [group[0].start, group[group.length - 1].end];
      next.push({ node: sumOf(group, start, end), start, end });
    }
    level = next;
  }
  return sumOf(level, from, to);

  function sumOf(group: readonly Piece[], start: number, end: number): number {
    return group.map((piece) => pad(piece, start, end)).reduce((x, y) => plus(x, y, start, end));
  }
}

/** A sum of disjoint pieces along an axis, and of other terms. */
interface Sum {
  readonly axis: number;
  readonly pieces: readonly Piece[];
  readonly others: readonly number[];
}

/** Long sums of pieces, by the addition that completes them. */
function findSums({ nodes, outputs }: Graph): Map<number, Sum> {
  const uses = new Int32Array(nodes.length);
  for (const { inputs } of nodes) for (const input of inputs) uses[input]++;
  for (const i of outputs) uses[i] += 2;
  const isSum = ({ primitive, inputs, shape }: GraphNode): boolean =>
    primitive === addP && inputs.every((input) => sameShape(nodes[input].shape, shape));
  /** Additions that are a part of a longer sum. */
  const inner = new Uint8Array(nodes.length);
  const found = new Map<number, Sum>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (inner[i] === 1 || !isSum(nodes[i])) continue;
    const terms: number[] = [];
    const stack = [...nodes[i].inputs];
    for (let term = stack.pop(); term !== undefined; term = stack.pop()) {
      if (uses[term] === 1 && isSum(nodes[term])) {
        inner[term] = 1;
        stack.push(...nodes[term].inputs);
      } else terms.push(term);
    }
    const sum = terms.length > FAN_IN ? asPieces(nodes, terms) : null;
    if (sum !== null) found.set(i, sum);
  }
  return found;
}

/** Sorts the terms of a sum; null if there are few pieces, or some overlap. */
function asPieces(nodes: readonly GraphNode[], terms: readonly number[]): Sum | null {
  const axes = terms.map((term) => paddedAxis(nodes[term]));
  const axis = axes.find((a) => a !== null) ?? null;
  if (axis === null) return null;
  const pieces: Piece[] = [];
  const others: number[] = [];
  terms.forEach((term, k) => {
    const { inputs, attrs, shape } = nodes[term];
    if (axes[k] !== axis) others.push(term);
    else pieces.push({ node: inputs[0], start: attrs[axis], end: shape[axis] - attrs[shape.length + axis] });
  });
  pieces.sort((a, b) => a.start - b.start);
  const disjoint = pieces.every((piece, k) => k === 0 || pieces[k - 1].end <= piece.start);
  return disjoint && pieces.length > FAN_IN ? { axis, pieces, others } : null;
}

/** The axis along which a node pads, if it pads along one. */
function paddedAxis({ primitive, attrs, shape }: GraphNode): number | null {
  if (primitive !== padP) return null;
  const axes = shape.map((_, axis) => axis).filter((axis) => attrs[axis] > 0 || attrs[shape.length + axis] > 0);
  return axes.length === 1 && attrs.every((n) => n >= 0) ? axes[0] : null;
}
