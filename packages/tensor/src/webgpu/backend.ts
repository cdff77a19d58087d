/**
 * The WebGPU backend: one encoder, one compute pass and one submit for every flush.
 *
 * What is submitted goes through `Unconfirmed` as a *job*: if there was no memory for a buffer, it can be run again.
 */
import { DTYPES, type DType, type HostArray } from "../dtype.ts";
import { DeviceError, DTypeError } from "../errors.ts";
import { elementBytes, fromHalf, toHalf } from "../half.ts";
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
import { indexError } from "../record/index-sites.ts";
import { type AdapterOptions, type FoundDevice, findDevice, type Tuning } from "./adapter.ts";
import { GpuKernelLog } from "./kernel-log.ts";
import { BufferPool, FLAG_BYTES, type GpuStorage, type PoolBuffer } from "./pool.ts";
import { GpuProgram, Pipelines } from "./program.ts";
import { Unconfirmed } from "./unconfirmed.ts";

/** A small value in the bank, whose chunks count in words of 4 bytes. */
interface StowedStorage extends Storage {
  readonly stowed: true;
  readonly place: Place<GpuStorage>;
}

/** Milliseconds for which a mapping that failed waits to hear why the device is lost. */
const LOSS_MS = 1000;

export async function createWebGPUBackend(options: AdapterOptions): Promise<WebGPUBackend> {
  const backend = new WebGPUBackend(await findDevice(options), options.memory);
  await backend.prepared();
  return backend;
}

