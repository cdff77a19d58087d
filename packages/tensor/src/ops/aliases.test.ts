import { beforeAll, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { init, Tensor, tensor } from "../index.ts";
import * as aliases from "./aliases.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const ORIGINALS: Record<string, string> = {
  ...{ absolute: "abs", negative: "neg", multiply: "mul", subtract: "sub", divide: "div", trueDivide: "div" },
  ...{ arccos: "acos", arccosh: "acosh", arcsin: "asin", arcsinh: "asinh", arctan: "atan", arctan2: "atan2" },
  ...{ arctanh: "atanh", greater: "gt", greaterEqual: "ge", less: "lt", lessEqual: "le", notEqual: "ne" },
  ...{ clip: "clamp", fix: "trunc", expit: "sigmoid", concat: "cat", concatenate: "cat", moveaxis: "movedim" },
  ...{ swapdims: "transpose", ger: "outer" },
};

test("an alias is the operation, as a function and as a method", () => {
  const functions = lg as unknown as Record<string, unknown>;
  expect(Object.keys(aliases).sort()).toEqual(Object.keys(ORIGINALS).sort());
  for (const [alias, name] of Object.entries(ORIGINALS)) {
    expect(functions[alias]).toBe(functions[name]);
    const methods = Tensor.prototype as unknown as Record<string, unknown>;
    expect([alias, methods[alias]]).toEqual([alias, methods[name]]);
  }
  expect(Tensor.prototype.tolist).toBe(Tensor.prototype.toArray);
});

test("casts and questions of shape have torch's short names", async () => {
  const x = tensor([
    [0, 1.75, -2.5],
    [3, 4, 5],
  ]);
  const dtypes = [x.float(), x.double(), x.int(), x.long(), x.bool()].map(({ dtype }) => dtype);
  expect(dtypes).toEqual(["float32", "float64", "int32", "int32", "bool"]);
  expect(await x.int().tolist()).toEqual([
    [0, 1, -2],
    [3, 4, 5],
  ]);
  expect([x.numel(), x.dim(), x.ndim]).toEqual([6, 2, 2]);
  expect(await x.T.tolist()).toEqual([
    [0, 3],
    [1.75, 4],
    [-2.5, 5],
  ]);
  expect(x.unsqueeze(0).T.shape).toEqual([3, 2, 1]);
  expect(x.unsqueeze(0).mT.shape).toEqual([1, 3, 2]);
  expect(x.viewAs(x.T).shape).toEqual([3, 2]);
  expect(await x.reshapeAs(x.T).tolist()).toEqual(await x.view([3, 2]).tolist());
  expect(x.ravel().shape).toEqual([6]);
});

test("tensors made like another have its dtype and device, unless told otherwise", async () => {
  const x = tensor([1, 2], { dtype: "int32" });
  expect(await x.newFull([2], 7).tolist()).toEqual([7, 7]);
  expect(await x.newZeros([2, 1]).tolist()).toEqual([[0], [0]]);
  expect(await x.newOnes([1]).tolist()).toEqual([1]);
  expect([x.newEmpty([3]).dtype, x.newOnes([1], { dtype: "bool" }).dtype]).toEqual(["int32", "bool"]);
  expect([lg.empty([2, 3]).shape, lg.emptyLike(x).dtype]).toEqual([[2, 3], "int32"]);
});

/** Values of torch 2.13. */
test("logspace, isclose, isin, argwhere and equal are torch's", async () => {
  expect(await lg.logspace(-1, 2, 4).tolist()).toEqual([0.1, 1, 10, 100]);
  expect(await lg.logspace(0, 3, 4, { base: 2, dtype: "int32" }).tolist()).toEqual([1, 2, 4, 8]);
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const a = tensor([1, 1, nan, inf, inf, 0]);
  const b = tensor([1.000001, 1.1, nan, inf, -inf, 1e-9]);
  expect(await a.isclose(b).tolist()).toEqual([true, false, false, true, false, true]);
  expect(await a.isclose(b, { equalNan: true }).tolist()).toEqual([true, false, true, true, false, true]);
  expect(
    await lg
      .isin(
        tensor([
          [1, 2],
          [3, 4],
        ]),
        tensor([2, 3]),
      )
      .tolist(),
  ).toEqual([
    [false, true],
    [true, false],
  ]);
  expect(await lg.isin(tensor([1, 2]), 2, { invert: true }).tolist()).toEqual([true, false]);
  expect(await lg.isin(tensor([1, 2]), tensor([])).tolist()).toEqual([false, false]);
  expect(
    await (
      await tensor([
        [0, 1],
        [2, 0],
      ]).argwhere()
    ).tolist(),
  ).toEqual([
    [0, 1],
    [1, 0],
  ]);
  expect(await a.equal(a)).toBe(false);
  expect(await b.select(0, 1).equal(tensor(1.1))).toBe(true);
  expect(await tensor([1]).equal(tensor([[1]]))).toBe(false);
  expect(await tensor([]).equal(tensor([]))).toBe(true);
});
