/**
 * Ranges of integers: between which numbers the elements of a value lie, as far as that is known without a read.
 *
 * Known are elements that the host gave, and what is computed from such in simple ways: views of them, positions that argmax
 * and sort make, 0 to n − 1, random integers. A range is *exact* if both ends occur among the elements: an end outside an
 * axis then is a mistake, not only a suspicion. What is found is noted at the value, so that a loop pays once; also that
 * nothing is known, so that a value is always treated alike.
 */
import { type DType, type HostArray, isFloat } from "../dtype.ts";
import * as p from "../primitives.ts";
import type { Value } from "./value.ts";

export interface IntRange {
  readonly min: number;
  readonly max: number;
  readonly exact: boolean;
}

/** How far the records behind a value are followed. */
const DEPTH = 16;

const EMPTY: IntRange = { min: Infinity, max: -Infinity, exact: true };
const BIT: IntRange = { min: 0, max: 1, exact: false };

const between = (min: number, max: number): IntRange => ({ min, max, exact: false });
const union = (a: IntRange, b: IntRange): IntRange => between(Math.min(a.min, b.min), Math.max(a.max, b.max));

/** The range of a value's elements; null where it is not known. */
export function intRange(value: Value, depth = DEPTH): IntRange | null {
  if (value.range === undefined) value.range = fitting(find(value, depth), value.dtype);
  return value.range;
}

/** Ranges of elements other than a number, of values that hold it. */
const without = new WeakMap<Value, Map<number, IntRange | null>>();

/** The range of the elements that are not `ignored`. */
export function intRangeWithout(value: Value, ignored: number): IntRange | null {
  const all = intRange(value);
  if (all !== null && (ignored < all.min || ignored > all.max)) return all;
  let known = without.get(value);
  if (known === undefined) {
    known = new Map();
    without.set(value, known);
  }
  let range = known.get(ignored);
  if (range === undefined) {
    const { base, whole } = behindViews(value);
    const rest = base !== value ? intRangeWithout(base, ignored) : base.host !== null ? scan(base.host, ignored) : all;
    range = rest && { ...rest, exact: rest.exact && whole && base.host !== null };
    known.set(ignored, range);
  }
  return range;
}

/** The value that views lead to, and whether they show all of it. */
function behindViews(value: Value): { base: Value; whole: boolean } {
  let base = value;
  let whole = true;
  for (let i = 0; i < DEPTH && base.host === null && base.primitive?.kind === "movement"; i++) {
    if (base.primitive === p.padP) break;
    if (base.primitive === p.sliceP) whole = false;
    base = base.inputs[0];
  }
  return { base, whole };
}

function scan(host: HostArray, ignored: number | null): IntRange | null {
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < host.length; i++) {
    const x = host[i];
    if (x === ignored) continue;
    if (x < min) min = x;
    if (x > max) max = x;
    if (Number.isNaN(x)) return null;
  }
  return min > max ? EMPTY : { min, max, exact: true };
}

/** Numbers that the dtype would wrap are not known. */
function fitting(range: IntRange | null, dtype: DType): IntRange | null {
  if (range === null || range === EMPTY || isFloat(dtype)) return range;
  const [lowest, highest] = dtype === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, dtype === "bool" ? 1 : 2 ** 32 - 1];
  const { min, max, exact } = range;
  if (!(min >= lowest && max <= highest)) return null;
  return Number.isInteger(min) && Number.isInteger(max) ? range : { min: Math.trunc(min), max: Math.trunc(max), exact };
}

/** What the record, or the host, says. */
function find(value: Value, depth: number): IntRange | null {
  const { host, primitive, inputs, attrs, dtype } = value;
  if (value.size === 0) return EMPTY;
  if (host !== null) return scan(host, null);
  if (primitive === null || depth === 0) return null;
  const of = (i: number): IntRange | null => intRange(inputs[i], depth - 1);
  switch (primitive) {
    case p.scalarP:
      return { min: value.scalar, max: value.scalar, exact: true };
    case p.literalP:
      return { min: attrs[1], max: attrs[1], exact: true };
    case p.iotaP:
      return { min: 0, max: attrs[1] - 1, exact: true };
    case p.reshapeP:
    case p.permuteP:
    case p.expandP:
    case p.flipP:
    case p.aliasP:
      return of(0);
    case p.castP: {
      const range = of(0);
      return range !== null && dtype === "bool" ? BIT : range;
    }
    case p.sliceP:
    case p.maxP: {
      const range = inputs[0].size === 0 ? null : of(0);
      return range && between(range.min, range.max);
    }
    case p.padP:
    case p.gatherP: {
      const range = of(0);
      return range && union(range, between(0, 0));
    }
    case p.argmaxP:
    case p.argsortP:
      return between(0, Math.max(inputs[0].shape[attrs[0]] - 1, 0));
    case p.positionP:
      return between(-1, attrs[0] - 1);
    case p.whereP: {
      const [yes, no] = [of(1), of(2)];
      return yes && no && union(yes, no);
    }
    case p.randomBitsP:
      return between(0, 2 ** 32 - 1);
    default:
      if (dtype === "bool") return BIT;
      return isFloat(dtype) || inputs.length !== 2 ? null : combined(primitive, of(0), of(1));
  }
}

/** Sums, differences, products, extremes and remainders of integers. */
function combined(primitive: p.Primitive, a: IntRange | null, b: IntRange | null): IntRange | null {
  if (a === null || b === null) return null;
  switch (primitive) {
    case p.addP:
      return between(a.min + b.min, a.max + b.max);
    case p.subP:
      return between(a.min - b.max, a.max - b.min);
    case p.mulP: {
      const ends = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
      return between(Math.min(...ends), Math.max(...ends));
    }
    case p.maximumP:
      return between(Math.max(a.min, b.min), Math.max(a.max, b.max));
    case p.minimumP:
      return between(Math.min(a.min, b.min), Math.min(a.max, b.max));
    case p.fmodP:
      return a.min >= 0 && b.min > 0 ? between(0, Math.min(a.max, b.max - 1)) : null;
    default:
      return null;
  }
}
