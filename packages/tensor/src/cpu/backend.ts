/**
 * The cpu device: runs programs over typed arrays, in float32 or float64.
 *
 * A *storage* is one value's claim on a block; values that are the same elements in the same order share one.
 */
import type { DType, HostArray } from "../dtype.ts";
import { DeviceError, DTypeError } from "../errors.ts";
import { simplify } from "../plan/simplify.ts";
import type {
  Backend,
  BackendListener,
  BackendStats,
  Graph,
  Program,
  ReadRequest,
  Storage,
} from "../record/backend.ts";
import { Bank, CHUNK, type Place } from "../record/bank.ts";
import { indexError, type OutsideIndex } from "../record/index-sites.ts";
import type { Value } from "../record/value.ts";
import { compile } from "./compile.ts";
import { CpuKernelLog } from "./kernel-log.ts";
import { OUTSIDE, peek } from "./peek.ts";
import { type Allocate, type Block, Pool } from "./pool.ts";
import { takeOutside } from "./positions.ts";
import { type CpuProgram, NOTHING } from "./program.ts";
import { hasTiles } from "./steps/panels.ts";

interface CpuStorage extends Storage {
  readonly block: Block;
}

/** A small value in the bank: float64 holds the elements of every dtype. */
interface StowedStorage extends Storage {
  readonly stowed: true;
  readonly place: Place<Float64Array>;
  readonly dtype: DType;
}

/** Milliseconds between turns of the event loop: a frame of a page. */
const TURN_MS = 16;

