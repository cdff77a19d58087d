import { beforeAll, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { arange, init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const counting = (...shape: number[]) =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: "float64" },
  ).reshape(shape);

/** x as rows, and what is kept of them. */
const kept = async (x: Tensor, keep: (i: number, j: number) => boolean) =>
  ((await x.toArray()) as number[][]).map((row, i) => row.map((v, j) => (keep(i, j) ? v : 0)));

test.each([-4, -2, -1, 0, 1, 3, 5])("triangles and diagonals at offset %i", async (k) => {
  for (const x of [counting(3, 4).add(1), counting(4, 3).add(1), counting(3, 3).add(1)]) {
    expect(await x.tril(k).toArray()).toEqual(await kept(x, (i, j) => j - i <= k));
    expect(await x.triu(k).toArray()).toEqual(await kept(x, (i, j) => j - i >= k));
    const rows = (await x.toArray()) as number[][];
    const expected = rows.flatMap((row, i) => row.filter((_, j) => j - i === k));
    expect(await x.diagonal(k).toArray()).toEqual(expected);
  }
});

test("diagonals of batches, between any two dims", async () => {
  const x = counting(2, 3, 3);
  expect(await x.diagonal(0, 1, 2).toArray()).toEqual([
    [0, 4, 8],
    [9, 13, 17],
  ]);
  expect(await x.diagonal(0, -1, 0).toArray()).toEqual([
    [0, 10],
    [3, 13],
    [6, 16],
  ]);
});

test("diagEmbed is the inverse", async () => {
  for (const k of [-2, 0, 1]) {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    const plane = x.diagEmbed(k);
    expect(plane.shape).toEqual([2, 2 + Math.abs(k), 2 + Math.abs(k)]);
    expect(await plane.diagonal(k, 1, 2).toArray()).toEqual(await x.toArray());
    expect(await plane.sum().item()).toBe(10);
    expect(await x.diagEmbed(k, 0, 1).toArray()).toEqual(await plane.permute([1, 2, 0]).toArray());
  }
});

test("diag goes both ways; trace", async () => {
  expect(await lg.diag(tensor([1, 2])).toArray()).toEqual([
    [1, 0],
    [0, 2],
  ]);
  expect(await counting(2, 3).diag(1).toArray()).toEqual([1, 5]);
  expect(await counting(3, 3).trace().item()).toBe(12);
  expect(() => counting(2, 2, 2).trace()).toThrow("trace: [2, 2, 2]: wanted a matrix");
  expect(() => tensor([1]).tril()).toThrow("tril: [1]: wanted a matrix");
  expect(() => counting(2, 2).diagonal(0, 1, 1)).toThrow("diagonal: dims 1 and 1");
});
