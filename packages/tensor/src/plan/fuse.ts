/**
 * Fusing: which pieces of work share a kernel.
 *
 * A kernel has at most one *root*: a reduction, contraction, scan, sort or scatter. Elementwise work is either
 * *owned* by a kernel, computed once there, or *floating*: computed wherever it is read. It is owned by the last
 * kernel that makes one of its inputs, if it reads that kernel's values element by element ("on write"); else it
 * floats, and ends up in the loads of whatever reads it ("on read"), unless computing it again would cost more
 * than storing it. The reasons stand in `own`, `tooDear` and `contractSide`.
 *
 * A value is stored only if another kernel reads it or the plan's user wants it. That is known when all kernels
 * are: bodies are therefore built from the last kernel to the first, and a kernel that stores nothing is dropped.
 */
import {
  applyMoves,
  type Body,
  type Chain,
  chainKey,
  contiguous,
  type Instruction,
  isIdentity,
  isMasked,
  type KernelDescription,
  type Move,
  type Operand,
  type ScalarType,
  type View,
} from "@loopgrad/kernels";
import type { DType } from "../dtype.ts";
import { contiguousStrides, numel, sameShape, type Shape } from "../shape.ts";
import { chainOf, type Lowered, type Ref, type Work } from "./lower.ts";

/** A kernel and the values behind its operands, in order: numbers of work. */
export interface FusedKernel {
  readonly description: KernelDescription;
  readonly operands: readonly number[];
}

export interface Fused {
  readonly kernels: readonly FusedKernel[];
  /** Work, extended by the copies and temporaries that fusing added. */
  readonly work: readonly Work[];
  /** For every output of the graph, the work whose storage holds it. */
  readonly outputs: readonly number[];
}

/** Repeated operations that are worth a kernel of their own: some 50 µs of arithmetic on two cores. */
const DEAR = 200_000;
/** Cost of one element above which work with several readers is not written into each of them. */
const LONG = 40;
/** Cost above which code is not made longer still. */
const LONGEST = 120;
/** Rough cost of an elementwise operation, in additions. */
const COSTS: Record<string, number> = {
  alias: 0,
  neg: 0.5,
  cast: 0.5,
  add: 1,
  sub: 1,
  mul: 1,
  where: 1,
  div: 3,
  sqrt: 3,
  eq: 1,
  ne: 1,
  lt: 1,
  le: 1,
  maximum: 1,
  minimum: 1,
  abs: 1,
};
const OTHER_COST = 12;
const RANDOM_COST = 80;

/** A kernel while it grows. */
interface Draft {
  readonly root: number;
  /** The space of its output body. */
  readonly space: Shape;
  readonly owned: number[];
  readonly loads: Set<number>;
}

export function fuse(lowered: Lowered, maxBuffers: number): Fused {
  const fusion = new Fusion([...lowered.work], maxBuffers);
  const outputs = lowered.outputs.map((ref) => fusion.outputOf(ref));
  const kernels = fusion.run(outputs);
  return { kernels, work: fusion.work, outputs };
}

const isConstant = (work: Work): boolean => work.kind === "scalar" || work.kind === "literal" || work.kind === "iota";
const isElementwise = (work: Work): boolean => work.kind === "map" || work.kind === "gather" || work.kind === "random";

/** The refs that a piece of work reads. */
function refsOf(work: Work): readonly Ref[] {
  switch (work.kind) {
    case "leaf":
    case "scalar":
    case "literal":
    case "iota":
      return [];
    case "map":
      return work.args;
    case "gather":
      return [work.index, work.x];
    case "random":
      return [work.key];
    case "reduce":
      return [work.arg];
    case "contract":
      return [work.a, work.b];
    case "scan":
    case "sort":
      return [work.x];
    case "scatter":
      return [work.x, work.index, work.source];
    default:
      work satisfies never;
      throw new Error("unknown work");
  }
}

class Fusion {
  readonly #drafts: Draft[] = [];
  /** The kernel that computes a piece of work; −1 for leaves, constants, and what floats. */
  readonly #kernelOf: number[] = [];
  readonly #readers: number[] = [];
  readonly #wanted = new Set<number>();
  /** What some kernel loads. */
  readonly #loaded = new Set<number>();
  /** Of floating work: operations to compute one element, and the stored values it reads. */
  readonly #cost: number[] = [];
  readonly #loads: ReadonlySet<number>[] = [];

