/**
 * Sources: from which leaves a place on the tape can be reached.
 *
 * A *source* is a leaf, or an image (see `image`): a place at which gradients are asked for. It goes by a
 * number. Every node carries the set of all sources it was computed from, so that a walk knows without
 * looking which parts of a graph cannot lead to what was asked for. In an unrolled training loop this is what keeps
 * a step's cost flat: a parameter that the loss doesn't use is looked for nowhere.
 *
 * Sets are immutable, and *interned*: equal sets that were made lately are one object, which saves work and decides
 * nothing. A graph of a million nodes over ten parameters has a handful of them, and the union of two is nearly always a
 * look-up.
 */

export class Sources {
  /** Unions already made with other sets; null for no other than the last one. */
  #unions: WeakMap<Sources, Sources> | null = null;
  #lastOther: Sources | null = null;
  #lastUnion: Sources | null = null;

  /** @internal The walk that last asked about this set, and the answers; see `Aim` in walk.ts. */
  askedBy = 0;
  /** @internal How many sources in it are wanted. */
  wanted = 0;
  /** @internal Whether it includes the sources of a wanted node that is no source. */
  coversInner = false;

  /** @param ids ascending */
  constructor(readonly ids: Int32Array) {}

  /** This set and another. */
  union(other: Sources): Sources {
    if (other === this) return this;
    if (other === this.#lastOther) return this.#lastUnion as Sources;
    const union = this.#unions?.get(other) ?? merge(this, other);
    if (this.#lastOther !== null) {
      this.#unions ??= new WeakMap();
      this.#unions.set(this.#lastOther, this.#lastUnion as Sources);
    }
    this.#lastOther = other;
    this.#lastUnion = union;
    return union;
  }

  has(id: number): boolean {
    const { ids } = this;
    let [low, high] = [0, ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return ids[low] === id;
  }

  /** Whether every source of the other set is in this one. */
  includes(other: Sources): boolean {
    if (other === this) return true;
    const [a, b] = [this.ids, other.ids];
    if (b.length > a.length) return false;
    let i = 0;
    for (let j = 0; j < b.length; j++) {
      while (i < a.length && a[i] < b[j]) i++;
      if (a[i] !== b[j]) return false;
    }
    return true;
  }
}

/** The set of one source. */
export const sourcesOf = (id: number): Sources => intern(Int32Array.of(id));

function merge(x: Sources, y: Sources): Sources {
  const [a, b] = [x.ids, y.ids];
  const out = new Int32Array(a.length + b.length);
  let [i, j, n] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const next = Math.min(a[i], b[j]);
    if (a[i] === next) i++;
    if (b[j] === next) j++;
    out[n++] = next;
  }
  while (i < a.length) out[n++] = a[i++];
  while (j < b.length) out[n++] = b[j++];
  if (n === a.length) return x;
  if (n === b.length) return y;
  return intern(out.slice(0, n));
}

/** Sets made lately, by hash: as many as may be made while a graph begins. */
let interned = new Map<number, Sources[]>();
const MANY = 512;

function intern(ids: Int32Array): Sources {
  let hash = 0x811c9dc5;
  for (let i = 0; i < ids.length; i++) hash = Math.imul(hash ^ ids[i], 0x01000193);
  const bucket = interned.get(hash) ?? [];
  for (const found of bucket) {
    if (found.ids.length === ids.length && found.ids.every((id, i) => id === ids[i])) return found;
  }
  const made = new Sources(ids);
  bucket.push(made);
  if (interned.size >= MANY) interned = new Map();
  interned.set(hash, bucket);
  return made;
}
