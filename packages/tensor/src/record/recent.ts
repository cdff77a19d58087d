/**
 * What a device holds beside values: how much of it is worth keeping.
 *
 * Memory that a program used and gave back waits to be taken again, and that is what makes steady steps cheap. But how much may
 * wait is measured by what was in *use* lately: an *epoch* is 64 flushes, and the *peak* is the most that was used at a time in
 * this epoch and the one before. Free memory is at most twice the peak; at the end of an epoch, what waited in vain for all of
 * it goes, down to one peak.
 *
 * A *budget* is a limit of all that a device holds. Before it is passed, what waits is given up, then what can be had again.
 */
import { type DeviceError, MemoryError } from "../errors.ts";

/** Flushes of an epoch. */
const EPOCH = 64;
/** Bytes that may always wait. */
const LEAST = 2 ** 20;

export class RecentUse {
  #flushes = 0;
  #peak = 0;
  #before = 0;
  /** Number of the present epoch. */
  epoch = 0;

  /** Notes how many bytes are in use. */
  used(bytes: number): void {
    if (bytes > this.#peak) this.#peak = bytes;
  }

  /** Counts a flush. Was it the last one of its epoch? */
  flushed(bytes: number): boolean {
    this.used(bytes);
    if (++this.#flushes % EPOCH !== 0) return false;
    this.#before = this.#peak;
    this.#peak = bytes;
    this.epoch++;
    return true;
  }

  /** Bytes that may wait although nobody took them in the last epoch. */
  get idleLimit(): number {
    return Math.max(this.#peak, this.#before, LEAST);
  }

  /** Bytes that may wait. */
  get limit(): number {
    return 2 * this.idleLimit;
  }
}

/** The error for a budget that values do not fit into. */
export function overBudget(wanted: number, held: number, usedBytes: number, budget: number): DeviceError {
  return new MemoryError(
    `out of memory: ${wanted} bytes were wanted beside the ${held} held (${usedBytes} in use, by values and by the work at hand), and ` +
      `the budget is ${budget} bytes (init({ memory: ${budget} })). Use smaller batches or fewer unrolled steps, release tensors ` +
      "sooner (scope(), dispose()), store less for the gradient (checkpoint()), or give a larger budget",
  );
}
