/** Random layers: shares and moments, and one mask for the forward and every pass that looks at it again. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { checkpoint, grad } from "@loopgrad/autograd";
import { init, manualSeed, ones, randn, ShapeError, type Tensor, tensor } from "@loopgrad/tensor";
import {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  functional as F,
  FeatureAlphaDropout,
  Linear,
  RReLU,
  Sequential,
  Tanh,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(8);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

async function moments(x: Tensor): Promise<[mean: number, variance: number]> {
  const data = await read(x);
  const mean = data.reduce((a, b) => a + b) / data.length;
  return [mean, data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length];
}

describe("one mask", () => {
  test("is seen by the second-order pass: x² m² differentiates to 2 x m² and 2 m²", async () => {
    const x = tensor(new Float64Array(50).fill(3), { requiresGrad: true });
    const y = new Dropout({ p: 0.4 }).forward(x);
    const mask = (await read(y)).map((v) => v / 3);
    const [first] = grad(y.square().sum(), [x], { createGraph: true });
    const got = await read(first);
    for (const [i, m] of mask.entries()) expect(got[i]).toBeCloseTo(6 * m * m, 12);
    const [second] = grad((first as Tensor).sum(), [x]);
    const again = await read(second);
    for (const [i, m] of mask.entries()) expect(again[i]).toBeCloseTo(2 * m * m, 12);
  });

  test("is drawn again by a checkpoint, in first and second order", async () => {
    const model = new Sequential(
      new Linear(4, 8),
      new Dropout(),
      new Tanh(),
      new AlphaDropout({ p: 0.2 }),
      new RReLU(),
    );
    const x = randn([3, 4], { requiresGrad: true });
    const derivatives = async (run: (x: Tensor) => Tensor): Promise<number[][]> => {
      manualSeed(9);
      const y = run(x);
      const first = grad(y.square().sum(), [x, ...model.parameters()], { createGraph: true });
      const total = first.map((g) => (g as Tensor).square().sum()).reduce((a, b) => a.add(b));
      const second = grad(total, [x, ...model.parameters()]);
      return Promise.all([y, ...first, ...second].map(read));
    };
    const plain = await derivatives((input) => model.forward(input));
    const again = await derivatives(checkpoint((input: Tensor) => model.forward(input)));
    for (const [i, values] of plain.entries()) {
      for (const [j, v] of values.entries()) expect(again[i][j]).toBeCloseTo(v, 10);
    }
  });
});

test.each([
  ["Dropout1d", new Dropout1d(), [40, 3, 5], 5],
  ["Dropout1d of one sample", new Dropout1d(), [40, 5], 5],
  ["Dropout2d", new Dropout2d(), [20, 3, 2, 2], 4],
  ["Dropout3d", new Dropout3d(), [10, 4, 2, 1, 2], 4],
  ["Dropout3d of one sample", new Dropout3d(), [40, 2, 1, 2], 4],
  ["FeatureAlphaDropout", new FeatureAlphaDropout(), [20, 3, 4], 4],
] as const)("%s drops whole channels", async (_, layer, shape, channel) => {
  const data = await read(layer.forward(ones([...shape])));
  const channels = Array.from({ length: data.length / channel }, (_, i) => data.slice(i * channel, (i + 1) * channel));
  expect(channels.every((values) => new Set(values).size === 1)).toBe(true);
  expect(new Set(data).size).toBe(2);
});

test("alpha dropout keeps mean and variance of normal numbers", async () => {
  const [mean, variance] = await moments(new AlphaDropout({ p: 0.3 }).forward(randn([200, 200])));
  expect(mean).toBeCloseTo(0, 1);
  expect(variance).toBeCloseTo(1, 1);
});

test("RReLU draws slopes for negative elements from its range in training, and takes their mean else", async () => {
  const layer = new RReLU({ lower: 0.2, upper: 0.4 });
  const data = (await read(layer.forward(ones([1000]).neg()))).map((v) => -v);
  expect(Math.min(...data)).toBeGreaterThanOrEqual(0.2);
  expect(Math.max(...data)).toBeLessThan(0.4);
  expect((await moments(tensor(data)))[0]).toBeCloseTo(0.3, 1);
  expect(await read(layer.forward(tensor([2, 0])))).toEqual([2, 0]);
  layer.eval();
  expect((await read(layer.forward(tensor([-1]))))[0]).toBeCloseTo(-0.3, 12);
});

test("wrong ranks, probabilities and options are refused", () => {
  expect(() => F.dropout2d(ones([2, 3]))).toThrow(ShapeError);
  expect(() => F.dropout(ones([2]), { p: 2 })).toThrow(/probability/);
  expect(() => F.dropout(ones([2]), { P: 1 } as object)).toThrow(/unknown option P/);
  expect(() => new Dropout1d({ inplace: true } as object)).toThrow(/unknown option inplace/);
});
