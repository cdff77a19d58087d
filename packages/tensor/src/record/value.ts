/**
 * Values: what a tensor handle stands for.
 *
 * A value is *pending* (recorded in the open segment), *stored* (it has a storage on its device), or
 * *virtual* (neither: it keeps its record and is recorded again when it is asked for; then it is stored: see
 * carry.ts). Four counts say who needs it: `handles` (tensor handles), `pins` (parameters, reads under way: must be stored at a flush), `saves`
 * (the tape: must be stored until a walk has read it) and `uses` (records that have it as an input). At zero of all
 * four its storage is given back.
 *
 * A program that opens no scopes drops handles without a word, and what they stand for seems to be needed for ever.
 * So that its memory stays flat too, three more things end a storage, and lose nothing:
 *
 * - A value that was stored for the tape alone is *virtual again* once the tape lets go: it kept its record. So is one
 *   that was carried from flush to flush, after some idle flushes.
 * - A value given by the host, or read, is kept there as well. After some idle flushes its storage goes; a use uploads it again.
 * - A *small* value (a loss) moves after some idle flushes to a shared buffer, and back when it is used.
 *
 * And one that does lose something: a value *lapses* when the slot that held it has moved on twice (a parameter's
 * value of two steps ago), or as a gradient that is zeroed. What was computed from it, and neither stored nor asked
 * for since, is gone, and says so.
 */
import type { Device } from "../device.ts";
import type { DType, HostArray } from "../dtype.ts";
import type { LoopgradError } from "../errors.ts";
import type { Attrs, Primitive } from "../primitives.ts";
import { numel, type Shape } from "../shape.ts";
import type { Storage } from "./backend.ts";
import type { Carry } from "./carry.ts";
import type { IntRange } from "./int-range.ts";

export class Value {
  handles = 0;
  pins = 0;
  saves = 0;
  /** How often the tape has saved what the value is computed from, in its stead: the record must stay. */
  recipes = 0;
  uses = 0;

  storage: Storage | null = null;
  /** Elements on the host: given by the user, or read back. */
  host: HostArray | null = null;

  /** Between which numbers the elements lie; null: not known; undefined: nobody has asked. See int-range.ts. */
  range: IntRange | null | undefined = undefined;

  /** The record: how to compute the value; null once it is stored. */
  primitive: Primitive | null = null;
  inputs: readonly Value[] = NO_INPUTS;
  attrs: Attrs = NO_ATTRS;
  scalar = 0;

  /** The segment in which `index` is this value's node. */
  segment = -1;
  index = -1;
  /** Detached, to be used beyond its graph: store it although something consumes it. */
  wanted = false;
  /** Asked for, and recorded a second time: store it, so that there is no third. */
  again = false;
  /** Recorded a second time in the open segment, for another value that was asked for. */
  pulled = false;
  /** Stored because it is carried from flush to flush, with its record kept: the storage goes when it is idle. */
  cached = false;
  /** What is known of it as a carried value (see carry.ts); null for others. */
  carry: Carry | null = null;
  /** The segment that was flushed with its record last: its structure, its node there, and the flush (see forecast.ts). */
  structure = 0;
  place = 0;
  flush = 0;
  /** A slot held it. */
  slotted = false;
  /** Why the value could not be computed. It has no storage and no record, and using it throws this. */
  failure: LoopgradError | null = null;
  /** Not worth keeping for what could be computed from it again. */
  lapsed = false;
  /** The flush that last read or wrote the storage. */
  lastUse = 0;
  /** Among those that may become idle (see idle.ts). */
  watched = false;
  /** Was a leaf of a segment. */
  leaf = false;

  constructor(
    readonly device: Device,
    readonly shape: Shape,
    readonly dtype: DType,
  ) {}

  get size(): number {
    return numel(this.shape);
  }

  #shown: Shape | null = null;

  /** A frozen copy of the shape, for users. The shape itself is in the hands of the library alone. */
  get shownShape(): Shape {
    this.#shown ??= Object.freeze([...this.shape]);
    return this.#shown;
  }
}

export const NO_INPUTS: readonly Value[] = [];
export const NO_ATTRS: Attrs = [];
