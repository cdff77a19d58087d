/**
 * Idle values: stored, held by handles alone, and not read or written by the last few flushes.
 *
 * Perhaps the program still wants them, perhaps it dropped them and the collector has not noticed. Either way they need
 * no buffer now, if they can be had again (from the host, or from their records) or are few enough for the bank. Those that
 * cannot be had again, and are not large, are copied to the host beside the next read, and then they can. Small ones go
 * to the bank if the program does not read.
 */
import { SMALL } from "./bank.ts";
import { GRACE } from "./carry.ts";
import type { Value } from "./value.ts";

/** Elements of values of which a copy is kept on the host, at most. */
export const MAX_HOST_COPY = 16384;

/** Values that are copied to the host with one read, at most. */
const COPIES = 64;

/** Small values are moved together: one submit for so many. */
const TOGETHER = 32;

export class IdleValues {
  /** By the flushes after which they are idle; the longest unused first. */
  readonly #restorable = new Map<number, Set<Value>>([[GRACE, new Set()]]);
  readonly #smalls = new Set<Value>();
  /** Others, if not large. */
  readonly #others = new Set<Value>();

  /** Notes that a flush read or wrote a stored value. */
  used(value: Value, flush: number): void {
    value.lastUse = flush;
    if (value.pins > 0) return;
    if (value.watched) this.forget(value);
    const set = this.#setFor(value);
    if (set === null) return;
    set.add(value);
    value.watched = true;
  }

  #setFor(value: Value): Set<Value> | null {
    if (restorable(value)) return this.#restorableFor(value);
    if (value.size <= SMALL) return this.#smalls;
    return value.size <= MAX_HOST_COPY ? this.#others : null;
  }

  #restorableFor(value: Value): Set<Value> {
    const grace = graceOf(value);
    let set = this.#restorable.get(grace);
    if (set === undefined) this.#restorable.set(grace, (set = new Set()));
    return set;
  }

  /** Notes that a value has no storage any more. */
  forget(value: Value): void {
    value.watched = false;
    this.#restorable.get(graceOf(value))?.delete(value);
    this.#smalls.delete(value);
    this.#others.delete(value);
  }

  /** Whether the value is where one of its kind is looked for. */
  has(value: Value): boolean {
    return this.#restorable.get(graceOf(value))?.has(value) || this.#smalls.has(value) || this.#others.has(value);
  }

  /** All that are watched. */
  *all(): Generator<Value> {
    for (const set of [...this.#restorable.values(), this.#smalls, this.#others]) yield* set;
  }

  /** Values that are idle after a flush and can be had again. They are watched no longer. */
  takeRestorable(flush: number): Value[] {
    const idle: Value[] = [];
    for (const [grace, set] of this.#restorable) if (set.size > 0) takeIdle(set, flush - grace, idle);
    return idle.filter(restorable);
  }

  /** All restorable values, but those that a flush uses, or a segment has as leaves. They are watched no longer. */
  takeUnused(flush: number, segments: readonly number[]): Value[] {
    const unused: Value[] = [];
    for (const set of this.#restorable.values()) {
      for (const value of set) {
        if (!restorable(value) || value.lastUse >= flush || segments.includes(value.segment)) continue;
        if (value.pins > 0 || value.saves > 0 || value.storage === null) continue;
        set.delete(value);
        value.watched = false;
        unused.push(value);
      }
    }
    return unused;
  }

  /** Some values that are idle and would be restorable if they were copied to the host. They are watched no longer. */
  takeUncopied(flush: number): Value[] {
    const idle: Value[] = [];
    if (this.#smalls.size >= TOGETHER + GRACE) takeIdle(this.#smalls, flush - GRACE, idle, COPIES);
    return takeIdle(this.#others, flush - GRACE, idle, COPIES);
  }

  /** Small values that are idle, if there are many and they were not copied. They are watched no longer. */
  takeSmalls(flush: number): Value[] {
    if (this.#smalls.size < 2 * TOGETHER + GRACE || flush % GRACE !== 0) return [];
    return takeIdle(this.#smalls, flush - GRACE, []);
  }
}

const restorable = (value: Value): boolean => value.host !== null || value.cached;

const graceOf = (value: Value): number => value.carry?.grace ?? GRACE;

/** Moves values that were last used at a flush, or before it, from a set to a list. */
function takeIdle(set: Set<Value>, flush: number, idle: Value[], most = Number.POSITIVE_INFINITY): Value[] {
  for (const value of set) {
    if (value.lastUse > flush || idle.length >= most) break;
    set.delete(value);
    value.watched = false;
    // Pinned or saved meanwhile: it is in use.
    if (value.pins === 0 && value.saves === 0 && value.storage !== null) idle.push(value);
  }
  return idle;
}
