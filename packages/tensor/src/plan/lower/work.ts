/**
 * Work: what lowering makes of a graph. See lower.ts.
 */
import { applyMoves, type Chain, contiguous, type Move, type View } from "@loopgrad/kernels";
import type { ScalarName } from "@loopgrad/kernels/scalar";
import type { DType } from "../../dtype.ts";
import type { Shape } from "../../shape.ts";

/** A node seen through movement operations. */
export interface Ref {
  readonly node: number;
  readonly moves: readonly Move[];
}

/** A piece of a pack: `size` elements of a stored value, from element `from` on, that belong at element `start`. */
export interface Piece {
  readonly ref: Ref;
  readonly from: number;
  readonly size: number;
  readonly start: number;
}

/**
 * Slot of the leaf that is no leaf of the graph but the device's *flag*: two words in which kernels note the first index
 * outside its axis, and its site. All kernels that check indices bind it, for writing.
 */
export const FLAG = -1;

interface Common {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Work = Common &
  /** A leaf of the graph, or at the slot {@link FLAG} the device's flag. */
  (
    | { readonly kind: "leaf"; readonly slot: number }
    | { readonly kind: "scalar"; readonly slot: number }
    | { readonly kind: "literal"; readonly value: number }
    | { readonly kind: "iota" }
    /** Elementwise; every argument has the node's shape. `store`: it must be stored, not computed where it is read. */
    | { readonly kind: "map"; readonly op: ScalarName; readonly args: readonly Ref[]; readonly store: boolean }
    /** x at index along an axis; x must be stored, row-major. */
    | { readonly kind: "gather"; readonly x: Ref; readonly index: Ref; readonly axis: number }
    /** The position that an index names, elementwise (see `positionP`). `flag`: where one outside is noted; null: nowhere. */
    | {
        readonly kind: "position";
        readonly index: Ref;
        readonly flag: Ref | null;
        readonly size: number;
        readonly fromEnd: boolean;
        readonly site: number;
        readonly ignored: number | null;
      }
    | { readonly kind: "random"; readonly key: Ref; readonly counters: readonly Ref[] }
    /** Over the last `axes` dimensions of the argument's shape. */
    | {
        readonly kind: "reduce";
        readonly op: "sum" | "prod" | "max" | "argmax";
        readonly arg: Ref;
        readonly axes: number;
      }
    | {
        readonly kind: "contract";
        readonly a: Ref;
        readonly b: Ref;
        readonly batch: Shape;
        readonly m: Shape;
        readonly n: Shape;
        readonly k: Shape;
        readonly strides: { readonly batch: number[]; readonly m: number[]; readonly n: number[] };
      }
    /** One vector with every piece at its start. A piece is written there by the kernel that makes it, or copied. */
    | { readonly kind: "pack"; readonly pieces: readonly Piece[] }
    | { readonly kind: "scan"; readonly x: Ref; readonly axis: number }
    | { readonly kind: "sort"; readonly x: Ref; readonly axis: number; readonly descending: boolean }
    | { readonly kind: "scatter"; readonly x: Ref; readonly index: Ref; readonly source: Ref; readonly axis: number }
  );

export interface Lowered {
  readonly work: readonly Work[];
  /** The section of each. */
  readonly sections: readonly number[];
  readonly outputs: readonly Ref[];
}

/** The refs that a piece of work reads. */
export function refsOf(work: Work): readonly Ref[] {
  switch (work.kind) {
    case "leaf":
    case "scalar":
    case "literal":
    case "iota":
      return [];
    case "map":
      return work.args;
    case "gather":
      return [work.index, work.x];
    case "position":
      return work.flag === null ? [work.index] : [work.index, work.flag];
    case "random":
      return [work.key, ...work.counters];
    case "reduce":
      return [work.arg];
    case "contract":
      return [work.a, work.b];
    case "pack":
      return work.pieces.map(({ ref }) => ref);
    case "scan":
    case "sort":
      return [work.x];
    case "scatter":
      return [work.x, work.index, work.source];
    default:
      work satisfies never;
      throw new Error("unknown work");
  }
}

/** The chain of a ref: from an index of its last shape to an element of the node's row-major value. */
export const chainOf = (work: readonly Work[], ref: Ref, start?: View): Chain =>
  applyMoves([start ?? contiguous(work[ref.node].shape)], ref.moves);

export const reshapeTo = (shape: Shape): Move => ({ name: "reshape", attrs: shape, shape });
export const expandTo = (shape: Shape): Move => ({ name: "expand", attrs: shape, shape });
export const permuteBy = (perm: readonly number[], shape: Shape): Move => ({
  name: "permute",
  attrs: perm,
  shape: perm.map((axis) => shape[axis]),
});
