/** Layers: what golden cases do not show, such as running statistics over several batches, dropout, and cells. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, manualSeed, ones, randn, ShapeError, scope, type Tensor, tensor } from "@loopgrad/tensor";
import {
  BatchNorm1d,
  BatchNorm2d,
  CrossEntropyLoss,
  Dropout,
  Dropout2d,
  Embedding,
  functionalCall,
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  MultiheadAttention,
  RNN,
  RNNCell,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(5);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = async (got: Tensor | null, wanted: Tensor | number[]): Promise<void> => {
  const [a, b] = [await read(got), Array.isArray(wanted) ? wanted : await read(wanted)];
  expect(a).toHaveLength(b.length);
  a.forEach((x, i) => {
    expect(x).toBeCloseTo(b[i], 10);
  });
};

describe("batch norm", () => {
  const BATCHES = [
    [
      [1, 10],
      [3, 14],
    ],
    [
      [5, 0],
      [9, 4],
    ],
  ];

  test("running statistics move by the momentum, with the unbiased variance", async () => {
    const norm = new BatchNorm1d(2, { momentum: 0.5 });
    for (const batch of BATCHES) norm.forward(tensor(batch));
    // means 2, 12 then 7, 2; unbiased variances 2, 8 then 8, 8; each moves half the way from 0 and 1
    await near(norm.runningMean, [4, 4]);
    await near(norm.runningVar, [0.25 + 0.5 + 4, 0.25 + 2 + 4]);
    await near(norm.numBatchesTracked, [2]);
    norm.resetRunningStats();
    await near(norm.runningVar, [1, 1]);
  });

  test("momentum null is the plain average", async () => {
    const norm = new BatchNorm1d(2, { momentum: null });
    for (const batch of BATCHES) norm.forward(tensor(batch));
    await near(norm.runningMean, [4.5, 7]);
  });

  test("evaluation uses running statistics, and leaves them", async () => {
    const norm = new BatchNorm1d(1, { eps: 0 });
    norm.loadStateDict({
      ...norm.stateDict(),
      running_mean: tensor([1]),
      running_var: tensor([4]),
    });
    norm.eval();
    await near(norm.forward(tensor([[3]])), [1]);
    await near(norm.runningMean, [1]);
  });

  test("one value per channel has no variance, other shapes are refused", () => {
    expect(() => new BatchNorm1d(2).forward(tensor([[1, 2]]))).toThrow(/one value per channel/);
    expect(() => new BatchNorm2d(2).forward(randn([3, 2]))).toThrow(ShapeError);
    expect(() => new BatchNorm1d(2).forward(randn([3, 4]))).toThrow(ShapeError);
  });
});

describe("dropout", () => {
  test("keeps the mean, drops the share, and is seeded", async () => {
    const layer = new Dropout({ p: 0.25 });
    manualSeed(6);
    const first = await read(layer.forward(ones([4000])));
    manualSeed(6);
    expect(await read(layer.forward(ones([4000])))).toEqual(first);
    expect(new Set(first)).toEqual(new Set([0, 4 / 3]));
    expect(first.filter((x) => x === 0).length / 4000).toBeCloseTo(0.25, 1);
    layer.eval();
    expect(new Set(await read(layer.forward(ones([10]))))).toEqual(new Set([1]));
  });

  test("of channels drops them whole; p 1 drops all", async () => {
    const out = await read(new Dropout2d().forward(ones([50, 1, 2, 1])));
    for (let i = 0; i < 50; i++) expect(out[2 * i]).toBe(out[2 * i + 1]);
    expect(new Set(await read(new Dropout({ p: 1 }).forward(ones([9]))))).toEqual(new Set([0]));
    expect(() => new Dropout({ p: 1.5 })).toThrow(/probability/);
  });
});

describe("recurrent layers", () => {
  const [T, N, I, H] = [4, 2, 3, 5];

  test.each([
    ["RNN", RNN, RNNCell],
    ["GRU", GRU, GRUCell],
  ] as const)("%s is its cell along the sequence", async (_, Layer, Cell) => {
    const layer = new Layer(I, H);
    const cell = new Cell(I, H);
    for (const [name, p] of cell.namedParameters()) p.assign(layer.stateDict()[`${name}_l0`]);
    const x = randn([T, N, I]);
    const [output, last] = layer.forward(x);
    let h: Tensor | null = null;
    for (let t = 0; t < T; t++) h = cell.forward(x.select(0, t), h);
    await near(last.squeeze(0), h as Tensor);
    await near(output.select(0, T - 1), h as Tensor);
  });

  test("LSTM is its cell along the sequence", async () => {
    const layer = new LSTM(I, H, { batchFirst: true });
    const cell = new LSTMCell(I, H);
    for (const [name, p] of cell.namedParameters()) p.assign(layer.stateDict()[`${name}_l0`]);
    const x = randn([N, T, I]);
    const [, [h, c]] = layer.forward(x);
    let state: [Tensor, Tensor] | null = null;
    for (let t = 0; t < T; t++) state = cell.forward(x.select(1, t), state);
    await near(h.squeeze(0), (state as [Tensor, Tensor])[0]);
    await near(c.squeeze(0), (state as [Tensor, Tensor])[1]);
  });

  test("take a sequence without a batch", async () => {
    const layer = new GRU(I, H, { numLayers: 2, bidirectional: true });
    const x = randn([T, I]);
    const [output, last] = layer.forward(x);
    const [batched] = layer.forward(x.unsqueeze(1));
    expect(output.shape).toEqual([T, 2 * H]);
    expect(last.shape).toEqual([4, H]);
    await near(output, batched.squeeze(1));
  });

  test("refuse shapes that do not fit", () => {
    expect(() => new RNN(I, H).forward(randn([T, N, H]))).toThrow(ShapeError);
    expect(() => new RNN(I, H).forward(randn([T, N, I]), randn([2, N, H]))).toThrow(ShapeError);
    expect(() => new RNN(I, H, { nonlinearity: "sin" as "tanh" })).toThrow(/nonlinearity/);
  });
});

test("attention weights are probabilities, 0 where the mask forbids", async () => {
  const layer = new MultiheadAttention(4, 2, { batchFirst: true });
  const x = randn([1, 3, 4]);
  const attnMask = tensor([
    [false, true, true],
    [false, false, true],
    [false, false, false],
  ]);
  const [, weights] = layer.forward(x, x, x, { attnMask, averageAttnWeights: false });
  expect((weights as Tensor).shape).toEqual([1, 2, 3, 3]);
  await near((weights as Tensor).sum(-1), new Array(6).fill(1));
  await near((weights as Tensor).select(2, 0), [1, 0, 0, 1, 0, 0]);
});

test("embedding starts with a row of zeros at the padding index", async () => {
  const layer = new Embedding(3, 2, { paddingIdx: -1 });
  await near(layer.weight.select(0, 2), [0, 0]);
  expect(() => new Embedding(3, 2, { paddingIdx: 3 })).toThrow(/outside/);
  expect(() => new Embedding(3, 2, { maxNorm: -1 })).toThrow("Embedding: maxNorm is -1");
});

test("a loss module fixes its options", async () => {
  const logits = randn([2, 3]);
  const y = tensor([0, 2], { dtype: "int32" });
  const sum = new CrossEntropyLoss({ reduction: "sum" }).forward(logits, y);
  const mean = new CrossEntropyLoss().forward(logits, y);
  await near(sum, mean.mul(2));
  expect(() => new CrossEntropyLoss({ size: 1 } as object)).toThrow(/unknown option size/);
});

test("a layer's construction leaves only its slots", async () => {
  const device = await init({ device: "cpu", dtype: "float64" });
  const layer = new BatchNorm2d(100);
  device.flush();
  expect(device.stats().usedBytes).toBeGreaterThan(0);
  layer.dispose();
  expect(device.stats().usedBytes).toBe(0);
  {
    using _ = scope();
    new GRUCell(3, 4).dispose();
  }
  expect(device.stats().usedBytes).toBe(0);
});

describe("an embedding with maxNorm", () => {
  const table = (): Tensor =>
    tensor([
      [3, 4],
      [0.3, 0.4],
      [6, 8],
    ]);
  const index = (): Tensor => tensor([0, 1, 0], { dtype: "int32" });

  test("shortens the rows of its table that are looked up, and no others", async () => {
    const layer = Embedding.fromPretrained(table(), { maxNorm: 1 });
    await near(
      layer.forward(index()),
      [0.6, 0.8, 0.3, 0.4, 0.6, 0.8].map((x, i) => (i === 2 || i === 3 ? x : x / (1 + 2e-8))),
    );
    expect((await read(layer.weight)).map((x) => Math.round(x * 1e6) / 1e6)).toEqual([0.6, 0.8, 0.3, 0.4, 6, 8]);
  });

  test("leaves its table alone in a functional call, where the caller's rows are read short", async () => {
    const layer = Embedding.fromPretrained(table(), { maxNorm: 1 });
    const fast = table().mul(2);
    const rows = await read(functionalCall(layer, { params: { weight: fast } }, index()) as Tensor);
    expect(rows.map((x) => Math.round(x * 1e6) / 1e6)).toEqual([0.6, 0.8, 0.6, 0.8, 0.6, 0.8]);
    await near(layer.weight, [3, 4, 0.3, 0.4, 6, 8]);
  });

  test("accumulates gradients over several lookups", async () => {
    const layer = Embedding.fromPretrained(table(), { maxNorm: 1, freeze: false });
    for (let i = 0; i < 3; i++) layer.forward(index()).sum().backward();
    await near(layer.weight.grad, [6, 6, 3, 3, 0, 0]);
  });
});
