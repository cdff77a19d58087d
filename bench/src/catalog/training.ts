/**
 * Training steps of whole models: forward, backward and the optimizer's update; the loss is read at the end of each.
 *
 * mlp          784-n-n-10 with ReLU, 256 images, Adam
 * resnet8      ResNet-8 (He et al. 2015) on n images of 28×28, SGD with momentum
 * transformer  two pre-norm layers n wide on 8 texts of 64 characters, AdamW
 * lstm         one layer of n units on 16 texts of 64 characters, Adam
 *
 * Every library starts from the same model (`weights.ts`) and data, so that the losses of the first calls must agree.
 * Work is counted as three forward passes, of the products and convolutions alone.
 */
import {
  Adam,
  AdamW,
  BatchNorm2d,
  Conv2d,
  type Device,
  Embedding,
  functional as F,
  LayerNorm,
  Linear,
  LSTM,
  Module,
  ReLU,
  relu,
  Sequential,
  SGD,
  scope,
  type Tensor,
  TransformerEncoder,
  TransformerEncoderLayer,
  tensor,
} from "loopgrad";
import { classes, uniform } from "../data.ts";
import { setWeights } from "./weights.ts";
import type { Settings, Task, Workload } from "./workload.ts";

/** What a training step needs besides its model. */
interface Training {
  readonly model: Module;
  readonly optimizer: { zeroGrad(): void; step(): void };
  readonly loss: () => Tensor;
  /** Multiplications with additions of a forward pass. */
  readonly macs: number;
}

function training({ optimizer, loss, macs }: Training): Task {
  const call = async () => {
    using _ = scope();
    optimizer.zeroGrad();
    const value = loss();
    value.backward();
    optimizer.step();
    return [await value.data()];
  };
  return { call, flops: 3 * 2 * macs, repeat: 1, tolerance: 1e-3 };
}

/** Float data and weights of the row's dtype. */
const batch = (device: Device, { dtype }: Settings, shape: number[]): Tensor =>
  tensor(
    uniform(
      1,
      shape.reduce((n, d) => n * d, 1),
    ),
    { device, dtype, shape },
  );
const labels = (device: Device, shape: number[], n: number, seed = 2): Tensor =>
  tensor(
    classes(
      seed,
      shape.reduce((n, d) => n * d, 1),
      n,
    ),
    { device, shape },
  );

const common = {
  iterations: 5,
  fits: { dtype: ["float32", "float64"] },
  peers: ["torch"],
} as const satisfies Partial<Workload>;

const mlp: Workload = {
  ...common,
  id: "mlp",
  what: "training step: MLP 784-n-n-10 with ReLU, 256 images, Adam",
  options: { size: 1024, dtype: "float32" },
  peers: ["jax-js", "tfjs", "torch", "jax"],
  make(device, settings) {
    const n = settings.size;
    const model = new Sequential(new Linear(784, n), new ReLU(), new Linear(n, n), new ReLU(), new Linear(n, 10));
    setWeights(model, { device, dtype: settings.dtype });
    const [x, y] = [batch(device, settings, [256, 784]), labels(device, [256], 10)];
    return training({
      model,
      optimizer: new Adam(model.parameters(), { lr: 1e-3 }),
      loss: () => F.crossEntropy(model.forward(x), y),
      macs: 256 * (784 * n + n * n + n * 10),
    });
  },
};

const conv3x3 = (from: number, to: number, stride = 1): Conv2d =>
  new Conv2d(from, to, 3, { stride, padding: 1, bias: false });

/** x + f(x), with f = norm ∘ conv ∘ relu ∘ norm ∘ conv; where f changes the shape, a 1×1 convolution does so to x. */
class Block extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  shortcut: Sequential;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = conv3x3(from, to, stride);
    this.bn1 = new BatchNorm2d(to);
    this.conv2 = conv3x3(to, to);
    this.bn2 = new BatchNorm2d(to);
    const same = from === to && stride === 1;
    this.shortcut = same
      ? new Sequential()
      : new Sequential(new Conv2d(from, to, 1, { stride, bias: false }), new BatchNorm2d(to));
  }

  override forward(x: Tensor): Tensor {
    const y = relu(this.bn1.forward(this.conv1.forward(x)));
    return relu(this.bn2.forward(this.conv2.forward(y)).add(this.shortcut.forward(x)));
  }
}

