/** resetParameters: the layers' first values, again. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { getRngState, init, manualSeed, ones, setRngState, type Tensor } from "@loopgrad/tensor";
import {
  BatchNorm1d,
  Bilinear,
  Buffer,
  Conv2d,
  ConvTranspose1d,
  Embedding,
  GRUCell,
  GroupNorm,
  InstanceNorm1d,
  LayerNorm,
  Linear,
  LSTM,
  type Module,
  MultiheadAttention,
  PReLU,
  ReLU,
  RMSNorm,
  Sequential,
  Transformer,
  weightNorm,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

const values = async (module: Module): Promise<Record<string, number[]>> => {
  const slots = [...module.namedParameters(), ...module.namedBuffers()];
  return Object.fromEntries(await Promise.all(slots.map(async ([name, x]) => [name, await read(x)] as const)));
};

/** Puts 7 into every parameter and buffer. */
function overwrite(module: Module): void {
  for (const slot of [...module.parameters(), ...module.buffers()]) slot.assign(ones(slot.shape).mul(7).to(slot.dtype));
}

const LAYERS: Record<string, () => Module> = {
  Linear: () => new Linear(3, 4),
  "Linear without bias": () => new Linear(3, 4, { bias: false }),
  Bilinear: () => new Bilinear(2, 3, 4),
  Conv2d: () => new Conv2d(4, 6, 3, { groups: 2 }),
  ConvTranspose1d: () => new ConvTranspose1d(4, 6, 3),
  Embedding: () => new Embedding(5, 3),
  "Embedding with padding": () => new Embedding(5, 3, { paddingIdx: 1 }),
  LSTM: () => new LSTM(2, 3, { numLayers: 2, bidirectional: true, projSize: 1 }),
  GRUCell: () => new GRUCell(2, 3),
  BatchNorm1d: () => new BatchNorm1d(3),
  InstanceNorm1d: () => new InstanceNorm1d(3, { affine: true, trackRunningStats: true }),
  LayerNorm: () => new LayerNorm([2, 3]),
  GroupNorm: () => new GroupNorm(2, 4),
  RMSNorm: () => new RMSNorm(3),
  PReLU: () => new PReLU({ numParameters: 2, init: 0.1 }),
};

describe.each(Object.keys(LAYERS))("%s", (name) => {
  test("starts as it started", async () => {
    manualSeed(3);
    const start = getRngState();
    const layer = LAYERS[name]();
    const first = await values(layer);
    overwrite(layer);
    setRngState(start);
    layer.resetParameters?.();
    expect(await values(layer)).toEqual(first);
  });

  test("keeps its parameters, and draws anew", async () => {
    const layer = LAYERS[name]();
    const before = layer.parameters();
    const first = await values(layer);
    overwrite(layer);
    layer.resetParameters?.();
    const second = await values(layer);
    expect(layer.parameters()).toEqual(before);
    expect(layer.parameters().every((p) => p.requiresGrad)).toBe(true);
    for (const [key, numbers] of Object.entries(second)) {
      expect(numbers).not.toContain(7);
      const isConstant = new Set(first[key]).size === 1;
      if (isConstant) expect(numbers).toEqual(first[key]);
      else expect(numbers).not.toEqual(first[key]);
    }
  });
});

test("draws are uniform within 1 / √fan-in, as torch's", async () => {
  const numbers = await read(new Linear(16, 2000).weight);
  const variance = numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length;
  expect(Math.max(...numbers.map(Math.abs))).toBeLessThanOrEqual(1 / 4);
  expect(Math.abs(variance * 3 * 16 - 1)).toBeLessThan(0.03);
});

test("apply resets a tree; modules without parameters have no method", async () => {
  const model = new Sequential(new Linear(2, 3), new ReLU(), new Sequential(new BatchNorm1d(3), new Linear(3, 1)));
  overwrite(model);
  model.apply((m) => m.resetParameters?.());
  const all = await values(model);
  expect(Object.values(all).flat()).not.toContain(7);
  expect(all["2.0.running_var"]).toEqual([1, 1, 1]);
  expect(new ReLU().resetParameters).toBeUndefined();
});

test("attention resets its projections and the output's bias", async () => {
  const layer = new MultiheadAttention(4, 2, { addBiasKv: true });
  overwrite(layer);
  layer.resetParameters();
  const after = await values(layer);
  expect(after.in_proj_bias).toEqual(new Array(12).fill(0));
  expect(after["out_proj.bias"]).toEqual([0, 0, 0, 0]);
  expect(after["out_proj.weight"]).toEqual(new Array(16).fill(7));
  // Xavier: √(6 / (4 + 12))
  expect(Math.max(...after.in_proj_weight.map(Math.abs))).toBeLessThanOrEqual(Math.sqrt(6 / 16));
  expect(after.bias_k).not.toContain(7);
});

test("a transformer draws all its matrices", async () => {
  const model = new Transformer(4, 2, { numEncoderLayers: 1, numDecoderLayers: 1, dimFeedforward: 4 });
  overwrite(model);
  model.resetParameters();
  for (const p of model.parameters()) expect((await read(p)).includes(7)).toBe(p.rank === 1);
});

test("a computed weight is refused: its originals are what could be drawn", () => {
  expect(() => weightNorm(new Linear(2, 2)).resetParameters()).toThrow("of a parametrized layer, its originals");
});

test("a module is disposed of at the end of its block", () => {
  const kept: { model?: Module } = {};
  {
    using model = new Sequential(new Linear(1, 1), new BatchNorm1d(1));
    kept.model = model;
  }
  expect(kept.model.parameters().every((p) => p.isReleased)).toBe(true);
  expect(kept.model.buffers().every((b) => b instanceof Buffer && b.isReleased)).toBe(true);
});
