/**
 * w0, w1, w2: what one timed *meta-step* does, from task data on the host to the meta-gradients on the host.
 *
 * w0  sinusoid MLP 1-40-40-1, one task of 10 + 10 points, k inner SGD steps, second order, all meta-gradients
 * w1  the same with 25 tasks in one meta-gradient: all at once, by vmap, or one after another
 * w2  few-shot classification: three blocks of convolution, batch norm, ReLU and max-pool; 5 tasks of 5 ways, 5 shots, 15 queries
 */
import {
  BatchNorm2d,
  Conv2d,
  type Device,
  functional as F,
  Flatten,
  innerLoop,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  SGD,
  scope,
  stack,
  type Tensor,
  tensor,
  vmap,
} from "loopgrad";
import { uniform } from "../data.ts";
import { sinusoid } from "../workloads.ts";
import { setWeights } from "./weights.ts";
import type { Settings, Task, Workload } from "./workload.ts";

const WAYS = 5;
const [SHOTS, QUERIES] = [5, 15];

function fewShot(device: Device, { steps, tasks, batched, size, dtype }: Settings): Task {
  const block = (channels: number) => [
    new Conv2d(channels, size, 3),
    new BatchNorm2d(size, { momentum: 1 }),
    new ReLU(),
    new MaxPool2d(2, { stride: 2 }),
  ];
  const model = new Sequential(...block(1), ...block(size), ...block(size), new Flatten(), new Linear(size, WAYS));
  setWeights(model, { device, dtype });
  const inner = new SGD(model.parameters(), { lr: 0.1 });
  const images = (seed: number, n: number): Tensor =>
    tensor(uniform(seed, n * 784), { device, dtype, shape: [n, 1, 28, 28] });
  const classesOf = (each: number): Tensor =>
    tensor(
      Int32Array.from({ length: WAYS * each }, (_, i) => Math.floor(i / each)),
      { device },
    );
  const [support, query] = [classesOf(SHOTS), classesOf(QUERIES)];
  const sets = Array.from({ length: tasks }, (_, i) => [
    images(100 + 2 * i, WAYS * SHOTS),
    images(101 + 2 * i, WAYS * QUERIES),
  ]);
  const params = model.parameters();
  const queryLoss = (xs: Tensor, xq: Tensor): Tensor =>
    innerLoop(model, inner, {}, ({ fmodel, diffopt }) => {
      for (let k = 0; k < steps; k++) diffopt.step(F.crossEntropy(fmodel.forward(xs), support));
      return F.crossEntropy(fmodel.forward(xq), query);
    });
  const together = vmap(queryLoss);
  const [allSupport, allQuery] = [0, 1].map((part) => stack(sets.map((task) => task[part])));
  const call = async () => {
    using _ = scope();
    model.zeroGrad();
    if (batched) together(allSupport, allQuery).mean().backward();
    else {
      for (const [xs, xq] of sets) {
        using _ = scope();
        queryLoss(xs, xq)
          .mul(1 / tasks)
          .backward();
      }
    }
    return Promise.all(params.map((param) => (param.grad as Tensor).data()));
  };
  // Batch norm over images of noise makes small differences large.
  return { call, repeat: 1, tolerance: 2e-2 };
}

const waves = (id: string, what: string, tasks: number, batched: boolean): Workload => ({
  id,
  what,
  options: { steps: 1, tasks, batched, dtype: "float32" },
  fits: { dtype: ["float32", "float64"] },
  iterations: 30,
  // Buffers of uploads come round in ten calls: then bind groups are all there.
  warmup: { calls: 12, ms: 500 },
  peers: ["jax-js", "tfjs", "torch", "higher", "jax"],
  make: (device, { steps, tasks, batched, dtype }) => ({
    call: sinusoid(device, { steps, tasks, batched, dtype }),
    repeat: 1,
    tolerance: 2e-3,
  }),
});

export const META: readonly Workload[] = [
  waves("w0", "sinusoid MLP, one task, second order", 1, false),
  waves("w1", "sinusoid MLP, 25 tasks at once, second order", 25, true),
  {
    id: "w2",
    what: "few-shot classification: three convolutions n wide, 5 tasks of 5 ways, 5 shots, 15 queries, second order",
    options: { steps: 1, tasks: 5, batched: true, size: 64, dtype: "float32" },
    fits: { dtype: ["float32", "float64"] },
    iterations: 5,
    peers: ["torch", "higher"],
    make: fewShot,
  },
];
