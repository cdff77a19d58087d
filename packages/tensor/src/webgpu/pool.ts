/**
 * Buffers: made in size classes, given back to a free list, and made again only when the list is empty.
 */
import { DeviceError } from "../errors.ts";
import { sizeClass } from "../plan/allocate.ts";
import type { Storage } from "../record/backend.ts";

/**
 * A buffer, or a *part* of one, with a number by which bind groups are remembered. `refs` counts the values that share
 * it; all parts in use together count once for the whole.
 */
export interface GpuStorage extends Storage {
  readonly buffer: GPUBuffer;
  /** Byte at which it begins in the buffer. */
  readonly offset: number;
  readonly id: number;
  refs: number;
  /** What it is a part of. */
  readonly whole: GpuStorage | null;
  /** Parts that were asked for, by where they begin. */
  parts: Map<number, GpuStorage> | null;
}

/** Free bytes above which buffers are given back to the system instead of being kept. */
const KEEP_FREE_BYTES = 512 * 2 ** 20;

/** A site and an index. */
export const FLAG_BYTES = 8;

export class BufferPool {
  readonly #free = new Map<number, GpuStorage[]>();
  /** Scratch slots, shared by all plans: they hold nothing between flushes. */
  readonly #scratch = new Map<number, GpuStorage[]>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  #flag: GpuStorage | null = null;
  #ids = 0;
  #freeBytes = 0;

  buffers = 0;
  bytes = 0;
  peakBytes = 0;
  usedBytes = 0;
  peakUsedBytes = 0;
  created = 0;

  constructor(
    readonly device: GPUDevice,
    /** Told of an error that comes later than the call. */
    readonly fail: (error: DeviceError) => void,
  ) {}

  /** A storage buffer of at least so many bytes. Its contents are whatever was there. */
  take(bytes: number): GpuStorage {
    const size = sizeClass(Math.max(bytes, 4));
    const free = this.#free.get(size)?.pop();
    const storage = free ?? this.#make(size);
    if (free !== undefined) {
      this.#freeBytes -= size;
      storage.refs = 1;
    }
    this.usedBytes += size;
    this.peakUsedBytes = Math.max(this.peakUsedBytes, this.usedBytes);
    return storage;
  }

  give(storage: GpuStorage): void {
    if (--storage.refs > 0) return;
    const { bytes, whole } = storage;
    if (whole !== null) {
      this.give(whole);
      return;
    }
    this.usedBytes -= bytes;
    if (this.#freeBytes + bytes > KEEP_FREE_BYTES) {
      this.#destroy(storage);
      return;
    }
    this.#freeBytes += bytes;
    const list = this.#free.get(bytes);
    if (list === undefined) this.#free.set(bytes, [storage]);
    else list.push(storage);
  }

  /** Part of a storage. The same one each time, as long as the whole has its buffer: bind groups remember it. */
  part(whole: GpuStorage, offset: number, bytes: number): GpuStorage {
    whole.parts ??= new Map();
    let part = whole.parts.get(offset);
    if (part?.bytes !== bytes) {
      part = {
        buffer: whole.buffer,
        offset: whole.offset + offset,
        bytes,
        id: this.#ids++,
        refs: 0,
        whole,
        parts: null,
      };
      whole.parts.set(offset, part);
    }
    return part;
  }

  /** A part, for a value to hold. */
  takePart(whole: GpuStorage, offset: number, bytes: number): GpuStorage {
    const part = this.part(whole, offset, bytes);
    if (part.refs++ === 0) whole.refs++;
    return part;
  }

  scratch(bytes: number, index: number): GpuStorage {
    let list = this.#scratch.get(bytes);
    if (list === undefined) {
      list = [];
      this.#scratch.set(bytes, list);
    }
    while (list.length <= index) list.push(this.#make(bytes));
    return list[index];
  }

  /** The flag that kernels note indices in that are outside: site and index, both 0 where there was none. */
  flag(): GpuStorage {
    this.#flag ??= this.#make(FLAG_BYTES);
    return this.#flag;
  }

  /** A buffer to read results through. */
  takeStaging(bytes: number): GPUBuffer {
    const size = sizeClass(Math.max(bytes, 4));
    const buffer = this.#staging.get(size)?.pop();
    return buffer ?? this.#create(size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  giveStaging(buffer: GPUBuffer): void {
    const list = this.#staging.get(buffer.size);
    if (list === undefined) this.#staging.set(buffer.size, [buffer]);
    else if (list.length < 8) list.push(buffer);
    else {
      buffer.destroy();
      this.buffers--;
      this.bytes -= buffer.size;
    }
  }

  /** A buffer of a program's own. */
  uniform(bytes: number): GPUBuffer {
    return this.#create(bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  destroyUniform(buffer: GPUBuffer): void {
    buffer.destroy();
    this.buffers--;
    this.bytes -= buffer.size;
  }

  #make(size: number): GpuStorage {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.#create(size, usage);
    return { buffer, offset: 0, bytes: size, id: this.#ids++, refs: 1, whole: null, parts: null };
  }

  #destroy(storage: GpuStorage): void {
    storage.buffer.destroy();
    this.buffers--;
    this.bytes -= storage.bytes;
  }

  #create(size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    const limit = usage & GPUBufferUsage.STORAGE ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
    if (size > limit) {
      throw new DeviceError(
        `a buffer of ${size} bytes was wanted, and this adapter binds at most ${limit}: use smaller tensors or batches`,
      );
    }
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.device.createBuffer({ size, usage });
    const inUse = this.bytes;
    this.device.popErrorScope().then(
      (error) => {
        if (error === null) return;
        this.fail(
          new DeviceError(
            `out of GPU memory: ${size} bytes more than the ${inUse} in use; ` +
              "release tensors sooner (scope), or use smaller batches or fewer unrolled steps",
          ),
        );
      },
      () => {},
    );
    this.buffers++;
    this.created++;
    this.bytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return buffer;
  }
}
