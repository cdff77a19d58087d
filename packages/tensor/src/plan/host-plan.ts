/**
 * Plans on the host, for tests: kernels are executed as their descriptions say, one element after another.
 *
 * It is what a GPU would do, without WGSL and without a GPU: simplifying, lowering, fusing and allocating are those of the
 * WebGPU backend, and values lie in the buffers that were allocated. Two rules of WebGPU are checked on the way: no kernel
 * binds memory for reading that it binds for writing, and none more buffers than it may. What nobody has written yet holds
 * numbers that make no sense.
 */
import type { Body, Chain, Instruction, KernelDescription, ScalarType } from "@loopgrad/kernels";
import {
  BINARY,
  type BinaryName,
  binaryFormula,
  COMPARE,
  type CompareName,
  castFormula,
  type NumberType,
  type UnaryName,
  unaryFormula,
} from "@loopgrad/kernels/scalar";
import { interpret } from "../cpu/interpreter.ts";
import { threefry } from "../cpu/random.ts";
import { type DType, type HostArray, hostArray } from "../dtype.ts";
import type { Graph } from "../record/backend.ts";
import type { OutsideIndex } from "../record/index-sites.ts";
import { numel, type Shape } from "../shape.ts";
import { allocate, type Place } from "./allocate.ts";
import { fuse } from "./fuse/fuse.ts";
import { lower } from "./lower/lower.ts";
import { FLAG, type Work } from "./lower/work.ts";
import { simplify } from "./simplify.ts";

/** Memory of four bytes an element. */
type Words = Float32Array | Int32Array | Uint32Array;

