/**
 * Queries that may see no key: they mix nothing, and no gradient comes through them, of any order. All others are as if
 * those were not there.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  type Device,
  init,
  manualSeed,
  randn,
  scaledDotProductAttention,
  scope,
  stack,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { MultiheadAttention } from "./attention.ts";
import { TransformerDecoderLayer, TransformerEncoderLayer } from "./transformer.ts";

const T = true;
const F = false;

describe.each([
  ["cpu", "float64", 10],
  ["webgpu", "float32", 4],
] as const)("%s", (name, dtype, digits) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name, dtype });
    manualSeed(3);
  });
  afterAll(() => device.destroy());

  const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
  const close = async (x: Tensor, y: Tensor) =>
    expect(await read(x)).toEqual((await read(y)).map((v) => expect.closeTo(v, digits)));
  const leaf = (...shape: number[]): Tensor => randn(shape, { requiresGrad: true });

  /** Gradients of a smooth sum of y by xs, and of a smooth sum of those. */
  function twice(y: Tensor, xs: Tensor[]): { first: Tensor[]; second: Tensor[] } {
    const first = grad(y.mul(y.add(0.5)).sum(), xs, { createGraph: true });
    const total = first.map((g) => g.mul(g.add(0.3)).sum()).reduce((a, b) => a.add(b));
    return { first, second: grad(total, xs) };
  }

  test.each([
    ["bool", () => tensor([[T, F, T], [F, F, F], [T, T, T]])], // biome-ignore format: a mask
    ["float", () => tensor([[0, -Infinity, 0], [-Infinity, -Infinity, -Infinity], [0, 0, 0]])], // biome-ignore format: a mask
  ])("scaledDotProductAttention with a %s mask", async (_, mask) => {
    using _s = scope();
    const [q, k, v] = [leaf(2, 3, 4), leaf(2, 3, 4), leaf(2, 3, 2)];
    const y = scaledDotProductAttention(q, k, v, mask());
    expect(await read(y.select(1, 1))).toEqual([0, 0, 0, 0]);
    const { first, second } = twice(y, [q, k, v]);
    expect(await read(stack([first[0], second[0]]).select(2, 1))).toEqual(new Array(16).fill(0));
    // The same without the second query.
    const rest = scaledDotProductAttention(
      stack([q.select(1, 0), q.select(1, 2)], 1),
      k,
      v,
      tensor([[T, F, T], [T, T, T]]), // biome-ignore format: a mask
    );
    await close(stack([y.select(1, 0), y.select(1, 2)], 1), rest);
    const alone = twice(rest, [q, k, v]);
    for (const i of [0, 1, 2]) {
      await close(first[i], alone.first[i]);
      await close(second[i], alone.second[i]);
    }
  });

  test("scaledDotProductAttention where every query is masked, of no keys, and causal with fewer keys than queries", async () => {
    using _s = scope();
    const [q, k, v] = [leaf(3, 2), leaf(2, 2), leaf(2, 2)];
    const hidden = scaledDotProductAttention(q, k, v, tensor([[F, F], [F, F], [F, F]])); // biome-ignore format: a mask
    const { first, second } = twice(hidden, [q, k, v]);
    for (const x of [hidden, ...first, ...second]) expect((await read(x)).every((value) => value === 0)).toBe(true);
    const none = scaledDotProductAttention(q, randn([0, 2]), randn([0, 2]));
    expect(await read(none)).toEqual([0, 0, 0, 0, 0, 0]);
    const causal = scaledDotProductAttention(q, k, v, null, { isCausal: true });
    await close(causal, scaledDotProductAttention(q, k, v, tensor([[T, F], [T, T], [T, T]]))); // biome-ignore format: a mask
    for (const g of grad(causal.sum(), [q, k, v])) expect((await read(g)).every(Number.isFinite)).toBe(true);
  });

  test.each([
    ["bool", () => tensor([[F, F, T], [T, T, T]])], // biome-ignore format: a mask
    ["float", () => tensor([[0, 0, -Infinity], [-Infinity, -Infinity, -Infinity]])], // biome-ignore format: a mask
  ])("MultiheadAttention with a %s mask of a sample that is all padding", async (_, mask) => {
    using _s = scope();
    const layer = new MultiheadAttention(4, 2, { batchFirst: true });
    const x = leaf(2, 3, 4);
    const [y, weights] = layer.forward(x, x, x, { keyPaddingMask: mask() });
    expect(await read((weights as Tensor).select(0, 1))).toEqual(new Array(9).fill(0));
    const bias = layer.outProj.bias as Tensor;
    await close(y.select(0, 1), bias.expand([3, 4]));
    const { first, second } = twice(y, [x, layer.inProjWeight as Tensor]);
    expect(await read(stack([first[0], second[0]]).select(1, 1))).toEqual(new Array(24).fill(0));
    const one = x.select(0, 0);
    const [alone] = layer.forward(one, one, one, { keyPaddingMask: mask().select(0, 0) });
    await close(y.select(0, 0), alone);
    const parts = twice(alone, [x, layer.inProjWeight as Tensor]);
    for (const i of [0, 1]) {
      await close(first[i], parts.first[i]);
      await close(second[i], parts.second[i]);
    }
  });

  test("masks that hide all only together", async () => {
    using _s = scope();
    const layer = new MultiheadAttention(4, 2, { batchFirst: true });
    const x = leaf(1, 2, 4);
    const attnMask = tensor([[F, T], [F, F]]); // biome-ignore format: a mask
    const [y] = layer.forward(x, x, x, { attnMask, keyPaddingMask: tensor([[T, F]]) });
    await close(y.select(1, 0), (layer.outProj.bias as Tensor).expand([1, 4]));
    const { first, second } = twice(y, [x]);
    expect((await read(stack([...first, ...second]))).every(Number.isFinite)).toBe(true);
  });

  // On the software adapter a graph of this size takes half a minute to plan.
  if (name === "webgpu") return;

  test("Transformer layers with a sample that is all padding", async () => {
    using _s = scope();
    const options = { dropout: 0, dimFeedforward: 8, batchFirst: true };
    const encoder = new TransformerEncoderLayer(4, 2, options);
    const decoder = new TransformerDecoderLayer(4, 2, options);
    const x = leaf(2, 3, 4);
    const mask = tensor([[F, F, T], [T, T, T]]); // biome-ignore format: a mask
    const memory = encoder.forward(x, { srcKeyPaddingMask: mask });
    const y = decoder.forward(x, memory, {
      tgtIsCausal: true,
      tgtKeyPaddingMask: mask,
      memoryKeyPaddingMask: mask,
    });
    const parameters = [...encoder.parameters(), ...decoder.parameters()];
    const first = grad(y.square().sum(), [x, ...parameters], { createGraph: true });
    const [second] = grad(first.map((g) => g.square().sum()).reduce((a, b) => a.add(b)), [x]); // biome-ignore format: short
    for (const result of [memory, y, ...first, second]) expect((await read(result)).every(Number.isFinite)).toBe(true);
    const one = x.slice(0, 0, 1);
    await close(memory.slice(0, 0, 1), encoder.forward(one, { srcKeyPaddingMask: mask.slice(0, 0, 1) }));
  });
});
