import { beforeAll, describe, expect, test } from "@jest/globals";
import { DTypeError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { init, type Tensor, tensor, zeros } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const matrix = () =>
  tensor([
    [1, 2, 3],
    [4, 5, 9],
  ]);

test("over all, one dim, several, with and without keepdim", async () => {
  const x = matrix();
  expect(await x.sum().item()).toBe(24);
  expect(await read(x.sum(0))).toEqual([5, 7, 12]);
  expect(await x.sum(-1, { keepdim: true }).toArray()).toEqual([[6], [18]]);
  expect(x.sum([0, 1], { keepdim: true }).shape).toEqual([1, 1]);
  expect(await read(x.mean(1))).toEqual([2, 6]);
  expect(await read(x.prod(1))).toEqual([6, 180]);
  expect(await read(x.amax(0))).toEqual([4, 5, 9]);
  expect(await read(x.amin(1))).toEqual([1, 4]);
  expect(await tensor(3).sum().item()).toBe(3);
});

test("of nothing", async () => {
  const x = zeros([0, 2]);
  expect(await read(x.sum(0))).toEqual([0, 0]);
  expect(await read(x.prod(0))).toEqual([1, 1]);
  expect(await read(x.to("bool").any(0))).toEqual([0, 0]);
  expect(await read(x.to("bool").all(0))).toEqual([1, 1]);
});

test("of integers and bool", async () => {
  const b = tensor([
    [true, true],
    [true, false],
  ]);
  expect([b.sum().dtype, await b.sum().item()]).toEqual(["int32", 3]);
  expect(await read(b.all(1))).toEqual([1, 0]);
  expect(await read(b.any(0))).toEqual([1, 1]);
  expect(
    await read(
      lg.countNonzero(
        tensor([
          [0, 2],
          [3, 4],
        ]),
        0,
      ),
    ),
  ).toEqual([1, 2]);
  const n = tensor([-5, 2147483647, -2147483648], { dtype: "int32" });
  expect(await n.amin().item()).toBe(-2147483648);
  expect(await tensor([5, 4294967295, 3], { dtype: "uint32" }).amin().item()).toBe(3);
});

test("NaN wins in amax and amin", async () => {
  const x = tensor([1, NaN, 3]);
  expect(await read(lg.stack([x.amax(), x.amin()]))).toEqual([NaN, NaN]);
});

describe("variance", () => {
  test("by correction", async () => {
    const x = matrix();
    expect(await read(lg.var(x, 1))).toEqual([1, 7]);
    expect(await read(x.var(1, { correction: 0 }))).toEqual([2 / 3, 14 / 3].map((v) => expect.closeTo(v, 14)));
    expect(await read(x.std(1))).toEqual([1, Math.sqrt(7)]);
    const [v, m] = lg.varMean(x, 1, { keepdim: true });
    expect([await v.toArray(), await m.toArray()]).toEqual([
      [[1], [7]],
      [[2], [6]],
    ]);
    expect(await read(lg.stdMean(x, 1)[1])).toEqual([2, 6]);
  });

  test("does not suffer from a large mean", async () => {
    const x = tensor([4, 7, 13, 16]).add(1e9);
    expect(await x.var().item()).toBe(30);
  });
});

test("logsumexp shifts, and keeps infinities", async () => {
  const x = tensor([
    [1000, 1000],
    [-Infinity, -Infinity],
    [Infinity, 0],
  ]);
  expect(await read(x.logsumexp(1))).toEqual([expect.closeTo(1000 + Math.LN2, 10), -Infinity, Infinity]);
});

test("norms of all orders", async () => {
  const x = tensor([3, -4, 0]);
  const of = (p: number) => x.norm(null, { p }).item();
  expect([await of(2), await of(1), await of(0), await of(Infinity), await of(-Infinity)]).toEqual([5, 7, 2, 4, 0]);
  expect(await of(3)).toBeCloseTo(91 ** (1 / 3), 12);
  expect(await of(-1)).toBe(0);
});

test("wrong dims and dtypes are errors", () => {
  const x = matrix();
  expect(() => x.sum(2)).toThrow(new ShapeError("sum: axis 2 is out of range for rank 2: wanted [-2, 1]"));
  expect(() => x.sum([0, -2])).toThrow("sum: axis 0 appears twice in [0, -2]");
  expect(() => x.to("int32").mean()).toThrow(new DTypeError("mean: wanted a float tensor, got int32; cast it first"));
  expect(() => x.to("int32").var()).toThrow(DTypeError);
});
