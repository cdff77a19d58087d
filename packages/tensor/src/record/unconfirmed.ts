/**
 * Unconfirmed flushes: what must be kept until a device knows that it had the memory.
 *
 * A flush that asks a GPU for buffers learns later whether there was memory for them. Until then it is *unconfirmed*, and
 * so are the flushes after it, which may read what it made. Kept so long are: elements of uploaded values on the host,
 * places in the bank of values that were fetched from there, and what *changes* replaced (a parameter's value, an
 * optimizer's step count). A flush that asks for nothing joins the *group* of the last one that did: they fail together.
 *
 * A change is *open* until the flush that computes its new value. Of several changes of one thing in a group, the first says
 * what to go back to. A flush at a time when all is confirmed, and that asks for nothing, settles its changes at once.
 */
import type { Storage } from "./backend.ts";
import type { Value } from "./value.ts";

/** Something was given a new value that a flush has still to compute. */
export interface Change {
  /** What was changed. */
  readonly of: object;
  /** The new value is there: the old one is not needed any more. */
  settled(): void;
  /** Does the present value carry an error? */
  hasFailed(): boolean;
  /** Goes back to the old value. */
  undone(): void;
}

/** A value that was copied from the bank. */
export interface Fetched {
  readonly value: Value;
  /** Its place in the bank. */
  readonly stowed: Storage;
}

/** What a flush did that may have to be taken back. */
export interface FlushEffects {
  /** Values stored by it. */
  values: readonly Value[];
  readonly uploaded: Value[];
  readonly fetched: Fetched[];
}

/** Flushes that are confirmed, or fail, together. */
export interface Group {
  /** The last buffer that had been asked for. */
  readonly through: number;
  values: Value[];
  readonly uploaded: Value[];
  readonly fetched: Fetched[];
  readonly changes: Map<object, Change>;
  /** Values at which those that are stored no longer are dropped. */
  limit: number;
}

/**
 * Groups that hold what their changes replaced, at most. Each holds a copy of all parameters in a program that does not
 * return to the event loop, where nothing is confirmed. The changes of further groups join those of the last that holds:
 * what they replaced is not kept, and they go back as far as that.
 */
const HOLDING = 2;

/** Values that a group keeps without looking which of them are still stored. */
const MANY = 1024;

export class UnconfirmedFlushes {
  #open = new Map<object, Change>();
  #groups: Group[] = [];

  /** Changes whose flush is still to come. */
  get open(): Map<object, Change> {
    return this.#open;
  }

  changed(change: Change): void {
    if (this.#open.has(change.of)) change.settled();
    else this.#open.set(change.of, change);
  }

  /** The open change of something is of no interest any more. */
  forget(what: object): void {
    const change = this.#open.get(what);
    if (change === undefined) return;
    this.#open.delete(what);
    change.settled();
  }

  /** Ends the open changes, and returns them. */
  takeOpen(): Iterable<Change> {
    if (this.#open.size === 0) return [];
    const changes = this.#open;
    this.#open = new Map();
    return changes.values();
  }

  /**
   * Notes a flush.
   *
   * @param through   the last buffer that was asked for
   * @param complete  whether the flush computed all that was recorded: its changes then wait for the buffers only
   */
  add(through: number, { values, uploaded, fetched }: FlushEffects, complete: boolean): void {
    let group = this.#groups.at(-1);
    if (group === undefined || group.through < through) {
      group = { through, values: [], uploaded: [], fetched: [], changes: new Map(), limit: MANY };
      this.#groups.push(group);
    }
    for (const value of values) group.values.push(value);
    for (const value of uploaded) group.uploaded.push(value);
    for (const one of fetched) group.fetched.push(one);
    if (group.values.length > group.limit) {
      group.values = group.values.filter(({ storage }) => storage !== null);
      group.limit = Math.max(MANY, 2 * group.values.length);
    }
    if (!complete || this.#open.size === 0) return;
    const { changes } = this.#groups.length <= HOLDING ? group : this.#groups[HOLDING - 1];
    for (const change of this.takeOpen()) {
      if (changes.has(change.of)) change.settled();
      else changes.set(change.of, change);
    }
  }

  /** Places in the bank that wait to be given back. */
  get fetched(): Fetched[] {
    return this.#groups.flatMap(({ fetched }) => fetched);
  }

  /** Ends the groups up to a buffer, and returns them. */
  takeConfirmed(through: number): Group[] {
    const count = this.#groups.findIndex((group) => group.through > through);
    return this.#groups.splice(0, count < 0 ? this.#groups.length : count);
  }

  /** Ends all groups, and returns them. */
  takeAll(): Group[] {
    return this.#groups.splice(0);
  }
}
