/**
 * Surroundings: what a recomputed function finds around it that changes with time, besides tensors and random numbers.
 *
 * A functional module, say, knows its latest weights; by the time of backward they are others. Such an object asks for
 * what it is about to use through `recall`: in the first run of a function the answer is noted, in the second the
 * noted one is given. Only an object that was there before the function ran needs this: one that the function makes
 * itself is made again. So each object knows when it was *born*, as a `timeMark`.
 */
import type { Tensor } from "@loopgrad/tensor";

/** One run of a recomputed function. */
export interface Run {
  /** When the function began for the first time. */
  readonly start: number;
  readonly notes: unknown[];
  /** In the second run the number of the next note; −1 in the first. */
  next: number;
  /** Tensors that an object let go of meanwhile, though it may have recalled them. */
  readonly late: Tensor[];
  /** The run in which this one happens. */
  readonly outer: Run | null;
}

let current: Run | null = null;

/** A function's first run. `late` gets tensors that are to be disposed of when the run has been looked at. */
export const firstRun = <T>(start: number, notes: unknown[], late: Tensor[], fn: () => T): T =>
  runIn({ start, notes, next: -1, late, outer: current }, fn);

/** A function's second run. */
export const secondRun = <T>(start: number, notes: unknown[], fn: () => T): T =>
  runIn({ start, notes, next: 0, late: [], outer: current }, fn);

function runIn<T>(run: Run, fn: () => T): T {
  current = run;
  try {
    return fn();
  } finally {
    current = run.outer;
  }
}

/**
 * What `find` returns now; in the second run of a recomputed function, what it returned at this point of the first.
 *
 * @internal
 * @param born  when the object that asks was made; see `timeMark`
 */
export const recall = <T>(born: number, find: () => T): T => recallIn(current, born, find);

function recallIn<T>(run: Run | null, born: number, find: () => T): T {
  if (run === null || born > run.start) return find();
  if (run.next >= 0) return run.notes[run.next++] as T;
  const found = recallIn(run.outer, born, find);
  run.notes.push(found);
  return found;
}

/** @internal Disposes of a tensor that an object held; at the end of the first run of the functions that may recall it. */
export function disposeRecalled(born: number, tensor: Tensor): void {
  let oldest: Run | null = null;
  for (let run = current; run !== null && born < run.start && run.next < 0; run = run.outer) oldest = run;
  if (oldest === null) tensor.dispose();
  else oldest.late.push(tensor);
}

/** @internal Whether a recomputed function runs that is older than this: "first" or "again"; null if none does. */
export function runsAround(born: number): "first" | "again" | null {
  let around: "first" | null = null;
  for (let run = current; run !== null && born < run.start; run = run.outer) {
    if (run.next >= 0) return "again";
    around = "first";
  }
  return around;
}
