/**
 * Buffers: made in size classes, given back to a free list, and made again only when the list is empty.
 *
 * How many free ones are kept, and how long scratch is, depends on recent use (see record/recent.ts).
 *
 * Whether there was memory for a buffer is known later than it is made (see unconfirmed.ts). One that *failed* is counted
 * no more; it is made again in place if someone uses it still, and dropped when it is given back.
 */
import { DeviceError, MemoryError } from "../errors.ts";
import { sizeClass } from "../plan/allocate.ts";
import type { Storage } from "../record/backend.ts";
import { overBudget, RecentUse } from "../record/recent.ts";

/** A buffer that the pool made, for whatever use. */
export interface PoolBuffer {
  /** Another one, after it was made again. */
  buffer: GPUBuffer;
  readonly bytes: number;
  readonly usage: GPUBufferUsageFlags;
  /** Asked for and not known to be there yet; there; or not. */
  state: "asked" | "made" | "failed" | "destroyed";
}

/**
 * A buffer, or a *part* of one, with a number by which bind groups are remembered. `refs` counts the values that share
 * it; all parts in use together count once for the whole.
 */
export interface GpuStorage extends Storage, PoolBuffer {
  readonly bytes: number;
  /** Byte at which it begins in the buffer. */
  readonly offset: number;
  id: number;
  refs: number;
  /** The pool's clock when it was last taken; of scratch, when a program that uses it last began. */
  taken: number;
  /** Unconfirmed work reads it: if it is given back, it is not taken again so soon. */
  held: boolean;
  /** What it is a part of. */
  readonly whole: GpuStorage | null;
  /** Parts that were asked for, by where they begin. */
  parts: Map<number, GpuStorage> | null;
}

/** A site and an index. */
export const FLAG_BYTES = 8;

/** Bytes of buffers that are held back for unconfirmed work, at most. */
const HOLD_BYTES = 64 * 2 ** 20;

export class BufferPool {
  readonly #free = new Map<number, GpuStorage[]>();
  /** Scratch slots, shared by all plans: they hold nothing between flushes. */
  readonly #scratch = new Map<number, GpuStorage[]>();
  #flag: GpuStorage | null = null;
  readonly #staging = new Map<number, PoolBuffer[]>();
  /** Storages that unconfirmed work reads, and those of them that were given back. */
  #held: GpuStorage[] = [];
  #waiting: GpuStorage[] = [];
  #waitingBytes = 0;
  #ids = 0;
  #freeBytes = 0;
  /** Bytes that values hold, and that scratch does. */
  #valueBytes = 0;
  #scratchBytes = 0;
  readonly #recent = new RecentUse();
  /** The clock when the epoch began, and when the running program did. */
  #epochBegan = 0;
  #lastEpochBegan = 0;
  #runBegan = 0;
  /** Peaks when all buffers were last known to be there. */
  #surePeaks = { bytes: 0, usedBytes: 0 };

  buffers = 0;
  bytes = 0;
  peakBytes = 0;
  peakUsedBytes = 0;
  created = 0;
  /** Counts storages taken. */
  clock = 0;
  /** Another number whenever scratch or uniform buffers were replaced: bind groups of such are then out of date. */
  generation = 0;

  /** @param asked  told of every buffer that is made; the answer is an error if there was no memory for it */
  constructor(
    readonly device: GPUDevice,
    readonly asked: (buffer: PoolBuffer, answer: Promise<GPUError | null>) => void,
    /** Bytes that are held at most. */
    readonly budget = Number.POSITIVE_INFINITY,
    /** Gives up what values and plans hold and can have again. Called at the budget's limit. */
    readonly pressed: () => void = () => {},
  ) {}

  /** Bytes of values and of scratch. */
  get usedBytes(): number {
    return this.#valueBytes + this.#scratchBytes;
  }

  get scratchBytes(): number {
    return this.#scratchBytes;
  }

