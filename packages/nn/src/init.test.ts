/** Initialisation: ranges and moments of what is drawn. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { manualSeed, rand, init as start, type Tensor, zeros } from "@loopgrad/tensor";
import * as nn from "./index.ts";
import { Conv2d, init, Linear, type Module, Parameter } from "./index.ts";

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

test.each([
  [
    [3, 4],
    [4, 3],
  ],
  [
    [4, 3, 5],
    [15, 20],
  ],
  [
    [2, 3, 4, 5],
    [60, 40],
  ],
  [
    [6, 1, 2, 3, 5],
    [30, 180],
  ],
  [
    [1, 7],
    [7, 1],
  ],
  [
    [5, 3, 1, 1],
    [3, 5],
  ],
] as const)("the fans of %p are %p", (shape, wanted) => {
  expect(init.fans(shape)).toEqual(wanted);
});

test("a vector has no fans", () => {
  for (const fill of [init.xavierUniform, init.xavierNormal, init.kaimingUniform, init.kaimingNormal]) {
    expect(() => fill(slot([3]))).toThrow(/\[3\] has no fan-in/);
  }
  expect(() => init.kaimingNormal(slot(), { mode: "fan_out" as never })).toThrow(/wanted "fanIn" or "fanOut"/);
});

/** Weights whose fans differ, and by a kernel: of a matrix [3000, 2] and of convolutions. */
const WEIGHTS = [
  [120, 20],
  [20, 120],
  [40, 3, 25],
  [3, 40, 5, 6],
  [30, 8, 1, 3, 4],
];

describe.each(WEIGHTS.map((shape) => [shape]))("a weight %p", (shape) => {
  const [rows, columns, ...kernel] = shape;
  const size = kernel.reduce((a, b) => a * b, 1);
  const [fanIn, fanOut] = [columns * size, rows * size];

  /** Uniform within a bound: no element beyond it, some close to it, and the deviation of its kind. */
  async function isUniform(p: Tensor, bound: number): Promise<void> {
    const { mean, std, min, max } = await moments(p);
    expect([max <= bound, min >= -bound, max > 0.99 * bound, min < -0.99 * bound]).toEqual([true, true, true, true]);
    expect(Math.abs(mean)).toBeLessThan(0.06 * bound);
    expect(Math.abs((std * Math.sqrt(3)) / bound - 1)).toBeLessThan(0.05);
  }

  async function isNormal(p: Tensor, wanted: number): Promise<void> {
    const { mean, std, max } = await moments(p);
    expect(Math.abs(mean)).toBeLessThan(0.08 * wanted);
    expect(Math.abs(std / wanted - 1)).toBeLessThan(0.06);
    expect(max).toBeGreaterThan(2.5 * wanted); // and not uniform
  }

  test.each([1, 0.3])("by Xavier, with gain %p", async (gain) => {
    await isUniform(init.xavierUniform(slot(shape), gain), gain * Math.sqrt(6 / (fanIn + fanOut)));
    await isNormal(init.xavierNormal(slot(shape), gain), gain * Math.sqrt(2 / (fanIn + fanOut)));
  });

  test.each<[init.KaimingOptions, number]>([
    [{}, Math.sqrt(2 / fanIn)],
    [{ mode: "fanOut" }, Math.sqrt(2 / fanOut)],
    [{ a: 2 }, Math.sqrt(2 / 5 / fanIn)],
    [{ a: 2, nonlinearity: "relu" }, Math.sqrt(2 / fanIn)],
    [{ mode: "fanOut", nonlinearity: "linear" }, Math.sqrt(1 / fanOut)],
    [{ nonlinearity: "tanh" }, 5 / 3 / Math.sqrt(fanIn)],
    [{ mode: "fanOut", nonlinearity: "selu" }, 3 / 4 / Math.sqrt(fanOut)],
  ])("by Kaiming, with %j", async (options, std) => {
    await isUniform(init.kaimingUniform(slot(shape), options), Math.sqrt(3) * std);
    await isNormal(init.kaimingNormal(slot(shape), options), std);
  });

  test("by bounds of one's own", async () => {
    const low = -0.25;
    const { mean, min, max } = await moments(init.uniform(slot(shape), low, 0.75));
    expect([min >= low, max < 0.75, min < low + 0.01, max > 0.74]).toEqual([true, true, true, true]);
    expect(mean).toBeCloseTo(0.25, 1);
    const shifted = await moments(init.normal(slot(shape), 3, 0.5));
    expect([Math.abs(shifted.mean - 3) < 0.05, Math.abs(shifted.std / 0.5 - 1) < 0.06]).toEqual([true, true]);
    const cut = await moments(init.truncNormal(slot(shape), 1, 0.5, { low: 0.75, high: 2 }));
    expect([cut.min >= 0.75, cut.max <= 2, cut.min < 0.76, cut.max > 1.9]).toEqual([true, true, true, true]);
    // Of a normal number between its deviations −½ and 2: μ + σ (φ(−½) − φ(2)) / (Φ(2) − Φ(−½))
    expect(cut.mean).toBeCloseTo(1 + (0.5 * (0.352065 - 0.053991)) / (0.97725 - 0.308538), 1);
  });
});