/** A range of a buffer. */
interface Range {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** What a run gave: the outputs' elements, and the first index outside that was noted. */
export interface HostRun {
  readonly outputs: HostArray[];
  readonly outside: OutsideIndex | null;
}

/** Runs the plan of a graph. No half numbers, and no float64. */
export function runPlan(
  graph: Graph,
  leaves: readonly HostArray[],
  scalars: readonly number[],
  maxBuffers = 8,
): HostRun {
  const simple = simplify(graph);
  const { kernels, packs, work, outputs, hidden } = fuse(lower(simple), maxBuffers);
  const bytesOf = (value: number, elements = numel(work[value].shape)): number => 4 * elements;
  const places = new Map<number, Place>();
  work.forEach((w, i) => {
    if (w.kind === "leaf") places.set(i, w.slot === FLAG ? { kind: "flag" } : { kind: "leaf", index: w.slot });
  });
  const stored = [...hidden, ...outputs.flatMap(({ value, start }) => (start === 0 ? [value] : []))];
  for (const value of stored) if (!places.has(value)) places.set(value, { kind: "output", index: value });
  const pieces = new Map(packs.map((i) => [i, (work[i] as Work & { kind: "pack" }).pieces]));
  allocate(kernels, pieces, places, bytesOf);

  const buffers = new Map<string, ArrayBuffer>();
  const buffer = (key: string, bytes: number): ArrayBuffer => {
    let found = buffers.get(key);
    if (found === undefined) {
      found = new ArrayBuffer(bytes);
      new Int32Array(found).fill(0x7fc0dead);
      buffers.set(key, found);
    }
    return found;
  };
  leaves.forEach((leaf, i) => {
    const words = leaf instanceof Uint8Array ? Uint32Array.from(leaf) : (leaf.slice() as Words);
    buffers.set(`leaf ${i}`, words.buffer as ArrayBuffer);
  });
  buffers.set("flag", new ArrayBuffer(8));
  const rangeOf = (value: number, place: Place = places.get(value) as Place): Range => {
    if (place.kind === "part") {
      const of = rangeOf(value, place.of);
      return { buffer: of.buffer, offset: of.offset + place.offset, bytes: place.bytes };
    }
    const bytes = bytesOf(value);
    if (place.kind === "flag") return { buffer: buffer("flag", 8), offset: 0, bytes: 8 };
    if (place.kind === "scratch")
      return { buffer: buffer(`${place.bytes} ${place.index}`, place.bytes), offset: 0, bytes };
    return { buffer: buffer(`${place.kind} ${place.index}`, bytes), offset: 0, bytes };
  };

  for (const [pack, its] of pieces) {
    const { buffer: into, offset, bytes } = rangeOf(pack);
    if (its.reduce((sum, { size }) => sum + 4 * size, 0) < bytes) new Uint8Array(into, offset, bytes).fill(0);
    for (const { ref, from, start, size } of its) {
      if (places.get(ref.node)?.kind !== "leaf") continue;
      const source = rangeOf(ref.node);
      new Uint8Array(into, offset + 4 * start, 4 * size).set(
        new Uint8Array(source.buffer, source.offset + 4 * from, 4 * size),
      );
    }
  }
  const noted: OutsideIndex[] = [];
  for (const { description, operands } of kernels) {
    const ranges = operands.map((value) => rangeOf(value));
    checkBindings(description, ranges, maxBuffers);
    const memory = ranges.map((range, i) => view(range, description.operands[i].type));
    new Run(memory, scalars, noted).kernel(description);
  }
  const results = outputs.map(({ value, start }, j) => {
    const { shape, dtype } = simple.nodes[simple.outputs[j]];
    const words = view(rangeOf(value), typeOf(dtype));
    const data = hostArray(dtype, numel(shape));
    for (let i = 0; i < data.length; i++) data[i] = words[start + i];
    return data;
  });
  return { outputs: results, outside: noted[0] ?? null };
}

/**
 * Compares the plan of a graph with the interpreter, on whole numbers of both signs.
 *
 * @returns  what differs by more than rounding, in words; null if nothing does
 */
export function wrongValues(graph: Graph, maxBuffers = 8): string | null {
  const given = graph.nodes.filter(({ primitive }) => primitive === null);
  const leaves = given.map(({ shape }, k) =>
    Float32Array.from({ length: numel(shape) }, (_, i) => ((7 * i + 3 * k) % 11) - 4),
  );
  const scalars = Array.from({ length: graph.scalarCount }, (_, i) => i + 2);
  const got = runPlan(graph, leaves, scalars, maxBuffers).outputs;
  for (const [j, wanted] of interpret(graph, leaves, scalars).entries()) {
    for (let i = 0; i < wanted.length; i++) {
      const [a, b] = [got[j][i], wanted[i]];
      const isNear = a === b || Math.abs(a - b) <= 1e-5 * Math.abs(b) || (Number.isNaN(a) && Number.isNaN(b));
      if (!isNear) return `output ${j}, element ${i}: ${a}, wanted ${b}`;
    }
  }
  return null;
}

function checkBindings({ role, operands }: KernelDescription, ranges: readonly Range[], maxBuffers: number): void {
  if (operands.length > maxBuffers) throw new Error(`a ${role} kernel binds ${operands.length} buffers`);
  const overlap = (a: Range, b: Range) =>
    a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  for (const [i, one] of ranges.entries()) {
    if (one.offset % 256 !== 0) throw new Error(`a ${role} kernel binds memory from byte ${one.offset} on`);
    for (const [j, other] of ranges.entries()) {
      const bothRead = operands[i].access === "read" && operands[j].access === "read";
      if (i < j && !bothRead && overlap(one, other)) throw new Error(`a ${role} kernel binds memory twice`);
    }
  }
}

function typeOf(dtype: DType): ScalarType {
  if (dtype === "float32") return "f32";
  if (dtype === "int32") return "i32";
  if (dtype === "uint32") return "u32";
  if (dtype === "bool") return "bool";
  throw new Error(`plans on the host have no ${dtype}`);
}

function view({ buffer, offset, bytes }: Range, type: string): Words {
  if (type === "f32") return new Float32Array(buffer, offset, bytes / 4);
  return new (type === "i32" || type === "flag" ? Int32Array : Uint32Array)(buffer, offset, bytes / 4);
}

const NUMBERS: Readonly<Record<ScalarType, NumberType>> = { f32: "float", i32: "int32", u32: "uint32", bool: "bool" };

/** The index of the i-th element of a shape. */
function unravel(i: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = i % shape[axis];
    i = Math.floor(i / shape[axis]);
  }
  return index;
}

