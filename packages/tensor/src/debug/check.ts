/**
 * Check mode: every plan's results beside the interpreter's.
 */
import type { Arithmetic } from "../cpu/elementwise.ts";
import { evaluateGraph } from "../cpu/evaluate.ts";
import { takeOutside } from "../cpu/positions.ts";
import { type HostArray, isFloat } from "../dtype.ts";
import { LoopgradError } from "../errors.ts";
import type { Graph } from "../record/backend.ts";
import { formatNode } from "./plan.ts";

/** Largest accepted error, relative to the largest magnitude in the output. */
const TOLERANCE = { float32: 1e-4, float64: 1e-10 } as const;

/**
 * Compares a plan's outputs with the interpreter's.
 *
 * @param graph       what was recorded
 * @param leaves      elements of the leaves, in the order of their slots
 * @param scalars     the runtime numbers, in the order of theirs
 * @param outputs     what the device computed, in the order of `graph.outputs`
 * @param arithmetic  the interpreter's: loaded when it is needed
 * @throws            LoopgradError that names the node with the largest error, and the operation that made it
 */
export function checkAgainstInterpreter(
  graph: Graph,
  leaves: readonly HostArray[],
  scalars: readonly number[],
  outputs: readonly HostArray[],
  arithmetic: Arithmetic,
): void {
  const expected = evaluateGraph(graph, leaves, scalars, arithmetic);
  // An index outside is reported by the device whose program it is.
  takeOutside();
  for (let i = 0; i < expected.length; i++) {
    const node = graph.nodes[graph.outputs[i]];
    const worst = isFloat(node.dtype)
      ? worstFloat(outputs[i], expected[i], TOLERANCE[node.dtype as "float32" | "float64"])
      : worstExact(outputs[i], expected[i]);
    if (worst === null) continue;
    throw new LoopgradError(
      `check: output %${graph.outputs[i]} = ${formatNode(node)} differs from the interpreter at element ${worst.at}: ` +
        `got ${outputs[i][worst.at]}, wanted ${expected[i][worst.at]}${worst.note}; ` +
        "print the plan with LOOPGRAD_DEBUG=plan,check",
    );
  }
}

interface Worst {
  readonly at: number;
  readonly note: string;
}

function worstExact(got: HostArray, wanted: HostArray): Worst | null {
  for (let at = 0; at < wanted.length; at++) if (got[at] !== wanted[at]) return { at, note: "" };
  return null;
}

/** Infinities and NaN must stand where the interpreter has them; the rest within the tolerance. */
function worstFloat(got: HostArray, wanted: HostArray, tolerance: number): Worst | null {
  let scale = 0;
  for (const x of wanted) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  let at = -1;
  let error = tolerance * scale;
  for (let i = 0; i < wanted.length; i++) {
    const [x, y] = [got[i], wanted[i]];
    if (Object.is(x, y) || x === y) continue;
    const difference = Number.isFinite(x) && Number.isFinite(y) ? Math.abs(x - y) : Infinity;
    if (difference > error) {
      at = i;
      error = difference;
    }
  }
  return at < 0 ? null : { at, note: `, an error of ${error} where ${tolerance * scale} is accepted` };
}
