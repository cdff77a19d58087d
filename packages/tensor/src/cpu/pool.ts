/**
 * The cpu device's memory: arrays in size classes, given back to be taken again.
 *
 * A *block* is a typed array and a count of the storages that share it. Sizes are rounded up to a *class*:
 * four to each power of two, so that at most a fifth is unused. A block that is given back waits in its
 * class's list; a program that runs again finds its blocks there, and allocates nothing. How many wait depends on recent
 * use (see record/recent.ts).
 */
import { bytesPerElement, DTYPES, type DType, type HostArray, hostArray } from "../dtype.ts";
import { MemoryError } from "../errors.ts";
import { overBudget, RecentUse } from "../record/recent.ts";

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
  /** The epoch in which a block was last taken. */
  lastTaken: number;
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
  #freeBytes = 0;
  readonly #recent = new RecentUse();

  constructor(
    readonly allocate: Allocate = hostArray,
    /** Bytes that are held at most. */
    readonly budget = Number.POSITIVE_INFINITY,
    /** Gives up what can be had again. Called at the budget's limit. */
    readonly pressed: () => void = () => {},
  ) {}

  /** The class of blocks that hold `size` elements: looked up once, when a program is compiled. */
  classFor(dtype: DType, size: number): SizeClass {
    const length = classLength(size);
    const classes = this.#classes.get(dtype) as Map<number, SizeClass>;
    let found = classes.get(length);
    if (found === undefined) {
      found = { dtype, length, free: [], lastTaken: 0 };
      classes.set(length, found);
    }
    return found;
  }

  take(home: SizeClass): Block {
    const free = home.free.pop();
    const block = free ?? this.#create(home);
    if (free !== undefined) this.#freeBytes -= free.data.byteLength;
    home.lastTaken = this.#recent.epoch;
    this.#used(block.data.byteLength);
    return block;
  }

  /** Takes an array from outside into account. */
  adopt(data: HostArray): Block {
    this.#fit(data.byteLength);
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
    if (home !== null && this.#freeBytes + data.byteLength <= this.#recent.limit) {
      home.free.push(block);
      this.#freeBytes += data.byteLength;
    } else {
      this.buffers--;
      this.bytes -= data.byteLength;
    }
  }

  /**
   * What of the pool's counts is not explained, in words.
   *
   * @param held    the block of every storage
   * @param chunks  arrays of blocks that were taken for another use
   */
  audit(held: readonly Block[], chunks: readonly HostArray[]): string[] {
    const refs = new Map<Block, number>();
    const count = (block: Block): void => {
      refs.set(block, (refs.get(block) ?? 0) + 1);
    };
    for (const block of held) count(block);
    for (const block of new Set(held)) if (block.whole !== undefined) count(block.whole);
    const wrong: string[] = [];
    for (const [block, number] of refs) {
      if (block.refs !== number)
        wrong.push(`a block of ${block.data.length} has ${block.refs} storages, ${number} explained`);
    }
    const free = [...this.#classes.values()].flatMap((byLength) => [...byLength.values()].flatMap((one) => one.free));
    const used = [...refs.keys()].filter(({ whole }) => whole === undefined);
    for (const block of free) if (refs.has(block)) wrong.push(`a block of ${block.data.length} is free, and in use`);
    const bytes = (blocks: readonly { data: HostArray }[]): number =>
      blocks.reduce((n, { data }) => n + data.byteLength, 0);
    const usedBytes = bytes([...used, ...chunks.map((data) => ({ data }))]);
    const same = (what: string, is: number, wanted: number): void => {
      if (is !== wanted) wrong.push(`${what} are ${is}, and ${wanted} are explained`);
    };
    same("bytes used", this.usedBytes, usedBytes);
    same("free bytes", this.#freeBytes, bytes(free));
    same("bytes", this.bytes, usedBytes + bytes(free));
    same("buffers", this.buffers, used.length + chunks.length + free.length);
    if (this.peakBytes < this.bytes || this.peakUsedBytes < this.usedBytes) wrong.push("a peak is below what is held");
    return wrong;
  }

  /** Drops the free blocks. */
  clear(): void {
    this.#trim(0);
  }

  /** Drops free blocks down to a limit, of the sizes that were last taken up to an epoch. */
  #trim(limit: number, epoch = Number.POSITIVE_INFINITY): void {
    if (this.#freeBytes <= limit) return;
    const classes = [...this.#classes.values()].flatMap((byLength) => [...byLength.values()]);
    classes.sort((a, b) => a.lastTaken - b.lastTaken);
    for (const { free, lastTaken } of classes) {
      if (lastTaken > epoch) return;
      while (free.length > 0 && this.#freeBytes > limit) {
        const { byteLength } = (free.pop() as Block).data;
        this.#freeBytes -= byteLength;
        this.bytes -= byteLength;
        this.buffers--;
      }
    }
  }

  /** Counts a flush. From time to time, gives up what was not used lately. */
  flushed(): void {
    if (this.#recent.flushed(this.usedBytes)) this.#trim(this.#recent.idleLimit, this.#recent.epoch - 2);
  }

  /** Sees to it that the budget has room for so many bytes. */
  #fit(bytes: number): void {
    const { budget } = this;
    if (this.bytes + bytes <= budget) return;
    const trim = (): void => this.#trim(Math.max(0, this.#freeBytes - (this.bytes + bytes - budget)));
    trim();
    if (this.bytes + bytes > budget) {
      this.pressed();
      trim();
    }
    if (this.bytes + bytes > budget) throw overBudget(bytes, this.bytes, this.usedBytes, budget);
  }

  #create(home: SizeClass): Block {
    const bytes = home.length * bytesPerElement(home.dtype);
    this.#fit(bytes);
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
      throw new MemoryError(
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
    this.#recent.used(this.usedBytes);
    if (this.usedBytes > this.peakUsedBytes) this.peakUsedBytes = this.usedBytes;
  }
}
