/**
 * w3 and w4: what a long unroll costs, in memory and in time.
 *
 * w3  MLP 64-256-256-10 with tanh, batch 256; k inner steps, then the gradient of the last loss with respect to the
 *     learning rate and the initial weights
 * w4  softmax regression 32→3 with an unused and a frozen parameter; how long a step takes early and late in one loop
 */
import {
  Adam,
  type Checkpoint,
  type Device,
  functional as F,
  grad,
  innerLoop,
  Linear,
  Module,
  manualSeed,
  Parameter,
  randn,
  Sequential,
  SGD,
  scope,
  Tanh,
  type Tensor,
  tensor,
  zeros,
} from "loopgrad";
import { seeded } from "./data.ts";

export const OPTIMIZERS = { sgd: SGD, adam: Adam } as const;

/** What {@link memory} measured. */
export interface UnrollMemory {
  /** Held after the last step, over what was held before the first. */
  heldBytes: number;
  /** The same, by the number of steps. */
  bytesPerStep: number;
  /** The most that was held at any time, the outer backward included, over what was held before. */
  peakBytes: number;
  forwardMs: number;
  backwardMs: number;
  /** d loss / d lr. */
  gradient: number;
}

/**
 * w3. The device should be new: its peak is that of all its time.
 *
 * @param steps  inner steps, k
 */
export async function memory(
  device: Device,
  { steps, optimizer, checkpoint }: { steps: number; optimizer: keyof typeof OPTIMIZERS; checkpoint: Checkpoint },
): Promise<UnrollMemory> {
  using _ = scope();
  manualSeed(0);
  const model = new Sequential(new Linear(64, 256), new Tanh(), new Linear(256, 256), new Tanh(), new Linear(256, 10));
  const x = randn([256, 64]);
  const y = tensor(
    Int32Array.from({ length: 256 }, (_, i) => i % 10),
    { device },
  );
  const lr = tensor(optimizer === "sgd" ? 0.1 : 0.001, { device, requiresGrad: true });
  await Promise.all([...model.parameters(), x, y, lr].map((t) => t.data()));
  const before = device.stats().usedBytes;
  const used = (): number => device.stats().usedBytes - before;

  const inner = new OPTIMIZERS[optimizer](model.parameters(), { lr: 0.1 });
  using loop = innerLoop(model, inner, { override: { lr }, checkpoint, history: "ends" });
  const loss = (): Tensor => F.crossEntropy(loop.fmodel.forward(x), y);
  const started = performance.now();
  loop.run(steps, loss);
  await device.synchronize();
  const heldBytes = used();
  const forwardMs = performance.now() - started;
  const grads = grad(loss(), [lr, ...loop.fmodel.initialParams]) as Tensor[];
  const [[gradient]] = await Promise.all(grads.map((g) => g.data()));
  return {
    heldBytes,
    bytesPerStep: heldBytes / steps,
    peakBytes: device.stats().peakUsedBytes - before,
    forwardMs,
    backwardMs: performance.now() - started - forwardMs,
    gradient,
  };
}

/** Of w4; the last one is looked at. */
const UNROLLS = 5;

/** Softmax regression 32→3 that also holds a parameter its forward never touches, and one that is frozen. */
class Regression extends Module {
  readonly linear = new Linear(32, 3);
  readonly unused = new Parameter(zeros([8]));
  readonly frozen = new Parameter(zeros([3]), { requiresGrad: false });

  override forward(x: Tensor): Tensor {
    return this.linear.forward(x).add(this.frozen);
  }
}

/**
 * w4: an unroll of `steps` differentiable SGD steps, the last of several: by then all is compiled, the JavaScript too. Should later
 * steps take longer than early ones, then something is searched whose size grows with the unroll.
 *
 * @param steps  at least 10; the first tenth is not looked at
 * @returns      the median times of the steps in the second tenth and in the last
 */
export async function longLoop(device: Device, { steps }: { steps: number }): Promise<LongLoop> {
  using _ = scope();
  const random = seeded(1);
  const model = new Regression();
  const x = tensor(Float32Array.from({ length: 64 * 32 }, random), { device, shape: [64, 32] });
  const y = tensor(
    Int32Array.from({ length: 64 }, () => Math.floor(3 * random())),
    { device },
  );
  const unroll = async (): Promise<number[]> => {
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
    const times: number[] = [];
    for (let i = 0; i < steps; i++) {
      const started = performance.now();
      loop.step(() => F.crossEntropy(loop.fmodel.forward(x), y));
      device.flush();
      times.push(performance.now() - started);
    }
    await device.synchronize();
    return times;
  };
  for (let i = 1; i < UNROLLS; i++) await unroll();
  const times = await unroll();
  const tenth = Math.floor(steps / 10);
  const median = (from: number): number => times.slice(from, from + tenth).sort((a, b) => a - b)[tenth >> 1];
  const [earlyMs, lateMs] = [median(tenth), median(steps - tenth)];
  return {
    early: `${tenth + 1}–${2 * tenth}`,
    late: `${steps - tenth + 1}–${steps}`,
    earlyMs,
    lateMs,
    lateOverEarly: lateMs / earlyMs,
  };
}

/** What {@link longLoop} measured: which steps, and the time of one. */
export interface LongLoop {
  early: string;
  late: string;
  earlyMs: number;
  lateMs: number;
  lateOverEarly: number;
}
