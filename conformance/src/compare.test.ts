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

test("special values match themselves only", () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e300];
  const names = ["nan", "inf", "-inf", 0, -0, 1e300] as const;
  for (const [i, a] of values.entries()) {
    for (const [k, b] of names.entries()) {
      const isSame = i === k || (i >= 3 && k >= 3 && i < 5 && k < 5);
      const mismatch = compare("y", got([a], [1]), { shape: [1], dtype: "f32", data: [b] }, limit);
      expect([a, b, mismatch === null]).toEqual([a, b, isSame]);
    }
  }
});

test("special values neither widen the limit of the others nor hide them", () => {
  const some: GoldenTensor = { shape: [4], dtype: "f32", data: ["inf", 1, "nan", "-inf"] };
  const values = (x: number): Computed => got([Infinity, x, Number.NaN, -Infinity], [4]);
  expect(compare("y", values(1.0009), some, limit)).toBeNull();
  expect(compare("y", values(1.0011), some, limit)?.reason).toContain("at [1]");
  expect(compare("y", values(0.9989), some, limit)?.error).toBeCloseTo(0.0011, 6);
});

test.each([
  ["i32", "int32", Int32Array],
  ["bool", "bool", Uint32Array],
] as const)("of %s nothing may differ, whatever the tolerance; other dtypes are refused", (wantedType, dtype, Data) => {
  const wide = { rtol: 1, atol: 1 };
  const ones: GoldenTensor = { shape: [3], dtype: wantedType, data: [1, 0, 1] };
  const values = (...data: number[]) => ({ shape: [3], dtype, data: Data.from(data) }) as unknown as Computed;
  expect(compare("y", values(1, 0, 1), ones, wide)).toBeNull();
  expect(compare("y", values(1, 1, 1), ones, wide)?.reason).toContain("at [1]: got 1, wanted 0");
  expect(compare("y", values(1, 0, 0), ones, wide)?.reason).toContain("at [2]: got 0, wanted 1");
  for (const other of ["int32", "bool", "uint32", "float32", "float64"] as const) {
    const mismatch = compare("y", { ...values(1, 0, 1), dtype: other } as Computed, ones, wide);
    expect([other, mismatch === null]).toEqual([other, other === dtype]);
  }
});

test("floats may be of either width; of an empty tensor there is nothing to compare but its shape", () => {
  const wide: GoldenTensor = { shape: [1], dtype: "f32", data: [1] };
  for (const [dtype, fits] of [
    ["float32", true],
    ["float64", true],
    ["float16", false],
    ["int32", false],
    ["bool", false],
  ] as const) {
    expect([dtype, compare("y", { ...got([1], [1]), dtype }, wide, limit) === null]).toEqual([dtype, fits]);
  }
  const empty: GoldenTensor = { shape: [0, 2], dtype: "f32", data: [] };
  expect(compare("y", got([], [0, 2]), empty, limit)).toBeNull();
  expect(compare("y", got([], [2, 0]), empty, limit)).not.toBeNull();
  expect(compare("y", null, empty, limit)).toBeNull();
});

test("nothing passes for a value, or for a special value, that was wanted", () => {
  for (const data of [[1e-30], ["nan"], ["inf"], [0, 0, -1e-30]] as const) {
    expect(compare("g", null, { shape: [data.length], dtype: "f32", data: [...data] }, limit)).not.toBeNull();
  }
});
