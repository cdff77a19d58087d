/**
 * The WebGPU backend: one encoder, one compute pass and one submit for every flush.
 */
import { DTYPES, type DType, type HostArray } from "../dtype.ts";
import { DeviceError, DTypeError } from "../errors.ts";
import { elementBytes, fromHalf, toHalf } from "../half.ts";
import type { Backend, BackendStats, Graph, Program, ReadRequest, Storage } from "../record/backend.ts";
import { Bank, CHUNK, type Place } from "../record/bank.ts";
import { indexError } from "../record/index-sites.ts";
import { type AdapterOptions, type FoundDevice, findDevice, type Tuning } from "./adapter.ts";
import { BufferPool, FLAG_BYTES, type GpuStorage } from "./pool.ts";
import { GpuProgram, Pipelines } from "./program.ts";

/** A small value in the bank, whose chunks count in words of 4 bytes. */
interface StowedStorage extends Storage {
  readonly stowed: true;
  readonly place: Place<GPUBuffer>;
}

export async function createWebGPUBackend(options: AdapterOptions): Promise<WebGPUBackend> {
  return new WebGPUBackend(await findDevice(options));
}

export class WebGPUBackend implements Backend {
  readonly kind = "webgpu";
  readonly description: string;
  readonly isHardware: boolean;
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #pipelines: Pipelines;
  readonly #tuning: Tuning;
  readonly #bank = new Bank(() => this.#pool.take(4 * CHUNK).buffer);
  readonly #counts = { dispatches: 0, copies: 0, bindGroupsCreated: 0 };
  #submits = 0;
  /** The first error that came after the call that caused it. */
  #failure: DeviceError | null = null;
  /** The failure may be the consequence of one that is not known yet. */
  #unclear = false;
  #destroyed = false;
  /** A program that checks indices ran, and no read has looked at the flag since. */
  #unchecked = false;

