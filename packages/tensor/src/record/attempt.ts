/**
 * Attempts: an operation that throws leaves nothing behind.
 *
 * An operation composed of several primitives may fail at its third. What the first two made is then out of everyone's
 * reach, yet it has handles, and would be computed by the next flush. So an operation is an *attempt*: the handles
 * that are made while it runs are noted, and released if it throws. With them go their records and their places on
 * the tape.
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";

/** Attempts under way, one inside another. */
let depth = 0;
/** Handles made since the outermost of them began. */
const made: Tensor[] = [];

/** Notes a handle, if an attempt is under way. */
export function noteMade(tensor: Tensor): void {
  if (depth > 0) made.push(tensor);
}

/** Begins an attempt. Returns what `undoAttempt` wants. */
export function beginAttempt(): number {
  depth++;
  return made.length;
}

/** Ends the innermost attempt, whether or not it was undone. */
export function endAttempt(): void {
  if (--depth === 0) made.length = 0;
}

/** Releases the handles made since, the last first, and takes from the record what nobody needs any more. */
export function undoAttempt(start: number): void {
  const devices = new Set<Device>();
  for (let i = made.length - 1; i >= start; i--) {
    devices.add(made[i].device);
    made[i]._release();
  }
  made.length = start;
  for (const device of devices) device.trim();
}
