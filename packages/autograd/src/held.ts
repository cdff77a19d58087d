/**
 * What a graph holds: the values that its nodes have saved for backward.
 */
import type { Tensor, Value } from "@loopgrad/tensor";
import { type Node, nodeOf } from "./tape.ts";

/** Bytes of saved values, by when the nodes that saved them came on the tape. */
export interface Held {
  /** Of the oldest node that saved the value; see `timeMark`. */
  readonly at: number;
  readonly value: Value;
}

/**
 * The values that a graph holds for backward, each once, oldest first.
 *
 * @internal
 * @param results  where the graph ends
 * @param since    only nodes that came after this are looked at; see `timeMark`
 */
export function heldValues(results: readonly Tensor[], since: number): Held[] {
  const seen = new Set<Node>();
  const stack: Node[] = [];
  const meet = (node: Node | null): void => {
    if (node === null || node.seq < since || seen.has(node)) return;
    seen.add(node);
    stack.push(node);
  };
  for (const result of results) meet(nodeOf(result));
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) for (const parent of node.parents) meet(parent);
  const held = new Map<Value, number>();
  for (const node of [...seen].sort((a, b) => a.seq - b.seq)) {
    for (const value of node.held()) if (!held.has(value)) held.set(value, node.seq);
  }
  return Array.from(held, ([value, at]) => ({ value, at }));
}
