import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import { allclose, init, isfinite, isinf, isnan, nanToNum, type Tensor, tensor, where } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];

test("comparisons, false beside NaN except ne", async () => {
  const [a, b] = [tensor([1, 2, 3, NaN]), tensor([2, 2, 2, 2])];
  expect(await read(a.lt(b))).toEqual([1, 0, 0, 0]);
  expect(await read(a.le(b))).toEqual([1, 1, 0, 0]);
  expect(await read(a.gt(b))).toEqual([0, 0, 1, 0]);
  expect(await read(a.ge(b))).toEqual([0, 1, 1, 0]);
  expect(await read(a.eq(2))).toEqual([0, 1, 0, 0]);
  expect(await read(a.ne(b))).toEqual([1, 0, 1, 1]);
  expect(a.lt(b).dtype).toBe("bool");
});

test("logic counts anything but 0 as true", async () => {
  const [a, b] = [tensor([0, 0, 2, 2]), tensor([false, true, false, true])];
  expect(await read(a.logicalAnd(b))).toEqual([0, 0, 0, 1]);
  expect(await read(a.logicalOr(b))).toEqual([0, 1, 1, 1]);
  expect(await read(a.logicalXor(b))).toEqual([0, 1, 1, 0]);
  expect(await read(a.logicalNot())).toEqual([1, 1, 0, 0]);
});

test("kinds of numbers", async () => {
  const x = tensor([1, NaN, Infinity, -Infinity]);
  expect(await read(isnan(x))).toEqual([0, 1, 0, 0]);
  expect(await read(isinf(x))).toEqual([0, 0, 1, 1]);
  expect(await read(isfinite(x))).toEqual([1, 0, 0, 0]);
  expect(await read(isfinite(tensor([1], { dtype: "int32" })))).toEqual([1]);
});

test("where takes numbers on either side, and NaN of the other branch has no influence", async () => {
  const c = tensor([true, false]);
  expect(await read(where(c, tensor([1, NaN]), 7))).toEqual([1, 7]);
  expect(await read(where(c, -1, tensor([[5], [6]])))).toEqual([-1, 5, -1, 6]);
  expect(await read(where(c, 1, 0))).toEqual([1, 0]);
  expect(() => where(tensor([1, 0]), 1, 0)).toThrow(new DTypeError("where: the condition is float64, wanted bool"));
});

test("maskedFill and clamp", async () => {
  const x = tensor([-2, 0.5, 2, NaN]);
  expect(await read(x.maskedFill(x.gt(0), -3))).toEqual([-2, -3, -3, NaN]);
  expect(await read(x.clamp(-1, 1))).toEqual([-1, 0.5, 1, NaN]);
  expect(await read(x.clamp(null, 0))).toEqual([-2, 0, 0, NaN]);
  expect(await read(x.clamp(tensor([0, 1, 3, 0])))).toEqual([0, 1, 3, NaN]);
  expect(() => x.clamp()).toThrow(ArgumentError);
  expect(() => x.maskedFill(x, 0)).toThrow(DTypeError);
});

test("nanToNum", async () => {
  const x = tensor([NaN, Infinity, -Infinity, 1]);
  expect(await read(nanToNum(x, { nan: 5, posinf: 6, neginf: 7 }))).toEqual([5, 6, 7, 1]);
  expect(await read(nanToNum(x.to("float32")))).toEqual([
    0,
    Math.fround(3.4028234663852886e38),
    -Math.fround(3.4028234663852886e38),
    1,
  ]);
});

test("allclose", async () => {
  expect(await allclose(tensor([1, 2]), tensor([1 + 1e-9, 2]))).toBe(true);
  expect(await allclose(tensor([1, 2]), tensor([1.01, 2]))).toBe(false);
  expect(await allclose(tensor([NaN]), tensor([NaN]))).toBe(false);
  await expect(allclose(tensor([1, 2]), tensor([1]))).rejects.toThrow(ShapeError);
});
