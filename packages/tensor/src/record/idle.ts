/**
 * Idle values: stored, held by handles alone, and not read or written by the last few flushes.
 *
 * Perhaps the program still wants them, perhaps it dropped them and the collector has not noticed. Either way they need
 * no buffer now, if they can be had again (from the host, or from their records) or are few enough for the bank.
 */
import { SMALL } from "./bank.ts";
import { GRACE } from "./carry.ts";
import type { Value } from "./value.ts";

/** Small values are moved together: one submit for so many. */
const TOGETHER = 32;

export class IdleValues {
  /** By the flushes after which they are idle; the longest unused first. */
  readonly #restorable = new Map<number, Set<Value>>([[GRACE, new Set()]]);
  readonly #smalls = new Set<Value>();

  /** Notes that a flush read or wrote a stored value. */
  used(value: Value, flush: number): void {
    value.lastUse = flush;
    if (value.pins > 0) return;
    if (value.watched) this.forget(value);
    const set = restorable(value) ? this.#restorableFor(value) : value.size <= SMALL ? this.#smalls : null;
    if (set === null) return;
    set.add(value);
    value.watched = true;
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
  }

  /** Values that are idle after a flush and can be had again. They are watched no longer. */
  takeRestorable(flush: number): Value[] {
    const idle: Value[] = [];
    for (const [grace, set] of this.#restorable) if (set.size > 0) takeIdle(set, flush - grace, idle);
    return idle.filter(restorable);
  }

  /** Small values that are idle, if there are many. They are watched no longer. */
  takeSmalls(flush: number): Value[] {
    if (this.#smalls.size < TOGETHER + GRACE || flush % GRACE !== 0) return [];
    return takeIdle(this.#smalls, flush - GRACE, []);
  }
}

const restorable = (value: Value): boolean => value.host !== null || value.cached;

const graceOf = (value: Value): number => value.carry?.grace ?? GRACE;

/** Moves values that were last used at a flush, or before it, from a set to a list. */
function takeIdle(set: Set<Value>, flush: number, idle: Value[]): Value[] {
  for (const value of set) {
    if (value.lastUse > flush) break;
    set.delete(value);
    value.watched = false;
    // Pinned or saved meanwhile: it is in use.
    if (value.pins === 0 && value.saves === 0 && value.storage !== null) idle.push(value);
  }
  return idle;
}
