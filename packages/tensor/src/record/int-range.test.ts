/** Ranges of integers: what is known of a value's elements without a read is true of them. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { type DType, dtypeCode } from "../dtype.ts";
import * as ops from "../index.ts";
import type { Tensor } from "../tensor.ts";
import { type IntRange, intRange, intRangeWithout } from "./int-range.ts";

const { bind } = ops;
let device: Device;
beforeAll(() => {
  device = new Device(new InterpreterBackend());
});

const host = (values: number[], dtype: DType = "int32", shape: number[] = [values.length]): Tensor =>
  ops.tensor(values, { device, dtype }).reshape(shape);
const rangeOf = (x: Tensor): IntRange | null => intRange(x._live());
const cast = (x: Tensor, dtype: DType): Tensor => bind(ops.castP, [x], [dtypeCode(dtype)]);

const about = (min: number, max: number): IntRange => ({ min, max, exact: false });
const exactly = (min: number, max: number): IntRange => ({ min, max, exact: true });
const EMPTY = exactly(Infinity, -Infinity);

/** Values, and what is known of them. */
const CASES: Record<string, readonly (readonly [string, () => Tensor, IntRange | null])[]> = {
  "given by the host": [
    ["numbers", () => host([3, -2, 5, 0]), exactly(-2, 5)],
    ["one number", () => host([7]), exactly(7, 7)],
    ["none", () => host([]), EMPTY],
    ["floats", () => host([0.5, 2.5], "float32"), exactly(0.5, 2.5)],
    ["floats, one of them NaN", () => host([0, Number.NaN, 2], "float32"), null],
    ["a number that fills", () => ops.full([3], 4, { device, dtype: "int32" }), exactly(4, 4)],
    ["a range", () => iota(5), exactly(0, 4)],
    ["a literal", () => literal(7, "int32"), exactly(7, 7)],
    ["a literal that its dtype does not hold", () => literal(7, "bool"), null],
    ["an empty range", () => iota(0), EMPTY],
  ],
  "views of it": [
    ["reshape", () => host([3, -2, 5, 0]).reshape([2, 2]), exactly(-2, 5)],
    ["permute", () => host([3, -2, 5, 0], "int32", [2, 2]).t(), exactly(-2, 5)],
    ["expand", () => host([3, -2]).expand([4, 2]), exactly(-2, 3)],
    ["flip", () => host([3, -2]).flip(0), exactly(-2, 3)],
    ["alias", () => bind(ops.aliasP, [host([3, -2])]), exactly(-2, 3)],
    ["slice", () => host([3, -2, 5]).slice(0, 0, 1), about(-2, 5)],
    ["pad", () => bind(ops.padP, [host([3, 5])], [1, 0]), about(0, 5)],
    ["pad of what is below 0", () => bind(ops.padP, [host([-3, -5])], [1, 0]), about(-5, 0)],
    ["maximum", () => host([3, -2, 5]).amax(0), about(-2, 5)],
    ["gather", () => bind(ops.gatherP, [host([3, 5]), host([0, 1])], [0]), about(0, 5)],
  ],
  "computed from it": [
    ["a sum", () => host([1, 3]).add(host([-5, 10])), about(-4, 13)],
    ["a sum of nothing", () => host([]).add(host([])), EMPTY],
    ["a difference", () => host([1, 3]).sub(host([-5, 10])), about(-9, 8)],
    ["a product", () => host([-2, 3]).mul(host([-5, 4])), about(-15, 12)],
    ["a product of what is below 0", () => host([-2, -3]).mul(host([-5, -4])), about(8, 15)],
    ["a maximum of two", () => bind(ops.maximumP, [host([1, 3]), host([-5, 2])]), about(1, 3)],
    ["a minimum of two", () => bind(ops.minimumP, [host([1, 3]), host([-5, 2])]), about(-5, 2)],
    ["a remainder", () => bind(ops.fmodP, [host([0, 9]), host([1, 4])]), about(0, 3)],
    ["a remainder of small numbers", () => bind(ops.fmodP, [host([0, 2]), host([1, 9])]), about(0, 2)],
    ["a remainder of what may be below 0", () => bind(ops.fmodP, [host([-1, 9]), host([1, 4])]), null],
    ["a remainder by what may be 0", () => bind(ops.fmodP, [host([1, 9]), host([0, 4])]), null],
    ["a quotient", () => bind(ops.divP, [host([1, 9]), host([2, 4])]), null],
    ["a sum beyond the dtype", () => host([2 ** 31 - 1]).add(host([1])), null],
    ["a sum at its end", () => host([2 ** 31 - 2]).add(host([1])), about(2 ** 31 - 1, 2 ** 31 - 1)],
    ["a difference below the dtype", () => host([-(2 ** 31)]).sub(host([1])), null],
    ["a difference at its end", () => host([-(2 ** 31) + 1]).sub(host([1])), about(-(2 ** 31), -(2 ** 31))],
    ["a difference below 0, unsigned", () => host([1], "uint32").sub(host([2], "uint32")), null],
    ["a sum, unsigned", () => host([2 ** 32 - 2], "uint32").add(host([1], "uint32")), about(2 ** 32 - 1, 2 ** 32 - 1)],
    ["a sum of floats", () => host([1], "float32").add(host([2], "float32")), null],
    ["a choice", () => bind(ops.whereP, [host([1, 0], "bool"), host([1, 3]), host([-5, 2])]), about(-5, 3)],
    ["a choice of what is not known", () => bind(ops.whereP, [host([1], "bool"), host([-1]).abs(), host([2])]), null],
    ["a choice beside it", () => bind(ops.whereP, [host([1], "bool"), host([2]), host([-1]).abs()]), null],
    ["a comparison", () => host([1, 3]).lt(host([2, 2])), about(0, 1)],
    ["a conjunction", () => bind(ops.andP, [host([1], "bool"), host([1], "bool")]), about(0, 1)],
    ["an absolute value", () => host([-1, 3]).abs(), null],
    ["the largest's position", () => host([1, 3, 2, 0], "int32", [2, 2]).argmax(1), about(0, 1)],
    ["positions that sort", () => bind(ops.argsortP, [host([1, 3, 2])], [0, 0]), about(0, 2)],
    ["a checked position", () => bind(ops.positionP, [host([1, 3])], [4, 1, 0, 0, 0]), about(-1, 3)],
    ["random bits", () => bind(ops.randomBitsP, [host([1, 2], "uint32")], [3]), about(0, 2 ** 32 - 1)],
  ],
  casts: [
    ["to floats", () => cast(host([3, -2]), "float32"), exactly(-2, 3)],
    ["of floats to integers", () => cast(host([3.7, -2.7], "float32"), "int32"), exactly(-2, 3)],
    ["of floats, the largest of them whole", () => cast(host([2.5, 4], "float32"), "int32"), exactly(2, 4)],
    ["of floats, the least of them whole", () => cast(host([2, 4.5], "float32"), "int32"), exactly(2, 4)],
    ["of infinity", () => cast(host([Infinity], "float32"), "int32"), null],
    ["of what is below 0 to unsigned", () => cast(host([-2]), "uint32"), null],
    ["to bool", () => cast(host([3, -2]), "bool"), about(0, 1)],
    ["of what is not known", () => cast(host([-1, 3]).abs(), "float32"), null],
  ],
};

