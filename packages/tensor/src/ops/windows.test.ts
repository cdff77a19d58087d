import { beforeAll, describe, expect, test } from "@jest/globals";
import { arange, fold, init, ones, type Tensor, unfold, unfoldDim } from "../index.ts";
import { overlapAdd, windows } from "./windows.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const line = (n: number) => arange(n, { dtype: "float64" });

/** n, k, stride, dilation. */
const GEOMETRIES = [
  [6, 1, 1, 1],
  [6, 1, 4, 1],
  [6, 2, 2, 1],
  [7, 2, 3, 1],
  [7, 3, 1, 1],
  [9, 3, 2, 2],
  [5, 5, 1, 1],
  [8, 2, 5, 3],
];

describe.each(GEOMETRIES)("n %i, k %i, stride %i, dilation %i", (n, k, stride, dilation) => {
  const o = Math.floor((n - dilation * (k - 1) - 1) / stride) + 1;

  test("windows are what they are said to be", async () => {
    const expected = Array.from({ length: k }, (_, j) =>
      Array.from({ length: o }, (_, i) => i * stride + j * dilation),
    );
    expect(await windows(line(n), 0, k, o, stride, dilation).toArray()).toEqual(expected);
    // Between other dims.
    const x = line(3 * n * 2).reshape([3, n, 2]);
    const parts = windows(x, 1, k, o, stride, dilation);
    expect(parts.shape).toEqual([3, k, o, 2]);
    expect(await read(parts.select(3, 1).select(0, 2))).toEqual(expected.flat().map((i) => (2 * n + i) * 2 + 1));
  });

  test("overlapAdd is the adjoint: <windows(x), y> = <x, overlapAdd(y)>", async () => {
    const x = line(n).square();
    const y = line(k * o)
      .reshape([k, o])
      .add(1);
    const left = await windows(x, 0, k, o, stride, dilation).mul(y).sum().item();
    expect(await overlapAdd(y, 0, n, stride, dilation).mul(x).sum().item()).toBe(left);
  });
});

test("unfoldDim puts the windows last", async () => {
  expect(await unfoldDim(line(5), 0, 3, 2).toArray()).toEqual([
    [0, 1, 2],
    [2, 3, 4],
  ]);
  expect(line(12).reshape([2, 6]).unfold(1, 2, 2).shape).toEqual([2, 3, 2]);
  expect(() => unfoldDim(line(3), 0, 4, 1)).toThrow(
    "unfoldDim: size 4, step 1 for dim 0 of [3]: wanted 1 <= size <= 3",
  );
});

test("unfold lays patches out as columns, fold counts how often each element occurs", async () => {
  const x = line(9).reshape([1, 1, 3, 3]);
  expect(await unfold(x, 2).toArray()).toEqual([
    [
      [0, 1, 3, 4],
      [1, 2, 4, 5],
      [3, 4, 6, 7],
      [4, 5, 7, 8],
    ],
  ]);
  expect(unfold(x, [3, 1], { padding: [1, 0], stride: 2 }).shape).toEqual([1, 3, 4]);
  const counts = fold(unfold(ones([1, 1, 3, 3]), 2), 3, 2);
  expect(await counts.reshape([3, 3]).toArray()).toEqual([
    [1, 2, 1],
    [2, 4, 2],
    [1, 2, 1],
  ]);
  expect(() => unfold(x, 4)).toThrow("unfold: kernel [4, 4], dilation [1, 1] is larger than [3, 3] padded by [0, 0]");
  expect(() => fold(ones([1, 4, 5]), 3, 2)).toThrow("fold: [1, 4, 5] for outputSize [3, 3]: wanted [N, C · 4, 4]");
});
