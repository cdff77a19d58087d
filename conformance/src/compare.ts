/**
 * Comparing what was computed with what was wanted.
 *
 * Floats are compared as whole tensors against the largest magnitude wanted: max|a−b| ≤ atol + rtol·max|b|. NaN and
 * infinities must stand in the same places. Integers, booleans, shapes and dtypes are compared exactly.
 */
import type { DType, HostArray, Shape } from "loopgrad";
import type { GoldenTensor } from "./format.ts";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** What a device computed. */
export interface Computed {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: HostArray;
}

/** One difference between a case's values and what was wanted. */
export interface Mismatch {
  /** The field and position that differ, such as `grads[0]`. */
  readonly what: string;
  /** For people: what was got, and what was wanted. */
  readonly reason: string;
  /** max|a−b| / max|b|; infinite where shapes, dtypes or special values differ. */
  readonly error: number;
}

const DTYPES: Readonly<Record<GoldenTensor["dtype"], readonly DType[]>> = {
  f32: ["float32", "float64"],
  i32: ["int32"],
  bool: ["bool"],
};

/** The elements of a golden tensor as numbers. */
export function goldenNumbers({ data }: GoldenTensor): number[] {
  return data.map((x) => (typeof x === "number" ? x : SPECIAL[x]));
}

const SPECIAL = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY };

/**
 * Compares a tensor with the one wanted.
 *
 * @param what       how a mismatch names it
 * @param got        null where no value (no gradient) came out: the same as zeros
 * @param tolerance  for floats
 * @returns          null if they agree
 */
export function compare(
  what: string,
  got: Computed | null,
  wanted: GoldenTensor,
  tolerance: Tolerance,
): Mismatch | null {
  const b = goldenNumbers(wanted);
  if (got === null) {
    if (b.every((x) => x === 0)) return null;
    return apart(what, `got none, wanted ${list(b)}`);
  }
  if (got.shape.join() !== wanted.shape.join()) {
    return apart(what, `got shape [${got.shape.join(", ")}], wanted [${wanted.shape.join(", ")}]`);
  }
  if (!DTYPES[wanted.dtype].includes(got.dtype)) {
    return apart(what, `got dtype ${got.dtype}, wanted ${DTYPES[wanted.dtype].join(" or ")}`);
  }
  const exact = wanted.dtype !== "f32";
  return compareNumbers(what, Array.from(got.data), b, exact ? { rtol: 0, atol: 0 } : tolerance, wanted.shape);
}

/** Compares lists of numbers of equal length, as one tensor. `shape` turns a position into an index for people. */
export function compareNumbers(
  what: string,
  got: readonly number[],
  wanted: readonly number[],
  { rtol, atol }: Tolerance,
  shape: Shape = [wanted.length],
): Mismatch | null {
  let largest = 0;
  let scale = 0;
  let worst = -1;
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i], wanted[i]];
    if (!Number.isFinite(b) || !Number.isFinite(a)) {
      if (!Object.is(a, b)) return apart(what, `${at(i, shape)}: got ${a}, wanted ${b}`);
      continue;
    }
    scale = Math.max(scale, Math.abs(b));
    const difference = Math.abs(a - b);
    if (difference > largest || worst < 0) {
      largest = difference;
      worst = i;
    }
  }
  if (largest <= atol + rtol * scale) return null;
  const error = scale === 0 ? Number.POSITIVE_INFINITY : largest / scale;
  return {
    what,
    error,
    reason:
      `${at(worst, shape)}: got ${got[worst]}, wanted ${wanted[worst]}; ` +
      `error ${error.toExponential(1)} of the largest, limit ${rtol.toExponential(1)} + ${atol.toExponential(1)} absolute`,
  };
}

const apart = (what: string, reason: string): Mismatch => ({ what, reason, error: Number.POSITIVE_INFINITY });

/** "at [1, 0]" for a position in row-major order; "value" in a 0-d tensor. */
function at(position: number, shape: Shape): string {
  if (shape.length === 0) return "value";
  const index: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(position % shape[axis]);
    position = Math.floor(position / shape[axis]);
  }
  return `at [${index.join(", ")}]`;
}

const list = (numbers: readonly number[]): string =>
  numbers.length <= 4 ? `[${numbers.join(", ")}]` : `[${numbers.slice(0, 4).join(", ")}, …]`;
