/** Transformers: stacks, copies, causality. Single layers are compared with torch's in golden/. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, manualSeed, randn, type Tensor } from "@loopgrad/tensor";
import {
  LayerNorm,
  MultiheadAttention,
  Transformer,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(12);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = async (got: Tensor, wanted: Tensor): Promise<void> => {
  const [a, b] = [await read(got), await read(wanted)];
  expect(a).toHaveLength(b.length);
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i], 10);
};

const SMALL = { dimFeedforward: 6, dropout: 0, batchFirst: true };

describe("an encoder", () => {
  test("runs copies of a layer, which have its weights and then their own", async () => {
    const layer = new TransformerEncoderLayer(4, 2, SMALL);
    const encoder = new TransformerEncoder(layer, 2, { norm: new LayerNorm(4) });
    const x = randn([2, 3, 4]);
    await near(encoder.forward(x), (encoder.norm as LayerNorm).forward(layer.forward(layer.forward(x))));
    expect(encoder.parameterCount()).toBe(2 * layer.parameterCount() + 8);
    expect(encoder.parameters()).not.toContain(layer.linear1.weight);
    expect(Object.keys(encoder.stateDict())[0]).toBe("layers.0.self_attn.in_proj_weight");
  });

  test("runs layers that a function makes", async () => {
    const encoder = new TransformerEncoder(() => new TransformerEncoderLayer(4, 2, SMALL), 2);
    const [first, second] = [...encoder.layers].map((layer) => layer.linear1.weight);
    expect(await read(first)).not.toEqual(await read(second));
  });

  test("that is causal does not see the future", async () => {
    const encoder = new TransformerEncoder(() => new TransformerEncoderLayer(4, 2, SMALL), 2);
    const x = randn([1, 4, 4]);
    const all = encoder.forward(x, { isCausal: true });
    const start = encoder.forward(x.narrow(1, 0, 2), { isCausal: true });
    await near(all.narrow(1, 0, 2), start);
  });

  test("takes any activation, and refuses unknown options", async () => {
    const layer = new TransformerEncoderLayer(4, 2, { ...SMALL, activation: (x) => x.mul(0), bias: false });
    const x = randn([1, 2, 4]);
    const attended = layer.norm1.forward(x.add(layer.selfAttn.forward(x, x, x)[0]));
    await near(layer.forward(x), layer.norm2.forward(attended));
    expect(() => new TransformerEncoderLayer(4, 2, { activation: "tanh" as "relu" })).toThrow(/a function/);
    expect(() => new TransformerEncoder(layer, 2, { enableNestedTensor: true } as object)).toThrow(/unknown option/);
    expect(() => layer.forward(x, { mask: x } as object)).toThrow(/unknown option mask/);
  });
});

test("a decoder that is causal does not see the future of its own sequence", async () => {
  const decoder = new TransformerDecoder(new TransformerDecoderLayer(4, 2, SMALL), 2);
  const [x, memory] = [randn([1, 4, 4]), randn([1, 3, 4])];
  const start = decoder.forward(x.narrow(1, 0, 2), memory, { tgtIsCausal: true });
  await near(decoder.forward(x, memory, { tgtIsCausal: true }).narrow(1, 0, 2), start);
});

test("a transformer has torch's defaults", () => {
  const { encoder, decoder } = new Transformer(8, 2, { dimFeedforward: 4 });
  expect([encoder.layers.length, decoder.layers.length]).toEqual([6, 6]);
  expect(encoder.layers.at(0).dropout.p).toBe(0.1);
});

describe("attention", () => {
  test("without a batch is a batch of one", async () => {
    const layer = new MultiheadAttention(4, 2, { batchFirst: true });
    const x = randn([3, 4]);
    const [y, weights] = layer.forward(x, x, x);
    const batch = x.unsqueeze(0);
    const [wanted, shown] = layer.forward(batch, batch, batch);
    await near(y, wanted.squeeze(0));
    await near(weights as Tensor, (shown as Tensor).squeeze(0));
  });

  test("with dropout drops weights, in training", async () => {
    const layer = new MultiheadAttention(4, 2, { dropout: 0.5 });
    const x = randn([20, 2, 4]);
    const [, weights] = layer.forward(x, x, x, { averageAttnWeights: false });
    const dropped = (await read(weights)).filter((w) => w === 0).length;
    expect(dropped / (2 * 2 * 20 * 20)).toBeCloseTo(0.5, 1);
    const [, kept] = layer.eval().forward(x, x, x);
    expect(await read(kept)).not.toContain(0);
  });

  test("refuses masks and inputs that do not fit", () => {
    const layer = new MultiheadAttention(4, 2);
    const x = randn([3, 2, 4]);
    expect(() => layer.forward(x, x, x, { attnMask: randn([2, 3]) })).toThrow(/attnMask \[2, 3\], wanted \[3, 3\]/);
    expect(() => layer.forward(x, x, x, { keyPaddingMask: randn([3, 2, 1]).unsqueeze(0).narrow(1, 0, 1) })).toThrow(
      /keyPaddingMask/,
    );
    expect(() => layer.forward(x, x.select(0, 0), x)).toThrow(/wanted all of rank 3 or 2/);
    expect(() => layer.forward(x, x, x, { mask: x } as object)).toThrow(/unknown option mask/);
  });
});

test("a stack's copies are in the modes of the layer that they are copied from, and frozen where it is", () => {
  for (const [layer, Stack] of [
    [new TransformerEncoderLayer(4, 2, SMALL), TransformerEncoder],
    [new TransformerDecoderLayer(4, 2, SMALL), TransformerDecoder],
  ] as const) {
    layer.eval();
    layer.dropout2.train();
    layer.linear1.weight.requiresGrad_(false);
    layer.norm2.weight?.requiresGrad_(false);
    const stack = new (Stack as typeof TransformerEncoder)(layer as TransformerEncoderLayer, 3);
    for (const copy of stack.layers) {
      expect(copy.modules().map((m) => m.training)).toEqual(layer.modules().map((m) => m.training));
      expect(copy.parameters().map((p) => p.requiresGrad)).toEqual(layer.parameters().map((p) => p.requiresGrad));
    }
    expect(layer.parameters().filter((p) => !p.requiresGrad)).toHaveLength(2);
  }
});
