/**
 * Kernel descriptions: what one dispatch computes, without a word of WGSL.
 *
 * A kernel has a *role* (the shape of its loop), *operands* (the buffers it binds) and *bodies*. A body is
 * straight-line scalar code over an index space: every instruction makes one value, and its `args` are the
 * positions of earlier instructions. Loads say which element they read by a view chain over the space.
 */
import type { ScalarName } from "./scalar/index.ts";
import type { Chain } from "./view.ts";

/** Element types inside a kernel. A bool is stored as u32. */
export type ScalarType = "f32" | "i32" | "u32" | "bool";

export interface Operand {
  /** Type of the stored elements. Halves are computed with as f32. A `flag` is where indices outside are noted. */
  readonly type: ScalarType | "f16" | "flag";
  readonly access: "read" | "write";
}

export type Instruction =
  /** An element of an operand. */
  | { readonly kind: "load"; readonly type: ScalarType; readonly operand: number; readonly chain: Chain }
  /** A number given at replay: position `slot` among the program's scalars. */
  | { readonly kind: "scalar"; readonly type: ScalarType; readonly slot: number }
  | { readonly kind: "literal"; readonly type: ScalarType; readonly value: number }
  /** The element number that the chain yields, as a value. */
  | { readonly kind: "iota"; readonly type: ScalarType; readonly chain: Chain }
  /** What the loop of the role computed for this output element. */
  | { readonly kind: "result"; readonly type: ScalarType }
  /** A scalar function. `from` is the type of its arguments, of `where` of the last two. */
  | {
      readonly kind: "op";
      readonly type: ScalarType;
      readonly op: ScalarName;
      readonly from: ScalarType;
      readonly args: readonly number[];
    }
  /** The argument where the chain is valid, zero elsewhere: padding of a computed value. */
  | { readonly kind: "mask"; readonly type: ScalarType; readonly arg: number; readonly chain: Chain }
  /** Element (chain's number) + index · stride of an operand; zero where the index is outside [0, size). */
  | {
      readonly kind: "gather";
      readonly type: ScalarType;
      readonly operand: number;
      readonly chain: Chain;
      readonly arg: number;
      readonly stride: number;
      readonly size: number;
    }
  /**
   * The position in [0, size) that an index names, −1 for none. With `fromEnd` negative ones count from the end. Where it
   * is none, and not the ignored one, the site and the index are noted in the flag: at elements where the chain is valid
   * (null: at all), because padding makes up others.
   */
  | {
      readonly kind: "position";
      readonly type: "i32";
      readonly arg: number;
      readonly size: number;
      readonly fromEnd: boolean;
      readonly ignored: number | null;
      readonly flag: { readonly operand: number; readonly site: number; readonly chain: Chain | null } | null;
    }
  /** Threefry bits under the key in an operand of two words, at two counters; null: at the chain's number, and 0. */
  | {
      readonly kind: "random";
      readonly type: "u32";
      readonly operand: number;
      readonly chain: Chain;
      readonly counters: readonly number[] | null;
    };

/** Scalar code over an index space. */
export interface Body {
  readonly space: readonly number[];
  readonly code: readonly Instruction[];
}

/** The code that ends every kernel: over the output space, with the stores. */
export interface OutputBody extends Body {
  readonly stores: readonly { readonly operand: number; readonly value: number }[];
}

export type ReduceOp = "sum" | "prod" | "max" | "argmax";

interface Common {
  readonly operands: readonly Operand[];
  readonly output: OutputBody;
}

/** Elementwise. */
export interface MapKernel extends Common {
  readonly role: "map";
}

/** For every output element, a reduction of `input` over the last `axes` dimensions of its space. */
export interface ReduceKernel extends Common {
  readonly role: "reduce";
  readonly op: ReduceOp;
  readonly type: ScalarType;
  readonly input: Body;
  readonly value: number;
  /** How many trailing dimensions of input.space are reduced; the others, in order, are the output space. */
  readonly axes: number;
}

/**
 * out[b, m, n] = Σ_k a[b, m, k] · b[b, n, k]. Each group of indices may have several dimensions. The space of `a`
 * is [...batch, ...m, ...k], that of `b` is [...batch, ...n, ...k]; `strides` say where (b, m, n) lies in the output.
 * Loads are single views without padding.
 */
export interface ContractKernel extends Common {
  readonly role: "contract";
  readonly type: ScalarType;
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
  readonly strides: { readonly batch: readonly number[]; readonly m: readonly number[]; readonly n: readonly number[] };
  readonly a: Body;
  readonly aValue: number;
  readonly b: Body;
  readonly bValue: number;
}

/** Inclusive running sum along the middle one of three dimensions [outer, length, inner]. Operands: in, out. */
export interface ScanKernel {
  readonly role: "scan";
  readonly operands: readonly Operand[];
  readonly type: ScalarType;
  readonly dims: readonly [number, number, number];
}

/**
 * One pass of a stable merge sort of indices along the middle of [outer, length, inner]: sorted runs of length
 * `run` are merged in pairs, each element finding its rank in the sibling run by binary search. Operands: keys
 * (values), indices in (absent in the first pass, when they are 0, 1, 2, …), indices out.
 */
export interface SortKernel {
  readonly role: "sort";
  readonly operands: readonly Operand[];
  readonly type: ScalarType;
  readonly dims: readonly [number, number, number];
  readonly run: number;
  readonly descending: boolean;
  readonly first: boolean;
}

/**
 * out = x plus every source element whose index points here. One invocation an output element, which reads the
 * index along the axis in order: no atomics, and the same sum every time. Operands: x, index, source, out.
 */
export interface ScatterKernel {
  readonly role: "scatter";
  readonly operands: readonly Operand[];
  readonly type: ScalarType;
  readonly shape: readonly number[];
  readonly indexShape: readonly number[];
  readonly axis: number;
}

export type KernelDescription = MapKernel | ReduceKernel | ContractKernel | ScanKernel | SortKernel | ScatterKernel;

/** A 32-bit word of a kernel's parameter block: a number known at planning, or a scalar given at replay. */
export type Parameter = { readonly value: number } | { readonly slot: number; readonly type: ScalarType };

/** WGSL and all that is needed to dispatch it. Kernels of one structure share their source, whatever their sizes. */
export interface PrintedKernel {
  readonly source: string;
  readonly parameters: readonly Parameter[];
  /** Workgroups to dispatch, before folding into the limits of a dimension. */
  readonly workgroups: number;
}

/** How loops are written for the adapter at hand. */
export interface Target {
  /** Workgroup memory and barriers are cheap: a GPU. Without, register tiles only. */
  readonly workgroupMemory: boolean;
}
