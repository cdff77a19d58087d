/**
 * The bank: small values that nobody used for a while, many to a chunk of memory.
 *
 * A loss is one number and takes a buffer of its own while it is in use. A program that collects its losses, or merely
 * does not say that it dropped them, would hold a buffer for every step. The bank gives them *places*: ranges of
 * elements in chunks that a backend makes, and copies to and from.
 */

/** Elements of a value that may be kept in a bank, at most. */
export const SMALL = 16;

/** Elements of a chunk. */
export const CHUNK = 4096;

export interface Place<Chunk> {
  readonly chunk: Chunk;
  /** Elements before it in its chunk. */
  readonly offset: number;
  readonly size: number;
}

export class Bank<Chunk> {
  readonly #make: () => Chunk;
  /** Places that were given back, by size. */
  readonly #free = new Map<number, Place<Chunk>[]>();
  #chunk: Chunk | null = null;
  #filled = CHUNK;

  constructor(make: () => Chunk) {
    this.#make = make;
  }

  take(size: number): Place<Chunk> {
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    if (this.#chunk === null || this.#filled + size > CHUNK) {
      this.#chunk = this.#make();
      this.#filled = 0;
    }
    const place = { chunk: this.#chunk, offset: this.#filled, size };
    this.#filled += size;
    return place;
  }

  give(place: Place<Chunk>): void {
    const list = this.#free.get(place.size);
    if (list === undefined) this.#free.set(place.size, [place]);
    else list.push(place);
  }
}
