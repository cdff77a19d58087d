/**
 * From a graph to a program: steps that run in order over numbered arrays.
 *
 * Each value lies in a *slot*: a number that stands for an array. A *step* is a closure that reads the arrays
 * of some slots and writes one; all that can be known beforehand (layouts, loops, sizes) is in the closure.
 * Movements make no step where strides suffice: their result is another layout of the same slot. A slot's
 * block goes back to the pool after the last step that reads it.
 */
import { bytesPerElement, type DType, type HostArray, hostArray } from "../dtype.ts";
import { literalP, type Primitive, scalarP } from "../primitives.ts";
import type { Graph, GraphNode, Program } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { constantOf, evaluate } from "./interpreter.ts";
import { contiguous, copyInto, type HostView, isContiguous, type Layout, moved } from "./layout.ts";
import type { Block, Pool, SizeClass } from "./pool.ts";

/** The arrays of a running program, by slot. */
export type Arrays = HostArray[];
export type Run = (arrays: Arrays) => void;

/** A value: which slot it lies in, and how. */
export interface Operand extends Layout {
  readonly slot: number;
  readonly dtype: DType;
}

export interface Step {
  readonly run: Run;
  /** The slot written. */
  readonly slot: number;
  /** Where the slot's block comes from; null if it is in place already. */
  readonly home: SizeClass | null;
  /** Slots whose blocks go back to the pool after the step. */
  frees: number[];
}

export interface CpuProgram extends Program {
  readonly steps: readonly Step[];
  readonly arrays: Arrays;
  readonly leafSlots: readonly number[];
  readonly scalarSlots: readonly number[];
  /** Each output's slot, in order. A slot may occur more than once, and may be a leaf's. */
  readonly outputSlots: readonly number[];
  readonly outputBytes: readonly number[];
  /** Blocks behind the arrays while the program runs. */
  readonly blocks: Block[];
}

export function compile(graph: Graph, pool: Pool): CpuProgram {
  const compiler = new Compiler(graph, pool);
  return compiler.program();
}

class Compiler {
  readonly #graph: Graph;
  readonly #pool: Pool;
  readonly #operands: Operand[] = [];
  readonly #steps: Step[] = [];
  readonly #arrays: Arrays = [];
  /** Elements of each slot. */
  readonly #sizes: number[] = [];
  /** The step that writes a slot; −1 for leaves and constants. */
  readonly #written: number[] = [];
  /** The last step that reads a slot. */
  readonly #lastRead: number[] = [];
  readonly #leafSlots: number[] = [];
  readonly #scalarSlots: number[] = [];

  constructor(graph: Graph, pool: Pool) {
    this.#graph = graph;
    this.#pool = pool;
  }

  program(): CpuProgram {
    const { nodes, outputs } = this.#graph;
    const needed = reachable(this.#graph);
    for (let i = 0; i < nodes.length; i++) {
      if (needed[i] === 1 || nodes[i].primitive === null) this.#operands[i] = this.#lower(nodes[i]);
    }
    const outputSlots = outputs.map((output) => this.#whole(this.#operands[output]));
    this.#planFrees(outputSlots);
    return {
      outputs: outputs.length,
      steps: this.#steps,
      arrays: this.#arrays,
      leafSlots: this.#leafSlots,
      scalarSlots: this.#scalarSlots,
      outputSlots,
      outputBytes: outputs.map((output) => numel(nodes[output].shape) * bytesPerElement(nodes[output].dtype)),
      blocks: [],
    };
  }

  #lower(node: GraphNode): Operand {
    const { primitive, shape, dtype } = node;
    if (primitive === null) {
      const slot = this.#slot(numel(shape));
      this.#leafSlots[node.slot] = slot;
      return { ...contiguous(shape), slot, dtype };
    }
    if (primitive === scalarP || primitive === literalP) return this.#constant(node, primitive);
    const inputs = node.inputs.map((input) => this.#operands[input]);
    if (primitive.kind === "movement") {
      const layout = moved(inputs[0], primitive, node.attrs);
      if (layout !== null) return { ...layout, slot: inputs[0].slot, dtype };
    }
    const slot = this.#slot(numel(shape));
    this.#step(lowerPlain(node, inputs, slot), slot, inputs, dtype);
    return { ...contiguous(shape), slot, dtype };
  }

  /** A constant has an array of its own for as long as the program lives. */
  #constant(node: GraphNode, primitive: Primitive): Operand {
    const slot = this.#slot(1);
    this.#arrays[slot] = hostArray(node.dtype, 1);
    if (primitive === scalarP) this.#scalarSlots[node.slot] = slot;
    else this.#arrays[slot][0] = constantOf(node, node.attrs[1]);
    return { ...contiguous([]), slot, dtype: node.dtype };
  }

  /** The slot that holds just this value, row-major, in a block that storages can share. */
  #whole(operand: Operand): number {
    const { slot, shape, dtype } = operand;
    const shareable = this.#written[slot] >= 0 || this.#leafSlots.includes(slot);
    if (shareable && isContiguous(operand) && this.#sizes[slot] === numel(shape)) return slot;
    const copy = this.#slot(numel(shape));
    const from: { -readonly [K in keyof HostView]: HostView[K] } = { ...operand, data: hostArray(dtype, 0) };
    const to = contiguous(shape);
    const run: Run = (arrays) => {
      from.data = arrays[slot];
      copyInto(arrays[copy], to, from);
    };
    this.#step(run, copy, [operand], dtype);
    return copy;
  }

  #slot(size: number): number {
    this.#sizes.push(size);
    this.#written.push(-1);
    this.#lastRead.push(-1);
    this.#arrays.push(NOTHING);
    return this.#sizes.length - 1;
  }

  #step(run: Run, slot: number, inputs: readonly Operand[], dtype: DType): void {
    const index = this.#steps.length;
    this.#written[slot] = index;
    for (const input of inputs) this.#lastRead[input.slot] = index;
    this.#steps.push({ run, slot, home: this.#pool.classFor(dtype, this.#sizes[slot]), frees: [] });
  }

  #planFrees(outputSlots: readonly number[]): void {
    const kept = new Set(outputSlots);
    for (let slot = 0; slot < this.#sizes.length; slot++) {
      if (this.#written[slot] < 0 || kept.has(slot)) continue;
      this.#steps[Math.max(this.#lastRead[slot], this.#written[slot])].frees.push(slot);
    }
  }
}

/** Stands in a slot that has no array at the moment. */
export const NOTHING: HostArray = new Float32Array(0);

/** The interpreter's way of computing a node. */
function lowerPlain(node: GraphNode, inputs: readonly Operand[], slot: number): Run {
  const views = inputs.map((input) => ({ ...input, data: NOTHING }));
  return (arrays) => {
    for (const view of views) view.data = arrays[view.slot];
    evaluate(node, views, arrays[slot]);
  };
}

/** 1 for every node that an output needs. */
function reachable({ nodes, outputs }: Graph): Uint8Array {
  const needed = new Uint8Array(nodes.length);
  for (const output of outputs) needed[output] = 1;
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (needed[i] === 1) for (const input of nodes[i].inputs) needed[input] = 1;
  }
  return needed;
}
