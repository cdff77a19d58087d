/**
 * The cpu device's memory: arrays in size classes, given back to be taken again.
 *
 * A *block* is a typed array and a count of the storages that share it. Sizes are rounded up to a *class*:
 * four to each power of two, so that at most a fifth is unused. A block that is given back waits in its
 * class's list; a program that runs again finds its blocks there, and allocates nothing.
 */
import { bytesPerElement, DTYPES, type DType, type HostArray, hostArray } from "../dtype.ts";
import { DeviceError } from "../errors.ts";

export interface Block {
  readonly data: HostArray;
  /** The list it returns to; null for an array that came from outside. */
  readonly home: SizeClass | null;
  /** Storages that share it, and blocks that are parts of it. */
  refs: number;
  /** The block whose elements these are a part of. */
  readonly whole?: Block;
}

/** The free blocks of one dtype and size. */
export interface SizeClass {
  readonly dtype: DType;
  /** Elements of each block. */
  readonly length: number;
  readonly free: Block[];
}

/** The number of elements that a block for `size` elements has. */
export function classLength(size: number): number {
  if (size <= 16) return 16;
  const quantum = 2 ** (Math.floor(Math.log2(size - 1)) - 2);
  return Math.ceil(size / quantum) * quantum;
}

/** Makes an array of so many elements, or throws where there is no memory for it. */
export type Allocate = (dtype: DType, length: number) => HostArray;

export class Pool {
  readonly #classes = new Map<DType, Map<number, SizeClass>>(DTYPES.map((dtype) => [dtype, new Map()]));
  buffers = 0;
  bytes = 0;
  peakBytes = 0;
  usedBytes = 0;
  peakUsedBytes = 0;
  buffersCreated = 0;

  constructor(readonly allocate: Allocate = hostArray) {}

  /** The class of blocks that hold `size` elements: looked up once, when a program is compiled. */
  classFor(dtype: DType, size: number): SizeClass {
    const length = classLength(size);
    const classes = this.#classes.get(dtype) as Map<number, SizeClass>;
    let found = classes.get(length);
    if (found === undefined) {
      found = { dtype, length, free: [] };
      classes.set(length, found);
    }
    return found;
  }

  take(home: SizeClass): Block {
    const block = home.free.pop() ?? this.#create(home);
    this.#used(block.data.byteLength);
    return block;
  }

  /** Takes an array from outside into account. */
  adopt(data: HostArray): Block {
    this.#created(data.byteLength);
    this.#used(data.byteLength);
    return { data, home: null, refs: 0 };
  }

  /** Elements of a block, as a block. */
  part(whole: Block, start: number, size: number): Block {
    whole.refs++;
    return { data: whole.data.subarray(start, start + size) as HostArray, home: null, refs: 0, whole };
  }

  /** The block may be taken again; one from outside is forgotten. */
  give(block: Block): void {
    const { home, data, whole } = block;
    if (whole !== undefined) {
      if (--whole.refs === 0) this.give(whole);
      return;
    }
    this.usedBytes -= data.byteLength;
    if (home !== null) {
      home.free.push(block);
    } else {
      this.buffers--;
      this.bytes -= data.byteLength;
    }
  }

  /** Drops the free blocks. */
  clear(): void {
    for (const classes of this.#classes.values()) {
      for (const { free } of classes.values()) {
        this.buffers -= free.length;
        for (const block of free) this.bytes -= block.data.byteLength;
        free.length = 0;
      }
    }
  }

  #create(home: SizeClass): Block {
    const bytes = home.length * bytesPerElement(home.dtype);
    const data = this.#allocated(home, bytes);
    this.#created(bytes);
    return { data, home, refs: 0 };
  }

  /** An array for a block. Where there is no memory for it, the free blocks go, and it is tried once more. */
  #allocated({ dtype, length }: SizeClass, bytes: number): HostArray {
    try {
      return this.allocate(dtype, length);
    } catch {
      this.clear();
    }
    try {
      return this.allocate(dtype, length);
    } catch (cause) {
      throw new DeviceError(
        `out of memory: the cpu device could not allocate ${bytes} bytes beside the ${this.bytes} held ` +
          `(${this.usedBytes} by values). Use smaller batches or fewer unrolled steps, release tensors sooner (scope(), ` +
          "dispose()), or store less for the gradient (checkpoint())",
        { cause },
      );
    }
  }

  #created(bytes: number): void {
    this.buffers++;
    this.buffersCreated++;
    this.bytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
  }

  #used(bytes: number): void {
    this.usedBytes += bytes;
    this.peakUsedBytes = Math.max(this.peakUsedBytes, this.usedBytes);
  }
}
