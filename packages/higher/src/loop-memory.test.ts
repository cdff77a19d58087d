/** What loops hold: nothing when they have ended, and as much as `loop.stats()` says before. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { BatchNorm1d, functional as F, Linear, type Module, ReLU, Sequential, Tanh } from "@loopgrad/nn";
import { Adam, SGD } from "@loopgrad/optim";
import {
  type Device,
  init,
  manualSeed,
  randn,
  scope,
  setDevice,
  type Tensor,
  tensor,
  unwatched,
} from "@loopgrad/tensor";
import { type InnerLoop, type InnerLoopOptions, innerLoop } from "./index.ts";

type Net = Module & { forward(x: Tensor): Tensor };

let cpu: Device;
let gpu: Device;
beforeAll(async () => {
  gpu = await init({ device: "webgpu" });
  cpu = await init({ device: "cpu" });
});
afterAll(() => gpu?.destroy());

test("a loop that is never ended is left to the collector; training that follows holds no more for it", () =>
  unwatched("inner loops that are dropped: their pins go with them, when the collector comes by", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
    const own = setDevice(await init({ device: "cpu" }));
    const model = new Sequential(new Linear(20, 50), new Tanh(), new Linear(50, 1));
    const opt = new SGD(model.parameters(), { lr: 0.01 });
    const [x, y] = [randn([4, 20]), randn([4, 1])];
    const forgetful = async (): Promise<void> => {
      const loop = innerLoop(model, opt);
      for (let k = 0; k < 3; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
      const query = F.mseLoss(loop.fmodel.forward(x), y);
      query.backward();
      await query.item();
      opt.zeroGrad();
    };
    const plain = async (): Promise<void> => {
      opt.zeroGrad();
      const loss = F.mseLoss(model.forward(x), y);
      loss.backward();
      opt.step();
      await loss.item();
    };
    const settle = async (): Promise<number> => {
      // Finalizers run between turns of the event loop, after a collection.
      for (let i = 0; i < 4; i++) {
        collect();
        await new Promise((done) => setTimeout(done, 2));
      }
      return own.stats().usedBytes;
    };
    for (let i = 0; i < 10; i++) await forgetful();
    const held = await settle();
    for (let i = 0; i < 20; i++) await forgetful();
    expect(await settle()).toBeLessThan(held + 10_000);
    for (let i = 0; i < 50; i++) await plain();
    expect(await settle()).toBeLessThan(held + 10_000);
    const messages = warn.mock.calls.map(([message]) => String(message));
    warn.mockRestore();
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/an inner loop, was dropped[\s\S]*forgetful .*loop-memory\.test\.ts/);
    own.destroy();
  }));

const WAYS: readonly (readonly [string, InnerLoopOptions])[] = [
  ["second-order", {}],
  ["first-order", { mode: "first-order" }],
  ["none", { mode: "none" }],
  ["checkpoint step", { checkpoint: "step" }],
  ["checkpoint sqrt, first-order", { checkpoint: "sqrt", mode: "first-order" }],
];
const OPTIMIZERS = { SGD, Adam };

const isFull = process.env.LOOPGRAD_FULL !== undefined;

/** What a step leaves behind shows within a hundred; that nothing creeps, one loop shows here, and all in a full run. */
const outerSteps = (isLong: boolean): number => (isLong || isFull ? 1000 : 80);

/** Outer steps of a small meta-learner, and the bytes that the device holds after each. */
async function bytesOf(
  device: Device,
  optimizer: keyof typeof OPTIMIZERS,
  norm: boolean,
  options: InnerLoopOptions,
  outer: number,
) {
  setDevice(device);
  manualSeed(1);
  const middle = norm ? new BatchNorm1d(4) : new ReLU();
  const model = new Sequential(new Linear(2, 4), middle, new Linear(4, 1)) as unknown as Net;
  const inner = new OPTIMIZERS[optimizer](model.parameters(), { lr: 0.01 });
  const meta = new SGD(model.parameters(), { lr: 0.01 });
  const [x, y] = [randn([3, 2]), randn([3, 1])];
  await Promise.all([x.data(), y.data()]);
  const bytes: number[] = [];
  for (let i = 0; i < outer; i++) {
    {
      using _ = scope();
      using loop = innerLoop(model, inner, options);
      const loss = (): Tensor => F.mseLoss(loop.fmodel.forward(x), y);
      loop.run(2, loss);
      meta.zeroGrad();
      const query = loss();
      if (options.mode !== "none") query.backward();
      meta.step();
    }
    device.flush();
    bytes.push(device.stats().bytes);
  }
  meta.zeroGrad();
  return bytes;
}

describe("after many outer steps a device holds what it held after some", () => {
  for (const optimizer of ["SGD", "Adam"] as const) {
    for (const norm of [false, true]) {
      test.each(WAYS)(
        `${optimizer}, ${norm ? "with" : "without"} batch norm, %s`,
        async (_, options) => {
          const outer = outerSteps(
            optimizer === "Adam" && norm && options.mode === "first-order" && !options.checkpoint,
          );
          const bytes = await bytesOf(cpu, optimizer, norm, options, outer);
          expect(Math.max(...bytes.slice(50))).toBeLessThanOrEqual(Math.max(...bytes.slice(0, 50)));
        },
        60_000,
      );
    }
  }

  test("on webgpu, in fewer", async () => {
    const bytes = await bytesOf(gpu, "Adam", isFull, { checkpoint: "step" }, 30);
    expect(Math.max(...bytes.slice(20))).toBeLessThanOrEqual(Math.max(...bytes.slice(0, 20)));
    setDevice(cpu);
  }, 120_000);
});

