/** Summaries: shapes and counts, and no trace of the forward that found them. */
import { beforeAll, expect, test } from "@jest/globals";
import { getRngState, init, manualSeed, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import {
  BatchNorm1d,
  Dropout,
  Embedding,
  Flatten,
  Linear,
  LSTM,
  Module,
  ReLU,
  Sequential,
  summary,
  TransformerDecoderLayer,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu" });
  manualSeed(13);
});

test("is a table of layers, output shapes and parameters", () => {
  const model = new Sequential({
    flat: new Flatten(),
    body: new Sequential(new Linear(784, 128), new BatchNorm1d(128), new ReLU()),
    head: new Linear(128, 10).requiresGrad_(false),
  });
  expect(String(summary(model, [1, 28, 28]))).toBe(`\
Layer               Output shape  Parameters
--------------------------------------------
Sequential          [1, 10]                -
  flat: Flatten     [1, 784]               -
  body: Sequential  [1, 128]               -
    0: Linear       [1, 128]         100,480
    1: BatchNorm1d  [1, 128]             256
    2: ReLU         [1, 128]               -
  head: Linear      [1, 10]            1,290
--------------------------------------------
Parameters: 102,026 (1,290 frozen)`);
});

test("leaves buffers, modes and the random stream as they were, and no hooks", async () => {
  const model = new Sequential(new Linear(2, 2), new BatchNorm1d(2), new Dropout()).train();
  model.at(1).eval();
  const state = await Promise.all(Object.values(model.stateDict()).map((x) => x.toArray()));
  const rng = getRngState();
  summary(model, [1, 2]);
  expect(getRngState()).toEqual(rng);
  expect(model.modules().map((m) => m.training)).toEqual([true, true, false, true]);
  expect(await Promise.all(Object.values(model.stateDict()).map((x) => x.toArray()))).toEqual(state);
  expect(model.modules().some((m) => Object.hasOwn(m, "forward"))).toBe(false);
  expect(() => summary(model, [1, 3])).toThrow();
  expect(model.modules().map((m) => m.training)).toEqual([true, true, false, true]);
});

test("takes several arguments, tensors and integer inputs, and shows several outputs", () => {
  const decoder = new TransformerDecoderLayer(4, 2, { dimFeedforward: 6 });
  expect(summary(decoder, [[3, 1, 4], zeros([5, 1, 4])]).rows[0].outputShapes).toEqual([[3, 1, 4]]);
  const words = new Sequential(new Embedding(10, 4));
  expect(summary(words, [2, 3], { dtype: "int32" }).rows[1].outputShapes).toEqual([[2, 3, 4]]);
  expect(summary(words, tensor([1, 2], { dtype: "int32" })).rows[1].outputShapes).toEqual([[2, 4]]);
  expect(summary(new LSTM(3, 4), [5, 1, 3]).rows[0].outputShapes).toEqual([
    [5, 1, 4],
    [1, 1, 4],
    [1, 1, 4],
  ]);
});

test("counts a shared parameter once, and shows modules that are not called", () => {
  class Tied extends Module {
    readonly a = new Linear(2, 2);
    readonly idle = new ReLU();
    readonly b = new Linear(2, 2, { bias: false });
    constructor() {
      super();
      (this.b as { weight: Tensor }).weight = this.a.weight;
    }
    override forward(x: Tensor): Tensor {
      return this.b.forward(this.a.forward(x));
    }
  }
  const { rows, totalParameters } = summary(new Tied(), [1, 2]);
  expect(rows.map(({ parameters }) => parameters)).toEqual([0, 6, 0, 0]);
  expect(rows[2].outputShapes).toEqual([]);
  expect(totalParameters).toBe(6);
});