function iota(n: number): Tensor {
  return ops.bindConstant(device, ops.iotaP, [dtypeCode("int32"), n]);
}

function literal(value: number, dtype: DType): Tensor {
  return ops.bindConstant(device, ops.literalP, [dtypeCode(dtype), value]);
}

describe.each(Object.keys(CASES))("%s", (group) => {
  test.each(CASES[group])("%s", async (_, make, wanted) => {
    const x = make();
    expect(rangeOf(x)).toEqual(wanted);
    expect(rangeOf(x)).toEqual(wanted);
    if (wanted === null) return;
    const values = Array.from(await x.data(), Number);
    for (const value of values) expect(value >= wanted.min && value <= wanted.max).toBe(true);
    if (wanted.exact && x.dtype !== "float32") {
      expect([Math.min(...values), Math.max(...values)]).toEqual([wanted.min, wanted.max]);
    }
  });
});

test("records are followed for sixteen steps", () => {
  const steps = (count: number): Tensor => {
    let x = iota(3);
    for (let i = 0; i < count; i++) x = bind(ops.aliasP, [x]);
    return x;
  };
  expect(rangeOf(steps(15))).toEqual(exactly(0, 2));
  expect(rangeOf(steps(16))).toBeNull();
});

describe("without a number that is ignored", () => {
  const without = (x: Tensor, ignored: number): IntRange | null => intRangeWithout(x._live(), ignored);

  test("of the host's elements the others count", () => {
    const x = host([-100, 3, 5, -100]);
    expect(rangeOf(x)).toEqual(exactly(-100, 5));
    expect(without(x, -100)).toEqual(exactly(3, 5));
    expect(without(x, 5)).toEqual(exactly(-100, 3));
    expect(without(x, 4)).toEqual(exactly(-100, 5));
    expect(without(x, -100)).toEqual(exactly(3, 5));
    expect(without(host([7, 7]), 7)).toEqual(EMPTY);
  });

  test("outside the range, it changes nothing", () => {
    const x = host([1, 3]);
    expect(without(x, 0)).toBe(rangeOf(x));
    expect(without(x, 4)).toBe(rangeOf(x));
    expect(without(x, 1)).toEqual(exactly(3, 3));
    expect(without(x, 3)).toEqual(exactly(1, 1));
  });

  test("views show what is behind them; parts of it not exactly", () => {
    const x = host([-100, 3, 5, -100]);
    expect(without(x.reshape([2, 2]).t(), -100)).toEqual(exactly(3, 5));
    expect(without(x.slice(0, 0, 2), -100)).toEqual(about(3, 5));
    expect(without(bind(ops.padP, [x], [1, 0]), -100)).toEqual(about(-100, 5));
  });

  test("it is noted, and sixteen views are looked behind", () => {
    const x = host([-100, 3, 5]);
    expect(without(x, -100)).toBe(without(x, -100));
    const views = (count: number): Tensor => {
      let view = x;
      for (let i = 0; i < count; i++) view = view.flip(0);
      return view;
    };
    expect(without(views(16), -100)).toEqual(exactly(3, 5));
    expect(without(views(17), -100)).toEqual(about(3, 5));
  });

  test("a view that the host has itself is not looked behind", () => {
    const x = host([-100, 3, 5]);
    const view = x.slice(0, 1, 2);
    view._live().host = Int32Array.of(3);
    expect(without(view, 3)).toEqual(EMPTY);
  });

  test("of what was computed nothing more is known", () => {
    expect(without(host([-100, 5]).add(host([0, 1])), -100)).toEqual(about(-100, 6));
    expect(without(host([-1, 5]).abs(), 0)).toBeNull();
  });
});
