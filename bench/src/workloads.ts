/**
 * The workloads: what one timed *meta-step* does, from fresh task data on the host to the meta-gradients on the host.
 *
 * w0  sinusoid MLP 1-40-40-1, one task of 10 + 10 points, k inner SGD steps, second order, all meta-gradients
 * w1  the same with 25 tasks in one meta-gradient
 * w4  one inner step of a softmax regression 32→3 with an unused parameter, timed again and again in one long loop
 */
import {
  type Device,
  functional as F,
  innerLoop,
  Linear,
  Module,
  Parameter,
  ReLU,
  Sequential,
  SGD,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "loopgrad";

/** A seeded source of numbers in [0, 1): the same tasks in every run (mulberry32). */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One timed call. Resolves when its results are on the host. */
export type Step = () => Promise<void>;

const POINTS = 10;

/**
 * w0 and w1: the meta-gradient of the mean query loss over some tasks.
 *
 * @param steps  inner steps, k
 * @param tasks  tasks in one meta-gradient
 */
export function sinusoid(device: Device, { steps, tasks }: { steps: number; tasks: number }): Step {
  const random = seeded(1);
  const model = new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU(), new Linear(40, 1));
  const inner = new SGD(model.parameters(), { lr: 0.01 });
  const params = model.parameters();
  const batch = (wave: (x: number) => number): { x: Tensor; y: Tensor } => {
    const xs = Float32Array.from({ length: POINTS }, () => random() * 10 - 5);
    const shape = [POINTS, 1];
    return { x: tensor(xs, { device, shape }), y: tensor(xs.map(wave), { device, shape }) };
  };
  return async () => {
    using _ = scope();
    model.zeroGrad();
    for (let i = 0; i < tasks; i++) {
      const [amplitude, phase] = [0.1 + 4.9 * random(), Math.PI * random()];
      const wave = (x: number): number => amplitude * Math.sin(x - phase);
      const [support, query] = [batch(wave), batch(wave)];
      using loop = innerLoop(model, inner);
      const { fmodel, diffopt } = loop;
      for (let k = 0; k < steps; k++) diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y));
      const loss = F.mseLoss(fmodel.forward(query.x), query.y);
      (tasks === 1 ? loss : loss.mul(1 / tasks)).backward();
    }
    await Promise.all(params.map((param) => (param.grad as Tensor).data()));
  };
}

/** Softmax regression 32→3 that also holds a parameter its forward never touches. */
class Regression extends Module {
  readonly linear = new Linear(32, 3);
  readonly unused = new Parameter(zeros([8]));

  override forward(x: Tensor): Tensor {
    return this.linear.forward(x);
  }
}

/**
 * w4: one unroll of `calls` differentiable SGD steps. Should later steps take longer than early ones, then something
 * is searched whose size grows with the unroll.
 *
 * @returns  the mean time of a step in the first tenth after the warm-up, and in the last tenth
 */
export async function longLoop(
  device: Device,
  { calls }: { calls: number },
): Promise<Record<"early" | "late", { step: number; ms: number }>> {
  using _ = scope();
  const random = seeded(1);
  const model = new Regression();
  const x = tensor(Float32Array.from({ length: 64 * 32 }, random), { device, shape: [64, 32] });
  const y = tensor(
    Int32Array.from({ length: 64 }, () => Math.floor(3 * random())),
    { device },
  );
  using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const started = performance.now();
    loop.diffopt.step(F.crossEntropy(loop.fmodel.forward(x), y));
    device.flush();
    times.push(performance.now() - started);
  }
  await device.synchronize();
  const tenth = Math.floor(calls / 10);
  const mean = (from: number): number => times.slice(from, from + tenth).reduce((sum, ms) => sum + ms, 0) / tenth;
  return { early: { step: 2 * tenth, ms: mean(tenth) }, late: { step: calls, ms: mean(calls - tenth) } };
}