describe("loop.stats", () => {
  const [BATCH, WIDTH] = [64, 64];
  const make = (): Net => new Sequential(new Linear(WIDTH, WIDTH), new Tanh(), new Linear(WIDTH, 4)) as unknown as Net;
  const WEIGHTS = 4 * (WIDTH * WIDTH + WIDTH + WIDTH * 4 + 4);
  const ACTIVATIONS = 4 * BATCH * WIDTH;
  const data = (): [Tensor, Tensor] => [randn([BATCH, WIDTH]), randn([BATCH, 4])];

  /** A loop of some steps, and the bytes that the device's values gained meanwhile. */
  function grown(steps: number, options: InnerLoopOptions, look: (loop: InnerLoop<Net>, gained: number) => void): void {
    using _ = scope();
    manualSeed(4);
    const model = make();
    const [x, y] = data();
    cpu.flush();
    const before = cpu.stats().usedBytes;
    using loop = innerLoop(model, new Adam(model.parameters()), { history: "ends", ...options });
    for (let i = 0; i < steps; i++) loop.step(() => F.mseLoss(loop.fmodel.forward(x), y)).dispose();
    cpu.flush();
    look(loop, cpu.stats().usedBytes - before);
  }

  test.each(WAYS)("says what the device counts: %s", (_, options) => {
    grown(6, options, (loop, gained) => {
      const { steps, bytes, bytesByTime, peakBytes } = loop.stats();
      expect(steps).toBe(6);
      expect(bytesByTime).toHaveLength(7);
      expect(bytesByTime.reduce((a, b) => a + b)).toBe(bytes);
      // The device rounds sizes up. The model's weights at time 0, and the data if the graph holds it, were there before.
      expect(bytes).toBeGreaterThan(gained * 0.95);
      expect(bytes - gained).toBeLessThanOrEqual(WEIGHTS + 4 * BATCH * (WIDTH + 4));
      expect(peakBytes).toBeGreaterThanOrEqual(gained);
    });
  });

  test("in mode none a step adds nothing that stays", () => {
    grown(6, { mode: "none" }, (loop) => {
      expect(loop.stats().bytesByTime.slice(1, 6)).toEqual([0, 0, 0, 0, 0]);
    });
  });

  test("first order holds nothing of the inner forward and backward", () => {
    const held = (mode: "first-order" | "second-order"): number[] => {
      let added: number[] = [];
      grown(6, { mode, checkpoint: "none" }, (loop) => {
        added = loop.stats().bytesByTime.slice(2, 6);
      });
      return added;
    };
    const [first, second] = [held("first-order"), held("second-order")];
    // Adam's own: a few tensors of the weights' size, whatever the batch.
    for (const bytes of first) expect(bytes).toBeLessThan(5 * WEIGHTS);
    expect(new Set(second).size).toBe(1);
    expect(second[0] - first[0]).toBeGreaterThan(2 * ACTIVATIONS);
  });

  test("first order with SGD and a plain rate holds nothing at all", () => {
    using _ = scope();
    const model = make();
    const [x, y] = data();
    const options = { mode: "first-order", history: "ends" } as const;
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), options);
    loop.run(5, () => F.mseLoss(loop.fmodel.forward(x), y));
    expect(loop.stats().bytesByTime.slice(1, 5)).toEqual([0, 0, 0, 0]);
  });

  test("a step of SGD holds, of every layer, activations and cotangents once", () => {
    using _ = scope();
    const [batch, width] = [64, 64];
    const model = new Sequential(
      new Linear(width, width, { bias: false }),
      new Tanh(),
      new Linear(width, width, { bias: false }),
      new Tanh(),
      new Linear(width, 1, { bias: false }),
    ) as unknown as Net;
    const [x, y] = [randn([batch, width]), randn([batch, 1])];
    const lr = tensor(0.1, { requiresGrad: true });
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), { override: { lr }, history: "ends" });
    loop.run(4, () => F.mseLoss(loop.fmodel.forward(x), y));
    const matrix = 4 * batch * width;
    const [, , second, third] = loop.stats().bytesByTime;
    expect(third).toBe(second);
    // tanh's two results and their cotangents; the second layer's weight, and the gradients of two, for the rate. What
    // is derived from these is not stored: transposes, 1 − h², the cotangents of what tanh saw.
    expect(second).toBeGreaterThanOrEqual(7 * matrix);
    expect(second).toBeLessThan(7.1 * matrix);
  });

  test("400 steps with √400 long segments peak under a tenth of what the plain loop holds", () => {
    const peak = (checkpoint: "none" | "sqrt"): number => {
      using _ = scope();
      manualSeed(4);
      const model = new Sequential(new Linear(16, 16), new Tanh(), new Linear(16, 1)) as unknown as Net;
      const [x, y] = [randn([128, 16]), randn([128, 1])];
      using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.01 }), { checkpoint });
      const loss = (): Tensor => F.mseLoss(loop.fmodel.forward(x), y);
      loop.run(400, loss);
      grad(loss(), loop.fmodel.initialParams);
      return loop.stats().peakBytes;
    };
    expect(peak("sqrt")).toBeLessThan(peak("none") / 10);
  });
});
