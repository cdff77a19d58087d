import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { arange, cat, init, stack, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const counting = (...shape: number[]) => arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);

describe("cat", () => {
  test("joins along a dim, and keeps infinities, NaN and bool", async () => {
    expect(
      await cat(
        [
          tensor([[1], [2]]),
          tensor([
            [NaN, Infinity],
            [3, 4],
          ]),
        ],
        1,
      ).toArray(),
    ).toEqual([
      [1, NaN, Infinity],
      [2, 3, 4],
    ]);
    expect(await cat([tensor([true]), tensor([false, true])]).toArray()).toEqual([true, false, true]);
    expect(cat([tensor([1]), arange(2)]).dtype).toBe("float64");
  });

  test("joins more pieces than a device has bindings", async () => {
    const pieces = Array.from({ length: 60 }, (_, i) => tensor([i, -i]));
    expect(await cat(pieces).toArray()).toEqual(pieces.flatMap((_, i) => [i, 0 - i]));
    expect(await stack(pieces).select(1, 0).toArray()).toEqual(pieces.map((_, i) => i));
  });

  test("wants shapes that fit", () => {
    expect(() => cat([])).toThrow(new ShapeError("cat: got no tensors"));
    expect(() => cat([counting(2, 3), counting(2, 2)])).toThrow(
      "cat: [2, 3] and [2, 2] (number 1) differ outside dim 0",
    );
    expect(() => cat([tensor(1)])).toThrow("use stack");
    expect(() => stack([counting(2), counting(3)])).toThrow("stack: [2] and [3] (number 1) differ");
  });
});

test("stack makes a new dim", async () => {
  expect(await stack([tensor(1), tensor(2)]).toArray()).toEqual([1, 2]);
  expect(await stack([tensor([1, 2]), tensor([3, 4])], -1).toArray()).toEqual([
    [1, 3],
    [2, 4],
  ]);
});

test("split, chunk and unbind", async () => {
  const x = arange(5);
  const arrays = (pieces: lg.Tensor[]) => Promise.all(pieces.map((piece) => piece.toArray()));
  expect(await arrays(x.split(2))).toEqual([[0, 1], [2, 3], [4]]);
  expect(await arrays(x.split([1, 4]))).toEqual([[0], [1, 2, 3, 4]]);
  expect(await arrays(x.chunk(3))).toEqual([[0, 1], [2, 3], [4]]);
  expect(await arrays(counting(2, 2).unbind(1))).toEqual([
    [0, 2],
    [1, 3],
  ]);
  expect(() => x.split([1, 1])).toThrow("split: sizes [1, 1] for dim 0 of [5]: wanted integers >= 0 that add up to 5");
  expect(() => x.split(0)).toThrow(ArgumentError);
});

test("repeat, tile and repeatInterleave", async () => {
  const x = tensor([[1, 2]]);
  expect(await x.repeat([2, 2]).toArray()).toEqual([
    [1, 2, 1, 2],
    [1, 2, 1, 2],
  ]);
  expect(x.repeat([2, 1, 1]).shape).toEqual([2, 1, 2]);
  expect(await x.tile([2]).toArray()).toEqual([[1, 2, 1, 2]]);
  expect(await x.repeatInterleave(2, 1).toArray()).toEqual([[1, 1, 2, 2]]);
  expect(await counting(2, 2).repeatInterleave(2).toArray()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  expect(() => x.repeat([2])).toThrow("repeat: [2] for [1, 2]: wanted at least 2 counts");
});

test("roll and rot90", async () => {
  expect(await arange(5).roll(2).toArray()).toEqual([3, 4, 0, 1, 2]);
  expect(await counting(2, 3).roll([1, -1], [0, 1]).toArray()).toEqual([
    [4, 5, 3],
    [1, 2, 0],
  ]);
  expect(await counting(2, 2).roll(1).toArray()).toEqual([
    [3, 0],
    [1, 2],
  ]);
  const x = counting(2, 3);
  expect(await x.rot90().toArray()).toEqual([
    [2, 5],
    [1, 4],
    [0, 3],
  ]);
  expect(await x.rot90(2).toArray()).toEqual(await x.rot90().rot90().toArray());
  expect(await x.rot90(-1).toArray()).toEqual(await x.rot90(3).toArray());
  expect(await x.rot90(3).rot90().toArray()).toEqual(await x.toArray());
});

test("meshgrid by rows or by columns first", async () => {
  const [a, b] = lg.meshgrid([tensor([1, 2]), tensor([3, 4, 5])]);
  expect(await a.toArray()).toEqual([
    [1, 1, 1],
    [2, 2, 2],
  ]);
  expect(await b.select(0, 1).toArray()).toEqual([3, 4, 5]);
  expect(lg.meshgrid([tensor([1, 2]), tensor([3, 4, 5])], { indexing: "xy" })[0].shape).toEqual([3, 2]);
});
