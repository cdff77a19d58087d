/**
 * Values: what a tensor handle stands for.
 *
 * A value is *pending* (recorded in the open segment), *stored* (it has a storage on its device), or
 * *virtual* (neither: it keeps its record and is recorded again when it is asked for). Three counts say who
 * needs it: `handles` (tensor handles), `pins` (the tape, parameters, reads under way: must be stored at a
 * flush) and `uses` (records that have it as an input). At zero of all three its storage is given back.
 */
import type { Device } from "../device.ts";
import type { DType, HostArray } from "../dtype.ts";
import type { Attrs, Primitive } from "../primitives.ts";
import { numel, type Shape } from "../shape.ts";
import type { Storage } from "./backend.ts";

export class Value {
  handles = 0;
  pins = 0;
  uses = 0;

  storage: Storage | null = null;
  /** Elements given by the user and not yet uploaded. */
  host: HostArray | null = null;

  /** The record: how to compute the value; null once it is stored. */
  primitive: Primitive | null = null;
  inputs: readonly Value[] = NO_INPUTS;
  attrs: Attrs = NO_ATTRS;
  scalar = 0;

  /** The segment in which `index` is this value's node. */
  segment = -1;
  index = -1;
  /** Recorded a second time: store it, so that there is no third. */
  again = false;

  constructor(
    readonly device: Device,
    readonly shape: Shape,
    readonly dtype: DType,
  ) {}

  get size(): number {
    return numel(this.shape);
  }
}

export const NO_INPUTS: readonly Value[] = [];
export const NO_ATTRS: Attrs = [];
