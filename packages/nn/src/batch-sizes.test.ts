/**
 * Another batch size is another plan, of the same kernels: sizes, and numbers that are computed from sizes, are parameters. (A
 * size of another class may have others: long sums are cut in parts, GPUs take large tiles.)
 * Dawn's null backend compiles nothing, so that pipelines are counted quickly.
 */
import { expect, test } from "@jest/globals";
import "@loopgrad/autograd";
import { init, linspace, manualSeed, randint, randn, type Tensor } from "@loopgrad/tensor";
import {
  BatchNorm2d,
  Conv2d,
  functional as F,
  Flatten,
  Linear,
  LSTM,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  Tanh,
  TransformerEncoderLayer,
} from "./index.ts";

class Recurrent extends Module {
  readonly lstm = new LSTM(6, 8, { batchFirst: true });
  readonly head = new Linear(8, 3);
  override forward(x: Tensor): Tensor {
    const [y] = this.lstm.forward(x);
    return this.head.forward(y.mean(1));
  }
}

const classes = (logits: Tensor): Tensor => F.crossEntropy(logits, randint(0, 3, [logits.shape[0]]));

const MODELS: Record<string, { make: () => Module; loss: (model: never, n: number) => Tensor }> = {
  "an MLP with mseLoss": {
    make: () => new Sequential(new Linear(6, 16), new Tanh(), new Linear(16, 3)),
    loss: (model: Sequential, n) => F.mseLoss(model.forward(randn([n, 6])) as Tensor, randn([n, 3])),
  },
  "an MLP with crossEntropy": {
    make: () => new Sequential(new Linear(6, 16), new ReLU(), new Linear(16, 3)),
    loss: (model: Sequential, n) => classes(model.forward(randn([n, 6])) as Tensor),
  },
  "a conv net with BatchNorm": {
    make: () =>
      new Sequential(
        new Conv2d(2, 4, 3, { padding: 1 }),
        new BatchNorm2d(4),
        new ReLU(),
        new MaxPool2d(2),
        new Flatten(),
        new Linear(64, 3),
      ),
    loss: (model: Sequential, n) => classes(model.forward(randn([n, 2, 8, 8])) as Tensor),
  },
  "a transformer block": {
    make: () => new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, dropout: 0, batchFirst: true }),
    loss: (model: TransformerEncoderLayer, n) =>
      model
        .forward(randn([n, 5, 8]))
        .square()
        .mean(),
  },
  "an LSTM": {
    make: () => new Recurrent(),
    loss: (model: Recurrent, n) => classes(model.forward(randn([n, 4, 6]))),
  },
  "statistics of the batch": {
    make: () => new Linear(6, 4),
    loss: (model: Linear, n) => {
      const y = model.forward(randn([n, 6]));
      const weights = linspace(0, 1, n).reshape([n, 1]);
      return y.var(0).add(y.std(0)).sum().add(y.mul(weights).norm()).add(y.logsumexp(0).mean()).add(y.cumsum(0).mean());
    },
  },
};

test.each(Object.keys(MODELS))(
  "%s makes no pipeline for a further batch size",
  async (name) => {
    const device = await init({ device: "webgpu", adapter: "null" });
    try {
      manualSeed(0);
      const { make, loss } = MODELS[name];
      const model = make();
      const counts: number[] = [];
      for (const n of [40, 33, 48, 53, 61]) {
        loss(model as never, n).backward();
        await Promise.all([...model.parameters()].map((p) => p.grad?.data()));
        model.zeroGrad();
        counts.push(device.stats().pipelinesCreated);
      }
      expect(counts[0]).toBeGreaterThan(3);
      expect(counts.slice(2)).toEqual(counts.slice(2).map(() => counts[1]));
    } finally {
      device.destroy();
    }
  },
  60_000,
);
