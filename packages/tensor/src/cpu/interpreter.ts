/**
 * The interpreter: a graph's values, computed node by node as the primitives' definitions say.
 *
 * It is the oracle that kernels of every device are compared with. So it shares with them neither a pass of the planner nor a
 * formula: its arithmetic is its own (arithmetic.ts). scripts/imports.mjs holds that.
 */
import type { HostArray } from "../dtype.ts";
import type { Graph } from "../record/backend.ts";
import { arithmetic } from "./arithmetic.ts";
import { evaluateGraph } from "./evaluate.ts";

/** The values of a graph's outputs, each row-major in an array of its own. */
export const interpret = (graph: Graph, leaves: readonly HostArray[], scalars: readonly number[]): HostArray[] =>
  evaluateGraph(graph, leaves, scalars, arithmetic);
