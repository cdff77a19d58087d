/**
 * From a graph to a program.
 *
 * Movements make no step where strides suffice: their result is another layout of the same slot. Elementwise
 * nodes whose results are read in one place run in a *cluster* with their reader. A slot's block goes back to
 * the pool after the last step that reads it, or is overwritten by that step.
 */
import { watching } from "../debug/watch.ts";
import { bytesPerElement, type DType, hostArray, isFloat } from "../dtype.ts";
import { aliasP, castP, literalP, type Primitive, padP, scalarP } from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { numel, type Shape, sameShape, show } from "../shape.ts";
import { constantOf, evaluate, isElementwise } from "./evaluate.ts";
import { broadcast, contiguous, isContiguous, type Layout, moved, rangeStart } from "./layout.ts";
import type { Pool } from "./pool.ts";
import { type Arrays, type CpuProgram, NOTHING, type Operand, type Run, type Source, type Step } from "./program.ts";
import { type Instruction, lowerCluster, lowerCopy } from "./steps/cluster.ts";
import { lowerConvolution } from "./steps/convolution.ts";
import { copyRow, rowLoop, totalLoop } from "./steps/loops.ts";
import { lowerMatmul } from "./steps/product.ts";

/** Larger clusters would need more registers than the processor's first cache holds. */
const MAX_CLUSTER = 48;

export function compile(graph: Graph, pool: Pool): CpuProgram {
  return new Compiler(graph, pool).program();
}

class Compiler {
  readonly #nodes: readonly GraphNode[];
  readonly #outputs: readonly number[];
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
  /** For each step, the slots it could overwrite. */
  readonly #overwritable: number[][] = [];
  /** For each step, what it reads, and whether it is elementwise. */
  readonly #reads: (readonly Operand[])[] = [];
  readonly #elementwise: boolean[] = [];
  readonly #leaves: Source[] = [];
  readonly #scalars: Source[] = [];

  constructor(graph: Graph, pool: Pool) {
    const { nodes, outputs } = withoutAliases(graph);
    this.#nodes = nodes;
    this.#outputs = outputs;
    this.#pool = pool;
  }

