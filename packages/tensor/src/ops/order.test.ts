import { beforeAll, expect, test } from "@jest/globals";
import { ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { argmax, init, max, median, min, type Tensor, tensor, topk, zeros } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const both = async ([values, indices]: [Tensor, Tensor]) => [await read(values), await read(indices)];

test("max and min along a dim take the first of a tie, and infinities and NaN as they are", async () => {
  const x = tensor([
    [1, 3, 3],
    [-Infinity, -Infinity, -Infinity],
    [2, NaN, Infinity],
  ]);
  expect(await both(max(x, 1))).toEqual([
    [3, -Infinity, NaN],
    [1, 0, 1],
  ]);
  expect(await both(x.min(1))).toEqual([
    [1, -Infinity, NaN],
    [0, 0, 1],
  ]);
  expect(max(x, 0, { keepdim: true }).map((y) => y.shape)).toEqual([
    [1, 3],
    [1, 3],
  ]);
  expect(await tensor([2, 5, 3]).max().item()).toBe(5);
  expect(await min(tensor([2, 5, 3])).item()).toBe(2);
  expect(await both(max(tensor(4), 0))).toEqual([[4], [0]]);
  expect(() => max(zeros([2, 0]), 1)).toThrow(new ShapeError("max: dim 1 of [2, 0] is empty"));
});

test("argmax and argmin, over a dim or all", async () => {
  const x = tensor([
    [1, 9, 2],
    [9, 0, 5],
  ]);
  expect([await x.argmax().item(), await x.argmin().item()]).toEqual([1, 4]);
  expect(x.argmax().dtype).toBe("int32");
  expect(await read(x.argmax(1))).toEqual([1, 0]);
  expect(await read(x.argmin(0))).toEqual([0, 1, 0]);
  expect(x.argmax(null, { keepdim: true }).shape).toEqual([1, 1]);
});

test("sort is stable in both directions", async () => {
  const x = tensor([3, 1, 3, 2]);
  expect(await both(x.sort())).toEqual([
    [1, 2, 3, 3],
    [1, 3, 0, 2],
  ]);
  expect(await both(x.sort(0, { descending: true }))).toEqual([
    [3, 3, 2, 1],
    [0, 2, 3, 1],
  ]);
  expect(
    await read(
      lg.argsort(
        tensor([
          [2, 0],
          [1, 3],
        ]),
        0,
      ),
    ),
  ).toEqual([1, 0, 0, 1]);
  expect(await both(tensor(7).sort())).toEqual([[7], [0]]);
});

test("topk and median", async () => {
  const x = tensor([4, 1, 7, 5]);
  expect(await both(topk(x, 2))).toEqual([
    [7, 5],
    [2, 3],
  ]);
  expect(await both(x.topk(2, 0, { largest: false }))).toEqual([
    [1, 4],
    [1, 0],
  ]);
  expect(await lg.median(x).item()).toBe(4);
  expect(await both(lg.median(x, 0, { keepdim: true }))).toEqual([[4], [0]]);
  expect(() => topk(x, 5)).toThrow("topk: k is 5: dim -1 of [4] has 4");
});

test("a number is its own median; places of bool count true as larger", async () => {
  const [value, place] = median(tensor(3), 0);
  expect(await median(tensor(3)).item()).toBe(3);
  expect([await value.item(), await place.item(), place.dtype]).toEqual([3, 0, "int32"]);
  expect(await argmax(tensor([false, true, true])).item()).toBe(1);
  expect(
    await argmax(
      tensor([
        [false, false],
        [false, true],
      ]),
      1,
    ).toArray(),
  ).toEqual([0, 1]);
});
