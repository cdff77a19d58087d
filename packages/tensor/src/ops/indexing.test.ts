import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const ints = (data: number[] | number[][]): Tensor => tensor(data, { dtype: "int32" });
const x = () =>
  tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);

test("gather reads along a dim", async () => {
  expect(
    await x()
      .gather(
        1,
        ints([
          [2, 0],
          [1, 1],
        ]),
      )
      .toArray(),
  ).toEqual([
    [3, 1],
    [5, 5],
  ]);
  expect(
    await x()
      .gather(0, ints([[1, 0, 1]]))
      .toArray(),
  ).toEqual([[4, 2, 6]]);
  expect(await lg.takeAlongDim(x(), ints([[1], [2]]), 1).toArray()).toEqual([[2], [6]]);
  expect(await lg.takeAlongDim(x(), ints([[2, 1]]), 1).toArray()).toEqual([
    [3, 2],
    [6, 5],
  ]);
});

test("scatter replaces, scatterAdd adds up", async () => {
  const at = ints([
    [0, 2],
    [1, 0],
  ]);
  expect(
    await x()
      .scatter(
        1,
        at,
        tensor([
          [10, 20],
          [30, 40],
        ]),
      )
      .toArray(),
  ).toEqual([
    [10, 2, 20],
    [40, 30, 6],
  ]);
  expect(
    await x()
      .scatter(
        1,
        ints([
          [1, 1],
          [0, 0],
        ]),
        NaN,
      )
      .toArray(),
  ).toEqual([
    [1, NaN, 3],
    [NaN, 5, 6],
  ]);
  expect(
    await x()
      .scatterAdd(
        1,
        ints([
          [0, 0],
          [2, 2],
        ]),
        tensor([
          [10, 20],
          [30, 40],
        ]),
      )
      .toArray(),
  ).toEqual([
    [31, 2, 3],
    [4, 5, 76],
  ]);
  expect(
    await x()
      .scatterAdd(1, ints([[0], [2]]), 1)
      .toArray(),
  ).toEqual([
    [2, 2, 3],
    [4, 5, 7],
  ]);
  // A source larger than the index is read from its beginning.
  expect(
    await x()
      .scatterAdd(1, ints([[0], [0]]), x())
      .toArray(),
  ).toEqual([
    [2, 2, 3],
    [8, 5, 6],
  ]);
});

test("indexSelect and indexAdd take whole slices", async () => {
  expect(
    await x()
      .indexSelect(1, ints([2, 0, 2]))
      .toArray(),
  ).toEqual([
    [3, 1, 3],
    [6, 4, 6],
  ]);
  expect(
    await x()
      .indexAdd(0, ints([1, 1]), x(), { alpha: 10 })
      .toArray(),
  ).toEqual([
    [1, 2, 3],
    [54, 75, 96],
  ]);
});

test("embedding picks rows; oneHot marks classes", async () => {
  const table = tensor([
    [0, 1],
    [10, 11],
    [20, 21],
  ]);
  expect(await lg.embedding(ints([[2, 0]]), table).toArray()).toEqual([
    [
      [20, 21],
      [0, 1],
    ],
  ]);
  expect(await lg.embedding(ints([1]), table, { paddingIdx: 1 }).toArray()).toEqual([[10, 11]]);
  const hot = lg.oneHot(ints([1, 2]), 3);
  expect(hot.dtype).toBe("int32");
  expect(await hot.toArray()).toEqual([
    [0, 1, 0],
    [0, 0, 1],
  ]);
});

test("wrong indices are errors", () => {
  expect(() => x().gather(1, tensor([[0], [0]]))).toThrow(
    new DTypeError('gather: the index is float64, wanted int32; use to("int32")'),
  );
  expect(() => x().gather(1, ints([0]))).toThrow(ShapeError);
  expect(() => x().indexSelect(0, ints([[0]]))).toThrow("indexSelect: the index has shape [1, 1], wanted one dim");
  expect(() => x().indexAdd(0, ints([0]), x())).toThrow("indexAdd: source [2, 3]: wanted [1, 3]");
  expect(() =>
    x().scatter(
      1,
      ints([
        [0, 1],
        [0, 1],
      ]),
      tensor([[1]]),
    ),
  ).toThrow("scatter: source [1, 1] is smaller than index [2, 2]");
  expect(() => lg.oneHot(ints([0]), 0)).toThrow(ArgumentError);
  expect(() => lg.embedding(ints([0]), tensor([[1]]), { paddingIdx: 1 })).toThrow(
    "embedding: paddingIdx 1 is not one of 1 rows",
  );
});
