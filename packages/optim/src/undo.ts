/**
 * Undoing: an optimizer goes back together with its parameters.
 *
 * When there is no memory for a step, the device gives parameters, buffers and slots of state their old values back. What
 * else an optimizer remembers is plain JavaScript: step counts, which slots there are, which parameters step together. A
 * *state change* brings that back as well. Slots that fell out of use are disposed of when the step is known to have happened.
 */
import { Buffer, type Slot } from "@loopgrad/nn";
import type { Change, Tensor } from "@loopgrad/tensor";

/** State as it is kept: tensors in slots. */
export type Kept = Readonly<Record<string, Buffer | number>>;

/** Could the value of a slot not be computed? */
export const hasFailed = (slot: Tensor): boolean => !slot.isReleased && slot._value.failure !== null;

export class StateChange implements Change {
  /**
   * @param of       what was changed: one object each time
   * @param slots    those whose present values tell whether the change failed
   * @param retired  slots that are not needed any more if it did not
   * @param restore  goes back
   */
  constructor(
    readonly of: object,
    readonly slots: () => Iterable<Tensor>,
    readonly retired: readonly Slot[],
    readonly restore: () => void,
  ) {}

  settled(): void {
    for (const slot of this.retired) slot.dispose();
  }

  hasFailed(): boolean {
    for (const slot of this.slots()) if (hasFailed(slot)) return true;
    return false;
  }

  undone(): void {
    this.restore();
  }
}

/** The slots of a state that another does not have. */
export const slotsBut = (state: Kept, other: Kept): Buffer[] => {
  const kept = new Set(Object.values(other));
  return Object.values(state).filter((value) => value instanceof Buffer && !kept.has(value)) as Buffer[];
};

/** Was none of the slots disposed of? */
export const isWhole = (state: Kept): boolean =>
  Object.values(state).every((value) => typeof value === "number" || !value.isReleased);
