/** Angles and distances as modules, in plain numbers. */
import { beforeAll, expect, test } from "@jest/globals";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { CosineSimilarity, PairwiseDistance } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const pair = (): [Tensor, Tensor] => [
  tensor([
    [3, 4],
    [1, 0],
  ]),
  tensor([
    [3, 0],
    [0, 2],
  ]),
];

test("cosines along a dim, with the length at least eps", async () => {
  const rows = Array.from(await new CosineSimilarity().forward(...pair()).data());
  expect(rows[0]).toBeCloseTo(3 / 5, 12);
  expect(rows[1]).toBe(0);
  const columns = Array.from(await new CosineSimilarity({ dim: 0 }).forward(...pair()).data());
  expect(columns[0]).toBeCloseTo(3 / Math.sqrt(10), 12);
  expect(columns[1]).toBe(0);
  const short = await new CosineSimilarity({ dim: 0, eps: 10 }).forward(tensor([3, 0]), tensor([20, 0])).item();
  expect(short).toBeCloseTo(60 / 200, 12);
  expect(String(new CosineSimilarity({ dim: 0 }))).toBe("CosineSimilarity()");
  expect(() => new CosineSimilarity({ axis: 0 } as object)).toThrow(/unknown option axis/);
});

test("distances by any norm", async () => {
  const euclidean = Array.from(await new PairwiseDistance({ eps: 0 }).forward(...pair()).data());
  expect(euclidean[0]).toBeCloseTo(4, 12);
  expect(euclidean[1]).toBeCloseTo(Math.sqrt(5), 12);
  const city = new PairwiseDistance({ p: 1, eps: 0.5, keepdim: true }).forward(...pair());
  expect(city.shape).toEqual([2, 1]);
  expect(Array.from(await city.data())).toEqual([0.5 + 4.5, 1.5 + 1.5]);
});
