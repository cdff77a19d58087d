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
/** Handles made since the outermost of them began: the first `count`. An array that shrank would be made anew each time. */
const made: (Tensor | null)[] = [];
let count = 0;

/** Notes a handle, if an attempt is under way. */
export function noteMade(tensor: Tensor): void {
  if (depth > 0) made[count++] = tensor;
}

/** Begins an attempt. Returns what `undoAttempt` wants. */
export function beginAttempt(): number {
  depth++;
  return count;
}

/** Ends the innermost attempt, whether or not it was undone. */
export function endAttempt(): void {
  if (--depth === 0) forget(0);
}

/** Releases the handles made since, the last first, and takes from the record what nobody needs any more. */
export function undoAttempt(start: number): void {
  const devices = new Set<Device>();
  for (let i = count - 1; i >= start; i--) {
    const tensor = made[i] as Tensor;
    devices.add(tensor.device);
    tensor._release();
  }
  forget(start);
  for (const device of devices) device.trim();
}

function forget(start: number): void {
  for (let i = start; i < count; i++) made[i] = null;
  count = start;
}
