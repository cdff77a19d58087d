import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { init, manualSeed, randn, type Tensor, tensor } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];

interface Geometry {
  k: number;
  stride: number;
  padding: number;
  dilation?: number;
  ceilMode?: boolean;
  countIncludePad?: boolean;
}

/** Pooling of a line by definition: the elements of each window, padding included as null. */
function windowsOf(data: readonly number[], g: Geometry): (number | null)[][] {
  const { k, stride, padding, dilation = 1, ceilMode = false } = g;
  const n = data.length;
  const reach = dilation * (k - 1) + 1;
  const out: (number | null)[][] = [];
  for (let start = -padding; ; start += stride) {
    const inside = start + reach <= n + padding;
    if (!inside && !(ceilMode && start < n && start - stride + reach < n + padding)) return out;
    const positions = Array.from({ length: k }, (_, j) => start + j * dilation).filter((i) => i < n + padding);
    out.push(positions.map((i) => (i >= 0 && i < n ? data[i] : null)));
  }
}
const numbers = (window: (number | null)[]): number[] => window.filter((v) => v !== null);

const GEOMETRIES: Geometry[] = [
  { k: 2, stride: 2, padding: 0 },
  { k: 3, stride: 2, padding: 1 },
  { k: 3, stride: 1, padding: 1, dilation: 2 },
  { k: 2, stride: 2, padding: 0, ceilMode: true },
  { k: 3, stride: 3, padding: 1, ceilMode: true },
  { k: 2, stride: 3, padding: 1, ceilMode: true },
  { k: 3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false },
  { k: 3, stride: 1, padding: 1, countIncludePad: false },
];

describe.each(GEOMETRIES)("of a line: %j", ({ k, ...options }) => {
  test.each([7, 8, 9])("of %i elements", async (n) => {
    const x = randn([1, 1, n]);
    const list = await read(x);
    const { countIncludePad, ...geometry } = options;
    const largest = windowsOf(list, { k, ...options }).map((w) => Math.max(...numbers(w)));
    expect(await read(lg.maxPool1d(x, k, geometry))).toEqual(largest);
    if (options.dilation !== undefined) return;
    const means = windowsOf(list, { k, ...options }).map((w) => {
      const total = numbers(w).reduce((a, b) => a + b, 0);
      return total / (countIncludePad === false ? numbers(w).length : w.length);
    });
    expect(await read(lg.avgPool1d(x, k, options))).toEqual(means.map((v) => expect.closeTo(v, 12)));
  });
});

test("pooling in 2 and 3 dims is pooling along each", async () => {
  const x = randn([2, 3, 5, 6]);
  const rows = lg.maxPool1d(x.reshape([30, 1, 6]), 3, { stride: 2, padding: 1 }).reshape([6, 5, 3]);
  const both = lg.maxPool1d(rows.transpose(1, 2).reshape([18, 1, 5]), 3, { stride: 2, padding: 1 });
  const expected = both.reshape([2, 3, 3, 3]).transpose(2, 3);
  expect(await read(lg.maxPool2d(x, 3, { stride: 2, padding: 1 }))).toEqual(await read(expected));
  const cube = randn([1, 1, 2, 4, 4]);
  expect(await read(lg.avgPool3d(cube, 2))).toEqual(
    (await read(cube.reshape([2, 2, 2, 2, 2]).mean([0, 2, 4]))).map((v) => expect.closeTo(v, 12)),
  );
  expect(lg.maxPool3d(cube, [1, 2, 4]).shape).toEqual([1, 1, 2, 2, 1]);
});

test("padding never wins, an unbatched input stays so, a divisor can be given", async () => {
  expect(await lg.maxPool2d(tensor([[[-5]]]), 3, { padding: 1, stride: 1 }).toArray()).toEqual([[[-5]]]);
  expect(
    await lg
      .avgPool2d(
        tensor([
          [
            [1, 2],
            [3, 4],
          ],
        ]),
        2,
        { divisorOverride: 5 },
      )
      .toArray(),
  ).toEqual([[[2]]]);
  expect(await read(lg.maxPool1d(tensor([[[1, NaN, 2, 3]]]), 2))).toEqual([NaN, 3]);
});

test("adaptive pooling averages windows that cover all", async () => {
  const x = tensor([[[1, 2, 3, 4, 5]]]);
  expect(await read(lg.adaptiveAvgPool1d(x, 2))).toEqual([2, 4].map((v) => expect.closeTo(v, 14)));
  expect(await read(lg.adaptiveAvgPool1d(x, 5))).toEqual([1, 2, 3, 4, 5]);
  expect(await read(lg.adaptiveAvgPool1d(x, 1))).toEqual([3]);
  expect(lg.adaptiveAvgPool2d(randn([1, 2, 4, 6]), [2, null]).shape).toEqual([1, 2, 2, 6]);
});

test("geometries that do not fit are errors", () => {
  const x = randn([1, 1, 4, 4]);
  expect(() => lg.maxPool2d(x, 5)).toThrow(
    new ShapeError("maxPool2d: kernelSize [5, 5] is larger than [4, 4] padded by [0, 0]"),
  );
  expect(() => lg.maxPool2d(x, 2, { padding: 2 })).toThrow(
    "maxPool2d: padding [2, 2] is more than half of kernelSize [2, 2]",
  );
  expect(() => lg.avgPool2d(x, [2, 2, 2])).toThrow(ArgumentError);
  expect(() => lg.maxPool1d(x, 2)).toThrow("maxPool1d: [1, 1, 4, 4]: wanted rank 3, or 2 unbatched");
});