test("gains of all nonlinearities", () => {
  const gains = {
    linear: 1,
    conv: 1,
    sigmoid: 1,
    tanh: 5 / 3,
    relu: Math.SQRT2,
    selu: 0.75,
    leakyRelu: 1.4141428569978354,
  };
  for (const [name, gain] of Object.entries(gains)) {
    expect([name, init.calculateGain(name as init.Nonlinearity)]).toEqual([name, expect.closeTo(gain, 12)]);
    if (name !== "leakyRelu") expect(init.calculateGain(name as init.Nonlinearity, 3)).toBeCloseTo(gain, 12);
  }
  expect(() => init.calculateGain("swish" as init.Nonlinearity)).toThrow(/unknown nonlinearity swish/);
});

test("seeds beyond 32 bits draw other numbers, whoever draws", async () => {
  const low = 5;
  for (const fill of [
    (p: Parameter) => init.orthogonal(p),
    (p: Parameter) => init.uniform(p),
    (p: Parameter) => init.truncNormal(p),
    (p: Parameter) => init.sparse(p, 0.5),
  ]) {
    const drawn = async (seed: number): Promise<number[]> => {
      manualSeed(seed);
      return Array.from(await fill(slot([4, 3])).data());
    };
    const first = await drawn(low);
    expect(await drawn(low)).toEqual(first);
    for (const high of [1, 2, 2 ** 20]) expect(await drawn(low + high * 2 ** 32)).not.toEqual(first);
  }
});

/** Layers, with the bounds of their first uniform weights; 0 for what starts at 0. Sizes differ in every place. */
const BOUNDS: Record<string, [() => Module, Record<string, number>]> = {
  Linear: [() => new Linear(100, 400), { weight: 0.1, bias: 0.1 }],
  "Linear, narrower": [() => new Linear(400, 100), { weight: 0.05, bias: 0.05 }],
  Bilinear: [() => new nn.Bilinear(100, 4, 64), { weight: 0.1, bias: 0.1 }],
  "Bilinear, the other way": [() => new nn.Bilinear(4, 100, 64), { weight: 0.5, bias: 0.5 }],
  Conv1d: [() => new nn.Conv1d(8, 64, 5), { weight: 1 / Math.sqrt(40), bias: 1 / Math.sqrt(40) }],
  "Conv2d in groups": [
    () => new Conv2d(8, 64, [5, 2], { groups: 4 }),
    { weight: 1 / Math.sqrt(20), bias: 1 / Math.sqrt(20) },
  ],
  Conv3d: [() => new nn.Conv3d(3, 64, [2, 1, 4]), { weight: 1 / Math.sqrt(24), bias: 1 / Math.sqrt(24) }],
  // torch counts along the weight's second dimension, [in, out / groups, …].
  ConvTranspose1d: [() => new nn.ConvTranspose1d(8, 64, 5), { weight: 1 / Math.sqrt(320), bias: 1 / Math.sqrt(320) }],
  "ConvTranspose2d in groups": [
    () => new nn.ConvTranspose2d(8, 64, [5, 2], { groups: 4 }),
    { weight: 1 / Math.sqrt(160), bias: 1 / Math.sqrt(160) },
  ],
  RNN: [
    () => new nn.RNN(100, 64, { numLayers: 2 }),
    Object.fromEntries(
      [0, 1].flatMap((l) => ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((n) => [`${n}_l${l}`, 1 / 8])),
    ),
  ],
  "LSTM with a projection": [
    () => new nn.LSTM(100, 64, { projSize: 9 }),
    Object.fromEntries(["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"].map((n) => [`${n}_l0`, 1 / 8])),
  ],
  GRUCell: [() => new nn.GRUCell(100, 64), { weight_ih: 1 / 8, weight_hh: 1 / 8, bias_ih: 1 / 8, bias_hh: 1 / 8 }],
  MultiheadAttention: [
    () => new nn.MultiheadAttention(36, 2),
    { in_proj_weight: Math.sqrt(6 / (36 + 108)), in_proj_bias: 0, "out_proj.weight": 1 / 6, "out_proj.bias": 0 },
  ],
  "MultiheadAttention of other keys and values": [
    () => new nn.MultiheadAttention(36, 2, { kdim: 60, vdim: 12 }),
    {
      q_proj_weight: Math.sqrt(6 / 72),
      k_proj_weight: Math.sqrt(6 / 96),
      v_proj_weight: Math.sqrt(6 / 48),
      in_proj_bias: 0,
      "out_proj.weight": 1 / 6,
      "out_proj.bias": 0,
    },
  ],
  "a norm's bias": [() => new nn.BatchNorm2d(7), { bias: 0 }],
};

