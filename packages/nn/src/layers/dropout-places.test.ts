/**
 * Where layers drop, and where not: with probability 1 a part that is dropped is gone, and what is left has a closed form.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { getRngState, init, manualSeed, ones, randn, type Tensor, zeros } from "@loopgrad/tensor";
import {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  FeatureAlphaDropout,
  GRU,
  LSTM,
  type Module,
  MultiheadAttention,
  RNN,
  Transformer,
  TransformerDecoderLayer,
  TransformerEncoderLayer,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(12);
});

const read = async (x: Tensor | null | undefined): Promise<number[]> => Array.from(await (x as Tensor).data());
async function near(got: Tensor, wanted: Tensor): Promise<void> {
  expect(got.shape).toEqual(wanted.shape);
  expect(await read(got)).toEqual((await read(wanted)).map((v) => expect.closeTo(v, 12)));
}

/** Numbers in all parameters: of first biases many are 0, and would hide that they are there. */
function filled<M extends Module>(module: M): M {
  for (const p of module.parameters()) p.assign(randn(p.shape).mul(0.5).add(0.1));
  return module;
}

/** How many random numbers were asked for. */
function draws(fn: () => unknown): number {
  const { calls } = getRngState();
  fn();
  return getRngState().calls - calls;
}

describe("between the layers of a recurrent network, and nowhere else", () => {
  type Recurrent = RNN | LSTM | GRU;
  const KINDS = {
    RNN: (input: number, options: object) => new RNN(input, 3, options),
    LSTM: (input: number, options: object) => new LSTM(input, 3, options),
    "LSTM with a projection": (input: number, options: object) => new LSTM(input, 3, { projSize: 2, ...options }),
    GRU: (input: number, options: object) => new GRU(input, 3, options),
  };

  /** Output and last states of a network, as a list. */
  const run = (layer: Recurrent, x: Tensor): Tensor[] => {
    const [output, state] = layer.forward(x);
    return [output, ...[state].flat()] as Tensor[];
  };

  describe.each(Object.entries(KINDS))("%s", (_, make) => {
    test.each([
      [2, false],
      [3, false],
      [2, true],
      [3, true],
    ])("of %i layers, bidirectional: %p", async (numLayers, bidirectional) => {
      const deep = filled(make(4, { numLayers, bidirectional, dropout: 1 }));
      const x = randn([5, 2, 4]);
      const [output, ...states] = run(deep, x);
      const directions = bidirectional ? 2 : 1;
      const named = new Map(deep.namedParameters());
      for (let k = 0; k < numLayers; k++) {
        // The layer alone: the first one reads x, the others zeros.
        const width = named.get(`weight_ih_l${k}`)?.shape[1] as number;
        const alone = make(width, { bidirectional });
        for (const [name, p] of alone.namedParameters()) p.assign(named.get(name.replace("_l0", `_l${k}`)) as Tensor);
        const [y, ...last] = run(alone, k === 0 ? x : zeros([5, 2, width]));
        for (const [i, s] of states.entries()) await near(s.narrow(0, k * directions, directions), last[i]);
        // The last layer's output is not dropped.
        if (k === numLayers - 1) await near(output, y);
      }
    });

    test("draws a mask for each pair of layers, in training only", async () => {
      const x = randn([5, 2, 4]);
      for (const numLayers of [2, 4]) {
        const layer = make(4, { numLayers, dropout: 0.5, bidirectional: true });
        expect(draws(() => layer.forward(x))).toBe(numLayers - 1);
        expect(await read(layer.forward(x)[0])).not.toEqual(await read(layer.forward(x)[0]));
        layer.eval();
        expect(draws(() => layer.forward(x))).toBe(0);
        const plain = make(4, { numLayers, bidirectional: true });
        plain.loadStateDict(layer.stateDict());
        await near(layer.forward(x)[0] as Tensor, plain.forward(x)[0] as Tensor);
        expect(draws(() => plain.forward(x))).toBe(0);
      }
    });
  });
});

describe("in attention the weights", () => {
  test("are dropped in training, and the output's bias is left", async () => {
    const layer = filled(new MultiheadAttention(4, 2, { dropout: 1 }));
    const [q, k] = [randn([3, 2, 4]), randn([5, 2, 4])];
    const [output, weights] = layer.forward(q, k, k);
    await near(output, zeros([3, 2, 4]).add(layer.outProj.bias as Tensor));
    await near(weights as Tensor, zeros([2, 3, 5]));
    layer.eval();
    const [, shown] = layer.forward(q, k, k);
    await near((shown as Tensor).sum(2), ones([2, 3]));
  });
});

