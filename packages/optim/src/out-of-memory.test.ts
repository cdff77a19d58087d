/**
 * Training when GPU memory ends: a step happens as a whole or not at all, what was stored before can be read, and training
 * that goes on gives the numbers that it would have given.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { BatchNorm1d, functional as F, Linear, ReLU, Sequential } from "@loopgrad/nn";
import { type Device, DeviceError, init, manualSeed, scope, Tensor, tensor, zeros } from "@loopgrad/tensor";
import { Adam } from "./index.ts";
import { ScarceMemory } from "./testing/scarce-memory.ts";

const STEPS = 3;
const FEATURES = 6;
const BATCH = 4;

/** Parameters that step together as vectors, and few that step each alone. */
const KINDS = ["together", "alone"] as const;

let device: Device;
let memory: ScarceMemory;

beforeAll(async () => {
  device = await init({ device: "webgpu" });
  memory = new ScarceMemory();
});
afterAll(() => {
  memory.end();
  device.destroy();
});

class Training {
  readonly model: Sequential;
  readonly opt: Adam;

  constructor(kind: (typeof KINDS)[number]) {
    manualSeed(5);
    const layers = [new BatchNorm1d(FEATURES), new Linear(FEATURES, 3)];
    if (kind === "together") layers.push(new ReLU() as never, new Linear(3, 3));
    this.model = new Sequential(...layers);
    this.opt = new Adam(this.model.parameters(), { lr: 0.05 });
  }

  /** One step. Returns its loss. */
  step(i: number): Promise<number> {
    using _ = scope();
    const x = tensor(Float32Array.from({ length: BATCH * FEATURES }, (_, k) => Math.sin(i + k)));
    const y = tensor(Int32Array.from({ length: BATCH }, (_, k) => (i + k) % 3));
    this.opt.zeroGrad();
    const loss = F.crossEntropy(this.model.forward(x.reshape([BATCH, FEATURES])) as Tensor, y);
    loss.backward();
    this.opt.step();
    return loss.item();
  }

  /** Parameters, buffers, and what the optimizer remembers. */
  async state(): Promise<unknown> {
    using _ = scope();
    const entries = Object.values(this.opt.stateDict().state).flatMap((state) => Object.values(state));
    const values = [...Object.values(this.model.stateDict()), ...entries];
    return Promise.all(values.map(async (value) => (value instanceof Tensor ? Array.from(await value.data()) : value)));
  }

  dispose(): void {
    this.model.dispose();
    this.opt.dispose();
  }
}

/** Asks for what is not to be had: the pool gives up what it has spare. Then counts buffers from 1. */
async function dropFreeBuffers(): Promise<void> {
  using _ = scope();
  memory.refuses = (_, size) => size > 2 ** 20;
  await expect(
    zeros([2 ** 19])
      .add(1)
      .data(),
  ).rejects.toThrow(/out of GPU memory: \d+ bytes were wanted/);
  memory.refuses = () => false;
  memory.asked = 0;
  memory.refused = 0;
}

describe.each(KINDS)("parameters that step %s", (kind) => {
  /** What training changes, after each number of steps; and the buffers that are asked for on the way. */
  let undisturbed: unknown[];
  let total: number;

  beforeAll(async () => {
    for (let warmUp = 0; warmUp < 2; warmUp++) {
      await dropFreeBuffers();
      const training = new Training(kind);
      undisturbed = [await training.state()];
      for (let i = 0; i < STEPS; i++) {
        await training.step(i);
        undisturbed.push(await training.state());
      }
      total = memory.asked;
      training.dispose();
    }
  });

  test("a buffer for which there is room once free ones are given back is not missed, whichever it is", async () => {
    expect(total).toBeGreaterThan(20);
    for (let n = 1; n <= total; n += process.env.LOOPGRAD_FULL === undefined ? 2 : 1) {
      await dropFreeBuffers();
      memory.refuses = (buffer) => buffer === n;
      const training = new Training(kind);
      for (let i = 0; i < STEPS; i++) await training.step(i);
      expect([n, await training.state()]).toEqual([n, undisturbed[STEPS]]);
      training.dispose();
    }
  });

  /** How many steps have happened, by the state: it is that after none, or after a number of whole steps. */
  async function stepsTaken(training: Training, n: number): Promise<number> {
    const state = await training.state();
    const steps = undisturbed.findIndex((after) => JSON.stringify(after) === JSON.stringify(state));
    if (steps < 0) expect([n, state]).toEqual([n, undisturbed[0]]);
    return steps;
  }

  test("a step for which there is no memory has not happened, and training goes on as if nothing had been", async () => {
    const undone: number[] = [];
    for (let n = 1; n <= total; n++) {
      await dropFreeBuffers();
      const training = new Training(kind);
      expect(await training.state()).toEqual(undisturbed[0]);
      memory.asked = 0;
      memory.refuses = (buffer) => buffer >= n;
      for (let i = 0; i < STEPS; i++) {
        const used = device.stats().usedBytes;
        try {
          await training.step(i);
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceError);
          expect(String(error)).toMatch(/out of GPU memory: \d+ bytes were wanted beside the \d+ held/);
          memory.refuses = () => false;
          const taken = await stepsTaken(training, n);
          // Where there was no memory to read the loss, the step itself had been taken.
          expect([i, i + 1]).toContain(taken);
          if (taken === i + 1) continue;
          undone.push(i);
          expect(device.stats().usedBytes).toBeLessThanOrEqual(used);
          await training.step(i);
        }
      }
      memory.refuses = () => false;
      expect([n, await training.state()]).toEqual([n, undisturbed[STEPS]]);
      training.dispose();
    }
    // The first step asks for most buffers, the second for the other half of what alternates.
    expect(undone.filter((i) => i === 0).length).toBeGreaterThan(5);
    expect(undone).toContain(1);
  });

  test("of two steps under way both happen, the first alone, or none", async () => {
    const happened = new Set<number>();
    for (let n = 1; n <= total; n += 2) {
      await dropFreeBuffers();
      const training = new Training(kind);
      expect(await training.state()).toEqual(undisturbed[0]);
      memory.asked = 0;
      memory.refuses = (buffer) => buffer >= n;
      await Promise.allSettled([training.step(0), training.step(1)]);
      memory.refuses = () => false;
      const taken = await stepsTaken(training, n);
      happened.add(taken);
      for (let i = taken; i < STEPS; i++) await training.step(i);
      expect([n, await training.state()]).toEqual([n, undisturbed[STEPS]]);
      training.dispose();
    }
    expect([...happened].sort()).toEqual([0, 1, 2]);
  });
});
