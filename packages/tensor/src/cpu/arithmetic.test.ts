/**
 * The table of scalar functions against the interpreter's arithmetic, which was written without it.
 */
import { describe, expect, test } from "@jest/globals";
import type { BinaryName, CompareName, UnaryName } from "@loopgrad/kernels/scalar";
import {
  BINARY,
  binaryFormula,
  COMPARE,
  castFormula,
  type NumberType,
  UNARY,
  unaryFormula,
} from "@loopgrad/kernels/scalar";
import { type DType, type HostArray, hostArray } from "../dtype.ts";
import { arithmetic } from "./arithmetic.ts";

const SPECIAL = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  Infinity,
  -Infinity,
  Number.NaN,
  1e-310,
  1e300,
  -1e300,
  2 ** 31,
];
/** Of all magnitudes, and of both signs. */
const FLOATS = [
  ...SPECIAL,
  ...Array.from({ length: 200 }, (_, i) => (i - 100.3) / 7),
  ...Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 10 ** (i / 4 - 8)),
];
const INTEGERS = [0, 1, -1, 2, 3, -3, 7, 31, 2 ** 31 - 1, -(2 ** 31), 65537, 1_000_003, -1_000_003];

/** Equal, or off by less than a part; a result below the normal numbers has fewer digits. */
function agree(got: number, wanted: number, part: number): boolean {
  return Object.is(got + 0, wanted + 0) || Math.abs(got - wanted) <= part * Math.abs(wanted) + 1e-305;
}

const dtypesOf = {
  floats: ["float64"],
  numbers: ["float64", "int32", "uint32"],
  integers: ["int32", "uint32"],
  bits: ["int32", "uint32", "bool"],
  bools: ["bool"],
  all: ["float64", "int32", "uint32", "bool"],
} as const satisfies Record<string, readonly DType[]>;

const numberType = (dtype: DType): NumberType => (dtype === "float64" ? "float" : (dtype as NumberType));
const valuesOf = (dtype: DType): HostArray => {
  const values = dtype === "float64" ? FLOATS : dtype === "bool" ? [0, 1] : INTEGERS;
  const array = hostArray(dtype, values.length);
  array.set(values);
  return array;
};
/** A result as an array holds it. */
const stored = (dtype: DType, value: number): number => {
  const array = hostArray(dtype, 1);
  array[0] = value;
  return array[0];
};

describe("functions of one number", () => {
  test.each(Object.keys(UNARY) as UnaryName[])("%s", (name) => {
    const differing: unknown[] = [];
    for (const dtype of dtypesOf[UNARY[name].takes]) {
      for (const x of valuesOf(dtype)) {
        const [got, wanted] = [unaryFormula(name)(x), arithmetic.unary(name)(x)].map((value) => stored(dtype, value));
        if (!agree(got, wanted, 2e-13)) differing.push({ dtype, x, got, wanted });
      }
    }
    expect(differing).toEqual([]);
  });
});

describe("functions of two numbers", () => {
  const names = [...Object.keys(BINARY), ...Object.keys(COMPARE)] as (BinaryName | CompareName)[];
  test.each(names)("%s", (name) => {
    const differing: unknown[] = [];
    const { takes } = { ...BINARY, ...COMPARE }[name];
    for (const dtype of dtypesOf[takes]) {
      const values = valuesOf(dtype);
      const few = values.length > 80 ? values.filter((_, i) => i < SPECIAL.length || i % 9 === 0) : values;
      for (const x of few) {
        for (const y of few) {
          const of = [binaryFormula(name, numberType(dtype)), arithmetic.binary(name, dtype)];
          const [got, wanted] = of.map((formula) => stored(dtype, formula(x, y)));
          if (!agree(got, wanted, name === "polygamma" ? 1e-11 : 0)) differing.push({ dtype, x, y, got, wanted });
        }
      }
    }
    expect(differing).toEqual([]);
  });
});

test("changes of dtype", () => {
  const differing: unknown[] = [];
  const dtypes = ["float64", "int32", "uint32", "bool"] as const;
  for (const from of dtypes) {
    for (const to of dtypes) {
      for (const x of valuesOf(from)) {
        const of = [castFormula(numberType(from), numberType(to)), arithmetic.cast(from, to)];
        const [got, wanted] = of.map((formula) => stored(to, formula(x)));
        if (!agree(got, wanted, 0)) differing.push({ from, to, x, got, wanted });
      }
    }
  }
  expect(differing).toEqual([]);
});
