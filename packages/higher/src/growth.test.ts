/**
 * What a longer loop costs: kernels are compiled for the steps that come first, and a loop of twice as many steps has no others.
 * Dawn's null backend compiles nothing, so that pipelines are counted quickly.
 */
import { expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { functional as F, Linear, Sequential, Tanh } from "@loopgrad/nn";
import { Adagrad, Adam, AdamW, type Optimizer, RMSprop, SGD } from "@loopgrad/optim";
import { type Device, init, type Tensor, tensor } from "@loopgrad/tensor";
import { innerLoop } from "./inner-loop.ts";

type Params = readonly Tensor[];
const OPTIMIZERS: Record<string, (params: never) => unknown> = {
  SGD: (params) => new SGD(params, { lr: 0.01 }),
  momentum: (params) => new SGD(params, { lr: 0.01, momentum: 0.9 }),
  Adam: (params) => new Adam(params, { lr: 0.01 }),
  AdamW: (params) => new AdamW(params, { lr: 0.01 }),
  RMSprop: (params) => new RMSprop(params, { lr: 0.01 }),
  Adagrad: (params) => new Adagrad(params, { lr: 0.01 }),
};

/** Steps, and then the gradient of the last loss for the first weights. Returns the pipelines that this made. */
async function unroll(device: Device, make: (params: never) => unknown, steps: number): Promise<number> {
  const model = new Sequential(new Linear(1, 16), new Tanh(), new Linear(16, 1));
  const x = tensor(Array.from({ length: 10 }, (_, i) => [i / 10]));
  const y = x.sin();
  const before = device.stats().pipelinesCreated;
  using loop = innerLoop(model, make(model.parameters() as never) as Optimizer<object>);
  const loss = (): Tensor => F.mseLoss(loop.fmodel.forward(x), y);
  for (let i = 0; i < steps; i++) loop.step(loss);
  const grads = grad(loss(), loop.fmodel.initialParams as Params as Tensor[]) as Tensor[];
  await Promise.all(grads.map((g) => g.data()));
  return device.stats().pipelinesCreated - before;
}

test.each(Object.keys(OPTIMIZERS))(
  "%s: the second half of an unroll makes no pipeline",
  async (name) => {
    const device = await init({ device: "webgpu", adapter: "null" });
    try {
      const first = await unroll(device, OPTIMIZERS[name], 20);
      expect(first).toBeGreaterThan(10);
      expect(first).toBeLessThan(160);
      expect(await unroll(device, OPTIMIZERS[name], 40)).toBe(0);
    } finally {
      device.destroy();
    }
  },
  60_000,
);
