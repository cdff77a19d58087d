/** Initialisation: ranges and moments of what is drawn. */
import { beforeAll, expect, test } from "@jest/globals";
import { manualSeed, rand, init as start, type Tensor, zeros } from "@loopgrad/tensor";
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

test.each([
  [[6, 4], 1],
  [[4, 6], 2],
  [[5, 2, 2], 1],
])("orthogonal of %p has orthonormal rows or columns, times the gain", async (shape, gain) => {
  const weight = (init.orthogonal(slot(shape), gain) as Tensor).flatten(1);
  const [rows, columns] = weight.shape;
  const gram = await (rows <= columns ? weight.matmul(weight.t()) : weight.t().matmul(weight)).data();
  const n = Math.min(rows, columns);
  for (const [i, x] of gram.entries()) expect(x).toBeCloseTo(i % (n + 1) === 0 ? gain ** 2 : 0, 12);
});

test("orthogonal is seeded, moves the random stream on, and has no preferred direction", async () => {
  manualSeed(7);
  const first = await init.orthogonal(slot([3, 3])).data();
  const second = await init.orthogonal(slot([3, 3])).data();
  manualSeed(7);
  expect(await init.orthogonal(slot([3, 3])).data()).toEqual(first);
  expect(second).not.toEqual(first);
  const draws = await Promise.all(Array.from({ length: 300 }, () => init.orthogonal(slot([2, 2])).data()));
  for (const element of [0, 1, 2, 3]) {
    const mean = draws.reduce((sum, m) => sum + m[element], 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(0.15);
  }
});

test("dirac passes the channels of each group through", async () => {
  const conv = new Conv2d(2, 4, 3, { padding: 1, groups: 2, bias: false });
  init.dirac(conv.weight, { groups: 2 });
  const x = rand([1, 2, 4, 4]);
  const [a, b] = [await x.select(1, 0).data(), await x.select(1, 1).data()];
  const y = conv.forward(x);
  expect(await y.select(1, 0).data()).toEqual(a);
  expect(await y.select(1, 2).data()).toEqual(b);
  // A group of two outputs has one input: its second output gets nothing.
  expect(new Set(await y.select(1, 1).data())).toEqual(new Set([0]));
  expect(() => init.dirac(slot([2, 2]))).toThrow(/weight of a convolution/);
});

test("sparse leaves its share of each column 0", async () => {
  const zero = init
    .sparse(slot([10, 7]), 0.35, 2)
    .eq(0)
    .to("int32")
    .sum(0);
  expect(await zero.toArray()).toEqual(new Array(7).fill(4));
  expect(() => init.sparse(slot(), 1.2)).toThrow(/probability/);
});

test("gains are torch's", () => {
  expect(init.calculateGain("tanh")).toBeCloseTo(5 / 3, 12);
  expect(init.calculateGain("leakyRelu", 0.2)).toBeCloseTo(Math.sqrt(2 / 1.04), 12);
  expect(init.calculateGain("selu")).toBe(0.75);
});

test("what is no slot, and unknown options, are refused", () => {
  expect(() => init.zeros(zeros([2]) as unknown as Parameter)).toThrow(/wanted a Parameter/);
  expect(() => init.kaimingUniform(slot(), { fan: "in" } as object)).toThrow(/unknown option fan/);
});
