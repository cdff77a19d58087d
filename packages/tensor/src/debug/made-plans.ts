/**
 * The plans that a device made last: what an explanation (explain.ts, which is loaded on demand) goes by.
 */

/** A plan that was made. */
export interface MadePlan {
  /** Its key (record/segment.ts). */
  readonly words: Int32Array;
  /** The flush that it was made for, counted from 1. */
  readonly flush: number;
}

/** Plans that are remembered. */
const REMEMBERED = 64;

export class MadePlans {
  readonly #plans: MadePlan[] = [];

  /** The oldest first. */
  get last(): readonly MadePlan[] {
    return this.#plans;
  }

  note(words: Int32Array, flush: number): void {
    this.#plans.push({ words, flush });
    if (this.#plans.length > REMEMBERED) this.#plans.shift();
  }
}
