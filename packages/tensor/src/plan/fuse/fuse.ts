/**
 * Fusing: which pieces of work share a kernel.
 *
 * A kernel has at most one *root*: a reduction, contraction, scan, sort or scatter. Elementwise work is either
 * *owned* by a kernel, computed once there, or *floating*: computed wherever it is read. It is owned by the last
 * kernel that makes one of its inputs, if it reads that kernel's values element by element ("on write"); else it
 * floats, and ends up in the loads of whatever reads it ("on read"), unless computing it again would cost more
 * than storing it. The reasons stand in `own`, `tooDear` and `contractSide`.
 *
 * Kernels belong to *sections* (see record/segment.ts): what a later one reads is stored where it is made, unless it is cheap
 * and computed from its own section's values. So the kernels of a step do not depend on how many steps came before.
 *
 * A value is stored only if another kernel reads it or the plan's user wants it. That is known when all kernels
 * are: bodies are therefore built from the last kernel to the first, and a kernel that stores nothing is dropped.
 */
import { applyMoves, chainKey, contiguous, isIdentity, isMasked, type Move } from "@loopgrad/kernels";
import { SCALARS } from "@loopgrad/kernels/scalar";
import { numel } from "../../shape.ts";
import { chainOf, type Lowered, type Ref, refsOf, type Work } from "../lower/work.ts";
import { Builder, type Draft, type FusedKernel } from "./build.ts";
import { isConstant, type Output, placeOutputs } from "./outputs.ts";

export type { FusedKernel } from "./build.ts";

export interface Fused {
  readonly kernels: readonly FusedKernel[];
  /** Work that is packs: their pieces are written by kernels or copied. */
  readonly packs: readonly number[];
  /** Work, extended by the copies and temporaries that fusing added. */
  readonly work: readonly Work[];
  /** For every output of the graph, where it is found. */
  readonly outputs: readonly Output[];
  /** Values that nobody asked for as a whole, stored because much of them was asked for in ranges. */
  readonly hidden: readonly number[];
}

/** Costs are in additions; those of scalar functions stand in their table. Repeated operations that are worth a kernel of their own: some 50 µs of arithmetic on two cores. */
const DEAR = 200_000;
/** Cost of one element above which work with several readers is not written into each of them. */
const LONG = 40;
/** Cost above which code is not made longer still. */
const LONGEST = 120;
/** Elementwise operations that one kernel owns: what it weighs for each grows with their number. */
const MOST_OWNED = 64;
/** Cost of a further view in the chain of a load: a division and a remainder by each of its dimensions. */
const LEVEL_COST = 30;
const RANDOM_COST = 80;
const GATHER_COST = 4;
/** A check of an index: a branch with atomics behind it, which compilers of software adapters make much of. */
const CHECK_COST = 20;

export function fuse(lowered: Lowered, maxBuffers: number): Fused {
  const work = [...lowered.work];
  const { outputs, hidden } = placeOutputs(work, lowered.outputs);
  const { kernels, packs } = new Fusion(work, lowered.sections, maxBuffers).run([
    ...outputs.map(({ value }) => value),
    ...hidden,
  ]);
  return { kernels, packs, work, outputs, hidden };
}

const isElementwise = ({ kind }: Work): boolean =>
  kind === "map" || kind === "gather" || kind === "position" || kind === "random";

/** Of one element, without what it reads. */
function ownCost(work: Work): number {
  switch (work.kind) {
    case "map":
      return SCALARS[work.op].cost;
    case "random":
      return RANDOM_COST;
    case "position":
      return work.flag === null ? GATHER_COST : CHECK_COST;
    default:
      return GATHER_COST;
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
    /** The section of each; what comes behind belongs to the last. */
    readonly sections: readonly number[],
    readonly maxBuffers: number,
  ) {}

  #sectionOf(i: number): number {
    return this.sections[Math.min(i, this.sections.length - 1)] ?? 0;
  }

  run(outputs: readonly number[]): Pick<Fused, "kernels" | "packs"> {
    const { work } = this;
    for (const i of outputs) if (work[i].kind !== "leaf") this.#wanted.add(i);
    work.forEach((w, i) => {
      this.#readers[i] = 0;
      this.#kernelOf[i] = -1;
      this.#cost[i] = 0;
      this.#loads[i] = NOTHING;
      for (const ref of refsOf(w)) this.#readers[ref.node]++;
    });
    /** The last work that reads a piece. */
    const last: number[] = [];
    work.forEach((w, i) => {
      for (const { node } of refsOf(w)) last[node] = i;
    });
    let begin = 0;
    for (let i = 0; i < work.length; i++) {
      if (this.#sectionOf(i) !== this.#sectionOf(begin)) {
        this.#endSection(begin, i, last);
        begin = i;
      }
      this.#place(i);
    }
    for (const i of this.#wanted) this.#ensureOwned(i);
    const kernels: FusedKernel[] = [];
    const builder = new Builder(work, this.#drafts, this.#wanted);
    for (let k = this.#drafts.length - 1; k >= 0; k--) kernels.push(...builder.build(k));
    return { kernels: kernels.reverse(), packs: builder.packs };
  }

  /** Floating work of a section that is wanted, or read by later ones, gets kernels. */
  #endSection(begin: number, end: number, lastReader: readonly number[]): void {
    for (let i = begin; i < end; i++) {
      if (!isElementwise(this.work[i]) || this.#isStored(i)) continue;
      if (this.#wanted.has(i) || (lastReader[i] >= end && !this.#crosses(i))) this.#ensureOwned(i);
    }
  }

  /** Is floating work computed anew in the sections that read it? What a step carries to the next one never is. */
  #crosses(i: number): boolean {
    if (this.#cost[i] > LONG) return false;
    for (const base of this.#currentLoads(i)) {
      if (this.work[base].kind !== "leaf" && this.#sectionOf(base) !== this.#sectionOf(i)) return false;
    }
    return true;
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
      case "position":
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
      case "pack":
        for (const { ref } of work.pieces) this.#ensureOwned(ref.node);
        this.#begin(i, NOTHING);
        return;
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
    if (work.kind === "map" || work.kind === "gather") {
      // What is dear and read many times through an expansion is computed once.
      for (const { node } of work.kind === "map" ? work.args : [work.index]) {
        if (this.#cost[node] * (size - numel(this.work[node].shape)) > DEAR) this.#ensureOwned(node);
      }
    }
    let cost = ownCost(work);
    let loads: ReadonlySet<number> = NOTHING;
    for (const ref of refsOf(work)) {
      const { node } = ref;
      const levels = ref.moves.length === 0 ? 0 : chainOf(this.work, ref).length - 1;
      cost += this.#cost[node] + LEVEL_COST * levels * (1 + this.#loads[node].size);
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
    if (this.#sectionOf(i) !== draft.section) return false;
    if (numel(work.shape) !== numel(draft.space) || draft.owned.length >= MOST_OWNED) return false;
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
    const section = this.#sectionOf(root);
    const draft: Draft = { root, section, space: this.work[root].shape, owned: [], loads: new Set() };
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
    const draft: Draft = { root: -1, section: this.#sectionOf(i), space: work.shape, owned: [], loads: new Set() };
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
      } else if (work.kind === "position") {
        go(work.index.node, [...work.index.moves, ...path]);
        if (work.flag !== null) visit(work.flag.node, ANYWHERE);
      } else if (work.kind === "random") {
        visit(work.key.node, ANYWHERE);
        for (const counter of work.counters) go(counter.node, [...counter.moves, ...path]);
      } else for (const ref of refsOf(work)) go(ref.node, [...ref.moves, ...path]);
    };
    go(i, moves);
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
