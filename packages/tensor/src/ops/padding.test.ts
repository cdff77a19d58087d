import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, ShapeError } from "../errors.ts";
import { arange, init, pad, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const line = () => arange(4).reshape([1, 4]);

test("constant, from the last dim on; negative amounts cut off", async () => {
  expect(await pad(line(), [1, 2]).toArray()).toEqual([[0, 0, 1, 2, 3, 0, 0]]);
  expect(await pad(line(), [0, 1, 1, 0], { value: -5 }).toArray()).toEqual([
    [-5, -5, -5, -5, -5],
    [0, 1, 2, 3, -5],
  ]);
  expect(await pad(line(), [-1, 1]).toArray()).toEqual([[1, 2, 3, 0]]);
  expect(await pad(tensor([NaN, Infinity]), [1, 0], { value: -Infinity }).toArray()).toEqual([
    -Infinity,
    NaN,
    Infinity,
  ]);
  expect(await pad(tensor([true]), [1, 1]).toArray()).toEqual([false, true, false]);
});

test("reflect, replicate and circular", async () => {
  expect(await pad(line(), [3, 2], { mode: "reflect" }).toArray()).toEqual([[3, 2, 1, 0, 1, 2, 3, 2, 1]]);
  expect(await pad(line(), [2, 1], { mode: "replicate" }).toArray()).toEqual([[0, 0, 0, 1, 2, 3, 3]]);
  expect(await pad(line(), [1, 4], { mode: "circular" }).toArray()).toEqual([[3, 0, 1, 2, 3, 0, 1, 2, 3]]);
  const x = arange(4).reshape([2, 2]);
  expect(await pad(x, [1, 0, 0, 1], { mode: "circular" }).toArray()).toEqual([
    [1, 0, 1],
    [3, 2, 3],
    [1, 0, 1],
  ]);
});

test("amounts that do not fit are errors", () => {
  expect(() => pad(line(), [1])).toThrow(ShapeError);
  expect(() => pad(line(), [4, 0], { mode: "reflect" })).toThrow(
    'pad: mode "reflect": [4, 0] at dim 1 of [1, 4]: wanted 0 to 3',
  );
  expect(() => pad(line(), [1, 0], { mode: "reflect", value: 1 })).toThrow(ArgumentError);
  expect(() => pad(line(), [1, 0], { mode: "mirror" as never })).toThrow('pad: mode "mirror"');
  expect(() => pad(line(), [-3, -2])).toThrow("cut off more than [1, 4]");
});
