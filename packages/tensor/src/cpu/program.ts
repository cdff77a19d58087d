/**
 * Programs of the cpu device: steps that run in order over numbered arrays.
 *
 * Each value lies in a *slot*: a number that stands for an array. A *step* is a closure that reads the arrays
 * of some slots and writes one; all that can be known beforehand (layouts, loops, sizes) is in the closure.
 */
import { type DType, type HostArray, hostArray } from "../dtype.ts";
import type { Program } from "../record/backend.ts";
import type { Layout } from "./layout.ts";
import type { Block, SizeClass } from "./pool.ts";

/** The arrays of a running program, by slot. */
export type Arrays = HostArray[];
export type Run = (arrays: Arrays) => void;

/** A value: which slot it lies in, and how. */
export interface Operand extends Layout {
  readonly slot: number;
  readonly dtype: DType;
}

export interface Step {
  /** For profiles: what it computes, over which shape; and the bytes that it reads and writes. */
  readonly kernel: string;
  readonly bytes: number;
  readonly run: Run;
  /** The slot written. */
  readonly slot: number;
  /** The class of the slot's block. */
  readonly home: SizeClass;
  /** A slot that the step reads last and may overwrite: its block is taken over. −1: a block from the pool. */
  takes: number;
  /** Slots whose blocks go back to the pool after the step. */
  readonly frees: number[];
}

/** A slot that is filled from outside: with the leaf or scalar of that number. */
export interface Source {
  readonly slot: number;
  readonly from: number;
}

export interface CpuProgram extends Program {
  readonly steps: readonly Step[];
  readonly arrays: Arrays;
  /** Blocks behind the arrays while the program runs. */
  readonly blocks: Block[];
  readonly leaves: readonly Source[];
  readonly scalars: readonly Source[];
  /** Each output's slot, in order. A slot may occur more than once, and may be a leaf's. */
  readonly outputSlots: readonly number[];
  /** The element of its slot with which each output begins. */
  readonly outputStarts: readonly number[];
  readonly outputSizes: readonly number[];
  readonly outputBytes: readonly number[];
}

/** Stands in a slot that has no array at the moment. */
export const NOTHING: HostArray = hostArray("float32", 0);