  program(): CpuProgram {
    const nodes = this.#nodes;
    const outputs = this.#outputs;
    const clusters = findClusters(nodes, outputs);
    for (let i = 0; i < nodes.length; i++) {
      const members = clusters[i];
      if (nodes[i].primitive === null || members !== null) this.#operands[i] = this.#lower(nodes[i], members ?? []);
    }
    const whole = new Set(
      outputs
        .map((i) => this.#operands[i])
        .filter((x) => this.#isWhole(x))
        .map(({ slot }) => slot),
    );
    const starts = outputs.map((i) => (whole.has(this.#operands[i].slot) ? rangeStart(this.#operands[i]) : -1));
    const outputSlots = outputs.map((i, j) =>
      starts[j] < 0 ? this.#ownSlot(this.#operands[i]) : this.#operands[i].slot,
    );
    this.#planBlocks(outputSlots);
    const program: CpuProgram = {
      outputs: outputs.length,
      steps: this.#steps,
      arrays: this.#arrays,
      blocks: [],
      leaves: this.#leaves,
      scalars: this.#scalars,
      outputSlots,
      outputStarts: starts.map((start) => Math.max(start, 0)),
      outputSizes: outputs.map((output) => numel(nodes[output].shape)),
      outputBytes: outputs.map((output) => numel(nodes[output].shape) * bytesPerElement(nodes[output].dtype)),
    };
    watching()?.cpuPlan({
      ...program,
      reads: this.#reads,
      elementwise: this.#elementwise,
      sizes: this.#sizes,
      constants: new Set([...this.#arrays.keys()].filter((slot) => this.#arrays[slot] !== NOTHING)),
    });
    return program;
  }

  /** Adds the steps that compute a node, with the members of its cluster where it heads one. */
  #lower(node: GraphNode, members: readonly number[]): Operand {
    const { primitive, shape, dtype } = node;
    if (primitive === null) {
      const slot = this.#slot(numel(shape));
      this.#leaves.push({ slot, from: node.slot });
      return { ...contiguous(shape), slot, dtype };
    }
    if (primitive === scalarP || primitive === literalP) return this.#constant(node, primitive);
    if (members.length > 0) return this.#cluster(node, members);
    const inputs = node.inputs.map((input) => this.#operands[input]);
    if (primitive.kind === "movement") {
      const layout = moved(inputs[0], primitive, node.attrs);
      if (layout !== null) return { ...layout, slot: inputs[0].slot, dtype };
      return this.#copy(inputs[0], shape, primitive === padP ? inner(node, inputs[0]) : contiguous(inputs[0].shape));
    }
    const { read, lower } = this.#loweringOf(node, inputs);
    const slot = this.#slot(numel(shape));
    this.#step(`${primitive.name} ${show(shape)}`, lower(node, read, slot), slot, read, dtype);
    return { ...contiguous(shape), slot, dtype };
  }

  /** How a node that is neither a movement nor in a cluster is computed, and the operands as that way wants them. */
  #loweringOf(node: GraphNode, inputs: readonly Operand[]): { read: readonly Operand[]; lower: typeof lowerPlain } {
    const { kind } = node.primitive as Primitive;
    if (kind === "matmul" && isFloat(node.dtype)) return { read: inputs, lower: lowerMatmul };
    if (kind === "conv") return { read: inputs.map((input) => this.#rowMajor(input)), lower: lowerConvolution };
    return { read: inputs, lower: lowerPlain };
  }

  /** The operand itself if it lies row-major from its array's start, else a copy. */
  #rowMajor(operand: Operand): Operand {
    return isContiguous(operand) ? operand : this.#copy(operand, operand.shape, contiguous(operand.shape));
  }

  /** A constant has an array of its own for as long as the program lives. */
  #constant(node: GraphNode, primitive: Primitive): Operand {
    const slot = this.#slot(1);
    this.#arrays[slot] = hostArray(node.dtype, 1);
    if (primitive === scalarP) this.#scalars.push({ slot, from: node.slot });
    else this.#arrays[slot][0] = constantOf(node, node.attrs[1]);
    return { ...contiguous([]), slot, dtype: node.dtype };
  }

  #cluster(head: GraphNode, members: readonly number[]): Operand {
    const inputs: Operand[] = [];
    const numbers = new Map<number, number>();
    const instructions: Instruction[] = [];
    const reduces = (head.primitive as Primitive).kind === "reduce";
    const shape = reduces ? this.#nodes[head.inputs[0]].shape : head.shape;
    const total = reduces ? totalLoop(head.primitive as Primitive, head.dtype) : null;
    for (const member of members) {
      const node = this.#nodes[member];
      const operands = node.inputs.map((input) => {
        const known = numbers.get(input);
        if (known !== undefined) return known;
        inputs.push(this.#operands[input]);
        numbers.set(input, -inputs.length);
        return -inputs.length;
      });
      numbers.set(member, instructions.length);
      const loop = node === head && total !== null ? total.loop : rowLoop(node, this.#nodes[node.inputs[0]].dtype);
      instructions.push({ loop, dtype: node.dtype, operands });
    }
    const size = numel(head.shape);
    const slot = this.#slot(size);
    const to = contiguous(head.shape);
    const run = lowerCluster(
      total === null
        ? { shape, inputs, instructions, slot, to }
        : { shape, inputs, instructions, slot, to: broadcast(to, shape), total: { identity: total.identity, size } },
    );
    const names = members.map((member) => (this.#nodes[member].primitive as Primitive).name);
    const kernel = `${[...new Set(names)].slice(0, 5).join(" ")} ${show(shape)}`;
    this.#step(kernel, run, slot, inputs, head.dtype, total === null ? overwritable(inputs, head) : null);
    return { ...to, slot, dtype: head.dtype };
  }

  /** A new slot with a value's elements where `to` has them, and a row-major result of the shape. */
  #copy(input: Operand, shape: Shape, to: Layout): Operand {
    const slot = this.#slot(numel(shape));
    this.#step(`copy ${show(shape)}`, lowerCopy(copyRow, input, slot, to, numel(shape)), slot, [input], input.dtype);
    return { ...contiguous(shape), slot, dtype: input.dtype };
  }

  /** The slot that holds just this value, row-major, in a block that storages can share. */
  #ownSlot(operand: Operand): number {
    if (this.#isWhole(operand)) return operand.slot;
    return this.#copy(operand, operand.shape, contiguous(operand.shape)).slot;
  }

  /** Is the operand all of its slot, row-major, in a block that storages can share? */
  #isWhole(operand: Operand): boolean {
    const { slot, shape } = operand;
    const shareable = this.#written[slot] >= 0 || this.#leaves.some((leaf) => leaf.slot === slot);
    return shareable && isContiguous(operand) && this.#sizes[slot] === numel(shape);
  }

  #slot(size: number): number {
    this.#sizes.push(size);
    this.#written.push(-1);
    this.#lastRead.push(-1);
    this.#arrays.push(NOTHING);
    return this.#sizes.length - 1;
  }

  #step(
    kernel: string,
    run: Run,
    slot: number,
    inputs: readonly Operand[],
    dtype: DType,
    overwrites: number[] | null = null,
  ): void {
    const index = this.#steps.length;
    this.#written[slot] = index;
    for (const input of inputs) this.#lastRead[input.slot] = index;
    this.#overwritable.push(overwrites ?? []);
    this.#reads.push(inputs);
    this.#elementwise.push(overwrites !== null);
    const bytes = inputs.reduce(
      (sum, input) => sum + numel(input.shape) * bytesPerElement(input.dtype),
      this.#sizes[slot] * bytesPerElement(dtype),
    );
    const home = this.#pool.classFor(dtype, this.#sizes[slot]);
    this.#steps.push({ kernel, bytes, run, slot, home, takes: -1, frees: [] });
  }

  /** Decides which blocks are overwritten in place, and when the others go back to the pool. */
  #planBlocks(outputSlots: readonly number[]): void {
    const kept = new Set(outputSlots);
    const passes = (slot: number) => this.#written[slot] >= 0 && !kept.has(slot);
    this.#steps.forEach((step, index) => {
      const taken = this.#overwritable[index].find(
        (slot) => passes(slot) && this.#lastRead[slot] === index && this.#steps[this.#written[slot]].home === step.home,
      );
      if (taken === undefined) return;
      step.takes = taken;
      kept.add(taken);
    });
    for (let slot = 0; slot < this.#sizes.length; slot++) {
      if (passes(slot)) this.#steps[Math.max(this.#lastRead[slot], this.#written[slot])].frees.push(slot);
    }
  }
}

/** Slots that an elementwise step reads just where it writes. */
function overwritable(inputs: readonly Operand[], { shape }: GraphNode): number[] {
  const inPlace = (input: Operand) => isContiguous(input) && numel(input.shape) === numel(shape);
  return inputs
    .filter((input) => inPlace(input) && inputs.every((other) => other.slot !== input.slot || inPlace(other)))
    .map((input) => input.slot);
}

/** Where a padded value's own elements belong. */
function inner({ shape, attrs }: GraphNode, input: Operand): Layout {
  const { strides } = contiguous(shape);
  return {
    shape: input.shape,
    strides,
    offset: strides.reduce((offset, stride, axis) => offset + stride * attrs[axis], 0),
  };
}

/** The interpreter's way of computing a node. */
function lowerPlain(node: GraphNode, inputs: readonly Operand[], slot: number): Run {
  const views = inputs.map((input) => ({ ...input, data: NOTHING }));
  return (arrays) => {
    for (const view of views) view.data = arrays[view.slot];
    evaluate(node, views, arrays[slot]);
  };
}

/** The graph with every use of an alias, or of a cast to the same dtype, going to what it stands for. */
function withoutAliases({ nodes, outputs }: Graph): Pick<Graph, "nodes" | "outputs"> {
  const meant: number[] = [];
  const rewritten = nodes.map((node, i): GraphNode => {
    const inputs = node.inputs.map((input) => meant[input]);
    const same = node.primitive === aliasP || (node.primitive === castP && nodes[inputs[0]].dtype === node.dtype);
    meant.push(same ? inputs[0] : i);
    return { ...node, inputs };
  });
  return { nodes: rewritten, outputs: outputs.map((output) => meant[output]) };
}

/**
 * For each node that is a step (or a view) of its own, the members of its cluster in order, itself last; an empty
 * list for one that heads no cluster; null for a node within another's cluster and for one that no output needs.
 * A node joins a cluster if all that reads it is in there and the shapes are equal.
 */
function findClusters(nodes: readonly GraphNode[], outputs: readonly number[]): (number[] | null)[] {
  const UNREAD = -1;
  const APART = -2;
  /** The cluster that all readers seen so far are in. */
  const readers = new Array<number>(nodes.length).fill(UNREAD);
  const clusters = new Array<number[] | null>(nodes.length).fill(null);
  for (const output of outputs) readers[output] = APART;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (readers[i] === UNREAD || node.primitive === null) continue;
    let home = APART;
    if (isElementwise(node.primitive) || totalLoop(node.primitive, node.dtype) !== null) {
      home = isElementwise(node.primitive) ? readers[i] : APART;
      const members = home === APART ? null : (clusters[home] as number[]);
      if (members === null || members.length >= MAX_CLUSTER || !sameShape(node.shape, spaceOf(nodes, home))) {
        home = i;
        clusters[i] = [];
      }
      (clusters[home] as number[]).push(i);
    } else {
      clusters[i] = [];
    }
    for (const input of node.inputs) {
      if (readers[input] === UNREAD) readers[input] = home;
      else if (readers[input] !== home) readers[input] = APART;
    }
  }
  for (const members of clusters) members?.reverse();
  return clusters;
}

/** The iteration space of the cluster that a node heads. */
function spaceOf(nodes: readonly GraphNode[], head: number): Shape {
  const { primitive, inputs, shape } = nodes[head];
  return primitive?.kind === "reduce" ? nodes[inputs[0]].shape : shape;
}
