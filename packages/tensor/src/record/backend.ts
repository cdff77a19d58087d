/**
 * The seam between recording and a device: a backend compiles a graph to a program, runs programs, and moves data.
 */
import type { DType, HostArray } from "../dtype.ts";
import type { LoopgradError } from "../errors.ts";
import type { Attrs, Primitive } from "../primitives.ts";
import type { Shape } from "../shape.ts";
import type { Value } from "./value.ts";

/** A backend's memory for one value. */
export interface Storage {
  readonly bytes: number;
  /** In the bank (see bank.ts): it must be fetched before it is used. */
  readonly stowed?: boolean;
}

/** One node of a graph: an input of the segment (`leaf`), or a primitive applied to earlier nodes. */
export interface GraphNode {
  /** null for a leaf. */
  readonly primitive: Primitive | null;
  readonly inputs: readonly number[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
  /** For a leaf its position among the leaves, for a `scalar` its position among the scalars; else −1. */
  readonly slot: number;
  /** The section that it was recorded in; absent: the first. Later nodes are in the same one, or in later ones. */
  readonly section?: number;
}

/** A recorded segment: nodes in an order in which inputs come first, and the nodes whose values are wanted. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly number[];
  readonly leafCount: number;
  readonly scalarCount: number;
}

/** What a backend made of a graph. Opaque to all but the backend that made it. */
export interface Program {
  readonly outputs: number;
}

/** A value whose elements the host wants: an output of the program that runs, or a storage. */
export type ReadRequest =
  | { readonly output: number; readonly dtype: DType; readonly size: number }
  | { readonly storage: Storage; readonly dtype: DType; readonly size: number };

/** Told of what a backend learns after the call. */
export interface BackendListener {
  /** All buffers up to this number are there: the work with them has run, or will. */
  confirmed(through: number): void;
  /** There was no memory: no work has run that was submitted since the buffer of this number was asked for. */
  failed(from: number, error: LoopgradError): void;
  /** The device is gone. */
  lost(error: LoopgradError): void;
  /** The budget is used up: what is stored and can be had again, and plans that do not run now, are to be given up. */
  pressed(): void;
}

/** What one kernel did, for a profile. */
export interface KernelRun {
  readonly kernel: string;
  /** Bytes of its operands. */
  readonly bytes: number;
  /** When it began, after the first one, and how long it took, in µs; null where there is no clock. */
  readonly clock: { readonly start: number; readonly us: number } | null;
}

/** Notes the kernels that run, until it ends. */
export interface KernelLog {
  end(): Promise<KernelRun[]>;
}

export interface Backend {
  readonly kind: "cpu" | "webgpu";
  readonly description: string;
  /** Bytes of the largest value that it can hold, and of all; absent where nothing is known to end them. */
  readonly limits?: { readonly largest: number; readonly budget: number };
  /** Throws where the device cannot hold the dtype. */
  checkDType(dtype: DType): void;
  upload(data: HostArray, dtype: DType): Storage;
  compile(graph: Graph): Program;
  /** Gives back what a program holds. It will not run again. */
  discard(program: Program): void;
  /**
   * Runs a program (null: nothing to run, reads only). Returns the storages of its outputs, in order. Reads reject with
   * an IndexError if a program that ran since the last reads met an index outside its axis; not those that do not `heed`.
   */
  execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
    heed?: boolean,
  ): { outputs: readonly Storage[]; data: Promise<HostArray[]> | null };
  release(storage: Storage): void;
  /**
   * Moves storages of small values to the bank. Returns what stands for them there, and releases the old ones; null for
   * one that the bank has no room for now.
   */
  stow(small: readonly { storage: Storage; dtype: DType; size: number }[]): (Storage | null)[];
  /** Copies a value from the bank to a storage of its own. Its place in the bank is to be released once that is confirmed. */
  fetch(stowed: Storage): Storage;
  /** The number of the last buffer that was asked for, if it is not known yet whether there was memory for all; else 0. */
  unconfirmed(): number;
  listen(listener: BackendListener): void;
  /** Begins to note the kernels that run; undefined while that is done already. Absent where there are no kernels. */
  logKernels?(): KernelLog | undefined;
  /** Counts since the backend was made. */
  stats(): BackendStats;
  /**
   * A value's elements at once, or why not, in words: for people who print it. Nothing changes by it. Absent where elements
   * cannot be had without waiting.
   */
  peek?(value: Value): HostArray | string;
  /** What of the memory that is held no storage explains, given how many values have each; in words. For tests. */
  audit?(storages: ReadonlyMap<Storage, number>): string[];
  /** Resolves when all submitted work is done. */
  synchronize(): Promise<void>;
  destroy(): void;
}

export interface BackendStats {
  /** Live buffers, the pool's free ones included. */
  buffers: number;
  /** Bytes in live buffers, the pool's free ones included. */
  bytes: number;
  peakBytes: number;
  /** Bytes that values and plans' scratch hold now, and their peak. */
  usedBytes: number;
  /** Of these, bytes of scratch: what plans hold between their kernels. 0 on the cpu device, whose pool has none. */
  scratchBytes: number;
  peakUsedBytes: number;
  buffersCreated: number;
  dispatches: number;
  /** Copies and fills that plans had the queue do without a kernel. */
  copies: number;
  submits: number;
  pipelinesCreated: number;
  /** Bytes of WGSL that these were made of. */
  wgslBytes: number;
  bindGroupsCreated: number;
}
