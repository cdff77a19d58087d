/**
 * The plan cache: programs by the words of the segments that they were made for.
 *
 * A key's hash finds a bucket; its words decide. A program whose shapes never repeat would fill the cache for ever, so
 * it has a limit: when that is passed, the half that was used longest ago is given back.
 */
import type { Program } from "./backend.ts";

interface Plan {
  readonly words: Int32Array;
  readonly program: Program;
  /** The look-up that last found it, as a number. */
  lastUse: number;
}

export class PlanCache {
  readonly #buckets = new Map<number, Plan[]>();
  readonly #limit: number;
  readonly #discard: (program: Program) => void;
  #size = 0;
  #lookups = 0;

  /**
   * @param limit    plans that are kept at most
   * @param discard  gives back what a dropped program holds
   */
  constructor(limit: number, discard: (program: Program) => void) {
    this.#limit = limit;
    this.#discard = discard;
  }

  /** Plans held. */
  get size(): number {
    return this.#size;
  }

  find(words: Int32Array, hash: number): Program | null {
    const now = ++this.#lookups;
    for (const plan of this.#buckets.get(hash) ?? []) {
      if (!sameWords(plan.words, words)) continue;
      plan.lastUse = now;
      return plan.program;
    }
    return null;
  }

  /** Returns the words as they are kept: nobody changes them. */
  add(words: Int32Array, hash: number, program: Program): Int32Array {
    if (this.#size >= this.#limit) this.#halve();
    const plan = { words: words.slice(), program, lastUse: this.#lookups };
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) this.#buckets.set(hash, [plan]);
    else bucket.push(plan);
    this.#size++;
    return plan.words;
  }

  /** Gives back all programs but one. */
  clear(but: Program | null): void {
    for (const [hash, bucket] of this.#buckets) {
      const kept = bucket.filter(({ program }) => program === but);
      for (const { program } of bucket) if (program !== but) this.#discard(program);
      this.#size -= bucket.length - kept.length;
      if (kept.length > 0) this.#buckets.set(hash, kept);
      else this.#buckets.delete(hash);
    }
  }

  #halve(): void {
    const uses = [...this.#buckets.values()].flat().map((plan) => plan.lastUse);
    const middle = uses.sort((a, b) => a - b)[uses.length >> 1];
    for (const [hash, bucket] of this.#buckets) {
      const kept = bucket.filter((plan) => plan.lastUse >= middle);
      for (const plan of bucket) if (plan.lastUse < middle) this.#discard(plan.program);
      this.#size -= bucket.length - kept.length;
      if (kept.length > 0) this.#buckets.set(hash, kept);
      else this.#buckets.delete(hash);
    }
  }
}

function sameWords(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