export class WebGPUBackend implements Backend {
  readonly kind = "webgpu";
  readonly description: string;
  readonly isHardware: boolean;
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #pipelines: Pipelines;
  readonly #tuning: Tuning;
  readonly #unconfirmed: Unconfirmed;
  readonly #bank = new Bank<GpuStorage>({
    make: () => this.#pool.take(4 * CHUNK),
    stateOf: ({ state }) => state,
    drop: (chunk) => this.#pool.give(chunk),
  });
  readonly #counts = { dispatches: 0, copies: 0, bindGroupsCreated: 0 };
  #submits = 0;
  /** The first error that came after the call that caused it. */
  #failure: DeviceError | null = null;
  /** The failure may be the consequence of one that is not known yet. */
  #unclear = false;
  #destroyed = false;
  #lost = false;
  /** A program that checks indices ran, and no read has looked at the flag since. */
  #unchecked = false;
  #listener: BackendListener | null = null;
  #log: GpuKernelLog | null = null;

  get limits(): { largest: number; budget: number } {
    return { largest: this.#pool.largest, budget: this.#pool.budget };
  }

  /** @param memory  bytes that are held at most */
  constructor(found: FoundDevice, memory?: number) {
    this.#device = found.device;
    this.description = found.description;
    this.isHardware = found.isHardware;
    this.#tuning = found.tuning;
    const fail = (error: DeviceError) => {
      if (this.#failure === null || this.#unclear) this.#failure = error;
      this.#unclear = false;
    };
    const unexpected = (message: string) => {
      // What follows from a kernel that failed to compile is reported before the failure itself.
      this.#unclear = this.#failure === null || this.#unclear;
      this.#failure ??= new DeviceError(`WebGPU: ${message}`);
    };
    this.#pool = new BufferPool(
      found.device,
      (buffer, answer) => this.#unconfirmed.asked(buffer, answer),
      memory,
      () => this.#listener?.pressed(),
    );
    this.#unconfirmed = new Unconfirmed(found.device, this.#pool, unexpected);
    this.#pipelines = new Pipelines(found.device, fail);
    found.device.addEventListener("uncapturederror", (event) => {
      unexpected((event as GPUUncapturedErrorEvent).error.message);
    });
    found.device.lost.then((info) => this.#lose(info));
    this.#bank.prepare();
  }

  /** The device is lost: all who wait are told, and whoever uses it from now on. */
  #lose({ reason, message }: Pick<GPUDeviceLostInfo, "reason" | "message">): void {
    if (this.#destroyed || this.#lost) return;
    this.#lost = true;
    const error = new DeviceError(
      `the GPU device was lost (${reason}: ${message}). Its tensors are gone: make a new device with init(), ` +
        "rebuild the model and load its last saved state",
    );
    // Whatever went wrong before is a consequence, or of no interest any more.
    this.#failure = error;
    this.#unclear = false;
    this.#unconfirmed.abandon(error);
    this.#listener?.lost(error);
    // A device that is not destroyed keeps Node from ending.
    this.#device.destroy();
  }

  /** Resolves when the device has the memory that every program needs. */
  async prepared(): Promise<void> {
    await this.#unconfirmed.confirmed();
  }

  listen(listener: BackendListener): void {
    this.#listener = listener;
    this.#unconfirmed.listener = listener;
  }

  unconfirmed(): number {
    return this.#unconfirmed.through;
  }

  checkDType(dtype: DType): void {
    if (dtype === "float64") {
      throw new DTypeError('float64 exists on the cpu device only: use float32, or init({ device: "cpu" })');
    }
    if (dtype === "float16" && !this.#device.features.has("shader-f16")) {
      throw new DTypeError(`float16 needs an adapter with shader-f16, and ${this.description} has none: use float32`);
    }
    if (!DTYPES.includes(dtype)) throw new DTypeError(`unknown dtype ${String(dtype)}`);
  }

  upload(data: HostArray, dtype: DType): Storage {
    this.#check();
    const words = dtype === "bool" ? Uint32Array.from(data) : dtype === "float16" ? toHalf(data) : data;
    const storage = this.#pool.take(words.byteLength);
    if (words.byteLength > 0) {
      this.#unconfirmed.run({
        reads: [],
        writes: [storage],
        run: () => this.#device.queue.writeBuffer(storage.buffer, 0, words as BufferSource),
      });
    }
    return storage;
  }

  compile(graph: Graph): Program {
    this.#check();
    return new GpuProgram(graph, this.#device, this.#pool, this.#pipelines, this.#tuning);
  }

  discard(program: Program): void {
    (program as GpuProgram).dispose();
  }

  execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
    heed = true,
  ): { outputs: readonly Storage[]; data: Promise<HostArray[]> | null } {
    this.#check();
    const inputs = leaves as readonly GpuStorage[];
    const gpu = program as GpuProgram | null;
    gpu?.begin();
    const outputs = gpu?.outputStorages(inputs) ?? [];
    // Behind the outputs lie what they are parts of.
    const values = outputs.slice(0, program?.outputs ?? 0);
    const parts = reads.map((read): Part => {
      const storage = "output" in read ? outputs[read.output] : (read.storage as GpuStorage);
      return { storage, dtype: read.dtype, size: read.size };
    });
    const unchecked = this.#unchecked || (gpu?.checksIndices ?? false);
    const isFlagRead = heed && unchecked && reads.length > 0;
    let staging: PoolBuffer | null = null;
    try {
      const flag = isFlagRead ? this.#pool.flag() : null;
      const bytes = bytesOf(parts) + (flag === null ? 0 : FLAG_BYTES);
      const into = reads.length === 0 ? null : this.#pool.takeStaging(bytes);
      staging = into;
      this.#unconfirmed.run({
        reads: [...inputs, ...reads.flatMap((read) => ("storage" in read ? [read.storage as GpuStorage] : []))],
        writes: outputs,
        run: () => this.#replay(gpu, inputs, outputs, scalars, parts, into, flag),
      });
      this.#unchecked = unchecked && !isFlagRead;
      if (gpu !== null) this.#pool.flushed();
    } catch (error) {
      for (const storage of values) this.#pool.give(storage);
      if (staging !== null) this.#pool.giveStaging(staging);
      throw error;
    }
    return { outputs: values, data: staging === null ? null : this.#delivered(staging, parts, isFlagRead) };
  }

  /** Runs a program, and behind the pass copies what is read, and the flag of indices, into a staging buffer. */
  #replay(
    program: GpuProgram | null,
    inputs: readonly GpuStorage[],
    outputs: readonly GpuStorage[],
    scalars: readonly number[],
    parts: readonly Part[],
    staging: PoolBuffer | null,
    flag: GpuStorage | null,
  ): void {
    const encoder = this.#device.createCommandEncoder();
    if (program !== null) {
      program.begin();
      program.upload(scalars);
      program.prepare(encoder, inputs, outputs, this.#counts);
      if (this.#log === null) {
        const pass = encoder.beginComputePass();
        program.replay(pass, inputs, outputs, this.#counts);
        pass.end();
      } else program.replayApart(this.#log, encoder, inputs, outputs, this.#counts);
    }
    if (staging !== null) {
      let offset = 0;
      for (const part of parts) {
        const { buffer, offset: from } = part.storage;
        const length = copyBytes(part);
        if (length > 0) encoder.copyBufferToBuffer(buffer, from, staging.buffer, offset, length);
        offset += length;
      }
      if (flag !== null) {
        encoder.copyBufferToBuffer(flag.buffer, 0, staging.buffer, offset, FLAG_BYTES);
        encoder.clearBuffer(flag.buffer);
      }
    }
    this.#submit(encoder);
  }

  #submit(encoder: GPUCommandEncoder): void {
    this.#device.queue.submit([encoder.finish()]);
    this.#submits++;
  }

  /** What was copied to a staging buffer, once it is known to have been. */
  async #delivered(staging: PoolBuffer, parts: readonly Part[], isFlagRead: boolean): Promise<HostArray[]> {
    const confirmed = this.#unconfirmed.confirmed();
    if (confirmed !== null) {
      try {
        await confirmed;
        this.#check();
      } catch (error) {
        this.#pool.giveStaging(staging);
        throw error;
      }
    }
    const { buffer } = staging;
    try {
      await buffer.mapAsync(GPUMapMode.READ);
    } catch (cause) {
      await Promise.all(this.#pipelines.checking);
      throw await this.#whyNotMapped(cause);
    }
    if (this.#pipelines.checking.size > 0) await Promise.all(this.#pipelines.checking);
    this.#check();
    const mapped = buffer.getMappedRange();
    let at = 0;
    const arrays = parts.map((part) => {
      const array = hostCopy(mapped, at, part.dtype, part.size);
      at += copyBytes(part);
      return array;
    });
    const [site, index] = isFlagRead ? new Int32Array(mapped, at, 2).slice() : [0, 0];
    buffer.unmap();
    this.#pool.giveStaging(staging);
    if (site !== 0) throw indexError({ site, index });
    return arrays;
  }

  /**
   * A mapping fails when the device is destroyed or lost, which may be told a moment later: on a busy machine, much later.
   * One that was aborted is proof enough, for nothing here unmaps a buffer that is being mapped.
   */
  async #whyNotMapped(cause: unknown): Promise<unknown> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LOSS_MS);
    });
    await Promise.race([this.#device.lost, late]);
    clearTimeout(timer);
    if (isAbort(cause)) this.#lose({ reason: "unknown", message: "results that were being read were given up" });
    try {
      this.#check();
    } catch (error) {
      return error;
    }
    return new DeviceError(`reading results failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }

  release(storage: Storage): void {
    if (storage.stowed) this.#bank.give((storage as StowedStorage).place);
    else this.#pool.give(storage as GpuStorage);
  }

  stow(small: readonly { storage: Storage; dtype: DType; size: number }[]): (Storage | null)[] {
    this.#check();
    const moves: { from: GpuStorage; place: Place<GpuStorage> }[] = [];
    const stowed = small.map(({ storage, dtype, size }): StowedStorage | null => {
      const place = this.#placeFor(Math.ceil((size * elementBytes(dtype)) / 4));
      if (place === null) return null;
      moves.push({ from: storage as GpuStorage, place });
      return { bytes: storage.bytes, stowed: true, place };
    });
    // Where one of the values may turn out never to have been computed, the others' copies do not depend on its.
    const together = this.unconfirmed() === 0 ? [moves] : moves.map((move) => [move]);
    for (const group of together) {
      if (group.length === 0) continue;
      this.#unconfirmed.run({
        reads: group.map(({ from }) => from),
        writes: [],
        run: () => {
          const encoder = this.#device.createCommandEncoder();
          for (const { from, place } of group) {
            encoder.copyBufferToBuffer(from.buffer, from.offset, place.chunk.buffer, 4 * place.offset, 4 * place.size);
          }
          this.#submit(encoder);
        },
      });
    }
    for (const { from } of moves) this.release(from);
    return stowed;
  }

  /** A place in the bank; null if the budget has no room for one. */
  #placeFor(words: number): Place<GpuStorage> | null {
    try {
      return this.#bank.take(words);
    } catch (error) {
      if (error instanceof DeviceError) return null;
      throw error;
    }
  }

  fetch(stowed: Storage): Storage {
    const { place } = stowed as StowedStorage;
    const storage = this.#pool.take(4 * place.size);
    this.#unconfirmed.run({
      reads: [],
      writes: [storage],
      run: () => {
        const encoder = this.#device.createCommandEncoder();
        encoder.copyBufferToBuffer(place.chunk.buffer, 4 * place.offset, storage.buffer, 0, 4 * place.size);
        this.#submit(encoder);
      },
    });
    return storage;
  }

  logKernels(): GpuKernelLog | undefined {
    if (this.#log !== null) return undefined;
    this.#log = new GpuKernelLog(this.#device, () => {
      this.#log = null;
    });
    return this.#log;
  }

  stats(): BackendStats {
    const { buffers, bytes, peakBytes, usedBytes, scratchBytes, peakUsedBytes, created } = this.#pool;
    return {
      buffers,
      bytes,
      peakBytes,
      usedBytes,
      scratchBytes,
      peakUsedBytes,
      buffersCreated: created,
      dispatches: this.#counts.dispatches,
      copies: this.#counts.copies,
      submits: this.#submits,
      pipelinesCreated: this.#pipelines.count,
      wgslBytes: this.#pipelines.bytes,
      bindGroupsCreated: this.#counts.bindGroupsCreated,
    };
  }

  audit(storages: ReadonlyMap<Storage, number>): string[] {
    const all = [...storages];
    const stowed = all.flatMap(([one]) => (one.stowed ? [(one as StowedStorage).place] : []));
    const held = all.filter(([one]) => !one.stowed) as [GpuStorage, number][];
    return this.#pool.audit([
      ...held,
      ...[...this.#bank.chunks(stowed)].map((chunk): [GpuStorage, number] => [chunk, 1]),
    ]);
  }

  async synchronize(): Promise<void> {
    await this.#unconfirmed.confirmed();
    this.#check();
    try {
      await this.#device.queue.onSubmittedWorkDone();
    } catch (cause) {
      throw await this.#whyNotMapped(cause);
    }
    this.#check();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#unconfirmed.abandon(this.#destroyedError());
    this.#device.destroy();
  }

  #check(): void {
    if (this.#destroyed) throw this.#destroyedError();
    if (this.#failure !== null) throw this.#failure;
  }

  #destroyedError(): DeviceError {
    return new DeviceError(
      `the device ${this.kind} (${this.description}) cannot be used: it was destroyed; make another with init()`,
    );
  }
}

/** A DOMException may be another realm's, and no Error of this one. */
const isAbort = (cause: unknown): boolean =>
  typeof cause === "object" && cause !== null && "name" in cause && cause.name === "AbortError";

/** Elements that are read from a storage. */
interface Part {
  readonly storage: GpuStorage;
  readonly dtype: DType;
  readonly size: number;
}

/** Bytes that are copied of a part: copies are multiples of 4 bytes long. */
const copyBytes = ({ dtype, size }: Part): number => Math.ceil((size * elementBytes(dtype)) / 4) * 4;

const bytesOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + copyBytes(part), 0);

/** Elements of a mapped range as an array of the host's own. */
function hostCopy(mapped: ArrayBuffer, offset: number, dtype: DType, size: number): HostArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(mapped, offset, size).slice();
    case "int32":
      return new Int32Array(mapped, offset, size).slice();
    case "uint32":
      return new Uint32Array(mapped, offset, size).slice();
    case "bool":
      return Uint8Array.from(new Uint32Array(mapped, offset, size));
    case "float16":
      return fromHalf(new Uint16Array(mapped, offset, size));
    case "float64":
      throw new DTypeError("float64 does not exist on WebGPU");
    default:
      dtype satisfies never;
      throw new DTypeError(`unknown dtype ${String(dtype)}`);
  }
}
