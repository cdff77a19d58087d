/**
 * Training loops as people write them, without scopes and without disposing of anything: memory stays flat, and what
 * the program still holds can still be read.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { noGrad } from "@loopgrad/autograd";
import { BatchNorm1d, Dropout, functional as F, Linear, type Module, Parameter, ReLU, Sequential } from "@loopgrad/nn";
import { type Device, init, manualSeed, ReleasedError, randint, randn, type Tensor, tensor } from "@loopgrad/tensor";
import { Adam, clipGradNorm, type Optimizer, SGD } from "./index.ts";

const FEATURES = 6;
const CLASSES = 3;
const BATCH = 8;

const network = (): Module & { forward(x: Tensor): Tensor } =>
  new Sequential(
    new Linear(FEATURES, 16),
    new BatchNorm1d(16),
    new ReLU(),
    new Dropout({ p: 0.2 }),
    new Linear(16, CLASSES),
  ) as never;

/** One kind of loop: what it does beside the common parts. */
interface Loop {
  steps: number;
  optimizer: (params: Tensor[]) => Optimizer<object>;
  /** Reads the loss before the gradient, so that all that the tape saves is stored. */
  readsBefore?: boolean;
  /** New data, given by the host, at every step. */
  freshData?: boolean;
  /** Clips gradients; reads the loss and an accuracy after the step. */
  metrics?: boolean;
}

const adam = (params: Tensor[]): Optimizer<object> => new Adam(params, { lr: 1e-2 });
const sgd = (params: Tensor[]): Optimizer<object> => new SGD(params, { lr: 0.05, momentum: 0.9 });

const LOOPS: Record<string, Loop> = {
  "Adam, nothing read": { steps: 1000, optimizer: adam },
  "SGD, new data at every step": { steps: 1000, optimizer: sgd, freshData: true },
  "clipping, loss and accuracy read": { steps: 300, optimizer: adam, metrics: true, freshData: true },
  "loss read before the gradient": { steps: 300, optimizer: sgd, readsBefore: true },
};

/** Runs a loop; returns the bytes that values held after each step. */
async function run(device: Device, { steps, optimizer, readsBefore, freshData, metrics }: Loop): Promise<number[]> {
  const model = network();
  const opt = optimizer(model.parameters());
  const [fixedX, fixedY] = [randn([BATCH, FEATURES]), randint(0, CLASSES, [BATCH])];
  const bytes: number[] = [];
  for (let i = 0; i < steps; i++) {
    const x = freshData ? tensor(Float32Array.from({ length: BATCH * FEATURES }, (_, k) => Math.sin(i + k))) : fixedX;
    const y = freshData ? tensor(Int32Array.from({ length: BATCH }, (_, k) => (i + k) % CLASSES)) : fixedY;
    opt.zeroGrad();
    const logits = model.forward(x.reshape([BATCH, FEATURES]));
    const loss = F.crossEntropy(logits, y);
    if (readsBefore) await loss.item();
    loss.backward();
    if (metrics) clipGradNorm(model.parameters(), 1);
    opt.step();
    if (metrics) await Promise.all([loss.item(), logits.argmax(1).eq(y).to("float32").mean().item()]);
    bytes.push(device.stats().usedBytes);
  }
  return bytes;
}

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name });
    manualSeed(1);
  });

  test.each(Object.entries(LOOPS))("bytes stay flat: %s", async (_, loop) => {
    // The software adapter needs milliseconds a step: one long loop on it, the others shorter.
    const steps = name === "cpu" || loop === LOOPS["Adam, nothing read"] ? loop.steps : 150;
    const bytes = await run(device, { ...loop, steps });
    const early = Math.max(...bytes.slice(20, 100));
    const late = Math.max(...bytes.slice(-100));
    // A loss that no one read remains: 4 bytes on WebGPU and 8 on cpu, in chunks of 4,096.
    expect(late).toBeLessThanOrEqual(early + 8 * 4096);
    expect(device.stats().buffers).toBeLessThan(400);
  });

  test("bytes stay flat: evaluation, outputs read", async () => {
    const model = network();
    model.eval();
    const bytes: number[] = [];
    for (let i = 0; i < 100; i++) {
      const x = tensor(Float32Array.from({ length: BATCH * FEATURES }, (_, k) => Math.sin(i + k)));
      const logits = noGrad(() => model.forward(x.reshape([BATCH, FEATURES])));
      expect((await logits.softmax(1).data()).length).toBe(BATCH * CLASSES);
      bytes.push(device.stats().usedBytes);
    }
    expect(Math.max(...bytes.slice(-10))).toBeLessThanOrEqual(Math.max(...bytes.slice(10, 30)));
  });

  test("losses that are kept can be read at the end", async () => {
    const w = new Parameter(tensor([1, 2, 3]));
    const opt = new SGD([w], { lr: 0.1 });
    const losses: Tensor[] = [];
    for (let i = 0; i < 100; i++) {
      opt.zeroGrad();
      const loss = w.square().sum();
      loss.backward();
      opt.step();
      losses.push(loss);
    }
    // w shrinks by 0.8 at every step.
    for (const i of [0, 1, 50, 99]) expect(await losses[i].item()).toBeCloseTo(14 * 0.64 ** i, 5);
    const total = losses.reduce((sum, loss) => sum.add(loss));
    expect(await total.item()).toBeCloseTo(14 / (1 - 0.64), 4);
  });

  test("a result in the middle can be read after the step, and longer if it is detached", async () => {
    const w = new Parameter(tensor([1, 2]));
    const opt = new SGD([w], { lr: 0.25 });
    const step = (): Tensor => {
      opt.zeroGrad();
      const middle = w.mul(tensor([10, 100]));
      middle.sum().backward();
      opt.step();
      return middle;
    };
    const first = step();
    expect(Array.from(await first.data())).toEqual([10, 200]);
    const second = step();
    const kept = second.detach();
    for (let i = 0; i < 10; i++) step();
    expect(Array.from(await kept.data())).toEqual([-15, -2300]);
    const third = step();
    step();
    step();
    await expect(third.data()).rejects.toThrow(ReleasedError);
    await expect(third.data()).rejects.toThrow(/parameter it depends on was assigned twice since.*detach\(\)/);
    expect(() => third.add(1)).toThrow(ReleasedError);
  });

  test("data that was idle is there when it is used again", async () => {
    const x = tensor(Float32Array.from({ length: 1000 }, (_, i) => i));
    expect(await x.sum().item()).toBe(499_500);
    const held = device.stats().usedBytes;
    for (let i = 0; i < 10; i++) await tensor([i]).add(1).data();
    expect(device.stats().usedBytes).toBeLessThan(held);
    expect(await x.mul(2).sum().item()).toBe(999_000);
    expect((await x.data())[999]).toBe(999);
  });
});