export class CpuBackend implements Backend {
  readonly kind = "cpu";
  readonly description = hasTiles()
    ? "JavaScript, and WebAssembly SIMD for products, on one core"
    : "JavaScript on one core";
  readonly limits: { readonly largest: number; readonly budget: number };
  readonly #pool: Pool;
  readonly #bank = new Bank<Float64Array>({
    make: () => this.#pool.take(this.#pool.classFor("float64", CHUNK)).data as Float64Array,
  });
  #dispatches = 0;
  #submits = 0;
  #lastTurn = performance.now();
  /** An index outside its axis that no read has reported yet. */
  #outside: OutsideIndex | null = null;

  #listener: BackendListener | null = null;
  #log: CpuKernelLog | null = null;

  /**
   * @param allocate  makes arrays, or throws where there is no memory
   * @param memory    bytes that are held at most
   */
  constructor(allocate?: Allocate, memory?: number) {
    this.limits = { largest: Number.POSITIVE_INFINITY, budget: memory ?? Number.POSITIVE_INFINITY };
    this.#pool = new Pool(allocate, memory, () => this.#listener?.pressed());
  }

  checkDType(dtype: DType): void {
    if (dtype === "float16") {
      throw new DTypeError("float16 exists on WebGPU adapters with shader-f16 only: use float32 on the cpu device");
    }
  }

  logKernels(): CpuKernelLog | undefined {
    if (this.#log !== null) return undefined;
    this.#log = new CpuKernelLog(() => {
      this.#log = null;
    });
    return this.#log;
  }

  upload(data: HostArray, _dtype: DType): Storage {
    return claim(this.#pool.adopt(data), data.byteLength);
  }

  compile(graph: Graph): Program {
    return compile(simplify(graph), this.#pool);
  }

  discard(): void {}

  execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
    heed = true,
  ): { outputs: readonly Storage[]; data: Promise<HostArray[]> | null } {
    const outputs = program === null ? [] : this.#run(program as CpuProgram, leaves as readonly CpuStorage[], scalars);
    if (program !== null) this.#outside ??= takeOutside();
    if (reads.length === 0) return { outputs, data: null };
    if (this.#outside !== null && heed) {
      const error = indexError(this.#outside);
      this.#outside = null;
      return { outputs, data: Promise.reject(error) };
    }
    const data = reads.map((read) => {
      const storage = "output" in read ? outputs[read.output] : (read.storage as CpuStorage);
      return storage.block.data.slice(0, read.size);
    });
    return { outputs, data: this.#whenTurned(data) };
  }

  /**
   * Results are there at once. But a loop that awaits them would then never leave its turn of the event loop: timers,
   * signals, finalizers and the page would wait for its end. So now and then a read takes until the next turn.
   */
  #whenTurned<T>(result: T): Promise<T> {
    const now = performance.now();
    if (now - this.#lastTurn < TURN_MS) return Promise.resolve(result);
    this.#lastTurn = now;
    return new Promise((resolve) => nextTurn(() => resolve(result)));
  }

  #run(program: CpuProgram, leaves: readonly CpuStorage[], scalars: readonly number[]): CpuStorage[] {
    const { steps, arrays, blocks, outputSlots, outputStarts, outputSizes, outputBytes } = program;
    for (const { slot, from } of program.leaves) {
      blocks[slot] = leaves[from].block;
      arrays[slot] = leaves[from].block.data;
    }
    for (const { slot, from } of program.scalars) {
      const array = arrays[slot];
      array[0] = array instanceof Uint8Array && scalars[from] !== 0 ? 1 : scalars[from];
    }
    const log = this.#log;
    let done = 0;
    try {
      for (; done < steps.length; done++) {
        const { run, slot, home, takes, frees } = steps[done];
        const block = takes >= 0 ? blocks[takes] : this.#pool.take(home);
        blocks[slot] = block;
        arrays[slot] = block.data;
        const started = log === null ? 0 : performance.now();
        run(arrays);
        if (log !== null) log.note(steps[done], started);
        for (let j = 0; j < frees.length; j++) this.#pool.give(blocks[frees[j]]);
      }
    } catch (error) {
      this.#giveUp(program, done);
      throw error;
    }
    this.#dispatches += steps.length;
    this.#submits++;
    this.#pool.flushed();
    const storages = new Array<CpuStorage>(outputSlots.length);
    for (let i = 0; i < outputSlots.length; i++) {
      const block = blocks[outputSlots[i]];
      const start = outputStarts[i];
      storages[i] = claim(start > 0 ? this.#pool.part(block, start, outputSizes[i]) : block, outputBytes[i]);
    }
    letGo(program);
    return storages;
  }

  /** A step failed: the blocks that the steps up to it took, and did not give back, return to the pool. */
  #giveUp(program: CpuProgram, failed: number): void {
    const { steps, blocks } = program;
    const taken = new Set<Block>();
    for (let i = 0; i <= failed; i++) {
      const block = blocks[steps[i].slot];
      if (block !== undefined && block !== NO_BLOCK) taken.add(block);
      if (i < failed) for (const slot of steps[i].frees) taken.delete(blocks[slot]);
    }
    for (const block of taken) this.#pool.give(block);
    letGo(program);
  }

  release(storage: Storage): void {
    if (storage.stowed) {
      this.#bank.give((storage as StowedStorage).place);
      return;
    }
    const { block } = storage as CpuStorage;
    if (--block.refs === 0) this.#pool.give(block);
  }

  stow(small: readonly { storage: Storage; dtype: DType; size: number }[]): (Storage | null)[] {
    return small.map(({ storage, dtype, size }): StowedStorage | null => {
      const place = this.#placeFor(size);
      if (place === null) return null;
      place.chunk.set((storage as CpuStorage).block.data.subarray(0, size), place.offset);
      this.release(storage);
      return { bytes: storage.bytes, stowed: true, place, dtype };
    });
  }

  /** A place in the bank; null if there is no memory for one. */
  #placeFor(size: number): Place<Float64Array> | null {
    try {
      return this.#bank.take(size);
    } catch (error) {
      if (error instanceof DeviceError) return null;
      throw error;
    }
  }

  fetch(stowed: Storage): Storage {
    const { place, dtype, bytes } = stowed as StowedStorage;
    const block = this.#pool.take(this.#pool.classFor(dtype, place.size));
    block.data.set(place.chunk.subarray(place.offset, place.offset + place.size));
    return claim(block, bytes);
  }

  peek(value: Value): HostArray | string {
    if (this.#outside !== null) return OUTSIDE;
    return peek(value, (storage, size) => {
      if (!storage.stowed) return (storage as CpuStorage).block.data.subarray(0, size);
      const { chunk, offset } = (storage as StowedStorage).place;
      return chunk.subarray(offset, offset + size);
    });
  }

  /** A lack of memory is known at once. */
  unconfirmed(): number {
    return 0;
  }

  listen(listener: BackendListener): void {
    this.#listener = listener;
  }

  stats(): BackendStats {
    const { buffers, bytes, peakBytes, usedBytes, peakUsedBytes, buffersCreated } = this.#pool;
    return {
      buffers,
      bytes,
      peakBytes,
      usedBytes,
      scratchBytes: 0,
      peakUsedBytes,
      buffersCreated,
      dispatches: this.#dispatches,
      copies: 0,
      submits: this.#submits,
      pipelinesCreated: 0,
      wgslBytes: 0,
      bindGroupsCreated: 0,
    };
  }

  audit(storages: ReadonlyMap<Storage, number>): string[] {
    const all = [...storages.keys()];
    const stowed = all.flatMap((one) => (one.stowed ? [(one as StowedStorage).place] : []));
    const blocks = all.flatMap((one) => (one.stowed ? [] : [(one as CpuStorage).block]));
    return this.#pool.audit(blocks, [...this.#bank.chunks(stowed)]);
  }

  /** Work is done when it is submitted. */
  async synchronize(): Promise<void> {}

  destroy(): void {
    this.#pool.clear();
  }
}

/** Calls back in the next turn of the event loop; without the 4 ms that browsers add to nested timers. */
function nextTurn(call: () => void): void {
  if (typeof setImmediate === "function") {
    setImmediate(call);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    call();
  };
  port2.postMessage(null);
}

const NO_BLOCK: Block = { data: NOTHING, home: null, refs: 0 };

/** A program that does not run holds no arrays that the pool may want to give to the collector. */
function letGo({ leaves, steps, arrays, blocks }: CpuProgram): void {
  for (const { slot } of leaves) arrays[slot] = NOTHING;
  for (const { slot } of steps) arrays[slot] = NOTHING;
  blocks.fill(NO_BLOCK);
}

function claim(block: Block, bytes: number): CpuStorage {
  block.refs++;
  return { bytes, block };
}
