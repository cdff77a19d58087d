/**
 * Calls: a function of the user's as one operation on the tape.
 *
 * A *call* is a node with several inputs, several *results*, and a backward of its own. Every result is a node
 * too, whose only parent is the call, so that a walk reaches the call when all results have given their cotangents.
 * `customFunction` and `checkpoint` are the two kinds; they differ in where the backward comes from.
 *
 * Both run the user's forward with the tape on, among *places* of their own. So they know exactly what the results were
 * computed from: the *captured* nodes are those older than the call which the forward reached not through its
 * arguments, but through the variables around it.
 */
import { ArgumentError, type Device, handleLike, isFloat, Tensor, type Value, watching } from "@loopgrad/tensor";
import { attach, Node, nodeOf, passNode } from "./tape.ts";

/** What a function of the user's returns: one tensor, or a list. */
export type Results = Tensor | readonly Tensor[];

/** An operation with a backward of its own. */
export abstract class Call extends Node {
  /** Not retained: a result retains its call. */
  readonly #results: (Result | undefined)[] = [];
  readonly #outputs: readonly Value[];

  constructor(
    readonly callName: string,
    parents: readonly (Node | null)[],
    /** Values that the backward needs. */
    saved: readonly Value[],
    outputs: readonly Value[],
    device: Device,
  ) {
    let sources: Node["sources"] = null;
    for (const parent of parents) {
      if (parent === null) continue;
      parent.refs++;
      sources =
        sources === null || parent.sources === null ? (sources ?? parent.sources) : sources.union(parent.sources);
    }
    const { shape, dtype } = outputs[0];
    super(null, [], parents, [...saved], null, shape, dtype, device, sources);
    this.#outputs = outputs;
    for (const value of saved) value.saves++;
    watching()?.holders.add(this);
  }

  /**
   * The cotangents of the parents.
   *
   * @param gs  cotangents of the results; null for one that was not used
   */
  abstract backward(gs: readonly (Tensor | null)[], createGraph: boolean): (Tensor | null)[];

  get resultCount(): number {
    return this.#outputs.length;
  }

  override get name(): string {
    return this.callName;
  }

  /** The node of a result. One that everybody let go of has let go of the call, and is replaced. */
  result(at: number): Result {
    let result = this.#results[at];
    if (result === undefined || result.refs === 0) {
      this.refs++;
      result = new Result(this, at, this.#outputs[at]);
      this.#results[at] = result;
    }
    return result;
  }
}

/** The node of one of a call's results. */
export class Result extends Node {
  constructor(
    readonly call: Call,
    readonly at: number,
    { shape, dtype, device }: Value,
  ) {
    super(null, [], [call], null, null, shape, dtype, device, call.sources);
  }

  override get name(): string {
    return this.call.resultCount === 1 ? this.call.name : `${this.call.name}.${this.at}`;
  }

  override get inputs(): readonly (Node | null)[] {
    return this.call.inputs;
  }
}

/** The same value at a place of its own, without an operation; a plain handle if no gradient flows through it. */
export function placeOf(tensor: Tensor): Tensor {
  const value = tensor._live();
  const node = nodeOf(tensor);
  const place = handleLike(tensor, value);
  return node === null ? place : attach(place, passNode(value, node));
}

/** The tensors that a function returned, checked. */
export function resultsOf(name: string, returned: unknown): readonly Tensor[] {
  if (returned instanceof Promise) {
    returned.catch(() => {});
    throw new TypeError(`${name}: the function is async; compute synchronously, and await data() of what it returns`);
  }
  const results: readonly unknown[] = Array.isArray(returned) ? returned : [returned];
  const wrong = results.findIndex((y) => !(y instanceof Tensor));
  if (wrong >= 0 || results.length === 0) {
    const what = results.length === 0 ? "an empty list" : `${String(results[wrong])} (result ${wrong})`;
    throw new ArgumentError(`${name}: the function returned ${what}: wanted a tensor or a list of tensors`);
  }
  return results as readonly Tensor[];
}

/** A call's results as handles, in the form in which the function returned them. */
export function handlesOf<R extends Results>(call: Call | null, inner: readonly Tensor[], returned: R): R {
  const handles = inner.map((y, at) => {
    const handle = handleLike(y, y._live());
    return call !== null && isFloat(y.dtype) && nodeOf(y) !== null ? attach(handle, call.result(at)) : handle;
  });
  return (Array.isArray(returned) ? handles : handles[0]) as R;
}

/** The nodes made before `start` that results were computed from; and among `places`, those that were reached. */
export function origins(
  results: readonly Tensor[],
  places: ReadonlySet<Node>,
  start: number,
): { used: Set<Node>; captured: Set<Node> } {
  const [used, captured, seen] = [new Set<Node>(), new Set<Node>(), new Set<Node>()];
  const stack = results.flatMap((y) => nodeOf(y) ?? []);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (places.has(node)) used.add(node);
    else if (node.seq < start) captured.add(node);
    else for (const parent of node.parents) if (parent !== null) stack.push(parent);
  }
  return { used, captured };
}