  constructor(found: FoundDevice) {
    this.#device = found.device;
    this.description = found.description;
    this.isHardware = found.isHardware;
    this.#tuning = found.tuning;
    const fail = (error: DeviceError) => {
      if (this.#failure === null || this.#unclear) this.#failure = error;
      this.#unclear = false;
    };
    this.#pool = new BufferPool(found.device, fail);
    this.#pipelines = new Pipelines(found.device, fail);
    found.device.addEventListener("uncapturederror", (event) => {
      // What follows from a kernel that failed to compile is reported before the failure itself.
      this.#unclear = this.#failure === null || this.#unclear;
      this.#failure ??= new DeviceError(`WebGPU: ${(event as GPUUncapturedErrorEvent).error.message}`);
    });
    found.device.lost.then(({ reason, message }) => {
      if (this.#destroyed) return;
      fail(
        new DeviceError(
          `the GPU device was lost (${reason}: ${message}). Its tensors are gone: make a new device with init(), ` +
            "rebuild the model and load its last saved state",
        ),
      );
    });
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
    if (words.byteLength > 0) this.#device.queue.writeBuffer(storage.buffer, 0, words as BufferSource);
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
    const encoder = this.#device.createCommandEncoder();
    let outputs: GpuStorage[] = [];
    if (program instanceof GpuProgram) {
      outputs = program.outputStorages(inputs);
      try {
        program.upload(scalars);
        program.prepare(encoder, inputs, outputs, this.#counts);
        const pass = encoder.beginComputePass();
        program.replay(pass, inputs, outputs, this.#counts);
        pass.end();
        this.#unchecked ||= program.checksIndices;
      } catch (error) {
        // Nothing was submitted: nobody will hold the outputs.
        for (const output of outputs.slice(0, program.outputs)) this.#pool.give(output);
        throw error;
      }
    }
    let data: Promise<HostArray[]> | null = null;
    if (reads.length === 0) this.#submit(encoder);
    else {
      const parts = reads.map((read) => {
        const storage = "output" in read ? outputs[read.output] : (read.storage as GpuStorage);
        return { storage, dtype: read.dtype, size: read.size };
      });
      data = this.#read(encoder, parts, heed);
    }
    // Behind the outputs lie what they are parts of.
    return { outputs: program === null ? [] : outputs.slice(0, program.outputs), data };
  }

  #submit(encoder: GPUCommandEncoder): void {
    this.#device.queue.submit([encoder.finish()]);
    this.#submits++;
  }

  /** Copies storages behind the pass into one staging buffer, submits, and maps it. */
  #read(
    encoder: GPUCommandEncoder,
    parts: readonly { storage: GpuStorage; dtype: DType; size: number }[],
    heed: boolean,
  ): Promise<HostArray[]> {
    const lengths = parts.map(({ dtype, size }) => Math.ceil((size * elementBytes(dtype)) / 4) * 4);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const flag = heed && this.#unchecked ? this.#pool.flag() : null;
    const staging = this.#pool.takeStaging(flag === null ? total : total + FLAG_BYTES);
    let offset = 0;
    parts.forEach(({ storage }, i) => {
      if (lengths[i] > 0) encoder.copyBufferToBuffer(storage.buffer, storage.offset, staging, offset, lengths[i]);
      offset += lengths[i];
    });
    if (flag !== null) {
      encoder.copyBufferToBuffer(flag.buffer, 0, staging, total, FLAG_BYTES);
      encoder.clearBuffer(flag.buffer);
      this.#unchecked = false;
    }
    this.#submit(encoder);
    return staging.mapAsync(GPUMapMode.READ).then(
      async () => {
        if (this.#pipelines.checking.size > 0) await Promise.all(this.#pipelines.checking);
        this.#check();
        const mapped = staging.getMappedRange();
        let at = 0;
        const arrays = parts.map(({ dtype, size }, i) => {
          const array = hostCopy(mapped, at, dtype, size);
          at += lengths[i];
          return array;
        });
        const [site, index] = flag === null ? [0, 0] : new Int32Array(mapped, total, 2).slice();
        staging.unmap();
        this.#pool.giveStaging(staging);
        if (site !== 0) throw indexError({ site, index });
        return arrays;
      },
      async (cause) => {
        await Promise.all(this.#pipelines.checking);
        this.#check();
        throw new DeviceError(`reading results failed: ${cause instanceof Error ? cause.message : String(cause)}`);
      },
    );
  }

  release(storage: Storage): void {
    if (storage.stowed) this.#bank.give((storage as StowedStorage).place);
    else this.#pool.give(storage as GpuStorage);
  }

  stow(small: readonly { storage: Storage; dtype: DType; size: number }[]): Storage[] {
    this.#check();
    const encoder = this.#device.createCommandEncoder();
    const stowed = small.map(({ storage, dtype, size }): StowedStorage => {
      const words = Math.ceil((size * elementBytes(dtype)) / 4);
      const place = this.#bank.take(words);
      const { buffer, offset } = storage as GpuStorage;
      encoder.copyBufferToBuffer(buffer, offset, place.chunk, 4 * place.offset, 4 * words);
      return { bytes: storage.bytes, stowed: true, place };
    });
    this.#submit(encoder);
    for (const { storage } of small) this.release(storage);
    return stowed;
  }

  fetch(stowed: Storage): Storage {
    const { place } = stowed as StowedStorage;
    const storage = this.#pool.take(4 * place.size);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(place.chunk, 4 * place.offset, storage.buffer, 0, 4 * place.size);
    this.#submit(encoder);
    this.release(stowed);
    return storage;
  }

  stats(): BackendStats {
    const { buffers, bytes, peakBytes, usedBytes, peakUsedBytes, created } = this.#pool;
    return {
      buffers,
      bytes,
      peakBytes,
      usedBytes,
      peakUsedBytes,
      buffersCreated: created,
      dispatches: this.#counts.dispatches,
      copies: this.#counts.copies,
      submits: this.#submits,
      pipelinesCreated: this.#pipelines.count,
      bindGroupsCreated: this.#counts.bindGroupsCreated,
    };
  }

  async synchronize(): Promise<void> {
    await this.#device.queue.onSubmittedWorkDone();
    this.#check();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#device.destroy();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#destroyed) throw new DeviceError("the device was destroyed");
  }
}

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