test.each(Object.keys(BOUNDS))("the first weights of %s", async (name) => {
  const [make, bounds] = BOUNDS[name];
  manualSeed(6);
  const named = new Map(make().namedParameters());
  for (const [parameter, bound] of Object.entries(bounds)) {
    const p = named.get(parameter) as Parameter;
    const { min, max } = await moments(p);
    expect([parameter, Math.max(max, -min) <= bound]).toEqual([parameter, true]);
    // Of so many draws the largest is close to the bound.
    const close = (p.size > 1000 ? 0.985 : 0.8) * bound;
    expect([parameter, max >= close, -min >= close]).toEqual([parameter, true, true]);
  }
  if (name !== "a norm's bias") expect([...named.keys()].sort()).toEqual(Object.keys(bounds).sort());
});

test("the first weights of the other layers", async () => {
  const embedding = new nn.Embedding(60, 50, { paddingIdx: 3 });
  const { mean, std, max } = await moments(embedding.weight);
  expect([Math.abs(mean) < 0.06, Math.abs(std - 1) < 0.05, max > 2.5]).toEqual([true, true, true]);
  expect(await moments(embedding.weight.select(0, 3))).toEqual({ mean: 0, std: 0, min: 0, max: 0 });
  const extra = new nn.MultiheadAttention(1600, 2, { addBiasKv: true });
  for (const bias of [extra.biasK, extra.biasV]) {
    // Xavier's normal numbers for [1, 1, 1600]: √(2 / (1600 + 1600))
    expect((await moments(bias as Parameter)).std / Math.sqrt(2 / 3200)).toBeCloseTo(1, 1);
  }
  const transformer = new nn.Transformer(12, 2, { dimFeedforward: 40, numEncoderLayers: 1, numDecoderLayers: 1 });
  for (const [name, p] of transformer.namedParameters()) {
    if (p.rank !== 2) continue;
    const { max, min } = await moments(p);
    const bound = Math.sqrt(6 / (p.shape[0] + p.shape[1]));
    expect([name, Math.max(max, -min) <= bound, Math.max(max, -min) > 0.93 * bound]).toEqual([name, true, true]);
  }
  const ones = { mean: 1, std: 0, min: 1, max: 1 };
  for (const norm of [new nn.BatchNorm1d(3), new nn.GroupNorm(2, 4), new nn.LayerNorm([2, 3]), new nn.RMSNorm(3)]) {
    expect(await moments(norm.weight as Parameter)).toEqual(ones);
  }
  expect((await moments(new nn.PReLU({ numParameters: 4 }).weight)).mean).toBe(0.25);
});
