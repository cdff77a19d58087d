/**
 * Peeking: a value's elements at once, for a person to look at, without a trace.
 *
 * What is stored is copied. What is pending, or virtual, is computed node by node from its records, beside the device: no
 * flush, no plan, no storage, no count, and no error is taken from a read that would have met it. So a program computes the
 * same whether it prints or not. What would take long is left to a read.
 */
import type { HostArray } from "../dtype.ts";
import { convInputP, convP, type Primitive, scalarP } from "../primitives.ts";
import type { GraphNode, Storage } from "../record/backend.ts";
import type { Value } from "../record/value.ts";
import { numel } from "../shape.ts";
import { evaluateGraph } from "./evaluate.ts";
import { takeOutside } from "./positions.ts";
import { formulas } from "./steps/loops.ts";

/** Elements and products that are computed at most: a few tenths of a second. */
const MOST_WORK = 4e6;

/** Operations that are looked at, at most. */
const MOST_NODES = 20_000;

const LONG = "not computed yet; await t.data()";
const GONE = "cannot be computed; await t.data() says why";
export const OUTSIDE = "an index was outside its axis; await t.data() says which";

/** Gives a storage's elements. */
export type StoredElements = (storage: Storage, size: number) => HostArray;

/**
 * The elements of a value.
 *
 * @param stored  reads a storage of the backend's
 * @returns       an array that is to be looked at, at once, and not changed; or, if there are no elements to be had
 *                quickly, why, and what to do
 */
export function peek(value: Value, stored: StoredElements): HostArray | string {
  if (isThere(value)) return elementsOf(value, stored);
  const records = recordsOf(value);
  if (typeof records === "string") return records;

  const position = new Map<Value, number>();
  const nodes: GraphNode[] = [];
  const leaves: HostArray[] = [];
  const scalars: number[] = [];
  for (const record of records) {
    const { shape, dtype, inputs, attrs } = record;
    position.set(record, nodes.length);
    if (isThere(record)) {
      const slot = leaves.push(elementsOf(record, stored)) - 1;
      nodes.push({ primitive: null, inputs: [], attrs: [], shape, dtype, slot });
      continue;
    }
    const primitive = record.primitive as Primitive;
    const slot = primitive === scalarP ? scalars.push(record.scalar) - 1 : -1;
    nodes.push({ primitive, inputs: inputs.map((one) => position.get(one) as number), attrs, shape, dtype, slot });
  }
  const graph = { nodes, outputs: [nodes.length - 1], leafCount: leaves.length, scalarCount: scalars.length };
  const [elements] = evaluateGraph(graph, leaves, scalars, formulas);
  return takeOutside() === null ? elements : OUTSIDE;
}

const isThere = ({ host, storage }: Value): boolean => host !== null || storage !== null;

function elementsOf({ host, storage, size }: Value, stored: StoredElements): HostArray {
  return host !== null ? host.subarray(0, size) : stored(storage as Storage, size);
}

/** A value and all that it is computed from, inputs first; in words why not, if something is gone or it is too much. */
function recordsOf(value: Value): Value[] | string {
  const order: Value[] = [];
  const seen = new Set<Value>([value]);
  const stack = [{ value, next: 0 }];
  let work = value.size;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const inputs = isThere(top.value) ? [] : top.value.inputs;
    if (top.next < inputs.length) {
      const input = inputs[top.next++];
      if (seen.has(input)) continue;
      seen.add(input);
      stack.push({ value: input, next: 0 });
      continue;
    }
    stack.pop();
    if (!isThere(top.value)) {
      if (top.value.primitive === null) return GONE;
      work += workOf(top.value);
    }
    if (work > MOST_WORK || order.push(top.value) > MOST_NODES) return LONG;
  }
  return order;
}

/** Elements that are read or written, or products. */
function workOf({ primitive, inputs, shape }: Value): number {
  const [first = shape, second = shape] = inputs.map((input) => input.shape);
  switch ((primitive as Primitive).kind) {
    case "movement":
      return 1;
    case "matmul":
      return numel(shape) * (first.at(-1) ?? 1);
    case "conv": {
      const weight = primitive === convP || primitive === convInputP ? second : shape;
      const output = primitive === convP ? shape : primitive === convInputP ? first : second;
      return (numel(output) * numel(weight)) / Math.max(1, output[1]);
    }
    default:
      return Math.max(numel(shape), numel(first), numel(second));
  }
}
