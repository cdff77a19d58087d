/**
 * Taking back: what happens to values and slots when flushes turn out not to have happened.
 *
 * A value that such a flush stored *fails*: it carries the error, unless it can be had again from its record or the host's
 * elements. What is recorded and depends on failed values fails as well; the rest of the open segment is recorded once more.
 * Then changes whose new value failed are undone, the latest first.
 */
import { LoopgradError } from "../errors.ts";
import type { Storage } from "./backend.ts";
import type { Segment } from "./segment.ts";
import type { Change, Fetched, Group, UnconfirmedFlushes } from "./unconfirmed.ts";
import type { Value } from "./value.ts";

/** What a device lends for it. */
export interface Holder {
  store(value: Value, storage: Storage): void;
  /** Releases the value's storage. */
  unstore(value: Value): void;
  release(storage: Storage): void;
  dropRecord(value: Value): void;
  freeIfUnneeded(value: Value): void;
  /** Opens a new segment; returns the one before. */
  reopen(): Segment;
  /** The open segment. */
  segment(): Segment;
  /** Values whose reads are asked for. */
  reads(): Iterable<Value>;
  confirm(group: Group): void;
}

/** Takes back the flushes from a buffer on: there was no memory for it. */
export function takeBack(holder: Holder, unconfirmed: UnconfirmedFlushes, from: number, error: LoopgradError): void {
  const confirmed = unconfirmed.takeConfirmed(from - 1);
  const failed = unconfirmed.takeAll();
  for (const { uploaded, fetched, values } of failed.toReversed()) {
    for (const one of fetched.toReversed()) putBack(holder, one);
    for (const value of [...uploaded, ...values]) if (value.storage !== null) fail(holder, value, error);
  }
  recordWithoutFailed(holder);
  undo(unconfirmed.open);
  // Also a group that is confirmed may hold what a change replaced that came later.
  for (const { changes } of [...confirmed, ...failed].reverse()) undo(changes);
  for (const group of confirmed) holder.confirm(group);
  for (const { changes } of failed) for (const change of changes.values()) change.settled();
}

/** A value that was fetched from the bank in vain is there as before, whatever became of the copy. */
function putBack(holder: Holder, { value, stowed }: Fetched): void {
  if (value.storage === null) {
    holder.release(stowed);
    return;
  }
  holder.unstore(value);
  holder.store(value, stowed);
}

/** The value was not computed. If it cannot be had again, it carries the error. */
export function fail(holder: Holder, value: Value, error: LoopgradError): void {
  if (value.storage !== null) {
    holder.unstore(value);
    if (value.host !== null || value.primitive !== null) return;
  }
  value.failure = error;
  value.wanted = false;
  value.again = false;
  if (value.primitive !== null) holder.dropRecord(value);
}

/** Records once more what the open segment was to store, without what depends on failed values. */
function recordWithoutFailed(holder: Holder): void {
  const { values } = holder.reopen();
  for (const value of values) {
    const cause = value.primitive === null ? undefined : value.inputs.find(({ failure }) => failure !== null);
    if (cause?.failure) fail(holder, value, cause.failure);
  }
  const wanted = values.filter((value) => {
    if (value.primitive === null || value.storage !== null) return false;
    const isSink = value.handles > 0 && (value.uses === 0 || value.wanted || value.again);
    return value.pins > 0 || value.saves > 0 || isSink;
  });
  // A value that was stored when its read was asked for may be virtual now.
  for (const value of holder.reads()) {
    if (value.storage === null && value.host === null && value.failure === null) wanted.push(value);
  }
  for (const value of wanted) {
    try {
      holder.segment().indexOf(value);
    } catch (error) {
      fail(holder, value, asLoopgradError(error));
    }
  }
  for (const value of values) holder.freeIfUnneeded(value);
}

/** Undoes, and takes out, the changes that have failed: the latest first. */
export function undo(changes: Map<object, Change>): void {
  const failed = [...changes.values()].filter((change) => change.hasFailed()).reverse();
  for (const change of failed) {
    change.undone();
    changes.delete(change.of);
  }
}

export const asLoopgradError = (error: unknown): LoopgradError =>
  error instanceof LoopgradError ? error : new LoopgradError(String(error), { cause: error });
