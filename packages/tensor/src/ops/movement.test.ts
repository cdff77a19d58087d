import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, ShapeError } from "../errors.ts";
import { arange, init, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const counting = (...shape: number[]) => arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);

test("reshape, flatten, unflatten, squeeze, unsqueeze", async () => {
  const x = counting(2, 3);
  expect(await x.reshape([3, -1]).toArray()).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  expect(counting(2, 3, 4).flatten(1).shape).toEqual([2, 12]);
  expect(tensor(1).flatten().shape).toEqual([1]);
  expect(counting(2, 6).unflatten(1, [3, -1]).shape).toEqual([2, 3, 2]);
  expect(counting(1, 3, 1).squeeze().shape).toEqual([3]);
  expect(counting(1, 3, 1).squeeze(1).shape).toEqual([1, 3, 1]);
  expect(x.unsqueeze(-1).shape).toEqual([2, 3, 1]);
  expect(() => x.reshape([4, -1])).toThrow(new ShapeError("reshape: cannot infer -1 in [4, -1] for 6 elements"));
  expect(() => x.reshape([4, 2])).toThrow("reshape: [4, 2] holds 8 elements, the tensor has 6");
  expect(() => x.flatten(1, 0)).toThrow("flatten: startDim 1 comes after endDim 0 in [2, 3]");
});

test("permute, transpose, t, movedim", async () => {
  const x = counting(2, 3, 4);
  expect(x.permute([2, 0, 1]).shape).toEqual([4, 2, 3]);
  expect(await counting(2, 3).t().toArray()).toEqual([
    [0, 3],
    [1, 4],
    [2, 5],
  ]);
  expect(x.transpose(0, -1).shape).toEqual([4, 3, 2]);
  expect(x.movedim(0, -1).shape).toEqual([3, 4, 2]);
  expect(x.movedim([0, 1], [1, 0]).shape).toEqual([3, 2, 4]);
  expect(() => x.permute([0, 1])).toThrow("permute: [2, 3, 4] has 3 dims, got the order [0, 1]");
  expect(() => x.permute([0, 1, 1])).toThrow("permute: a dim appears twice in [0, 1, 1]");
  expect(() => x.t()).toThrow("t: wanted at most 2 dims");
});

test("expand repeats dims of size 1 and adds dims in front", async () => {
  expect(
    await tensor([[1], [2]])
      .expand([-1, 2])
      .toArray(),
  ).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect(tensor([1, 2]).expand([3, 2]).shape).toEqual([3, 2]);
  expect(() => tensor([1, 2]).expand([3])).toThrow("expand: [2] to [3]: only dimensions of size 1 can be repeated");
  expect(() => tensor([[1]]).expand([1])).toThrow("expand: [1, 1] has more dims than [1]");
});

describe("slice", () => {
  test("follows Python", async () => {
    const x = arange(6);
    const list = [0, 1, 2, 3, 4, 5];
    expect(await x.slice(0, 1, -1).toArray()).toEqual(list.slice(1, -1));
    expect(await x.slice(0, -3).toArray()).toEqual(list.slice(-3));
    expect(await x.slice(0, null, 100, 2).toArray()).toEqual([0, 2, 4]);
    expect(await x.slice(0, 1, null, 3).toArray()).toEqual([1, 4]);
    expect(x.slice(0, 4, 2).shape).toEqual([0]);
    expect(() => x.slice(0, 0, 6, -1)).toThrow(ArgumentError);
    expect(() => x.slice(1)).toThrow("slice: axis 1 is out of range for rank 1");
  });

  test("narrow and select stay inside", async () => {
    const x = counting(3, 2);
    expect(await x.narrow(0, 1, 2).toArray()).toEqual([
      [2, 3],
      [4, 5],
    ]);
    expect(await x.select(1, -1).toArray()).toEqual([1, 3, 5]);
    expect(() => x.narrow(0, 2, 2)).toThrow("narrow: start 2, length 2 leaves dim 0 of [3, 2]");
    expect(() => x.select(0, 3)).toThrow("select: index 3 is outside dim 0 of [3, 2]");
  });
});

test("flip", async () => {
  expect(await counting(2, 2).flip([0, 1]).toArray()).toEqual([
    [3, 2],
    [1, 0],
  ]);
  expect(await counting(2, 2).flip(-1).toArray()).toEqual([
    [1, 0],
    [3, 2],
  ]);
});

test("an operation with nothing to do returns the tensor itself", () => {
  const x = counting(2, 2);
  expect(x.reshape([2, 2])).toBe(x);
  expect(x.permute([0, 1])).toBe(x);
  expect(x.to("int32")).toBe(x);
});
