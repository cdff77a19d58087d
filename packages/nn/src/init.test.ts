/** Initialisation: ranges and moments of what is drawn. */
import { beforeAll, expect, test } from "@jest/globals";
import { manualSeed, init as start, type Tensor, zeros } from "@loopgrad/tensor";
import { Conv2d, init, Linear, Parameter } from "./index.ts";

beforeAll(async () => {
  await start({ device: "cpu", dtype: "float64" });
  manualSeed(4);
});

const SHAPE = [60, 50];
const slot = (shape = SHAPE): Parameter => new Parameter(zeros(shape));

async function moments(x: Tensor): Promise<{ mean: number; std: number; min: number; max: number }> {
  const data = Array.from(await x.data());
  const mean = data.reduce((a, b) => a + b) / data.length;
  const std = Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length);
  return { mean, std, min: Math.min(...data), max: Math.max(...data) };
}

test.each([
  ["xavierUniform", (p: Parameter) => init.xavierUniform(p, 2), (2 * Math.sqrt(6 / 110)) / Math.sqrt(3)],
  ["xavierNormal", (p: Parameter) => init.xavierNormal(p), Math.sqrt(2 / 110)],
  ["kaimingUniform", (p: Parameter) => init.kaimingUniform(p, { nonlinearity: "relu" }), Math.sqrt(2 / 50)],
  ["kaimingNormal", (p: Parameter) => init.kaimingNormal(p, { mode: "fanOut", a: 1 }), Math.sqrt(1 / 60)],
  ["normal", (p: Parameter) => init.normal(p, 0, 0.5), 0.5],
] as const)("%s has mean 0 and its standard deviation", async (_, fill, wanted) => {
  const { mean, std } = await moments(fill(slot()));
  expect(Math.abs(mean)).toBeLessThan(0.05 * wanted * 2);
  expect(std / wanted).toBeCloseTo(1, 1);
});

test("uniform covers its range", async () => {
  const { min, max } = await moments(init.uniform(slot(), -1, 3));
  expect(min).toBeGreaterThanOrEqual(-1);
  expect(min).toBeLessThan(-0.95);
  expect(max).toBeLessThan(3);
  expect(max).toBeGreaterThan(2.95);
});

test("truncNormal stays within its bounds, with the truncated deviation", async () => {
  const { mean, std, min, max } = await moments(init.truncNormal(slot(), 0, 0.01, { low: -0.02, high: 0.02 }));
  expect(min).toBeGreaterThanOrEqual(-0.02);
  expect(max).toBeLessThanOrEqual(0.02);
  // σ² (1 − 2 · 2 φ(2) / (Φ(2) − Φ(−2))) of a normal cut at two deviations: 0.8796 σ
  expect(std).toBeCloseTo(0.008796, 3);
  expect(Math.abs(mean)).toBeLessThan(0.001);
});

test("constants and the identity", async () => {
  expect(await moments(init.constant(slot(), 3))).toEqual({ mean: 3, std: 0, min: 3, max: 3 });
  expect(await init.eye(slot([2, 3])).toArray()).toEqual([
    [1, 0, 0],
    [0, 1, 0],
  ]);
  expect(() => init.eye(slot([2]))).toThrow(/wanted a matrix/);
});

test("layers start as torch's do: uniform within 1/√fan-in", async () => {
  const linear = new Linear(25, 400);
  const conv = new Conv2d(4, 50, 5, { groups: 2 });
  for (const [p, bound] of [
    [linear.weight, 1 / 5],
    [linear.bias as Parameter, 1 / 5],
    [conv.weight, 1 / Math.sqrt(50)],
  ] as const) {
    const { min, max } = await moments(p);
    expect(max).toBeLessThanOrEqual(bound);
    expect(max).toBeGreaterThan(0.95 * bound);
    expect(min).toBeLessThan(-0.95 * bound);
  }
});

test("a slot keeps its place on the tape and its gradient flag", () => {
  const frozen = new Parameter(zeros(SHAPE), { requiresGrad: false });
  expect(init.kaimingUniform(frozen).requiresGrad).toBe(false);
  expect(init.kaimingUniform(slot()).isLeaf).toBe(true);
});