/** The element that a chain leads to; −1 where it is padding. */
function elementOf(chain: Chain, index: readonly number[]): number {
  let at = index;
  for (let v = chain.length - 1; ; v--) {
    const { strides, offset, valid } = chain[v];
    if (valid !== null && at.some((x, i) => x < valid.lo[i] || x >= valid.hi[i])) return -1;
    const element = at.reduce((sum, x, i) => sum + x * strides[i], offset);
    if (v === 0) return element;
    at = unravel(element, chain[v - 1].shape);
  }
}

/** One dispatch. */
class Run {
  constructor(
    readonly memory: readonly Words[],
    readonly scalars: readonly number[],
    readonly noted: OutsideIndex[],
  ) {}

  kernel(description: KernelDescription): void {
    switch (description.role) {
      case "map":
        this.#output(description.output, () => Number.NaN);
        return;
      case "reduce": {
        const { input, value, axes, op } = description;
        const outer = input.space.slice(0, input.space.length - axes);
        const inner = input.space.slice(input.space.length - axes);
        this.#output(description.output, (o) => {
          const terms = Array.from(
            { length: numel(inner) },
            (_, k) => this.#body(input, [...unravel(o, outer), ...unravel(k, inner)], Number.NaN)[value],
          );
          return reduced(op, description.type, terms);
        });
        return;
      }
      case "contract": {
        const { batch, m, n, k, strides, a, aValue, b, bValue } = description;
        const results = new Map<number, number>();
        const place = (index: readonly number[], own: readonly number[]) =>
          index.reduce((sum, x, i) => sum + x * own[i], 0);
        for (const inBatch of indices(batch)) {
          for (const inM of indices(m)) {
            const left = indices(k).map((inK) => this.#body(a, [...inBatch, ...inM, ...inK], Number.NaN)[aValue]);
            for (const inN of indices(n)) {
              const right = indices(k).map((inK) => this.#body(b, [...inBatch, ...inN, ...inK], Number.NaN)[bValue]);
              const at = place(inBatch, strides.batch) + place(inM, strides.m) + place(inN, strides.n);
              results.set(
                at,
                left.reduce((sum, x, i) => sum + x * right[i], 0),
              );
            }
          }
        }
        this.#output(description.output, (o) => results.get(o) ?? Number.NaN);
        return;
      }
      case "scan": {
        const [x, out] = this.memory;
        const [outer, length, inner] = description.dims;
        for (let o = 0; o < outer; o++) {
          for (let i = 0; i < inner; i++) {
            let sum = 0;
            for (let k = 0; k < length; k++) out[(o * length + k) * inner + i] = sum += x[(o * length + k) * inner + i];
          }
        }
        return;
      }
      case "sort":
        this.#sort(description);
        return;
      case "scatter": {
        const [x, index, source, out] = this.memory;
        const { shape, indexShape, axis } = description;
        out.set(x);
        for (const [i, at] of indices(indexShape).entries()) {
          const target = at.map((p, d) => (d === axis ? index[i] : p));
          if (index[i] < 0 || index[i] >= shape[axis]) continue;
          out[target.reduce((sum, p, d) => sum * shape[d] + p, 0)] += source[i];
        }
        return;
      }
      default:
        description satisfies never;
    }
  }

