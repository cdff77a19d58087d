import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import * as lg from "../index.ts";
import { arange, Device, type Index, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

type Nested = number | Nested[];
const ints = (data: Nested): Tensor => tensor(data, { dtype: "int32" });
const bools = (data: boolean[] | boolean[][]): Tensor => tensor(data, { dtype: "bool" });
const cube = (): Tensor => arange(24).to("float32").reshape([2, 3, 4]);
/** The element of `cube` at a position. */
const element = (i: number, j: number, k: number): number => 12 * i + 4 * j + k;

describe.each(["cpu", "webgpu"])("%s", (name) => {
  let device: Device;
  beforeEach(async () => {
    device = setDevice(new Device(name === "webgpu" ? await createWebGPUBackend({}) : new CpuBackend()));
  });
  afterEach(() => device.destroy());

  const [rows, columns] = [
    [1, 0, 1],
    [3, 0, 2],
  ];
  /** A list of indices, and the elements by loops. */
  const cases: [what: string, indices: () => Index[], expected: Nested][] = [
    ["nothing", () => [], [0, 1].map((i) => [0, 1, 2].map((j) => [0, 1, 2, 3].map((k) => element(i, j, k))))],
    ["points", () => [1, -1, 2], element(1, 2, 2)],
    ["a slice", () => [1, { start: -2 }, { stop: 9, step: 3 }], [1, 2].map((j) => [0, 3].map((k) => element(1, j, k)))],
    ["an empty slice", () => [0, { start: 2, stop: 1 }], []],
    [
      "one tensor",
      () => [ints(rows)],
      rows.map((i) => [0, 1, 2].map((j) => [0, 1, 2, 3].map((k) => element(i, j, k)))),
    ],
    [
      "neighbours stay in place",
      () => [null, ints([2, 0, 1]), ints(columns)],
      [0, 1].map((i) => columns.map((k, n) => element(i, [2, 0, 1][n], k))),
    ],
    [
      "separated tensors come first",
      () => [ints(rows), null, ints(columns)],
      rows.map((i, n) => [0, 1, 2].map((j) => element(i, j, columns[n]))),
    ],
    [
      "separated by a slice",
      () => [ints(rows), { start: 1 }, ints(columns)],
      rows.map((i, n) => [1, 2].map((j) => element(i, j, columns[n]))),
    ],
    [
      "points between tensors drop first",
      () => [ints(rows), 2, ints(columns)],
      rows.map((i, n) => element(i, 2, columns[n])),
    ],
    [
      "a point before leaves the tensor in place",
      () => [1, null, ints(columns)],
      [0, 1, 2].map((j) => columns.map((k) => element(1, j, k))),
    ],
    [
      "a 0-d tensor is a point",
      () => [ints(-1), null, ints(columns)],
      [0, 1, 2].map((j) => columns.map((k) => element(1, j, k))),
    ],
    [
      "tensors broadcast",
      () => [ints([[1], [0]]), { start: 2 }, ints([3, -4, 1])],
      [1, 0].map((i) => [3, 0, 1].map((k) => [element(i, 2, k)])),
    ],
    [
      "two dims of indices behind",
      () => [
        null,
        1,
        ints([
          [0, -1],
          [2, 2],
        ]),
      ],
      [0, 1].map((i) =>
        [
          [0, 3],
          [2, 2],
        ].map((row) => row.map((k) => element(i, 1, k))),
      ),
    ],
    ["no indices", () => [0, 1, tensor(new Int32Array(0))], []],
  ];
  test.each(cases)("%s", async (_, indices, expected) => {
    expect(await cube().index(indices()).toArray()).toEqual(expected);
  });

  test("bool and integers too", async () => {
    expect(
      await bools([true, false])
        .index([ints([1, 0, 0])])
        .toArray(),
    ).toEqual([false, true, true]);
    expect(
      await ints([5, 6])
        .index([ints([[-1]])])
        .toArray(),
    ).toEqual([[6]]);
  });

  test("indexPut replaces, and the last of one place stays", async () => {
    const x = tensor([0, 1, 2, 3, 4, 5]).reshape([2, 3]);
    const at = (): Index[] => [ints([1, 0, 1, -1]), ints([0, 2, 0, -3])];
    expect(await x.indexPut(at(), tensor([10, 20, 30, 40])).toArray()).toEqual([
      [0, 1, 20],
      [40, 4, 5],
    ]);
    expect(await x.indexPut(at(), 9).toArray()).toEqual([
      [0, 1, 9],
      [9, 4, 5],
    ]);
    expect(await x.indexPut([null, ints([2, 0])], tensor([[7], [8]])).toArray()).toEqual([
      [7, 1, 7],
      [8, 4, 8],
    ]);
    expect(await x.indexPut([-1, { step: 2 }], tensor([7, 8])).toArray()).toEqual([
      [0, 1, 2],
      [7, 4, 8],
    ]);
    expect(await x.indexPut([ints([0, 0])], tensor([NaN, 6]).reshape([2, 1])).toArray()).toEqual([
      [6, 6, 6],
      [3, 4, 5],
    ]);
    expect(await x.indexPut([tensor(new Int32Array(0))], 1).toArray()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(
      await bools([true, true])
        .indexPut([ints([0])], false)
        .toArray(),
    ).toEqual([false, true]);
  });

  test("indexPut accumulates", async () => {
    const x = tensor([0, 1, 2, 3, 4, 5]).reshape([2, 3]);
    const accumulate = { accumulate: true };
    const at = [ints([1, 0, 1, -1]), ints([0, 2, 0, 0])];
    expect(await x.indexPut(at, tensor([10, 20, 30, 40]), accumulate).toArray()).toEqual([
      [0, 1, 22],
      [83, 4, 5],
    ]);
    expect(await x.indexPut([ints([1, 1])], 1, accumulate).toArray()).toEqual([
      [0, 1, 2],
      [5, 6, 7],
    ]);
  });

  test("masks are read, by nonzero or maskedSelect", async () => {
    const mask = bools([
      [true, false, false],
      [false, true, true],
    ]);
    const x = tensor([1, 2, 3, 4, 5, 6]).reshape([2, 3]);
    expect(await (await mask.nonzero()).toArray()).toEqual([
      [0, 0],
      [1, 1],
      [1, 2],
    ]);
    expect((await lg.nonzero(tensor(2))).shape).toEqual([1, 0]);
    expect((await lg.nonzero(lg.zeros([2, 2]))).shape).toEqual([0, 2]);
    expect(await x.index(await mask.nonzero({ asTuple: true })).toArray()).toEqual([1, 5, 6]);
    const ofOne = await tensor(7).nonzero({ asTuple: true });
    expect(await Promise.all(ofOne.map((places) => places.toArray()))).toEqual([[0]]);
    expect((await tensor(7).nonzero()).shape).toEqual([1, 0]);
    expect(await (await x.maskedSelect(mask)).toArray()).toEqual([1, 5, 6]);
    expect(await (await x.maskedSelect(bools([true, false, true]))).toArray()).toEqual([1, 3, 4, 6]);
    expect((await x.maskedSelect(bools([false, false, false]))).shape).toEqual([0]);
  });
});

test("maskedSelect outlives the scope of its tensors", async () => {
  setDevice(new Device(new CpuBackend()));
  const promise = { of: null as Promise<Tensor> | null };
  scope(() => {
    promise.of = lg.maskedSelect(tensor([1, 2, 3]).square(), bools([true, false, true]));
  });
  expect(await (await (promise.of as Promise<Tensor>)).toArray()).toEqual([1, 9]);
});
