/**
 * The comparison itself: what it lets pass, and what it says.
 */
import { expect, test } from "@jest/globals";
import { type Computed, compare } from "./compare.ts";
import type { GoldenTensor } from "./format.ts";

const limit = { rtol: 1e-3, atol: 1e-9 };
const wanted: GoldenTensor = { shape: [2, 2], dtype: "f32", data: [1, -100, 0, "inf"] };
const got = (data: number[], shape = [2, 2]): Computed => ({ shape, dtype: "float64", data: Float64Array.from(data) });

test("errors are measured against the largest magnitude of the whole tensor", () => {
  expect(compare("y", got([1.09, -100, 0.09, Infinity]), wanted, limit)).toBeNull();
  const mismatch = compare("y", got([1, -100.2, 0, Infinity]), wanted, limit);
  expect(mismatch?.error).toBeCloseTo(0.002, 6);
  expect(mismatch?.reason).toContain("at [0, 1]: got -100.2, wanted -100");
});

test("infinities and NaN stand where they are wanted", () => {
  expect(compare("y", got([1, -100, 0, -Infinity]), wanted, limit)?.reason).toContain("at [1, 1]");
  expect(compare("y", got([1, -100, Number.NaN, Infinity]), wanted, limit)?.reason).toContain("got NaN, wanted 0");
  const nan: GoldenTensor = { shape: [], dtype: "f32", data: ["nan"] };
  expect(compare("y", got([Number.NaN], []), nan, limit)).toBeNull();
});

test("shapes, dtypes and integers are exact", () => {
  expect(compare("y", got([1, -100, 0, Infinity], [4]), wanted, limit)?.reason).toContain("got shape [4]");
  const classes: GoldenTensor = { shape: [1], dtype: "i32", data: [1000] };
  expect(compare("y", { shape: [1], dtype: "int32", data: Int32Array.of(1001) }, classes, limit)).not.toBeNull();
  expect(compare("y", got([1000], [1]), classes, limit)?.reason).toContain("got dtype float64, wanted int32");
});

test("no gradient is the same as zeros", () => {
  expect(compare("g", null, { shape: [2], dtype: "f32", data: [0, 0] }, limit)).toBeNull();
  expect(compare("g", null, wanted, limit)?.reason).toContain("got none");
});
