/**
 * Debug flags, and printing what was recorded.
 *
 * Flags are the comma-separated words of the environment variable LOOPGRAD_DEBUG, in browsers of
 * `globalThis.LOOPGRAD_DEBUG`, read once at the first use:
 * `plan` prints each new segment; `check` runs the interpreter beside every plan and compares.
 */
import { ArgumentError } from "../errors.ts";
import { literalP } from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { show } from "../shape.ts";

const FLAGS = ["plan", "check"] as const;
export type DebugFlag = (typeof FLAGS)[number];

let flags: ReadonlySet<string> | null = null;

/** True if the flag is set. */
export function debugging(flag: DebugFlag): boolean {
  flags ??= parse(setting());
  return flags.size > 0 && flags.has(flag);
}

/** Sets the flags from the program; null reads them again from the environment at the next use. */
export function setDebug(setting: string | null): void {
  flags = setting === null ? null : parse(setting);
}

function setting(): string {
  const scope = globalThis as { LOOPGRAD_DEBUG?: string; process?: { env?: Record<string, string | undefined> } };
  return scope.LOOPGRAD_DEBUG ?? scope.process?.env?.LOOPGRAD_DEBUG ?? "";
}

function parse(setting: string): Set<string> {
  const words = setting.split(",").flatMap((word) => (word.trim() === "" ? [] : [word.trim()]));
  for (const word of words) {
    if (!FLAGS.some((flag) => flag === word)) {
      throw new ArgumentError(`LOOPGRAD_DEBUG: unknown flag "${word}"; wanted any of ${FLAGS.join(", ")}, with commas`);
    }
  }
  return new Set(words);
}

/** Prints a graph, one node a line. */
export function printSegment(title: string, graph: Graph): void {
  console.log(formatSegment(title, graph));
}

/** A graph as text: `%3 = add(%1, %2) float32 [4, 5]`, with `→` before the nodes whose values are wanted. */
export function formatSegment(title: string, graph: Graph): string {
  const wanted = new Set(graph.outputs);
  const { nodes, outputs, leafCount, scalarCount } = graph;
  const head = `${title}: ${nodes.length} nodes, ${leafCount} leaves, ${scalarCount} scalars, ${outputs.length} outputs`;
  const lines = nodes.map((node, i) => `${wanted.has(i) ? "→" : " "} %${i} = ${formatNode(node)}`);
  return [head, ...lines].join("\n");
}

/** What a node computes, its dtype and shape. */
export function formatNode(node: GraphNode): string {
  const { primitive, inputs, attrs, shape, dtype, slot } = node;
  if (primitive === null) return `leaf ${slot}: ${dtype} ${show(shape)}`;
  if (primitive === literalP) return `literal ${attrs[1]}: ${dtype}`;
  if (slot >= 0) return `scalar ${slot}: ${dtype}`;
  const settings = attrs.length === 0 ? "" : ` {${attrs.join(" ")}}`;
  return `${primitive.name}(${inputs.map((input) => `%${input}`).join(", ")})${settings} ${dtype} ${show(shape)}`;
}
