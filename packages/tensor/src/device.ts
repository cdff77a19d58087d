/**
 * Devices: recording, flushing, and the cache of plans.
 *
 * An operation appends a record to the device's open segment. A *flush* (a read, an optimizer's step,
 * `flush()`, or too much pending work) looks its structure up in the plan cache, makes the plan if it is new,
 * and replays it. Stored afterwards are: values that are pinned (by a parameter, a read) or saved (by the tape),
 * and *sinks*: values with a handle that nothing in the segment consumed. Others keep their record and are computed
 * again if they are asked for. How long what is stored stays stored is told in record/value.ts.
 */

import type { audit, Tally } from "./debug/audit.ts";
import type { Explanation } from "./debug/explain.ts";
import type { Ledger } from "./debug/ledger.ts";
import { MadePlans } from "./debug/made-plans.ts";
import { debugging, printSegment } from "./debug/plan.ts";
import { watching } from "./debug/watch.ts";
import type { DType, HostArray } from "./dtype.ts";
import { ArgumentError, DeviceError, LoopgradError } from "./errors.ts";
import { fromHalf, toHalf } from "./half.ts";
import type { Attrs, Primitive, Spec } from "./primitives.ts";
import { literalP } from "./primitives.ts";
import type { Backend, BackendStats, Program, ReadRequest, Storage } from "./record/backend.ts";
import { SMALL } from "./record/bank.ts";
import { carried, GRACE, Reach, recordHoldsReleased } from "./record/carry.ts";
import { Forecast } from "./record/forecast.ts";
import { IdleValues, MAX_HOST_COPY } from "./record/idle.ts";
import { PlanCache } from "./record/plan-cache.ts";
import { Segment } from "./record/segment.ts";
import { asLoopgradError, fail, type Holder, takeBack, undo } from "./record/take-back.ts";
import { type Change, type FlushEffects, type Group, UnconfirmedFlushes } from "./record/unconfirmed.ts";
import { NO_INPUTS, Value } from "./record/value.ts";
import { tracked } from "./tracked.ts";

/** Pending operations at which a segment is flushed unasked. */
const MAX_PENDING = 32768;

/** Plans that a device keeps. A training program has a handful, a test suite some hundreds. */
const MAX_PLANS = 1024;

/** What a device has done and holds. Counts are totals since the device was made, bytes are now and at peak. */
export interface DeviceStats extends BackendStats {
  /** Operations recorded. */
  recorded: number;
  flushes: number;
  plansMade: number;
  plansReplayed: number;
}

interface PendingRead {
  readonly value: Value;
  readonly resolve: (data: HostArray) => void;
  readonly reject: (error: unknown) => void;
  /** Not the program's: the value is idle, and its storage goes when the host has a copy. */
  readonly idle: boolean;
}

export class Device {
  #segment = new Segment();
  readonly #plans: PlanCache;
  #reads: PendingRead[] = [];
  readonly #idle = new IdleValues();
  readonly #forecast = new Forecast();
  readonly #unconfirmed = new UnconfirmedFlushes();
  /** What the present flush has done. */
  #effects: FlushEffects = { values: [], uploaded: [], fetched: [] };
  /** Why the device cannot be used any more, and what to do. */
  #gone: string | null = null;
  /** The segment that is being flushed, and its program. */
  #running = -1;
  #program: Program | null = null;
  #recorded = 0;
  #flushes = 0;
  #plansMade = 0;
  #plansReplayed = 0;

