/**
 * Outputs of a program: which storages a replay makes, and which it shares.
 *
 * An output has a fresh storage, unless it is a leaf, or the same value as another output: then it shares theirs. An output
 * that is a range of a value has a part of that value's storage. Such a value may be *hidden*: no output itself, and
 * held by its parts alone.
 */
import type { Place } from "../plan/allocate.ts";
import type { BufferPool, GpuStorage } from "./pool.ts";

/** An output: so many bytes of a value, from a byte on. */
export interface OutputPart {
  readonly value: number;
  readonly offset: number;
  readonly bytes: number;
}

export class Outputs {
  readonly #pool: BufferPool;
  readonly #parts: readonly OutputPart[];
  /** For each output, where its value is: a leaf, or one of the storages made. */
  readonly #places: readonly (Place & { kind: "leaf" | "output" })[];
  /** Bytes of the storages to be made, by the positions that `places` name: those of outputs, then the hidden ones. */
  readonly #made = new Map<number, number>();
  readonly #hidden: readonly number[];

  /**
   * @param places   has the leaves; gets the outputs and what is hidden
   * @param bytesOf  bytes of a value
   */
  constructor(
    pool: BufferPool,
    places: Map<number, Place>,
    parts: readonly OutputPart[],
    hidden: readonly number[],
    bytesOf: (value: number) => number,
  ) {
    this.#pool = pool;
    this.#parts = parts;
    const make = (value: number, index: number): void => {
      places.set(value, { kind: "output", index });
      this.#made.set(index, bytesOf(value));
    };
    this.#hidden = hidden.map((_, h) => parts.length + h);
    for (const [h, value] of hidden.entries()) make(value, parts.length + h);
    for (const [j, { value, offset }] of parts.entries()) if (offset === 0 && !places.has(value)) make(value, j);
    this.#places = parts.map(({ value }) => places.get(value) as Place & { kind: "leaf" | "output" });
  }

  /** Storages for a replay: those of the outputs, then the hidden ones. */
  storages(leaves: readonly GpuStorage[]): GpuStorage[] {
    const pool = this.#pool;
    const storages = new Array<GpuStorage>(this.#parts.length);
    try {
      for (const [index, bytes] of this.#made) storages[index] = pool.take(bytes);
    } catch (error) {
      for (const index of this.#made.keys()) if (storages[index] !== undefined) pool.give(storages[index]);
      throw error;
    }
    for (const [j, { offset, bytes }] of this.#parts.entries()) {
      if (this.#made.has(j)) continue;
      const { kind, index } = this.#places[j];
      const whole = kind === "leaf" ? leaves[index] : storages[index];
      if (offset === 0) whole.refs++;
      storages[j] = offset === 0 ? whole : pool.takePart(whole, offset, bytes);
    }
    for (const index of this.#hidden) pool.give(storages[index]);
    return storages;
  }
}