  constructor(
    readonly work: Work[],
    readonly maxBuffers: number,
  ) {}

  /** The work whose storage will hold an output: a copy where the ref is a constant or a view. */
  outputOf(ref: Ref): number {
    const work = this.work[ref.node];
    if (!isConstant(work) && isIdentity(chainOf(this.work, ref))) {
      const shape = ref.moves.at(-1)?.shape ?? work.shape;
      if (work.kind === "leaf" || numel(shape) === numel(work.shape)) return ref.node;
    }
    const shape = ref.moves.at(-1)?.shape ?? work.shape;
    this.work.push({ kind: "map", op: "alias", args: [ref], store: true, shape, dtype: work.dtype });
    return this.work.length - 1;
  }

  run(outputs: readonly number[]): FusedKernel[] {
    const { work } = this;
    for (const i of outputs) if (work[i].kind !== "leaf") this.#wanted.add(i);
    work.forEach((w, i) => {
      this.#readers[i] = 0;
      this.#kernelOf[i] = -1;
      this.#cost[i] = 0;
      this.#loads[i] = NOTHING;
      for (const ref of refsOf(w)) this.#readers[ref.node]++;
    });
    for (let i = 0; i < work.length; i++) this.#place(i);
    for (const i of this.#wanted) this.#ensureOwned(i);
    const kernels: FusedKernel[] = [];
    for (let k = this.#drafts.length - 1; k >= 0; k--) kernels.push(...this.#build(k));
    return kernels.reverse();
  }

  // ---- placing

  #place(i: number): void {
    const work = this.work[i];
    switch (work.kind) {
      case "leaf":
      case "scalar":
      case "literal":
      case "iota":
        return;
      case "map":
      case "gather":
      case "random":
        this.#placeElementwise(i, work);
        return;
      case "reduce": {
        const { arg } = work;
        const again = numel(arg.moves.at(-1)?.shape ?? []) - numel(this.work[arg.node].shape);
        if (this.#cost[arg.node] * again > DEAR || this.#currentLoads(arg.node).size > this.maxBuffers - 3) {
          this.#ensureOwned(arg.node);
        }
        this.#begin(i, this.#currentLoads(arg.node));
        return;
      }
      case "contract": {
        const { batch, m, n, k } = work;
        const depth = numel(batch) * numel(k);
        this.#contractSide(work.a, depth * numel(m) * Math.ceil(numel(n) / 4));
        this.#contractSide(work.b, depth * numel(n) * Math.ceil(numel(m) / 4));
        const loads = union(this.#currentLoads(work.a.node), this.#currentLoads(work.b.node));
        if (loads.size > this.maxBuffers - 3) {
          this.#ensureOwned(work.a.node);
          this.#ensureOwned(work.b.node);
        }
        this.#begin(i, union(this.#currentLoads(work.a.node), this.#currentLoads(work.b.node)));
        return;
      }
      case "scan":
      case "sort":
      case "scatter":
        for (const ref of refsOf(work)) this.#ensureOwned(ref.node);
        this.#begin(i, new Set(refsOf(work).map((ref) => ref.node)));
        return;
      default:
        work satisfies never;
    }
  }

  /** A contraction reads every element many times: only cheap work, and strided reads, may float into it. */
  #contractSide(ref: Ref, reads: number): void {
    const { node } = ref;
    if (this.#kernelOf[node] >= 0 || this.work[node].kind === "leaf") return;
    let plain = true;
    this.#walk(node, ref.moves, (base, moves) => {
      const { kind, shape } = this.work[base];
      const stored = kind === "leaf" || this.#kernelOf[base] >= 0;
      if (!stored && kind !== "scalar" && kind !== "literal") plain = plain && kind === "map";
      const chain = applyMoves([contiguous(shape)], moves);
      if (chain.length > 1 || isMasked(chain)) plain = false;
    });
    if (!plain || this.#cost[node] * reads > DEAR) this.#ensureOwned(node);
  }

  #placeElementwise(i: number, work: Work): void {
    if (work.kind === "gather") this.#ensureOwned(work.x.node);
    if (work.kind === "random") this.#ensureOwned(work.key.node);
    const size = numel(work.shape);
    if (work.kind === "map") {
      // What is dear and read many times through an expansion is computed once.
      for (const { node } of work.args) {
        if (this.#cost[node] * (size - numel(this.work[node].shape)) > DEAR) this.#ensureOwned(node);
      }
    }
    let cost = work.kind === "map" ? (COSTS[work.op] ?? OTHER_COST) : work.kind === "random" ? RANDOM_COST : 4;
    let loads: ReadonlySet<number> = NOTHING;
    for (const { node } of refsOf(work)) {
      cost += this.#cost[node];
      loads = union(loads, this.#loadsOf(node));
    }
    if (loads.size > this.maxBuffers - 2) {
      // Too many buffers for one kernel: the widest inputs are stored first.
      for (const { node } of refsOf(work)) if (this.#loadsOf(node).size > 1) this.#ensureOwned(node);
      loads = new Set();
      for (const { node } of refsOf(work)) loads = union(loads, this.#loadsOf(node));
    }
    this.#cost[i] = cost;
    this.#loads[i] = loads;
    if (this.#joins(i)) return;
    if ((work.kind === "map" && work.store) || this.#tooDear(i)) this.#ensureOwned(i);
  }

  /** Is floating work so costly, or so wide, that it had better be computed once? */
  #tooDear(i: number): boolean {
    const again = this.#readers[i] - 1;
    if (this.#cost[i] > LONGEST) return true;
    if (again > 0 && (this.#cost[i] > LONG || this.#cost[i] * again * numel(this.work[i].shape) > DEAR)) return true;
    return this.#loads[i].size > this.maxBuffers - 4;
  }

  /** Tries to give elementwise work to the last kernel that makes one of its inputs. */
  #joins(i: number): boolean {
    if (![...this.#loads[i]].some((base) => this.#kernelOf[base] >= 0)) return false;
    const loads = this.#currentLoads(i);
    return this.#own(i, this.#lastKernel(loads), loads);
  }

  #lastKernel(loads: ReadonlySet<number>): number {
    let last = -1;
    for (const base of loads) last = Math.max(last, this.#kernelOf[base]);
    return last;
  }

  /** Gives elementwise work to a kernel, if it reads that kernel's own values element by element and fits. */
  #own(i: number, k: number, itsLoads: ReadonlySet<number>): boolean {
    const draft = this.#drafts[k];
    const work = this.work[i];
    if (numel(work.shape) !== numel(draft.space)) return false;
    if (draft.root >= 0 && !["reduce", "contract"].includes(this.work[draft.root].kind)) return false;
    let aligned = true;
    this.#walk(i, [], (base, moves) => {
      if (this.#kernelOf[base] !== k) return;
      aligned = aligned && isIdentity(applyMoves([contiguous(this.work[base].shape)], moves));
    });
    if (!aligned) return false;
    const loads = union(draft.loads, new Set([...itsLoads].filter((base) => this.#kernelOf[base] !== k)));
    const stores = [...draft.owned, draft.root, i].filter((j) => j >= 0 && this.#mayBeStored(j, k)).length;
    if (loads.size + stores > this.maxBuffers) return false;
    this.#load(draft, loads);
    draft.owned.push(i);
    this.#settle(i, k);
    return true;
  }

  /** Could another kernel come to read this value of kernel k? Not if all its readers are there already. */
  #mayBeStored(i: number, k: number): boolean {
    if (this.#wanted.has(i) || this.#loaded.has(i)) return true;
    let inside = 0;
    for (const j of this.#drafts[k].owned) {
      for (const ref of refsOf(this.work[j])) if (ref.node === i) inside++;
    }
    return inside < this.#readers[i];
  }

  #settle(i: number, k: number): void {
    this.#kernelOf[i] = k;
    this.#cost[i] = 0;
    this.#loads[i] = NOTHING;
  }

  /** Notes what a kernel loads. */
  #load(draft: Draft, loads: ReadonlySet<number>): void {
    for (const base of loads) {
      draft.loads.add(base);
      this.#loaded.add(base);
    }
  }

  #begin(root: number, loads: ReadonlySet<number>): void {
    const draft: Draft = { root, space: this.work[root].shape, owned: [], loads: new Set() };
    this.#load(draft, loads);
    this.#drafts.push(draft);
    this.#settle(root, this.#drafts.length - 1);
  }

  /** Floating work gets a kernel; floating work inside it that others want too is computed along. */
  #ensureOwned(i: number): void {
    const work = this.work[i];
    if (work.kind === "leaf" || this.#kernelOf[i] >= 0) return;
    if (isConstant(work)) throw new Error("internal: a constant has no storage");
    if (this.#wanted.has(i) && this.#joinsSibling(i)) return;
    let loads = this.#currentLoads(i);
    if (loads.size > this.maxBuffers - 1) {
      // What it reads got kernels of its own in the meantime, and is too much for one: the inputs are stored first.
      for (const { node } of refsOf(work)) if (this.#currentLoads(node).size > 1) this.#ensureOwned(node);
      loads = this.#currentLoads(i);
    }
    const k = this.#drafts.length;
    const draft: Draft = { root: -1, space: work.shape, owned: [], loads: new Set() };
    this.#load(draft, loads);
    this.#drafts.push(draft);
    const along: number[] = [];
    this.#walk(i, [], (base, moves) => {
      if (base === i || !isElementwise(this.work[base]) || this.#kernelOf[base] >= 0) return;
      if (!this.#wanted.has(base) && this.#readers[base] < 2) return;
      const shape = this.work[base].shape;
      if (numel(shape) === numel(work.shape) && isIdentity(applyMoves([contiguous(shape)], moves))) along.push(base);
    });
    const room = this.maxBuffers - draft.loads.size - 1;
    const wantedFirst = [...new Set(along)].sort((a, b) => Number(this.#wanted.has(b)) - Number(this.#wanted.has(a)));
    draft.owned.push(...wantedFirst.slice(0, Math.max(room, 0)), i);
    draft.owned.sort((a, b) => a - b);
    for (const j of draft.owned) this.#settle(j, k);
  }

  /** A wanted value that reads only what is stored may share a kernel of its size with another one that does. */
  #joinsSibling(i: number): boolean {
    const loads = this.#currentLoads(i);
    const last = this.#lastKernel(loads);
    for (let k = this.#drafts.length - 1; k >= Math.max(last, this.#drafts.length - 8, 0); k--) {
      if (this.#drafts[k].root < 0 && this.#own(i, k, loads)) return true;
    }
    return false;
  }

  #isStored(i: number): boolean {
    return this.work[i].kind === "leaf" || this.#kernelOf[i] >= 0;
  }

  /** Stored values that computing a node anew would read, as of when it was placed; itself, if it is stored. */
  #loadsOf(i: number): ReadonlySet<number> {
    return this.#isStored(i) ? new Set([i]) : this.#loads[i];
  }

  /** The same as of now: what floated when the node was placed may have got a kernel since. */
  #currentLoads(i: number): ReadonlySet<number> {
    if (this.#isStored(i)) return new Set([i]);
    const loads = new Set<number>();
    const seen = new Set<number>([i]);
    const stack = [i];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      for (const ref of refsOf(this.work[node])) {
        if (seen.has(ref.node)) continue;
        seen.add(ref.node);
        if (this.#isStored(ref.node)) loads.add(ref.node);
        else stack.push(ref.node);
      }
    }
    return loads;
  }

  /**
   * Visits all that computing a node reads, through what floats: every value with the moves between it and the
   * node; `ANYWHERE` for values that are read at computed positions.
   */
  #walk(i: number, moves: readonly Move[], visit: (base: number, moves: readonly Move[]) => void): void {
    const seen = new Set<string>();
    const go = (node: number, path: readonly Move[]) => {
      const key = `${node}@${chainKey(applyMoves([contiguous(this.work[node].shape)], path))}`;
      if (seen.has(key)) return;
      seen.add(key);
      visit(node, path);
      const work = this.work[node];
      if ((node !== i && this.#kernelOf[node] >= 0) || !isElementwise(work)) return;
      if (work.kind === "gather") {
        go(work.index.node, [...work.index.moves, ...path]);
        visit(work.x.node, ANYWHERE);
      } else if (work.kind === "random") visit(work.key.node, ANYWHERE);
      else for (const ref of refsOf(work)) go(ref.node, [...ref.moves, ...path]);
    };
    go(i, moves);
  }

  // ---- building

  /** Descriptions of kernel k: one, or several passes for a sort; none if nothing of it is stored. */
  #build(k: number): FusedKernel[] {
    const { root, owned } = this.#drafts[k];
    const stores = [root, ...owned].filter((i) => i >= 0 && this.#wanted.has(i));
    if (stores.length === 0) return [];
    const work = root < 0 ? null : this.work[root];
    if (work !== null && work.kind === "sort") return this.#buildSort(root, work);
    const operands = new Operands(this.work, this.#wanted);
    let description: KernelDescription;
    if (work === null || work.kind === "reduce" || work.kind === "contract") {
      const space = this.#drafts[k].space;
      if (work === null) {
        const output = this.#outputBody(k, space, stores, operands);
        description = { role: "map", operands: operands.list, output };
      } else if (work.kind === "reduce") {
        const { arg, op, axes } = work;
        const input = this.#inputBody(k, arg, operands);
        const output = this.#outputBody(k, space, stores, operands);
        const type = scalarType(this.work[arg.node].dtype);
        description = { role: "reduce", op, type, axes, ...input, operands: operands.list, output };
      } else {
        const a = this.#inputBody(k, work.a, operands);
        const b = this.#inputBody(k, work.b, operands);
        const output = this.#outputBody(k, space, stores, operands);
        const { batch, m, n, k: depth, strides, dtype } = work;
        description = {
          role: "contract",
          type: scalarType(dtype),
          batch,
          m,
          n,
          k: depth,
          strides,
          a: a.input,
          aValue: a.value,
          b: b.input,
          bValue: b.value,
          operands: operands.list,
          output,
        };
      }
    } else if (work.kind === "scan") {
      operands.read(work.x.node);
      operands.write(root);
      const type = scalarType(work.dtype);
      description = { role: "scan", type, dims: threeDims(work.shape, work.axis), operands: operands.list };
    } else if (work.kind === "scatter") {
      for (const ref of [work.x, work.index, work.source]) operands.bind(ref.node);
      operands.write(root);
      description = {
        role: "scatter",
        type: scalarType(work.dtype),
        shape: work.shape,
        indexShape: work.index.moves.at(-1)?.shape ?? this.work[work.index.node].shape,
        axis: work.axis,
        operands: operands.list,
      };
    } else throw new Error(`internal: ${work.kind} is no root`);
    return [{ description, operands: operands.values }];
  }

  #buildSort(root: number, work: Work & { kind: "sort" }): FusedKernel[] {
    const dims = threeDims(work.shape, work.axis);
    const passes: FusedKernel[] = [];
    let before = -1;
    for (let run = 1; run === 1 || run < dims[1]; run *= 2) {
      const isLast = run * 2 >= dims[1];
      const operands = new Operands(this.work, this.#wanted);
      operands.read(work.x.node);
      if (before >= 0) operands.read(before);
      let out = root;
      if (!isLast) {
        this.work.push({ ...work });
        out = this.work.length - 1;
      }
      operands.write(out);
      const type = scalarType(this.work[work.x.node].dtype);
      const { descending } = work;
      passes.push({
        description: { role: "sort", type, dims, run, descending, first: before < 0, operands: operands.list },
        operands: operands.values,
      });
      before = out;
    }
    // Kernels are collected from the last to the first.
    return passes.reverse();
  }

  #inputBody(k: number, ref: Ref, operands: Operands): { input: Body; value: number } {
    const writer = new BodyWriter(this.work, this.#drafts[k].loads, -1, operands);
    const value = writer.value(ref.node, ref.moves);
    return { input: { space: ref.moves.at(-1)?.shape ?? this.work[ref.node].shape, code: writer.code }, value };
  }

  #outputBody(k: number, space: Shape, stores: readonly number[], operands: Operands) {
    const writer = new BodyWriter(this.work, this.#drafts[k].loads, this.#drafts[k].root, operands);
    const values = stores.map((i) => {
      const { shape } = this.work[i];
      return writer.value(i, sameShape(shape, space) ? [] : [{ name: "reshape", attrs: space, shape: space }]);
    });
    const written = stores.map((i, s) => ({ operand: operands.write(i), value: values[s] }));
    return { space, code: writer.code, stores: written };
  }
}

const NOTHING: ReadonlySet<number> = new Set();
/** Moves that are no identity: for values that are read at computed positions. */
const ANYWHERE: readonly Move[] = [{ name: "flip", attrs: [0], shape: [0] }];

function union(a: ReadonlySet<number>, b: ReadonlySet<number>): ReadonlySet<number> {
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  return new Set([...a, ...b]);
}

/** [outer, length, inner] around an axis. */
function threeDims(shape: Shape, axis: number): [number, number, number] {
  return [numel(shape.slice(0, axis)), shape[axis] ?? 1, numel(shape.slice(axis + 1))];
}

function scalarType(dtype: DType): ScalarType {
  switch (dtype) {
    case "float32":
      return "f32";
    case "int32":
      return "i32";
    case "uint32":
      return "u32";
    case "bool":
      return "bool";
    case "float64":
      throw new Error("internal: float64 in a kernel");
    default:
      dtype satisfies never;
      throw new Error("unknown dtype");
  }
}

/** The buffers of a kernel: each value once, and what is read is thereby wanted of the kernel that makes it. */
class Operands {
  readonly list: Operand[] = [];
  readonly values: number[] = [];

  constructor(
    readonly work: readonly Work[],
    readonly wanted: Set<number>,
  ) {}

  read(value: number): number {
    const known = this.values.indexOf(value);
    return known >= 0 ? known : this.bind(value);
  }

  /** Like read, but always at a position of its own. */
  bind(value: number): number {
    if (this.work[value].kind !== "leaf") this.wanted.add(value);
    return this.#add(value, "read");
  }

  write(value: number): number {
    return this.#add(value, "write");
  }

  #add(value: number, access: "read" | "write"): number {
    this.list.push({ type: scalarType(this.work[value].dtype), access });
    this.values.push(value);
    return this.list.length - 1;
  }
}

/**
 * Writes the code of one body of a kernel. What was stored when the kernel was drafted is loaded; all else is computed,
 * even if some kernel came to own it afterwards: the draft has room for these loads and no others.
 */
class BodyWriter {
  readonly code: Instruction[] = [];
  readonly #known = new Map<string, number>();

  constructor(
    readonly work: readonly Work[],
    readonly loads: ReadonlySet<number>,
    readonly root: number,
    readonly operands: Operands,
  ) {}

  /** Position of the instruction that yields a node's value at the index that the moves lead to. */
  value(node: number, moves: readonly Move[]): number {
    const work = this.work[node];
    const chain = applyMoves([contiguous(work.shape)], moves);
    const key = `${node}@${chainKey(chain)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const position = this.#write(node, work, moves, chain);
    this.#known.set(key, position);
    return position;
  }

  #add(instruction: Instruction): number {
    return this.code.push(instruction) - 1;
  }

  #write(node: number, work: Work, moves: readonly Move[], chain: Chain): number {
    const type = scalarType(work.dtype);
    if (this.loads.has(node)) return this.#add({ kind: "load", type, operand: this.operands.read(node), chain });
    if (node === this.root) return this.#add({ kind: "result", type });
    const computed = this.#compute(work, type, moves, chain);
    const padded = work.kind !== "iota" && isMasked(chain);
    return padded ? this.#add({ kind: "mask", type, arg: computed, chain }) : computed;
  }

  #compute(work: Work, type: ScalarType, moves: readonly Move[], chain: Chain): number {
    switch (work.kind) {
      case "scalar":
        return this.#add({ kind: "scalar", type, slot: work.slot });
      case "literal":
        return this.#add({ kind: "literal", type, value: work.value });
      case "iota":
        return this.#add({ kind: "iota", type, chain });
      case "map": {
        const args = work.args.map((ref) => this.value(ref.node, [...ref.moves, ...moves]));
        if (work.op === "alias") return args[0];
        const from = scalarType(this.work[work.args[work.args.length - 1].node].dtype);
        return this.#add({ kind: "op", type, op: work.op, from, args });
      }
      case "gather": {
        const arg = this.value(work.index.node, [...work.index.moves, ...moves]);
        const shape = work.x.moves.at(-1)?.shape ?? this.work[work.x.node].shape;
        const strides = contiguousStrides(shape);
        const start: View = {
          shape: work.shape,
          strides: strides.map((s, i) => (i === work.axis ? 0 : s)),
          offset: 0,
          valid: null,
        };
        return this.#add({
          kind: "gather",
          type,
          operand: this.operands.read(work.x.node),
          chain: applyMoves([start], moves),
          arg,
          stride: strides[work.axis],
          size: shape[work.axis],
        });
      }
      case "random":
        return this.#add({ kind: "random", type: "u32", operand: this.operands.read(work.key.node), chain });
      default:
        throw new Error(`internal: ${work.kind} is computed by a kernel of its own`);
    }
  }
}