  /** A storage whose value was collected without having been released goes back to the pool. */
  readonly #collected = new FinalizationRegistry<Storage>((storage) => {
    this.#ledger?.release(storage, null);
    if (this.#gone === null) this.backend.release(storage);
  });

  /** Who has which storage; null outside tests, until somebody asks for an explanation. */
  #ledger: Ledger | null;
  /** The plans that were made last, for `explain`. */
  readonly #made = new MadePlans();
  readonly #audit: typeof audit | null;

  /** What is lent to take flushes back. */
  readonly #holder: Holder = {
    store: (value, storage) => this.#store(value, storage),
    unstore: (value) => this.#unstore(value),
    release: (storage) => this.backend.release(storage),
    dropRecord: (value) => this.#dropRecord(value),
    freeIfUnneeded: (value) => this.#freeIfUnneeded(value),
    reopen: () => {
      const before = this.#segment;
      this.#segment = new Segment();
      return before;
    },
    segment: () => this.#segment,
    reads: () => this.#reads.map(({ value }) => value),
    confirm: (group) => this.#confirm(group),
  };

  constructor(
    /** @internal */ readonly backend: Backend,
    /** The default dtype of tensors made from plain numbers. */
    readonly defaultDType: DType = "float32",
    /** @internal */ maxPlans = MAX_PLANS,
  ) {
    const watcher = watching();
    this.#ledger = watcher?.ledger() ?? null;
    this.#audit = watcher?.audit ?? null;
    this.#plans = new PlanCache(maxPlans, (program) => backend.discard(program));
    backend.listen({
      confirmed: (through) => {
        for (const group of this.#unconfirmed.takeConfirmed(through)) this.#confirm(group);
      },
      failed: (from, error) => takeBack(this.#holder, this.#unconfirmed, from, error),
      lost: ({ message }) => {
        watching()?.deviceLost(this);
        this.#leave(message);
      },
      pressed: () => this.#makeRoom(),
    });
    watcher?.deviceMade(this);
  }

  /** "cpu" or "webgpu". */
  get name(): "cpu" | "webgpu" {
    return this.backend.kind;
  }

  /** The adapter, for people. */
  get description(): string {
    return this.backend.description;
  }

  toString(): string {
    return `${this.name} (${this.description})`;
  }

  /** @internal A value with elements given by the host. The array is taken over, not copied. */
  fromHost(data: HostArray, shape: readonly number[], dtype: DType): Value {
    this.#alive();
    this.backend.checkDType(dtype);
    const value = new Value(this, shape, dtype);
    // What is read back before an upload is what the device would hold.
    value.host = dtype === "float16" ? fromHalf(toHalf(data)).slice(0, data.length) : data;
    return value;
  }

  /** @internal Appends one operation to the open segment. */
  record(primitive: Primitive, inputs: readonly Value[], attrs: Attrs, spec: Spec, scalar: number): Value {
    this.#alive();
    if (primitive === literalP) {
      const cached = this.#segment.literals.get(attrs[1] * 8 + attrs[0]);
      if (cached !== undefined) return cached;
    }
    if (inputs.length === 0) this.backend.checkDType(spec.dtype);
    checkAttrs(primitive, attrs);
    let segment = this.#segment;
    if (segment.values.length >= MAX_PENDING) {
      // Inputs are pinned across the flush: stored, so that their records do not fill the next segment again.
      for (const input of inputs) input.pins++;
      try {
        this.flush();
      } finally {
        for (const input of inputs) input.pins--;
      }
      segment = this.#segment;
    }
    const value = new Value(this, spec.shape, spec.dtype);
    value.primitive = primitive;
    value.inputs = inputs;
    value.attrs = attrs;
    value.scalar = scalar;
    try {
      for (let i = 0; i < inputs.length; i++) segment.indexOf(inputs[i]);
    } catch (error) {
      this.trim();
      throw error;
    }
    for (let i = 0; i < inputs.length; i++) inputs[i].uses++;
    segment.append(value);
    this.#recorded++;
    return value;
  }

  /**
   * @internal What is recorded from now on shares no kernels with what was recorded before: a step of a loop has ended. Work
   * that the next step would make too much is flushed here, so that no step is cut in two.
   */
  seam(): void {
    const step = this.#segment.seam();
    if (this.#segment.values.length + step > MAX_PENDING) this.flush();
  }

  /** @internal After an operation that failed: takes from the end of the record what nobody needs. */
  trim(): void {
    for (let value = this.#segment.pop(); value !== null; value = this.#segment.pop()) this.#freeIfUnneeded(value);
  }

  /** Computes all pending work. Returns at once on a GPU: the work is submitted, not awaited. */
  flush(): void {
    this.#alive();
    const segment = this.#segment;
    const reads = this.#takeReads();
    if (segment.values.length === 0 && reads.length === 0) return;
    this.#segment = new Segment();
    this.#flushes++;
    if (reads.length > 0) this.#readIdle(reads);
    let failure: unknown = null;
    try {
      this.#run(segment, reads);
    } catch (error) {
      failure = error;
      this.#readApart(segment, reads, error);
    }
    for (const read of reads) {
      read.value.pins--;
      this.#freeIfUnneeded(read.value);
      if (read.value.storage !== null) this.#idle.used(read.value, this.#flushes);
    }
    if (failure === null) return;
    this.#salvage(segment, failure);
    throw failure;
  }

  /** The reads that were asked for; those of values that failed meanwhile are rejected. */
  #takeReads(): PendingRead[] {
    const reads = this.#reads;
    this.#reads = [];
    if (!reads.some(({ value }) => value.failure !== null)) return reads;
    return reads.filter(({ value, reject }) => {
      if (value.failure === null) return true;
      reject(value.failure);
      this.unpinned(value);
      return false;
    });
  }

  /** Runs a segment, and notes what would have to be taken back if it turns out that there was no memory for it. */
  #run(segment: Segment, reads: readonly PendingRead[]): void {
    const effects: FlushEffects = { values: [], uploaded: [], fetched: [] };
    this.#effects = effects;
    let complete = false;
    try {
      this.#replay(segment, reads);
      complete = true;
    } finally {
      const through = this.backend.unconfirmed();
      if (through > 0) this.#unconfirmed.add(through, effects, complete);
      else this.#settleEffects(effects, complete ? this.#unconfirmed.takeOpen() : []);
    }
  }

  /**
   * A flush failed, and nothing of it was stored: what was pending is virtual, and recorded again when it is asked for.
   * Each read is tried once more, alone: one that does not need what failed gets its elements, the others the error.
   */
  #readApart(failed: Segment, reads: readonly PendingRead[], error: unknown): void {
    const alone = reads.length === 1 && failed.values.every((value) => value.uses > 0 || value === reads[0].value);
    for (const read of reads) {
      try {
        if (alone || this.#gone !== null) throw error;
        const segment = new Segment();
        if (read.value.storage === null) segment.indexOf(read.value);
        this.#run(segment, [read]);
      } catch (cause) {
        read.reject(cause);
      }
    }
    for (let i = failed.values.length - 1; i >= 0; i--) this.#freeIfUnneeded(failed.values[i]);
  }

  /** Adds to reads those of idle values that could be had again if the host had a copy. */
  #readIdle(reads: PendingRead[]): void {
    for (const value of this.#idle.takeUncopied(this.#flushes)) {
      value.pins++;
      reads.push({ value, resolve: () => {}, reject: () => {}, idle: true });
    }
  }

  #replay(segment: Segment, reads: readonly PendingRead[]): void {
    const { values } = segment;
    this.#running = segment.id;
    this.#program = null;
    const structure = segment.structure();
    for (const value of segment.carried) {
      // What was made long ago says nothing of what will be asked for in the next steps.
      if (this.#flushes <= value.flush + GRACE) this.#forecast.asked(value.structure, value.place);
    }
    const outputs = this.#outputsOf(segment, structure);
    const position = new Map<Value, number>();
    for (let i = 0; i < outputs.length; i++) position.set(values[outputs[i]], i);
    const uploads: Storage[] = segment.leaves.map((value) => this.#storageOf(value));
    for (const read of reads) if (!position.has(read.value)) this.#storageOf(read.value);
    const program = outputs.length === 0 ? null : this.#programFor(segment, outputs, structure);
    this.#program = program;
    const requests = reads.map(({ value }): ReadRequest => {
      const output = position.get(value);
      const { dtype, size } = value;
      return output === undefined ? { storage: value.storage as Storage, dtype, size } : { output, dtype, size };
    });
    const { outputs: stored, data } = this.backend.execute(program, uploads, segment.scalars, requests);
    const checked = debugging("check") && program !== null ? this.#check(segment, outputs, uploads, stored) : null;
    const reach = new Reach(segment);
    for (let i = 0; i < outputs.length; i++) {
      const value = values[outputs[i]];
      // A program may name what was stored for the tape, or for now, later again: then its record is kept.
      const keep = value.pins === 0 && value.handles > 0 && value.uses > 0 && !value.wanted;
      value.cached = keep && value.again && carried(value, reach);
      if (!keep || (value.again && !value.cached)) this.#dropRecord(value);
      this.#store(value, stored[i]);
      value.wanted = false;
    }
    for (const value of segment.carried) {
      if (!value.cached || value.storage === null || !recordHoldsReleased(value)) continue;
      value.cached = false;
      this.#dropRecord(value);
      this.#idle.used(value, this.#flushes);
    }
    this.#effects.values = outputs.map((i) => values[i]);
    for (let i = values.length - 1; i >= 0; i--) {
      const value = values[i];
      value.again = false;
      value.pulled = false;
      this.#settle(value);
    }
    this.#tidy();
    if (data !== null) {
      Promise.all([data, checked])
        .then(([arrays]) => {
          for (let i = 0; i < reads.length; i++) {
            const { value, idle, resolve } = reads[i];
            this.#landed(value, arrays[i], idle);
            resolve(arrays[i]);
          }
        })
        .catch((error) => {
          for (const read of reads) read.reject(error);
        });
    }
  }

  /** The nodes of a segment that are to be stored. */
  #outputsOf(segment: Segment, structure: number): number[] {
    const { values, leaves, crosses } = segment;
    const expected = this.#forecast.expected(structure);
    const outputs: number[] = [];
    // Of values that are not stored: whether they are computed from others that were recorded again.
    const spans = new Uint8Array(crosses ? values.length : 0);
    let leaf = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (leaves[leaf] === value) {
        leaf++;
        continue;
      }
      value.structure = structure;
      value.place = i;
      value.flush = this.#flushes;
      const { handles, uses, pulled } = value;
      if (handles > 0 && uses > 0 && expected?.has(i)) value.again = true;
      if (crosses && !(handles > 0 && value.again)) {
        const spanning = pulled || value.inputs.some(({ index }) => spans[index] !== 0);
        // What was asked for is released, and this one remains: its record must not grow from flush to flush.
        if (spanning && !pulled && handles > 0 && uses > 0) value.again = true;
        else if (spanning && value.pins === 0 && value.saves === 0) spans[i] = 1;
      }
      if (value.pins > 0 || value.saves > 0 || (handles > 0 && (uses === 0 || value.wanted || value.again))) {
        outputs.push(i);
      }
    }
    return outputs;
  }

  /** Elements arrived on the host. A copy of a few stays here, so that the storage can go when it is idle. */
  #landed(value: Value, data: HostArray, idle: boolean): void {
    if (value.storage === null || value.storage.stowed || value.host !== null || value.pins > 0) return;
    if ((value.size <= SMALL && !idle) || value.size > MAX_HOST_COPY) return;
    value.host = data.slice();
    if (idle && value.saves === 0 && value.segment !== this.#segment.id) this.#unstore(value);
    else this.#idle.used(value, this.#flushes);
  }

  #check(segment: Segment, outputs: number[], leaves: Storage[], stored: readonly Storage[]): Promise<void> {
    const graph = segment.graph(outputs);
    const request = (storage: Storage, node: number): ReadRequest => ({
      storage,
      dtype: graph.nodes[node].dtype,
      size: graph.nodes[node].shape.reduce((n, d) => n * d, 1),
    });
    const leafNodes = graph.nodes.flatMap((node, i) => (node.primitive === null ? [i] : []));
    const requests = [
      ...leaves.map((s, i) => request(s, leafNodes[i])),
      ...stored.map((s, i) => request(s, outputs[i])),
    ];
    const { data } = this.backend.execute(null, [], [], requests, false);
    const scalars = [...segment.scalars];
    return (data as Promise<HostArray[]>).then(async (arrays) => {
      const [{ arithmetic }, { checkAgainstInterpreter }] = await Promise.all([
        import("./cpu/arithmetic.ts"),
        import("./debug/check.ts"),
      ]);
      const given = arrays.slice(0, leaves.length);
      checkAgainstInterpreter(graph, given, scalars, arrays.slice(leaves.length), arithmetic);
    });
  }

  #programFor(segment: Segment, outputs: readonly number[], structure: number): Program {
    const { words, hash } = segment.key(outputs, structure);
    const known = this.#plans.find(words, hash);
    if (known !== null) {
      this.#plansReplayed++;
      return known;
    }
    const graph = segment.graph(outputs);
    if (debugging("plan")) printSegment("recorded", graph);
    const program = this.backend.compile(graph);
    this.#made.note(this.#plans.add(words, hash, program), this.#flushes);
    this.#plansMade++;
    return program;
  }

  #storageOf(value: Value): Storage {
    if (value.storage === null) {
      if (value.host === null) throw new LoopgradError("internal: a leaf without storage");
      const storage = this.backend.upload(value.host, value.dtype);
      this.#effects.uploaded.push(value);
      this.#store(value, storage);
    } else if (value.storage.stowed) {
      const stowed = value.storage;
      const storage = this.backend.fetch(stowed);
      this.#collected.unregister(value);
      this.#ledger?.release(stowed, value);
      this.#effects.fetched.push({ value, stowed });
      this.#store(value, storage);
    } else if (value.watched) this.#idle.used(value, this.#flushes);
    return value.storage as Storage;
  }

  #store(value: Value, storage: Storage): void {
    value.storage = storage;
    this.#collected.register(value, storage, value);
    this.#ledger?.store(value, storage);
    this.#idle.used(value, this.#flushes);
  }

  #unstore(value: Value): void {
    this.#collected.unregister(value);
    this.#ledger?.release(value.storage as Storage, value);
    if (value.watched) this.#idle.forget(value);
    if (this.#gone === null) this.backend.release(value.storage as Storage);
    value.storage = null;
    value.cached = false;
  }

  /** The budget is used up: what can be had again goes, unless it is in use now. */
  #makeRoom(): void {
    for (const value of this.#idle.takeUnused(this.#flushes, [this.#running, this.#segment.id])) this.#unstore(value);
    this.#plans.clear(this.#program);
  }

  /** Takes storages from idle values (see record/idle.ts). */
  #tidy(): void {
    for (const value of this.#idle.takeRestorable(this.#flushes)) this.#unstore(value);
    const smalls = this.#idle.takeSmalls(this.#flushes);
    if (smalls.length === 0) return;
    const storages = smalls.map(({ storage, dtype, size }) => ({ storage: storage as Storage, dtype, size }));
    const stowed = this.backend.stow(storages);
    smalls.forEach((value, i) => {
      const storage = stowed[i];
      if (storage === null) {
        this.#idle.used(value, this.#flushes);
        return;
      }
      this.#collected.unregister(value);
      this.#ledger?.release(value.storage as Storage, value);
      value.storage = storage;
      this.#collected.register(value, storage, value);
      this.#ledger?.store(value, storage);
    });
  }

  /** After a flush: what was stored for the tape alone is virtual again, and a value nobody needs is freed. */
  #settle(value: Value): void {
    if (value.storage !== null && value.primitive !== null && value.saves === 0 && !value.cached) {
      if (value.pins === 0) this.#unstore(value);
      else this.#dropRecord(value);
    }
    this.#freeIfUnneeded(value);
  }

  #dropRecord(value: Value): void {
    const { inputs } = value;
    value.primitive = null;
    value.inputs = NO_INPUTS;
    for (const input of inputs) {
      input.uses--;
      this.#freeIfUnneeded(input);
    }
  }

  #isNeeded(value: Value): boolean {
    if (value.handles > 0 || value.pins > 0 || value.saves > 0 || value.recipes > 0) return true;
    return value.uses > 0 && (!value.lapsed || value.segment === this.#segment.id);
  }

  /** @internal Gives a value's storage back, or drops its record, if no one needs it. */
  #freeIfUnneeded(first: Value): void {
    if (this.#isNeeded(first)) return;
    const stack = [first];
    for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
      if (this.#isNeeded(value)) continue;
      if (value.storage !== null) this.#unstore(value);
      value.host = null;
      if (value.primitive === null || value.segment === this.#segment.id) continue;
      value.primitive = null;
      for (const input of value.inputs) {
        input.uses--;
        stack.push(input);
      }
      value.inputs = NO_INPUTS;
    }
  }

  /** @internal A handle was released. */
  released(value: Value): void {
    value.handles--;
    if (value.handles === 0) this.#freeIfUnneeded(value);
  }

  /** @internal A pin was taken off. */
  unpinned(value: Value): void {
    value.pins--;
    value.slotted = true;
    if (value.pins === 0) this.#freeIfUnneeded(value);
  }

  /** @internal Stores the value at the next flush, even if something consumes it. */
  want(value: Value): void {
    if (value.storage !== null || value.host !== null) return;
    this.#segment.indexOf(value);
    value.wanted = true;
  }

  /** @internal The tape needs the value no more. What was stored for it alone is virtual again. */
  unsaved(value: Value): void {
    value.saves--;
    if (value.saves > 0) return;
    // Work that is recorded may read the storage: then it goes after the flush.
    if (value.segment !== this.#segment.id) this.#settle(value);
    else this.#freeIfUnneeded(value);
  }

  /** @internal The tape needs the value's record no more. */
  unrecorded(value: Value): void {
    value.recipes--;
    if (value.recipes === 0) this.#freeIfUnneeded(value);
  }

  /**
   * @internal A slot that held the value has moved on twice, or the gradient was zeroed. If no one holds it now, what
   * was computed from it can be computed again no longer.
   */
  lapse(value: Value): void {
    if (value.handles > 0 || value.pins > 0) return;
    value.lapsed = true;
    this.#freeIfUnneeded(value);
  }

  // ---- when memory runs out: see record/take-back.ts ----------------------------------------------------------------

  /** @internal May it still turn out that there is no memory for the value? */
  mayFail(value: Value): boolean {
    return value.host === null && (value.storage === null || this.backend.unconfirmed() > 0);
  }

  /** @internal Something was given a new value, and goes back to the old one if the new one cannot be computed. */
  changed(change: Change): void {
    this.#unconfirmed.changed(change);
  }

  /** @internal Of something that was changed nothing will be wanted any more. */
  forget(what: object): void {
    this.#unconfirmed.forget(what);
  }

  #confirm({ uploaded, fetched, changes }: Group): void {
    this.#settleEffects({ values: [], uploaded, fetched }, changes.values());
  }

  /** There was memory for all that a flush did. */
  #settleEffects({ uploaded, fetched }: FlushEffects, changes: Iterable<Change>): void {
    // A slot's value will be replaced, and is not worth two places.
    for (const value of uploaded) if (value.pins > 0 && value.storage !== null) value.host = null;
    for (const { stowed } of fetched) this.backend.release(stowed);
    for (const change of changes) change.settled();
  }

  /**
   * After a flush that failed at once: its values can still be computed, each by itself. What was assigned in it is, if
   * that is possible; else whatever it was assigned to goes back.
   */
  #salvage(segment: Segment, failure: unknown): void {
    if (this.#unconfirmed.open.size === 0 || this.#gone !== null) return;
    const assigned = segment.values.filter((v) => v.pins > 0 && v.primitive !== null && v.storage === null);
    try {
      for (const value of assigned) this.#segment.indexOf(value);
      const rest = this.#segment;
      this.#segment = new Segment();
      this.#run(rest, []);
    } catch {
      for (const value of assigned) if (value.storage === null) fail(this.#holder, value, asLoopgradError(failure));
      undo(this.#unconfirmed.open);
      for (const change of this.#unconfirmed.takeOpen()) change.settled();
    }
  }

  /** @internal The elements of a value. All reads asked for before control returns to the event loop share one submit. */
  read(value: Value): Promise<HostArray> {
    this.#alive();
    if (value.host !== null) return Promise.resolve(value.host.slice());
    try {
      if (value.storage === null) this.#segment.indexOf(value);
      else if (value.carry !== null) this.#segment.carried.push(value);
    } catch (error) {
      return Promise.reject(error);
    }
    value.pins++;
    if (this.#reads.length === 0) {
      queueMicrotask(() => {
        try {
          if (this.#reads.length > 0) this.flush();
        } catch {
          // The error reached every read that waited for this flush.
        }
      });
    }
    return new Promise((resolve, reject) => this.#reads.push({ value, resolve, reject, idle: false }));
  }

  /**
   * @internal The elements of a value, to be looked at and not changed, or in words why there are none; null where they cannot
   * be had without waiting. Leaves everything as it is.
   */
  peek(value: Value): HostArray | string | null {
    if (this.#gone !== null) return "its device is gone";
    return this.backend.peek?.(value) ?? null;
  }

  /** @internal Operations that are recorded and not computed. */
  get pending(): number {
    return this.#segment.values.length;
  }

  /** @internal Operations recorded so far: of `stats()` the number that is looked at in every step of a loop. */
  get recorded(): number {
    return this.#recorded;
  }

  /** Counts and bytes; see {@link DeviceStats}. */
  stats(): DeviceStats {
    return {
      ...this.backend.stats(),
      recorded: this.#recorded,
      flushes: this.#flushes,
      plansMade: this.#plansMade,
      plansReplayed: this.#plansReplayed,
    };
  }

  /**
   * Why plans were made, and what holds memory: an object to look at, or to print.
   *
   * A plan is made when work comes that differs from all before in its operations, shapes, dtypes, or in which results are wanted;
   * that costs milliseconds, and in a steady loop does not happen. Memory is told by who needs it. Who has what is noted from the
   * first call on: what was stored before stands apart, until the program stores it anew. The words are loaded on demand.
   *
   * @example  console.log(String(await device.explain()));
   */
  async explain(): Promise<Explanation> {
    this.#alive();
    const { explained, newLedger } = await import("./debug/explain.ts");
    this.#alive();
    this.#ledger ??= newLedger();
    return explained(this.#made.last, this.#ledger, this.backend.stats());
  }

  /**
   * @internal Explains every count and flag of the device's values, and its memory, by who holds them: for tests, and only of
   * a device that was made while they watch (see debug/watch.ts).
   *
   * @returns  how many values are stored, by who needs them
   * @throws   LoopgradError that lists what nobody explains
   */
  audit(): Tally {
    this.#alive();
    if (this.#ledger === null || this.#audit === null)
      throw new LoopgradError("audit: wanted a device that was made while tests watch");
    return this.#audit({
      ledger: this.#ledger,
      backend: this.backend,
      segment: this.#segment,
      reads: this.#reads.map(({ value }) => value),
      kept: this.#unconfirmed.fetched.map(({ stowed }) => stowed),
      idle: this.#idle,
      isNeeded: (value) => this.#isNeeded(value),
    });
  }

  /** Flushes, and resolves when the device has done all its work. */
  synchronize(): Promise<void> {
    return tracked(this.#synchronized());
  }

  async #synchronized(): Promise<void> {
    this.flush();
    await this.backend.synchronize();
  }

  /** Gives the device back. Its tensors cannot be used any more. */
  destroy(): void {
    if (this.#gone === null) watching()?.deviceEnds(this);
    this.#leave("it was destroyed; make another with init()");
    this.backend.destroy();
  }

  /** The device is gone: whoever waits for it is told. */
  #leave(why: string): void {
    if (this.#gone !== null) return;
    this.#gone = why;
    this.#unconfirmed.takeAll();
    const reads = this.#reads;
    this.#reads = [];
    for (const read of reads) read.reject(this.#goneError());
  }

  #goneError(): DeviceError {
    return new DeviceError(`the device ${this} cannot be used: ${this.#gone}`);
  }

  #alive(): void {
    if (this.#gone !== null) throw this.#goneError();
  }
}

/** Records are integers of 32 bits. Another number would become one silently, and mean another operation. */
function checkAttrs(primitive: Primitive, attrs: Attrs): void {
  for (let i = 0; i < attrs.length; i++) {
    if ((attrs[i] | 0) === attrs[i]) continue;
    throw new ArgumentError(`${primitive.name}: got ${attrs[i]}: wanted an integer of 32 bits, from −2³¹ to 2³¹ − 1`);
  }
}
