/**
 * Idle values: stored, held by handles alone, and not read or written by the last few flushes.
 *
 * Perhaps the program still wants them, perhaps it dropped them and the collector has not noticed. Either way they need
 * no buffer now, if they can be had again (from the host, or from their records) or are few enough for the bank.
 */
import { SMALL } from "./bank.ts";
import type { Value } from "./value.ts";

/** Flushes after which a value is idle. */
const GRACE = 4;

/** Small values are moved together: one submit for so many. */
const TOGETHER = 32;

export class IdleValues {
  /** The longest unused first. */
  readonly #restorable = new Set<Value>();
  readonly #smalls = new Set<Value>();

  /** Notes that a flush read or wrote a stored value. */
  used(value: Value, flush: number): void {
    value.lastUse = flush;
    if (value.pins > 0) return;
    const set = restorable(value) ? this.#restorable : value.size <= SMALL ? this.#smalls : null;
    if (set === null) return;
    if (value.watched) this.forget(value);
    set.add(value);
    value.watched = true;
  }

  /** Notes that a value has no storage any more. */
  forget(value: Value): void {
    value.watched = false;
    this.#restorable.delete(value);
    this.#smalls.delete(value);
  }

  /** Values that are idle after a flush and can be had again. They are watched no longer. */
  takeRestorable(flush: number): Value[] {
    return takeIdle(this.#restorable, flush).filter(restorable);
  }

  /** Small values that are idle, if there are many. They are watched no longer. */
  takeSmalls(flush: number): Value[] {
    if (this.#smalls.size < TOGETHER + GRACE || flush % GRACE !== 0) return [];
    return takeIdle(this.#smalls, flush);
  }
}

const restorable = (value: Value): boolean => value.host !== null || value.cached;

function takeIdle(set: Set<Value>, flush: number): Value[] {
  const idle: Value[] = [];
  for (const value of set) {
    if (value.lastUse + GRACE > flush) break;
    set.delete(value);
    value.watched = false;
    // Pinned or saved meanwhile: it is in use.
    if (value.pins === 0 && value.saves === 0 && value.storage !== null) idle.push(value);
  }
  return idle;
}
