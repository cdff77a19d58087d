/** What models, optimizers and loops hold is given back when they are disposed of, in whatever order, scopes or none. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  functional as F,
  Linear,
  type Module,
  ReLU,
  Sequential,
  safetensorsBytes,
  weightNorm,
} from "@loopgrad/nn";
import * as optim from "@loopgrad/optim";
import { type Device, init, manualSeed, randn, scope, setDevice, type Tensor } from "@loopgrad/tensor";
import { createDifferentiable, functionalize, innerLoop } from "./index.ts";

type Net = Module & { forward(x: Tensor): Tensor };
type AnyOptimizer = optim.Optimizer<object>;

const { Adadelta, Adagrad, Adam, AdamW, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop, SGD } = optim;
const OPTIMIZERS: Record<string, (params: Tensor[]) => AnyOptimizer> = {
  SGD: (params) => new SGD(params, { lr: 0.01 }),
  "SGD with momentum": (params) => new SGD(params, { lr: 0.01, momentum: 0.9 }),
  ...Object.fromEntries(
    Object.entries({ Adadelta, Adagrad, Adam, AdamW, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop }).map(
      ([name, Type]) => [name, (params: Tensor[]) => new Type(params, { lr: 0.01 }) as AnyOptimizer],
    ),
  ),
};

const network = (): Net =>
  new Sequential(new Linear(20, 32), new BatchNorm1d(32), new ReLU(), new Linear(32, 20)) as unknown as Net;

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  let x: Tensor;
  beforeAll(async () => {
    device = await init({ device: name });
    setDevice(device);
    manualSeed(1);
    x = randn([8, 20]);
    await x.data();
  });
  afterAll(() => {
    if (name === "webgpu") device.destroy();
  });

  const lossOf = (model: Net): Tensor => F.mseLoss(model.forward(x), x);

  /** The bytes, without those of small results, that a function leaves behind. */
  async function left(fn: () => Promise<void>): Promise<number> {
    const held = async (): Promise<number> => {
      // Until a GPU has said that there was memory, what a step may have to go back to is held.
      await device.synchronize();
      const { usedBytes, scratchBytes } = device.stats();
      return usedBytes - scratchBytes;
    };
    const before = await held();
    await fn();
    return (await held()) - before;
  }
  /** Losses and other small results that the tests drop. A copy of the parameters would be 5 KiB and more. */
  const SMALL_RESULTS = 2048 + 512;

  const train = (model: Net, opt: AnyOptimizer, steps: number): Tensor => {
    let loss: Tensor | null = null;
    for (let i = 0; i < steps; i++) {
      opt.zeroGrad();
      loss = lossOf(model);
      loss.backward();
      opt.step();
    }
    return loss as Tensor;
  };

  describe.each(Object.entries(OPTIMIZERS))("%s", (_, optimizer) => {
    test.each(name === "cpu" ? [1, 3] : [2])("after %d steps", async (steps) => {
      for (const modelFirst of [true, false]) {
        const bytes = await left(async () => {
          const model = network();
          const opt = optimizer(model.parameters());
          await train(model, opt, steps).item();
          for (const thing of modelFirst ? [model, opt] : [opt, model]) thing.dispose();
        });
        expect(bytes).toBeLessThanOrEqual(SMALL_RESULTS);
      }
    });
  });

  const CASES: Record<string, (model: Net, opt: AnyOptimizer) => Promise<void> | void> = {
    nothing: () => {},
    "gradients that were not used": (model) => lossOf(model).backward(),
    "gradients that were looked at": async (model) => {
      lossOf(model).backward();
      for (const p of model.parameters()) await p.grad?.square().sum().item();
    },
    "steps without a read": (model, opt) => void train(model, opt, 3),
    "a clipped step": (model, opt) => {
      lossOf(model).backward();
      optim.clipGradNorm(model.parameters(), 1);
      opt.step();
    },
    "a schedule": (model, opt) => {
      const schedule = new optim.StepLR(opt as never, { stepSize: 1 });
      train(model, opt, 2);
      schedule.step();
      train(model, opt, 2);
    },
    "a loaded state": (model, opt) => {
      train(model, opt, 2);
      const [state, own] = [opt.stateDict(), model.stateDict()];
      train(model, opt, 1);
      opt.loadStateDict(state);
      model.loadStateDict(own);
      train(model, opt, 1);
      for (const tensor of Object.values(own)) tensor.dispose();
      for (const entries of Object.values(state.state)) {
        for (const value of Object.values(entries)) if (typeof value !== "number") value.dispose();
      }
    },
    saving: async (model, opt) => {
      train(model, opt, 1);
      const state = model.stateDict();
      await safetensorsBytes(state);
      for (const tensor of Object.values(state)) tensor.dispose();
    },
    "a functional model": (model) => {
      using fmodel = functionalize(model);
      grad(F.mseLoss(fmodel.forward(x) as Tensor, x), fmodel.parameters()).map((g) => g.dispose());
    },
    "a differentiable optimizer": (model) => {
      using _ = scope();
      using fmodel = functionalize(model);
      using diffopt = createDifferentiable(SGD, { lr: 0.1, momentum: 0.9 }, { fmodel });
      diffopt.step(F.mseLoss(fmodel.forward(x) as Tensor, x));
    },
    "an inner loop": (model, opt) => {
      using loop = innerLoop(model, opt as never);
      loop.run(2, () => lossOf(loop.fmodel as unknown as Net));
      lossOf(loop.fmodel as unknown as Net).backward();
      opt.step();
    },
    "a checkpointed inner loop": (model, opt) => {
      using loop = innerLoop(model, opt as never, { checkpoint: "step" });
      loop.run(2, () => lossOf(loop.fmodel as unknown as Net));
      lossOf(loop.fmodel as unknown as Net).backward();
      opt.step();
    },
    "a part with a parametrization": (model, opt) => {
      weightNorm(model.modules().find((m) => m instanceof Linear) as Linear);
      train(model, opt, 2);
    },
  };

  test.each(Object.entries(CASES))("with %s", async (_, use) => {
    for (const modelFirst of [true, false]) {
      const bytes = await left(async () => {
        const model = network();
        const opt = new Adam(model.parameters(), { lr: 0.01 }) as AnyOptimizer;
        await use(model, opt);
        for (const thing of modelFirst ? [model, opt] : [opt, model]) thing.dispose();
      });
      expect(bytes).toBeLessThanOrEqual(SMALL_RESULTS);
    }
  });
});