  /** Merges neighbouring runs, which the pass before has sorted. */
  #sort({ dims, run, descending, first }: KernelDescription & { role: "sort" }): void {
    const [keys] = this.memory;
    const out = this.memory[this.memory.length - 1];
    const [outer, length, inner] = dims;
    const before = (a: number, b: number): boolean => {
      if (Number.isNaN(a) || Number.isNaN(b)) return !Number.isNaN(a);
      return descending ? a > b : a < b;
    };
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = (k: number) => (o * length + k) * inner + i;
        const index = (k: number) => (first ? k : this.memory[1][at(k)]);
        for (let begin = 0; begin < length; begin += 2 * run) {
          const middle = Math.min(begin + run, length);
          const end = Math.min(begin + 2 * run, length);
          let [left, right] = [begin, middle];
          for (let k = begin; k < end; k++) {
            const fromRight = left >= middle || (right < end && before(keys[at(index(right))], keys[at(index(left))]));
            out[at(k)] = fromRight ? index(right++) : index(left++);
          }
        }
      }
    }
  }

  #output(
    output: Body & { readonly stores: readonly { operand: number; value: number }[] },
    result: (o: number) => number,
  ): void {
    const size = numel(output.space);
    for (let o = 0; o < size; o++) {
      const values = this.#body(output, unravel(o, output.space), result(o));
      for (const { operand, value } of output.stores) this.memory[operand][o] = values[value];
    }
  }

  #body({ code }: Body, index: readonly number[], result: number): number[] {
    const values: number[] = [];
    for (const instruction of code) {
      const value = this.#value(instruction, values, index, result);
      values.push(
        instruction.type === "f32" ? Math.fround(value) : instruction.type === "i32" ? value | 0 : value >>> 0,
      );
    }
    return values;
  }

  #value(instruction: Instruction, values: readonly number[], index: readonly number[], result: number): number {
    switch (instruction.kind) {
      case "load": {
        const element = elementOf(instruction.chain, index);
        return element < 0 ? 0 : this.memory[instruction.operand][element];
      }
      case "scalar": {
        const value = this.scalars[instruction.slot];
        return instruction.type === "bool" ? Number(value !== 0) : value;
      }
      case "literal":
        return instruction.type === "bool" ? Number(instruction.value !== 0) : instruction.value;
      case "iota":
        return Math.max(elementOf(instruction.chain, index), 0);
      case "result":
        return result;
      case "op":
        return operation(
          instruction,
          instruction.args.map((arg) => values[arg]),
        );
      case "mask":
        return elementOf(instruction.chain, index) < 0 ? 0 : values[instruction.arg];
      case "gather": {
        const { operand, chain, arg, stride, size } = instruction;
        const at = values[arg];
        const element = elementOf(chain, index);
        return element < 0 || at < 0 || at >= size ? 0 : this.memory[operand][element + at * stride];
      }
      case "position": {
        const { size, fromEnd, ignored, flag } = instruction;
        const at = values[instruction.arg];
        if (at >= 0 && at < size) return at;
        if (fromEnd && at < 0 && at >= -size) return at + size;
        const isPadding = flag !== null && flag.chain !== null && elementOf(flag.chain, index) < 0;
        if (flag !== null && at !== ignored && !isPadding) this.noted.push({ site: flag.site, index: at });
        return -1;
      }
      case "random": {
        const [key0, key1] = this.memory[instruction.operand];
        const { counters } = instruction;
        const [counter, task] =
          counters === null ? [elementOf(instruction.chain, index), 0] : counters.map((at) => values[at]);
        return threefry(key0, key1, counter, task)[0];
      }
      default:
        instruction satisfies never;
        throw new Error("unknown instruction");
    }
  }
}

/** All indices of a shape, in row-major order. */
const indices = (shape: Shape): number[][] => Array.from({ length: numel(shape) }, (_, i) => unravel(i, shape));

function operation({ op, from, type }: Instruction & { kind: "op" }, [x, y, z]: readonly number[]): number {
  switch (op) {
    case "where":
      return x !== 0 ? y : z;
    case "cast":
      return castFormula(NUMBERS[from], NUMBERS[type])(x);
    case "round16":
      throw new Error("plans on the host have no float16");
    default:
      return op in BINARY || op in COMPARE
        ? binaryFormula(op as BinaryName | CompareName, NUMBERS[from])(x, y)
        : unaryFormula(op as UnaryName)(x);
  }
}

function reduced(op: string, type: ScalarType, terms: readonly number[]): number {
  switch (op) {
    case "sum":
      return terms.reduce((a, b) => a + b, 0);
    case "prod":
      return terms.reduce((a, b) => a * b, 1);
    case "max": {
      const least = type === "f32" ? -Infinity : type === "i32" ? -(2 ** 31) : 0;
      return terms.some(Number.isNaN) ? Number.NaN : terms.reduce((a, b) => Math.max(a, b), least);
    }
    default: {
      const nan = terms.findIndex(Number.isNaN);
      return nan >= 0 ? nan : terms.indexOf(terms.reduce((a, b) => Math.max(a, b), -Infinity));
    }
  }
}