class ResNet8 extends Module {
  conv = conv3x3(1, 32);
  bn = new BatchNorm2d(32);
  blocks = new Sequential(new Block(32, 32, 1), new Block(32, 64, 2), new Block(64, 128, 2));
  out = new Linear(128, 10);

  override forward(x: Tensor): Tensor {
    const features = this.blocks.forward(relu(this.bn.forward(this.conv.forward(x))));
    return this.out.forward(features.mean([2, 3]));
  }
}

const RESNET_MACS =
  784 * 9 * 32 +
  784 * 9 * 2 * 32 * 32 +
  196 * (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64) +
  49 * (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128);

const resnet8: Workload = {
  ...common,
  id: "resnet8",
  what: "training step: ResNet-8, 32 channels, n images of 28×28, SGD with momentum",
  options: { size: 32, dtype: "float32" },
  make(device, settings) {
    const model = new ResNet8();
    setWeights(model, { device, dtype: settings.dtype });
    const n = settings.size;
    const [x, y] = [batch(device, settings, [n, 1, 28, 28]), labels(device, [n], 10)];
    return training({
      model,
      optimizer: new SGD(model.parameters(), { lr: 0.01, momentum: 0.9 }),
      loss: () => F.crossEntropy(model.forward(x), y),
      macs: n * (RESNET_MACS + 1280),
    });
  },
};

/** Of both language models. */
const [LENGTH, VOCABULARY, LAYERS] = [64, 64, 2];

class Transformer extends Module {
  embed: Embedding;
  encoder: TransformerEncoder;
  out: Linear;

  constructor(n: number) {
    super();
    this.embed = new Embedding(VOCABULARY, n);
    const layer = () =>
      new TransformerEncoderLayer(n, Math.max(1, n / 32), {
        dimFeedforward: 4 * n,
        dropout: 0,
        activation: "gelu",
        batchFirst: true,
        normFirst: true,
      });
    this.encoder = new TransformerEncoder(layer, LAYERS, { norm: new LayerNorm(n) });
    this.out = new Linear(n, VOCABULARY);
  }

  override forward(x: Tensor): Tensor {
    return this.out.forward(this.encoder.forward(this.embed.forward(x), { isCausal: true }));
  }
}

const transformer: Workload = {
  ...common,
  id: "transformer",
  what: "training step: two pre-norm transformer layers n wide, 8 texts of 64 characters, causal, AdamW",
  options: { size: 128, dtype: "float32" },
  least: { size: 32 },
  make(device, settings) {
    const n = settings.size;
    const model = new Transformer(n);
    setWeights(model, { device, dtype: settings.dtype });
    const x = labels(device, [8, LENGTH], VOCABULARY, 1);
    const y = labels(device, [8 * LENGTH], VOCABULARY);
    return training({
      model,
      optimizer: new AdamW(model.parameters(), { lr: 1e-3 }),
      loss: () => F.crossEntropy(model.forward(x).reshape([-1, VOCABULARY]), y),
      macs: 8 * LENGTH * (LAYERS * (12 * n * n + 2 * LENGTH * n) + n * VOCABULARY),
    });
  },
};

class Reader extends Module {
  embed: Embedding;
  lstm: LSTM;
  out: Linear;

  constructor(n: number) {
    super();
    this.embed = new Embedding(VOCABULARY, n);
    this.lstm = new LSTM(n, n, { batchFirst: true });
    this.out = new Linear(n, VOCABULARY);
  }

  override forward(x: Tensor): Tensor {
    return this.out.forward(this.lstm.forward(this.embed.forward(x))[0]);
  }
}

const lstm: Workload = {
  ...common,
  id: "lstm",
  what: "training step: LSTM of n units, 16 texts of 64 characters, Adam",
  options: { size: 128, dtype: "float32" },
  make(device, settings) {
    const n = settings.size;
    const model = new Reader(n);
    setWeights(model, { device, dtype: settings.dtype });
    const x = labels(device, [16, LENGTH], VOCABULARY, 1);
    const y = labels(device, [16 * LENGTH], VOCABULARY);
    return training({
      model,
      optimizer: new Adam(model.parameters(), { lr: 1e-3 }),
      loss: () => F.crossEntropy(model.forward(x).reshape([-1, VOCABULARY]), y),
      macs: 16 * LENGTH * (8 * n * n + n * VOCABULARY),
    });
  },
};

export const TRAINING: readonly Workload[] = [mlp, resnet8, transformer, lstm];