  /** Another number when programs are to say anew which scratch they use: see `useScratch`. */
  get epoch(): number {
    return this.budget === Number.POSITIVE_INFINITY ? this.#recent.epoch : this.clock;
  }

  #used(): void {
    const bytes = this.usedBytes;
    this.#recent.used(bytes);
    if (bytes > this.peakUsedBytes) this.peakUsedBytes = bytes;
  }

  /** A storage buffer of at least so many bytes. Its contents are whatever was there. */
  take(bytes: number): GpuStorage {
    const size = sizeClass(Math.max(bytes, 4));
    const free = this.#free.get(size)?.pop();
    const storage = free ?? this.#make(size);
    if (free !== undefined) {
      this.#freeBytes -= size;
      storage.refs = 1;
    }
    storage.taken = ++this.clock;
    this.#valueBytes += size;
    this.#used();
    return storage;
  }

  give(storage: GpuStorage): void {
    if (--storage.refs > 0) return;
    const { bytes, whole } = storage;
    if (whole !== null) {
      this.give(whole);
      return;
    }
    this.#valueBytes -= bytes;
    if (storage.state === "failed") return;
    if (storage.held && this.#waitingBytes + bytes <= HOLD_BYTES) {
      this.#waiting.push(storage);
      this.#waitingBytes += bytes;
    } else this.#spare(storage);
  }

  /** Puts a storage that no one uses on the free list. */
  #spare(storage: GpuStorage, limit = this.#recent.limit): void {
    const { bytes } = storage;
    if (this.#freeBytes + bytes > limit) {
      // The one that came last is the likeliest to be taken again.
      this.#trim(0.75 * limit - bytes);
      if (this.#freeBytes + bytes > limit) {
        this.#destroy(storage);
        return;
      }
    }
    this.#freeBytes += bytes;
    const list = this.#free.get(bytes);
    if (list === undefined) this.#free.set(bytes, [storage]);
    else list.push(storage);
  }

  /** Destroys free storages, those first that were taken longest ago, and none that was taken since, down to a limit. */
  #trim(limit: number, since = Number.POSITIVE_INFINITY): void {
    if (this.#freeBytes <= limit) return;
    const free = [...this.#free.values()].flat().sort((a, b) => a.taken - b.taken);
    for (const storage of free) {
      if (this.#freeBytes <= limit || storage.taken >= since) return;
      remove(this.#free.get(storage.bytes) as GpuStorage[], storage);
      this.#freeBytes -= storage.bytes;
      this.#destroy(storage);
    }
  }

  /** Counts a flush. From time to time, gives up what was not used lately. */
  flushed(): void {
    this.#runBegan = ++this.clock;
    if (!this.#recent.flushed(this.usedBytes)) return;
    this.#trim(this.#recent.idleLimit, this.#epochBegan);
    this.#trimScratch(this.#lastEpochBegan);
    this.#lastEpochBegan = this.#epochBegan;
    this.#epochBegan = ++this.clock;
    const staging = [...this.#staging.values()].flat();
    if (staging.reduce((sum, { bytes }) => sum + bytes, 0) > this.#recent.idleLimit) this.#dropStaging();
  }

  /** A program begins. */
  begin(): void {
    this.#runBegan = ++this.clock;
  }

  /** Says that the program that began last uses these scratch slots. */
  useScratch(slots: readonly { readonly bytes: number; readonly index: number }[]): void {
    for (const { bytes, index } of slots) {
      const slot = this.#scratch.get(bytes)?.[index];
      if (slot !== undefined) slot.taken = this.clock;
    }
  }

  /** Destroys scratch slots that no program used since. A program uses the first ones of a size. */
  #trimScratch(since: number): void {
    let changed = false;
    for (const list of this.#scratch.values()) {
      for (let last = list.at(-1); last !== undefined && last.taken < since; last = list.at(-1)) {
        list.pop();
        this.#dropScratch(last);
        changed = true;
      }
    }
    if (changed) this.generation++;
  }

  #dropScratch(slot: GpuStorage): void {
    this.#scratchBytes -= slot.bytes;
    if (slot.state !== "failed") this.#destroy(slot);
  }

  #dropStaging(): void {
    for (const staging of [...this.#staging.values()].flat()) this.#destroy(staging);
    this.#staging.clear();
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
        usage: whole.usage,
        state: "made",
        id: this.#ids++,
        refs: 0,
        taken: 0,
        held: false,
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
    while (list.length <= index) {
      const slot = this.#make(bytes, 0);
      slot.taken = this.clock;
      list.push(slot);
      this.#scratchBytes += bytes;
      this.#used();
    }
    return list[index];
  }

  /** The flag that kernels note indices in that are outside: site and index, both 0 where there was none. */
  flag(): GpuStorage {
    this.#flag ??= this.#make(FLAG_BYTES);
    return this.#flag;
  }

  /** A buffer to read results through. */
  takeStaging(bytes: number): PoolBuffer {
    const size = sizeClass(Math.max(bytes, 4));
    return this.#staging.get(size)?.pop() ?? this.#plain(size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  giveStaging(staging: PoolBuffer): void {
    if (staging.state === "failed") return;
    const list = this.#staging.get(staging.bytes);
    if (list === undefined) this.#staging.set(staging.bytes, [staging]);
    else if (list.length < 8) list.push(staging);
    else this.#destroy(staging);
  }

  /** A buffer of a program's own. */
  uniform(bytes: number): PoolBuffer {
    return this.#plain(bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  destroyUniform(uniform: PoolBuffer): void {
    if (uniform.state !== "failed") this.#destroy(uniform);
    uniform.state = "destroyed";
  }

  /**
   * What of the pool's counts is not explained, in words.
   *
   * @param held  every storage that is in use, and by how many
   */
  audit(held: readonly (readonly [GpuStorage, number])[]): string[] {
    const wrong: string[] = [];
    const refs = new Map<GpuStorage, number>();
    const count = (storage: GpuStorage, number: number): void => {
      const before = refs.get(storage) ?? 0;
      refs.set(storage, before + number);
      // All who use a part count once for the whole.
      if (before === 0 && storage.whole !== null) count(storage.whole, 1);
    };
    for (const [storage, number] of held) count(storage, number);
    for (const [storage, number] of refs) {
      if (storage.refs === number) continue;
      wrong.push(`a storage of ${storage.bytes} bytes is used by ${storage.refs}, and ${number} are explained`);
    }
    const bytesOf = (list: readonly PoolBuffer[]): number => list.reduce((n, { bytes }) => n + bytes, 0);
    const made = (list: readonly PoolBuffer[]): readonly PoolBuffer[] => list.filter(({ state }) => state !== "failed");
    const used = [...refs.keys()].filter(({ whole }) => whole === null);
    const free = [...this.#free.values()].flat();
    const scratch = [...this.#scratch.values()].flat();
    const same = (what: string, is: number, wanted: number): void => {
      if (is !== wanted) wrong.push(`${what} are ${is}, and ${wanted} are explained`);
    };
    same("bytes of values", this.#valueBytes, bytesOf(used));
    same("bytes of scratch", this.#scratchBytes, bytesOf(scratch));
    same("free bytes", this.#freeBytes, bytesOf(free));
    for (const storage of [...free, ...this.#waiting]) {
      if (storage.refs !== 0 || refs.has(storage))
        wrong.push(`a storage of ${storage.bytes} bytes is free, and in use`);
      if (storage.state === "destroyed") wrong.push(`a storage of ${storage.bytes} bytes is free, and destroyed`);
    }
    for (const storage of used) {
      if (storage.state === "destroyed") wrong.push(`a storage of ${storage.bytes} bytes is in use, and destroyed`);
    }
    // Beside these there are the flag, uniform buffers, and staging buffers, some of them on their way.
    const known = made([...used, ...scratch, ...free, ...this.#waiting, ...[...this.#staging.values()].flat()]);
    if (this.buffers < known.length) wrong.push(`buffers are ${this.buffers}, and there are ${known.length}`);
    if (this.bytes < bytesOf(known)) wrong.push(`bytes are ${this.bytes}, and there are ${bytesOf(known)}`);
    if (this.peakBytes < this.bytes || this.peakUsedBytes < this.usedBytes) wrong.push("a peak is below what is held");
    return wrong;
  }

  // ---- when memory runs out ------------------------------------------------------------------------------------------

  /** Storages that unconfirmed work reads: what is given back is not taken again, up to a limit, until `letGo`. */
  hold(storages: readonly GpuStorage[]): void {
    for (const storage of storages) {
      const whole = wholeOf(storage);
      if (whole.held) continue;
      whole.held = true;
      this.#held.push(whole);
    }
  }

  /** All buffers that were asked for are known to be there, or not to be. */
  settled(): void {
    this.letGo();
    this.#surePeaks = { bytes: this.peakBytes, usedBytes: this.peakUsedBytes };
  }

  letGo(): void {
    for (const storage of this.#held) storage.held = false;
    const waiting = this.#waiting;
    this.#held = [];
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const storage of waiting) if (storage.state !== "failed") this.#spare(storage);
  }

  /** Told that there was no memory for a buffer. */
  failed(buffer: PoolBuffer): void {
    if (buffer.state === "failed" || buffer.state === "destroyed") return;
    const { bytes } = buffer;
    buffer.state = "failed";
    this.buffers--;
    this.created--;
    this.bytes -= bytes;
    // What was never there makes no peak.
    this.peakBytes = Math.max(this.#surePeaks.bytes, this.peakBytes - bytes);
    if (isStorage(buffer)) this.peakUsedBytes = Math.max(this.#surePeaks.usedBytes, this.peakUsedBytes - bytes);
    for (const list of this.#free.values()) if (remove(list, buffer)) this.#freeBytes -= bytes;
    for (const list of this.#staging.values()) remove(list, buffer);
  }

  /** Destroys what nobody uses: free storages but some, scratch, and staging buffers. */
  evict(but: ReadonlySet<GpuStorage>): void {
    const free = [...this.#free.values()].flat();
    const waiting = this.#waiting;
    this.#free.clear();
    this.#freeBytes = 0;
    this.#waiting = [];
    for (const storage of free) {
      if (but.has(storage)) this.#spare(storage, Number.POSITIVE_INFINITY);
      else this.#destroy(storage);
    }
    for (const storage of waiting) {
      if (but.has(storage)) this.#waiting.push(storage);
      else if (storage.state !== "failed") this.#destroy(storage);
    }
    for (const slot of [...this.#scratch.values()].flat()) this.#dropScratch(slot);
    this.#scratch.clear();
    this.#dropStaging();
    this.generation++;
  }

  /**
   * Asks once more for the memory of a buffer that failed, unless nobody uses it any more.
   *
   * @param needed  storages that are used although they may have been given back
   */
  makeAgain(failed: PoolBuffer, needed: ReadonlySet<GpuStorage>): void {
    if (failed.state !== "failed") return;
    if (isStorage(failed) && failed.refs === 0) {
      if (!needed.has(failed)) return;
      if (!this.#waiting.includes(failed)) this.#waiting.push(failed);
    }
    this.#create(failed.bytes, failed.usage, (buffer) => {
      failed.buffer = buffer;
      failed.state = "asked";
      return failed;
    });
    if (isStorage(failed)) {
      this.#renew(failed);
      this.#used();
    }
    this.generation++;
  }

  /** Another buffer is another binding, for the parts as well. */
  #renew(storage: GpuStorage): void {
    storage.id = this.#ids++;
    for (const part of storage.parts?.values() ?? []) {
      part.buffer = storage.buffer;
      this.#renew(part);
    }
  }

  /** The error for buffers that there was no memory for. */
  outOfMemory(failed: readonly PoolBuffer[]): DeviceError {
    const wanted = failed.reduce((sum, { bytes }) => sum + bytes, 0);
    const unmade = failed.reduce((sum, buffer) => sum + (isStorage(buffer) && buffer.refs > 0 ? buffer.bytes : 0), 0);
    const scratch = [...this.#scratch.values()].flat().reduce((sum, { bytes, state }) => {
      return state === "failed" ? sum : sum + bytes;
    }, 0);
    const onlyReads = failed.every(({ usage }) => (usage & GPUBufferUsage.MAP_READ) !== 0);
    const lost = onlyReads
      ? "What was to be read may be there: read it again"
      : "What was computed since is lost; tensors stored before can be read, and parameters have the values that they had before";
    return new DeviceError(
      `out of GPU memory: ${wanted} bytes were wanted beside the ${this.bytes} held (${this.#valueBytes - unmade} by values, ` +
        `${scratch} by scratch, ${this.#freeBytes} free in the pool). Use smaller batches or fewer unrolled steps, release ` +
        `tensors sooner (scope(), dispose()), or store less for the gradient (checkpoint()). ${lost}`,
    );
  }

  // ---- making and destroying -----------------------------------------------------------------------------------------

  #make(bytes: number, refs = 1): GpuStorage {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.#create(bytes, usage, (buffer) => ({
      buffer,
      offset: 0,
      bytes,
      usage,
      state: "asked",
      id: this.#ids++,
      refs,
      taken: 0,
      held: false,
      whole: null,
      parts: null,
    }));
  }

  /** Bytes of the largest value that a kernel can bind. */
  get largest(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  #plain(bytes: number, usage: GPUBufferUsageFlags): PoolBuffer {
    return this.#create(bytes, usage, (buffer) => ({ buffer, bytes, usage, state: "asked" }));
  }

  #create<T extends PoolBuffer>(size: number, usage: GPUBufferUsageFlags, holder: (buffer: GPUBuffer) => T): T {
    const { device } = this;
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    const limit = usage & GPUBufferUsage.STORAGE ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
    if (size > limit) {
      throw new MemoryError(
        `a buffer of ${size} bytes was wanted, and this adapter binds at most ${limit}: use smaller tensors or batches`,
      );
    }
    if (this.bytes + size > this.budget) this.#makeRoom(size);
    device.pushErrorScope("out-of-memory");
    let buffer: GPUBuffer;
    let answer: Promise<GPUError | null>;
    try {
      buffer = device.createBuffer({ size, usage });
    } finally {
      answer = device.popErrorScope();
    }
    this.buffers++;
    this.created++;
    this.bytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    const made = holder(buffer);
    this.asked(made, answer);
    return made;
  }

  /** Gives up what is held and not needed, until the budget has room for so many bytes. */
  #makeRoom(size: number): void {
    const room = (): boolean => this.bytes + size <= this.budget;
    const trim = (): void => this.#trim(Math.max(0, this.#freeBytes - (this.bytes + size - this.budget)));
    trim();
    if (!room()) this.#dropStaging();
    if (!room()) {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      for (const storage of waiting) if (storage.state !== "failed") this.#destroy(storage);
    }
    if (!room()) this.#trimScratch(this.#runBegan);
    if (!room()) {
      this.pressed();
      trim();
    }
    if (!room()) throw overBudget(size, this.bytes, this.usedBytes, this.budget);
  }

  #destroy(buffer: PoolBuffer): void {
    buffer.buffer.destroy();
    buffer.state = "destroyed";
    this.buffers--;
    this.bytes -= buffer.bytes;
  }
}

/** The storage with a buffer of its own that another is a part of. */
export function wholeOf(storage: GpuStorage): GpuStorage {
  let at = storage;
  while (at.whole !== null) at = at.whole;
  return at;
}

function remove(list: PoolBuffer[], buffer: PoolBuffer): boolean {
  const at = list.indexOf(buffer);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

const isStorage = (buffer: PoolBuffer): buffer is GpuStorage => "refs" in buffer;