describe.each([false, true])("in a transformer's layers, norms first: %p,", (normFirst) => {
  const options = { dimFeedforward: 5, dropout: 1, normFirst };
  const [src, memory] = [(): Tensor => randn([3, 2, 4]), (): Tensor => randn([5, 2, 4])];

  /** The layer in evaluation, but for one part. */
  function onlyIn<M extends Module>(layer: M, part: Module): M {
    layer.eval();
    part.train();
    return layer;
  }

  /** x + part(norm(x)), or norm(x + part(x)). */
  type Part = (x: Tensor) => Tensor;
  const chained = (x: Tensor, steps: readonly (readonly [{ forward: Part }, Part])[]): Tensor =>
    steps.reduce((y, [norm, part]) => (normFirst ? y.add(part(norm.forward(y))) : norm.forward(y.add(part(y)))), x);
  const nothing: Part = (x) => x.mul(0);

  test("of an encoder each part is dropped by itself", async () => {
    const layer = filled(new TransformerEncoderLayer(4, 2, options));
    const { selfAttn, linear1, linear2, norm1, norm2 } = layer;
    const attend: Part = (x) => selfAttn.forward(x, x, x)[0];
    const think: Part = (x) => linear2.forward(linear1.forward(x).relu());
    const x = src();
    const parts: [Module, Part, Part][] = [
      [layer.selfAttn, (y) => y.mul(0).add(selfAttn.outProj.bias as Tensor), think],
      [layer.dropout1, nothing, think],
      [layer.dropout, attend, (y) => y.mul(0).add(linear2.bias as Tensor)],
      [layer.dropout2, attend, nothing],
    ];
    for (const [part, first, second] of parts) {
      const got = onlyIn(layer, part).forward(x);
      layer.eval();
      await near(got, chained(x, [[norm1, first], [norm2, second]])); // biome-ignore format: a list of steps
    }
    layer.train();
    await near(layer.forward(x), chained(x, [[norm1, nothing], [norm2, nothing]])); // biome-ignore format: a list of steps
  });

  test("of a decoder each part is dropped by itself", async () => {
    const layer = filled(new TransformerDecoderLayer(4, 2, options));
    const { selfAttn, multiheadAttn, linear1, linear2, norm1, norm2, norm3 } = layer;
    const [x, m] = [src(), memory()];
    const attend: Part = (y) => selfAttn.forward(y, y, y)[0];
    const look: Part = (y) => multiheadAttn.forward(y, m, m)[0];
    const think: Part = (y) => linear2.forward(linear1.forward(y).relu());
    const biasOf =
      (bias: Tensor | null): Part =>
      (y) =>
        y.mul(0).add(bias as Tensor);
    const parts: [Module, Part, Part, Part][] = [
      [layer.selfAttn, biasOf(selfAttn.outProj.bias), look, think],
      [layer.dropout1, nothing, look, think],
      [layer.multiheadAttn, attend, biasOf(multiheadAttn.outProj.bias), think],
      [layer.dropout2, attend, nothing, think],
      [layer.dropout, attend, look, biasOf(linear2.bias)],
      [layer.dropout3, attend, look, nothing],
    ];
    for (const [part, first, second, third] of parts) {
      const got = onlyIn(layer, part).forward(x, m);
      layer.eval();
      await near(got, chained(x, [[norm1, first], [norm2, second], [norm3, third]])); // biome-ignore format: a list of steps
    }
  });
});

test("a transformer gives its probability to every part of every layer", () => {
  const model = new Transformer(4, 2, { dropout: 0.3, numEncoderLayers: 2, numDecoderLayers: 3, dimFeedforward: 5 });
  const dropouts = model.modules().filter((m) => m instanceof Dropout);
  const attentions = model.modules().filter((m) => m instanceof MultiheadAttention);
  expect([dropouts.length, attentions.length]).toEqual([2 * 3 + 3 * 4, 2 + 3 * 2]);
  expect(new Set(dropouts.map((m) => (m as Dropout).p))).toEqual(new Set([0.3]));
  expect(new Set(attentions.map((m) => (m as MultiheadAttention).dropout))).toEqual(new Set([0.3]));
});

test.each([
  ["Dropout", Dropout, [2, 3, 4]],
  ["Dropout1d", Dropout1d, [2, 3, 4]],
  ["Dropout2d", Dropout2d, [2, 3, 4, 2]],
  ["Dropout3d", Dropout3d, [2, 3, 4, 2, 2]],
  ["AlphaDropout", AlphaDropout, [2, 3, 4]],
  ["FeatureAlphaDropout", FeatureAlphaDropout, [2, 3, 4]],
] as const)("%s of 1 drops all, of 0 nothing, and outside of training nothing", async (_, Layer, shape) => {
  const x = randn([...shape], { requiresGrad: true });
  const all = new Layer({ p: 1 }).forward(x);
  await near(all, zeros([...shape]));
  await near(grad(all.sum(), [x])[0] as Tensor, zeros([...shape]));
  const none = new Layer({ p: 0 });
  expect(draws(() => none.forward(x))).toBe(0);
  await near(none.forward(x), x);
  const some = new Layer({ p: 0.5 });
  expect(draws(() => some.forward(x))).toBe(1);
  expect(await read(some.forward(x))).not.toEqual(await read(some.forward(x)));
  some.eval();
  expect(draws(() => some.forward(x))).toBe(0);
  await near(some.forward(x), x);
});
