/**
 * Elementwise primitives, one call of a formula per element: unary, binary, compare, where, cast, check.
 */
import type { BinaryName, CompareName, UnaryName } from "@loopgrad/kernels/scalar";
import { DTYPES, type DType, type HostArray } from "../dtype.ts";
import type { Primitive } from "../primitives.ts";
import type { GraphNode } from "../record/backend.ts";
import { broadcast, contiguous, type HostView, planWalk, walk } from "./layout.ts";
import { positionFormula } from "./positions.ts";

/** The formulas of elementwise primitives. */
export interface Arithmetic {
  readonly unary: (name: UnaryName) => (x: number) => number;
  /** For operands of a dtype. */
  readonly binary: (name: BinaryName | CompareName, dtype: DType) => (x: number, y: number) => number;
  readonly cast: (from: DType, to: DType) => (x: number) => number;
}

/** Computes an elementwise node into `out`, row-major. Inputs broadcast to the node's shape. */
export function elementwise(
  node: GraphNode,
  inputs: readonly HostView[],
  out: HostArray,
  { unary, binary, cast }: Arithmetic,
): void {
  const primitive = node.primitive as Primitive;
  const { dtype } = inputs[0];
  switch (primitive.kind) {
    case "unary":
      map1(node, inputs, out, unary(primitive.name));
      break;
    case "cast":
      map1(node, inputs, out, cast(dtype, DTYPES[node.attrs[0]]));
      break;
    case "binary":
    case "compare":
      map2(node, inputs, out, binary(primitive.name, dtype));
      break;
    case "check":
      map1(node, inputs, out, positionFormula(node.attrs));
      break;
    case "where":
      choose(node, inputs, out);
      break;
    default:
      throw new Error(`internal: ${primitive.name} is not elementwise`);
  }
}

const layouts = ({ shape }: GraphNode, inputs: readonly HostView[]) => [
  contiguous(shape),
  ...inputs.map((input) => broadcast(input, shape)),
];

function map1(node: GraphNode, inputs: readonly HostView[], out: HostArray, f: (x: number) => number): void {
  const plan = planWalk(node.shape, layouts(node, inputs));
  const x = inputs[0].data;
  const { length } = plan;
  const [step, stepX] = plan.steps;
  walk(plan, ([o, i]) => {
    for (let k = 0; k < length; k++) out[o + k * step] = f(x[i + k * stepX]);
  });
}

function map2(node: GraphNode, inputs: readonly HostView[], out: HostArray, f: (x: number, y: number) => number): void {
  const plan = planWalk(node.shape, layouts(node, inputs));
  const [x, y] = inputs.map((input) => input.data);
  const { length } = plan;
  const [step, stepX, stepY] = plan.steps;
  walk(plan, ([o, i, j]) => {
    for (let k = 0; k < length; k++) out[o + k * step] = f(x[i + k * stepX], y[j + k * stepY]);
  });
}

function choose(node: GraphNode, inputs: readonly HostView[], out: HostArray): void {
  const plan = planWalk(node.shape, layouts(node, inputs));
  const [condition, x, y] = inputs.map((input) => input.data);
  const { length } = plan;
  const [step, stepC, stepX, stepY] = plan.steps;
  walk(plan, ([o, c, i, j]) => {
    for (let k = 0; k < length; k++) {
      out[o + k * step] = condition[c + k * stepC] !== 0 ? x[i + k * stepX] : y[j + k * stepY];
    }
  });
}
