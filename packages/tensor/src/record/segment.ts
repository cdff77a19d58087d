/**
 * The open segment: operations recorded since the last flush.
 *
 * Recording an operation appends a few integers to `words`: its primitive, its inputs (as positions in the
 * segment) and its attributes. A value from outside is recorded as a *leaf* when it is first used, with its
 * dtype and shape. `words` is all of the plan's key: two segments with equal words are the same program.
 */
import { dtypeCode } from "../dtype.ts";
import { ReleasedError } from "../errors.ts";
import { literalP, type Primitive, scalarP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Graph, GraphNode } from "./backend.ts";
import type { Value } from "./value.ts";

/** Word that marks a leaf, where an operation has its primitive's code. */
const LEAF = 0xff;

let segments = 0;

export class Segment {
  readonly id = segments++;
  /** Every node's value, leaves included. */
  readonly values: Value[] = [];
  readonly leaves: Value[] = [];
  readonly scalars: number[] = [];
  readonly literals = new Map<number, Value>();
  words = new Int32Array(1024);
  length = 0;

  /** Position of the value in this segment, recording it first where needed. */
  indexOf(value: Value): number {
    if (value.segment === this.id) return value.index;
    if (value.storage !== null || value.host !== null) return this.#leaf(value);
    if (value.failure !== null) throw value.failure;
    return this.#recordAgain(value);
  }

  /** Appends the record of a value whose inputs have positions. */
  append(value: Value): void {
    const { inputs, attrs } = value;
    const primitive = value.primitive as Primitive;
    this.#reserve(1 + inputs.length + attrs.length);
    const { words } = this;
    words[this.length++] = primitive.code | (inputs.length << 8) | (attrs.length << 24);
    for (let i = 0; i < inputs.length; i++) words[this.length++] = inputs[i].index;
    for (let i = 0; i < attrs.length; i++) words[this.length++] = attrs[i];
    value.segment = this.id;
    value.index = this.values.length;
    this.values.push(value);
    if (primitive === scalarP) this.scalars.push(value.scalar);
    else if (primitive === literalP) this.literals.set(attrs[1] * 8 + attrs[0], value);
  }

  #leaf(value: Value): number {
    const { shape } = value;
    this.#reserve(2 + shape.length);
    const { words } = this;
    words[this.length++] = LEAF | (shape.length << 8);
    words[this.length++] = dtypeCode(value.dtype);
    for (let i = 0; i < shape.length; i++) words[this.length++] = shape[i];
    value.segment = this.id;
    value.index = this.values.length;
    this.values.push(value);
    this.leaves.push(value);
    return value.index;
  }

  /** A virtual value is asked for: append its record, and before it those of its virtual inputs, deepest first. */
  #recordAgain(value: Value): number {
    const stack: Value[] = [value];
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.segment === this.id) {
        stack.pop();
        continue;
      }
      if (top.primitive === null) throw top.failure ?? lapsedError(value);
      let ready = true;
      for (const input of top.inputs) {
        if (input.segment === this.id) continue;
        if (input.storage !== null || input.host !== null) this.#leaf(input);
        else {
          stack.push(input);
          ready = false;
        }
      }
      if (ready) {
        this.append(top);
        stack.pop();
      }
    }
    value.again = true;
    return value.index;
  }

  #reserve(count: number): void {
    if (this.length + count <= this.words.length) return;
    const grown = new Int32Array(Math.max(this.words.length * 2, this.length + count));
    grown.set(this.words.subarray(0, this.length));
    this.words = grown;
  }

  /** Ends the key with the wanted nodes. Returns the words and their hash. */
  key(outputs: readonly number[]): { words: Int32Array; hash: number } {
    this.#reserve(outputs.length + 1);
    for (let i = 0; i < outputs.length; i++) this.words[this.length++] = outputs[i];
    this.words[this.length++] = -1 - outputs.length;
    const words = this.words.subarray(0, this.length);
    let hash = 0x811c9dc5;
    for (let i = 0; i < words.length; i++) {
      hash = Math.imul(hash ^ words[i], 0x01000193);
      hash = (hash << 13) | (hash >>> 19);
    }
    return { words, hash };
  }

  graph(outputs: readonly number[]): Graph {
    let leaf = 0;
    let scalar = 0;
    const nodes: GraphNode[] = [];
    for (let i = 0; i < this.values.length; i++) {
      const value = this.values[i];
      if (this.leaves[leaf] === value) {
        nodes.push({ primitive: null, inputs: [], attrs: [], shape: value.shape, dtype: value.dtype, slot: leaf++ });
        continue;
      }
      const primitive = value.primitive as Primitive;
      nodes.push({
        primitive,
        inputs: value.inputs.map((input) => input.index),
        attrs: value.attrs,
        shape: value.shape,
        dtype: value.dtype,
        slot: primitive === scalarP ? scalar++ : -1,
      });
    }
    return { nodes, outputs, leafCount: leaf, scalarCount: scalar };
  }
}

const lapsedError = (value: Value): ReleasedError =>
  new ReleasedError(
    `a tensor of shape ${show(value.shape)} was not stored, and cannot be computed again: a parameter it depends on was ` +
      "assigned twice since, or a gradient zeroed. Read it before, or detach() it, which stores it",
  );
