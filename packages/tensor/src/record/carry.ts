/**
 * Carried values: asked for after the flush that computed them, such as the state of a recurrence.
 *
 * Such a value is stored (when it is asked for, or at once where that was foreseen: see forecast.ts), so that no work is
 * done at every step anew. A program without scopes does not say when it has done with it. So it keeps its record
 * beside its storage (it is *cached*), and when it is idle the storage goes. But records of a recurrence form a chain
 * back to its first step, which holds all that it was ever given. Three rules keep that short; by each a value is stored
 * *for good*, without its record:
 *
 * - A value of a few elements: it costs less than its record.
 * - A chain that has grown too long, or that holds too much.
 * - A value of which the record holds something that the program has released: then it does say what it has done with.
 *
 * One that was asked for after it had gone for idleness stays longer the next time.
 */
import { SMALL } from "./bank.ts";
import type { Segment } from "./segment.ts";
import type { Value } from "./value.ts";

/** Carried values on the way from a value's record back to values without one, at most. */
const LONGEST = 512;

/** Bytes of leaves that such a chain may hold. */
const MOST_BYTES = 32 * 2 ** 20;

/** Flushes after which a value is idle. */
export const GRACE = 4;

/** What is known of a carried value. */
export class Carry {
  /** Carried values on the longest way back through records, itself included. */
  depth = 0;
  /** Bytes that the records on that way hold. */
  held = 0;
  /** Flushes without use after which the storage may go. */
  grace = GRACE;
}

/** How far back the records of a segment's values reach. */
export class Reach {
  readonly depth: number;
  readonly held: number;

  constructor(segment: Segment) {
    let depth = 0;
    let held = segment.newBytes;
    for (const { carry } of segment.carried) {
      if (carry === null) continue;
      depth = Math.max(depth, carry.depth);
      held = Math.max(held, segment.newBytes + carry.held);
    }
    this.depth = depth + 1;
    this.held = held;
  }
}

/** Notes that a value is carried. Returns whether its record should stay beside its storage. */
export function carried(value: Value, reach: Reach): boolean {
  value.carry ??= new Carry();
  const { carry } = value;
  const keeps = value.size > SMALL && reach.depth < LONGEST && reach.held < MOST_BYTES && !recordHoldsReleased(value);
  carry.depth = keeps ? reach.depth : 0;
  carry.held = keeps ? reach.held : 0;
  return keeps;
}

/** Whether the record of a value holds one that was stored or carried and that the program has released since. */
export function recordHoldsReleased(value: Value): boolean {
  const seen = new Set<Value>();
  const stack = [value];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    for (const input of top.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      if (input.primitive !== null && input.carry === null) stack.push(input);
      else if (isReleased(input)) return true;
    }
  }
  return false;
}

/** Whether the program has let go of a value, and not a slot that has moved on. */
const isReleased = ({ handles, pins, saves, slotted, lapsed, size }: Value): boolean =>
  handles === 0 && pins === 0 && saves === 0 && !slotted && !lapsed && size > SMALL;
