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

/** How a backend makes chunks. */
export interface Chunks<Chunk> {
  make(): Chunk;
  /** Where it is known late whether there was memory for a chunk. Each is then asked for before it is needed. */
  stateOf?(chunk: Chunk): "asked" | "made" | "failed" | "destroyed";
  /** Gives back a chunk that failed. */
  drop?(chunk: Chunk): void;
}

export class Bank<Chunk> {
  readonly #chunks: Chunks<Chunk>;
  /** Places that were given back, by size. */
  readonly #free = new Map<number, Place<Chunk>[]>();
  #chunk: Chunk | null = null;
  /** The chunk to be filled next. */
  #spare: Chunk | null = null;
  #filled = CHUNK;

  constructor(chunks: Chunks<Chunk>) {
    this.#chunks = chunks;
  }

  /** Asks for a chunk, if there is none to be filled. */
  prepare(): void {
    if (this.#spare !== null && this.#chunks.stateOf?.(this.#spare) === "failed") {
      this.#chunks.drop?.(this.#spare);
      this.#spare = null;
    }
    this.#spare ??= this.#chunks.make();
  }

  /** A place for so many elements; null if there is no chunk for it yet. */
  take(size: number): Place<Chunk> | null {
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    if (this.#chunk === null || this.#filled + size > CHUNK) {
      this.prepare();
      const state = this.#chunks.stateOf?.(this.#spare as Chunk) ?? "made";
      if (state !== "made") return null;
      this.#chunk = this.#spare as Chunk;
      this.#spare = null;
      this.#filled = 0;
    }
    const place = { chunk: this.#chunk, offset: this.#filled, size };
    this.#filled += size;
    if (this.#chunks.stateOf !== undefined && this.#filled >= CHUNK / 2) this.prepare();
    return place;
  }

  /** All chunks, given the places that are taken. */
  chunks(taken: Iterable<Place<Chunk>>): Set<Chunk> {
    const places = [...taken, ...[...this.#free.values()].flat()];
    const chunks = new Set(places.map(({ chunk }) => chunk));
    for (const chunk of [this.#chunk, this.#spare]) if (chunk !== null) chunks.add(chunk);
    return chunks;
  }

  give(place: Place<Chunk>): void {
    const list = this.#free.get(place.size);
    if (list === undefined) this.#free.set(place.size, [place]);
    else list.push(place);
  }
}
