/**
 * Training loops as people write them, without scopes and without disposing of anything: memory stays flat, and what
 * the program still holds can still be read.
 */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { noGrad } from "@loopgrad/autograd";
import { BatchNorm1d, Dropout, functional as F, Linear, type Module, Parameter, ReLU, Sequential } from "@loopgrad/nn";
import {
  type Device,
  init,
  manualSeed,
  onBind,
  ReleasedError,
  randint,
  randn,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { Adam, clipGradNorm, type Optimizer, SGD } from "./index.ts";

const isFull = process.env.LOOPGRAD_FULL !== undefined;
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
  "Adam, nothing read": { steps: 360, optimizer: adam },
  "SGD, new data at every step": { steps: 360, optimizer: sgd, freshData: true },
  "clipping, loss and accuracy read": { steps: 300, optimizer: adam, metrics: true, freshData: true },
  "loss read before the gradient": { steps: 300, optimizer: sgd, readsBefore: true },
};

/** What a device holds after a step. */
interface Holding {
  readonly bytes: number;
  /** Values that are stored, but for those of a few elements that share a place (see record/bank.ts). */
  readonly values: number;
}

/** Elements of such a place. */
const CHUNK = 4096;

const holding = (device: Device): Holding => {
  const { pinned, saved, held, used, stowed } = device.audit();
  return { bytes: device.stats().usedBytes, values: pinned + saved + held + used - stowed };
};

/**
 * Runs something, and keeps every tensor that it makes alive: as a program that no collector comes by, which is the worst
 * case, and the same every time.
 */
async function withoutCollector<T>(fn: () => Promise<T>): Promise<T> {
  const everything: Tensor[] = [];
  const before = onBind((...operation) => {
    everything.push(operation[3]);
    before?.(...operation);
  });
  try {
    return await fn();
  } finally {
    onBind(before);
    everything.length = 0;
  }
}

/** Runs a loop; returns what is held after each step. */
async function run(device: Device, { steps, optimizer, readsBefore, freshData, metrics }: Loop): Promise<Holding[]> {
  const model = network();
  const opt = optimizer(model.parameters());
  const [fixedX, fixedY] = [randn([BATCH, FEATURES]), randint(0, CLASSES, [BATCH])];
  const holdings: Holding[] = [];
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
    holdings.push(holding(device));
  }
  return holdings;
}

/** The most of the last steps is no more than that of early ones: both are some rounds of giving idle values up. */
function expectFlat(holdings: readonly Holding[]): void {
  const most = (of: readonly Holding[], name: keyof Holding): number => Math.max(...of.map((one) => one[name]));
  const [early, late] = [holdings.slice(20, 130), holdings.slice(-110)];
  expect(most(late, "values")).toBeLessThanOrEqual(most(early, "values"));
  // Of a loss that no one read a number remains: a place more at most, of 4 bytes an element on WebGPU and 8 on cpu.
  expect(most(late, "bytes")).toBeLessThanOrEqual(most(early, "bytes") + 8 * CHUNK);
}

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  // One for each test: nothing that another left is given back meanwhile.
  beforeEach(async () => {
    device = await init({ device: name });
    manualSeed(1);
  });
  afterEach(() => device.destroy());

  test.each(Object.entries(LOOPS))("bytes stay flat: %s", async (_, loop) => {
    // The software adapter needs milliseconds a step: in a full run there is one long loop on it, the others are shorter.
    const isLong = isFull && (name === "cpu" || loop === LOOPS["Adam, nothing read"]);
    const steps = isLong ? loop.steps : 250;
    expectFlat(await withoutCollector(() => run(device, { ...loop, steps })));
    expect(device.stats().buffers).toBeLessThan(400);
  });

  test("bytes stay flat: evaluation, outputs read", async () => {
    const model = network();
    model.eval();
    const holdings = await withoutCollector(async () => {
      const all: Holding[] = [];
      for (let i = 0; i < 250; i++) {
        const x = tensor(Float32Array.from({ length: BATCH * FEATURES }, (_, k) => Math.sin(i + k)));
        const logits = noGrad(() => model.forward(x.reshape([BATCH, FEATURES])));
        expect((await logits.softmax(1).data()).length).toBe(BATCH * CLASSES);
        all.push(holding(device));
      }
      return all;
    });
    expectFlat(holdings);
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
