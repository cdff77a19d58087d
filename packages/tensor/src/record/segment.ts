/**
 * The open segment: operations recorded since the last flush.
 *
 * Recording an operation appends a few integers to `words`: its primitive, its inputs (as positions in the
 * segment) and its attributes. A value from outside is recorded as a *leaf* when it is first used, with its
 * dtype and shape. `words` is all of the plan's key: two segments with equal words are the same program.
 *
 * A segment may have *sections*, between which kernels share no work: the steps of a loop. So the kernels of a step are
 * the same however many steps there are. Where a section begins is a bit of the word of its first operation.
 */
import { dtypeCode } from "../dtype.ts";
import { ReleasedError } from "../errors.ts";
import { literalP, type Primitive, scalarP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Graph, GraphNode } from "./backend.ts";
import type { Value } from "./value.ts";

/** Word that marks a leaf, where an operation has its primitive's code. */
export const LEAF = 0xff;
/** Added to the code of the first operation of a section: codes are smaller. */
export const SEAM = 0x80;

let segments = 0;

export class Segment {
  readonly id = segments++;
  /** Every node's value, leaves included. */
  readonly values: Value[] = [];
  readonly leaves: Value[] = [];
  readonly scalars: number[] = [];
  readonly literals = new Map<number, Value>();
  /** Values of earlier segments that were asked for in this one, and were carried before or are now (see carry.ts). */
  readonly carried: Value[] = [];
  /** Some values were recorded again. */
  crosses = false;
  /** Bytes of leaves that had been leaves of no segment. */
  newBytes = 0;
  words = new Int32Array(1024);
  length = 0;
  /** Positions at which sections begin, but the first one's. */
  readonly #seams: number[] = [];
  /** The next operation begins a section. */
  #atSeam = false;

  /** Position of the value in this segment, recording it first where needed. */
  indexOf(value: Value): number {
    if (value.segment === this.id) {
      if (value.pulled && !value.again) this.#ask(value);
      return value.index;
    }
    if (value.storage === null && value.host === null) {
      if (value.failure !== null) throw value.failure;
      return this.#recordAgain(value);
    }
    if (value.carry !== null) this.carried.push(value);
    return this.#leaf(value);
  }

  /** A virtual value was asked for: the next flush stores it. */
  #ask(value: Value): void {
    value.again = true;
    this.carried.push(value);
  }

  /** Operations recorded from now on are a section of their own. Returns how many nodes the last one has. */
  seam(): number {
    this.#atSeam = this.length > 0;
    return this.values.length - (this.#seams.at(-1) ?? 0);
  }

  /** Appends the record of a value whose inputs have positions. */
  append(value: Value): void {
    const { inputs, attrs } = value;
    const primitive = value.primitive as Primitive;
    this.#reserve(1 + inputs.length + attrs.length);
    const { words } = this;
    words[this.length++] = primitive.code | (this.#atSeam ? SEAM : 0) | (inputs.length << 8) | (attrs.length << 24);
    if (this.#atSeam) this.#seams.push(this.values.length);
    this.#atSeam = false;
    for (let i = 0; i < inputs.length; i++) words[this.length++] = inputs[i].index;
    for (let i = 0; i < attrs.length; i++) words[this.length++] = attrs[i];
    value.segment = this.id;
    value.index = this.values.length;
    this.values.push(value);
    if (primitive === scalarP) this.scalars.push(value.scalar);
    else if (primitive === literalP) this.literals.set(attrs[1] * 8 + attrs[0], value);
  }

  /**
   * Takes the last node out, if nobody needs it here. What can be computed from its record is virtual again; an operation
   * that was recorded here, and has a handle or is to be stored, stays.
   *
   * @returns its value; null if it stays
   */
  pop(): Value | null {
    const value = this.values[this.values.length - 1];
    if (value === undefined) return null;
    if (this.leaves[this.leaves.length - 1] === value) {
      this.leaves.pop();
      this.length -= 2 + value.shape.length;
    } else {
      if (value.pins > 0 || value.saves > 0 || value.wanted || (value.handles > 0 && !value.again && !value.pulled)) {
        return null;
      }
      this.length -= 1 + value.inputs.length + value.attrs.length;
      if (this.#seams.at(-1) === this.values.length - 1) {
        this.#seams.pop();
        this.#atSeam = this.length > 0;
      }
      if (value.primitive === scalarP) this.scalars.pop();
      else if (value.primitive === literalP) this.literals.delete(value.attrs[1] * 8 + value.attrs[0]);
      value.again = false;
      value.pulled = false;
    }
    if (this.carried[this.carried.length - 1] === value) this.carried.pop();
    this.values.pop();
    value.segment = -1;
    value.index = -1;
    return value;
  }

  #leaf(value: Value): number {
    const { shape } = value;
    if (!value.leaf) {
      value.leaf = true;
      if (value.pins === 0) this.newBytes += value.host?.byteLength ?? value.storage?.bytes ?? 0;
    }
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
        top.pulled = true;
        stack.pop();
        if (top.carry === null) continue;
        // It was stored, and its storage went when it was idle.
        top.carry.grace *= 4;
        if (top !== value) this.#ask(top);
      }
    }
    this.crosses = true;
    this.#ask(value);
    return value.index;
  }

  #reserve(count: number): void {
    if (this.length + count <= this.words.length) return;
    const grown = new Int32Array(Math.max(this.words.length * 2, this.length + count));
    grown.set(this.words.subarray(0, this.length));
    this.words = grown;
  }

  /** The hash of what was recorded, whatever of it is wanted. */
  structure(): number {
    return hashed(0x811c9dc5, this.words, 0, this.length);
  }

  /** Ends the key with the wanted nodes. Returns the words and their hash, given that of the structure. */
  key(outputs: readonly number[], structure: number): { words: Int32Array; hash: number } {
    const { length } = this;
    this.#reserve(outputs.length + 1);
    for (let i = 0; i < outputs.length; i++) this.words[this.length++] = outputs[i];
    this.words[this.length++] = -1 - outputs.length;
    const words = this.words.subarray(0, this.length);
    return { words, hash: hashed(structure, words, length, words.length) };
  }

  graph(outputs: readonly number[]): Graph {
    let leaf = 0;
    let scalar = 0;
    let section = 0;
    const nodes: GraphNode[] = [];
    for (let i = 0; i < this.values.length; i++) {
      const value = this.values[i];
      if (this.#seams[section] === i) section++;
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
        section,
      });
    }
    return { nodes, outputs, leafCount: leaf, scalarCount: scalar };
  }
}

/** Goes on with a hash over words. */
function hashed(start: number, words: Int32Array, from: number, to: number): number {
  let hash = start;
  for (let i = from; i < to; i++) {
    hash = Math.imul(hash ^ words[i], 0x01000193);
    hash = (hash << 13) | (hash >>> 19);
  }
  return hash;
}

const lapsedError = (value: Value): ReleasedError =>
  new ReleasedError(
    `a tensor of shape ${show(value.shape)} was not stored, and cannot be computed again: a parameter it depends on was ` +
      "assigned twice since or disposed of, or a gradient zeroed. Read it before, or detach() it, which stores it",
  );
