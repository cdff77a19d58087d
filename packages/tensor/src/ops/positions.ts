/**
 * Positions: indices checked against the axis that they lead into.
 *
 * An index names a *position* along an axis of n (gather, scatter, index …: negative ones count from the end), or it is the
 * *name* of a class or a token (crossEntropy, oneHot, embedding …: negative ones are mistakes). Either way what is outside is
 * an error: at once where the host knows the elements (see record/int-range.ts), which costs one pass over them in their
 * life; else the operation reads them through the primitive `position`, which the device checks as it computes, and the error
 * shows at the next read. Indices that are inside by the way they were made are taken as they are.
 */
import { bind } from "../bind.ts";
import { isFloat } from "../dtype.ts";
import { DTypeError, IndexError } from "../errors.ts";
import { positionP } from "../primitives.ts";
import { type IndexSite, outsideMessage, siteNumber } from "../record/index-sites.ts";
import { intRange, intRangeWithout } from "../record/int-range.ts";
import type { Tensor } from "../tensor.ts";
import { cast } from "./operand.ts";

/** What indices lead into. */
export interface IndexedAxis {
  /** Its elements: positions, classes or rows. */
  readonly n: number;
  readonly kind: IndexSite["kind"];
  /** An index that is no mistake, wherever it lies. */
  readonly ignored?: number | null;
  /** Whether the operation has an option `ignoreIndex`. */
  readonly ignorable?: boolean;
}

/**
 * Positions in [0, n) for indices of any kind. Those that are outside become −1, ignored ones may stay as they are.
 *
 * @param op     the operation whose error it would be
 * @param index  int32 or uint32
 * @returns      int32, index's shape
 * @throws       DTypeError for floats and bool
 * @throws       IndexError for an index outside that the host knows
 */
export function positions(op: string, index: Tensor, axis: IndexedAxis): Tensor {
  if (isFloat(index.dtype) || index.dtype === "bool") {
    throw new DTypeError(`${op}: the index is ${index.dtype}, wanted int32; use to("int32")`);
  }
  const { n, kind, ignored = null, ignorable = false } = axis;
  const lowest = kind === "position" ? -n : 0;
  const site: IndexSite = { op, n, kind, ignorable, shape: index.shape };
  const value = index._live();
  const range = ignored === null ? intRange(value) : intRangeWithout(value, ignored);
  const at = index.dtype === "int32" ? index : cast(index, "int32");
  if (range !== null && range.min >= lowest && range.max < n) {
    // Only negative ones need a look: no site, nothing is noted.
    return range.min < 0 ? bind(positionP, [at], [n, 1, 0, 0, 0]) : at;
  }
  if (range?.exact) throw new IndexError(outsideMessage(site, range.max >= n ? range.max : range.min));
  // What uint32 holds beyond int32 would seem to count from the end.
  const fromEnd = kind === "position" && index.dtype === "int32" ? 1 : 0;
  return bind(positionP, [at], [n, fromEnd, siteNumber(site), ignored === null ? 0 : 1, ignored ?? 0]);
}

/** Are positions of a kind that has −1 for what was outside? */
export const mayBeOutside = (at: Tensor): boolean => {
  const { primitive, attrs } = at._live();
  return primitive === positionP && attrs[2] !== 0;
};

/** Is there surely no element like this? Known only of what the host knows. */
export function surelyWithout(index: Tensor, element: number): boolean {
  const range = intRange(index._live());
  return range !== null && (element < range.min || element > range.max);
}
