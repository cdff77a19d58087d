/**
 * Fitting: how many tasks a device can take together.
 *
 * Nobody can say beforehand how much memory a function of tasks needs, so it is tried: all tasks at first, then half as
 * many, until they fit. What a trial has changed outside, gradients of leaves, is put back. The number is kept for the
 * function's next calls.
 */
import type { Device } from "../device.ts";
import { DeviceError, MemoryError } from "../errors.ts";
import { getRngState, setRngState } from "../random.ts";
import type { Level } from "./level.ts";

/** A change that a trial made outside of the function. */
export interface TrialChange {
  /** Puts back what was before. */
  undo(): void;
  /** Lets go of it: the change stays. */
  done(): void;
}

/** Those of the trial under way, in order; null while nothing is tried. */
let changes: TrialChange[] | null = null;

/** @internal Whether changes are to be undone if the trial under way fails. */
export const isTrial = (): boolean => changes !== null;

/** @internal Says how to undo a change that is about to be made outside of a vmap's function. */
export function changing(change: TrialChange): void {
  changes?.push(change);
}

/** The share of a budget in use from which on it is looked whether results are there before the next tasks run. */
const MUCH = 1 / 8;

/** How many tasks of a function fit. */
export class Fit {
  #most = Number.POSITIVE_INFINITY;

  /** Tasks for the next trial, of so many that are left. */
  of(tasks: number): number {
    return Math.min(this.#most, tasks);
  }

  /**
   * Runs some tasks.
   *
   * @param drop  releases what `run` returned
   * @returns     what `run` returned; null if they do not fit, and fewer are to be tried
   * @throws      what `run` throws, and DeviceError if a single task does not fit
   */
  tried<T>(device: Device, level: Level, run: () => T, drop: (result: T) => void): { result: T } | null {
    const { largest, budget } = device.backend.limits ?? {
      largest: Number.POSITIVE_INFINITY,
      budget: Number.POSITIVE_INFINITY,
    };
    level._isCounting = true;
    level._largest = largest;
    const random = getRngState();
    const outer = changes;
    const own: TrialChange[] = [];
    changes = own;
    let made: { result: T } | null = null;
    try {
      const result = run();
      made = { result };
      const isTight = level._bytes > largest || level._bytes > budget * MUCH;
      if (isTight || this.#most < Number.POSITIVE_INFINITY) device.flush();
      return made;
    } catch (error) {
      if (!(error instanceof MemoryError)) throw error;
      if (level.size === 1) {
        throw new DeviceError(`vmap: a single task does not fit: ${error.message}`, { cause: error });
      }
      for (const change of own.splice(0).reverse()) {
        change.undo();
        change.done();
      }
      if (made !== null) drop(made.result);
      setRngState(random);
      this.#most = Math.ceil(level.size / 2);
      return null;
    } finally {
      changes = outer;
      if (outer !== null) outer.push(...own);
      else for (const change of own) change.done();
    }
  }
}
