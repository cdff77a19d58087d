import { beforeAll, expect, test } from "@jest/globals";
import { arange, init, interpolate, pixelShuffle, pixelUnshuffle, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const line = () => tensor([[[0, 10, 20]]]);

test("nearest repeats, or picks", async () => {
  expect(await interpolate(line(), { scaleFactor: 2 }).toArray()).toEqual([[[0, 0, 10, 10, 20, 20]]]);
  expect(await interpolate(line(), { size: 4 }).toArray()).toEqual([[[0, 0, 10, 20]]]);
  expect(await interpolate(line(), { size: 2 }).toArray()).toEqual([[[0, 10]]]);
});

test("linear goes from centre to centre, or from corner to corner", async () => {
  expect(await interpolate(line(), { scaleFactor: 2, mode: "linear" }).toArray()).toEqual([
    [[0, 2.5, 7.5, 12.5, 17.5, 20]],
  ]);
  expect(await interpolate(line(), { size: 5, mode: "linear", alignCorners: true }).toArray()).toEqual([
    [[0, 5, 10, 15, 20]],
  ]);
});

test("bilinear of a plane is the plane", async () => {
  const plane = arange(4, { dtype: "float64" }).reshape([1, 1, 2, 2]);
  const y = interpolate(plane, { size: 3, mode: "bilinear", alignCorners: true });
  expect(await y.reshape([3, 3]).toArray()).toEqual([
    [0, 0.5, 1],
    [1, 1.5, 2],
    [2, 2.5, 3],
  ]);
});

test("options that contradict are errors", () => {
  expect(() => interpolate(line(), {})).toThrow("interpolate: give either size or scaleFactor");
  expect(() => interpolate(line(), { size: 2, mode: "bilinear" })).toThrow(
    'mode "bilinear" for [1, 1, 3]: wanted one of "nearest", "nearest-exact", "area", "linear"',
  );
  expect(() => interpolate(line(), { size: 2, alignCorners: true })).toThrow('mode "nearest" takes no alignCorners');
  expect(() => interpolate(tensor([1]), { size: 2 })).toThrow(
    "interpolate: [1]: wanted [N, C] and 1 to 3 spatial dims",
  );
});

test("pixelShuffle and its inverse", async () => {
  const x = arange(8).reshape([1, 4, 1, 2]);
  const y = pixelShuffle(x, 2);
  expect(await y.toArray()).toEqual([
    [
      [
        [0, 2, 1, 3],
        [4, 6, 5, 7],
      ],
    ],
  ]);
  expect(await pixelUnshuffle(y, 2).toArray()).toEqual(await x.toArray());
  expect(() => pixelShuffle(x, 3)).toThrow("pixelShuffle: [1, 4, 1, 2] by 3: wanted channels divisible by 9");
});
