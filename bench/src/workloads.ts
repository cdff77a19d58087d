/**
 * w0 and w1: what one timed *meta-step* does, from fresh task data on the host to the meta-gradients on the host.
 *
 * w0  sinusoid MLP 1-40-40-1, one task of 10 + 10 points, k inner SGD steps, second order, all meta-gradients
 * w1  the same with 25 tasks in one meta-gradient
 */
import {
  type Device,
  functional as F,
  innerLoop,
  Linear,
  ReLU,
  Sequential,
  SGD,
  scope,
  type Tensor,
  tensor,
} from "loopgrad";
import { setWeights } from "./catalog/weights.ts";
import type { Settings, Step } from "./catalog/workload.ts";
import { seeded } from "./data.ts";

const POINTS = 10;

/**
 * w0 and w1: the meta-gradient of the mean query loss over some tasks.
 *
 * @param steps  inner steps, k
 * @param tasks  tasks in one meta-gradient
 */
export function sinusoid(
  device: Device,
  { steps, tasks, dtype = "float32" }: { steps: number; tasks: number; dtype?: Settings["dtype"] },
): Step {
  const random = seeded(1);
  const model = new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU(), new Linear(40, 1));
  setWeights(model, { device, dtype });
  const inner = new SGD(model.parameters(), { lr: 0.01 });
  const params = model.parameters();
  const batch = (wave: (x: number) => number): { x: Tensor; y: Tensor } => {
    const xs = Float32Array.from({ length: POINTS }, () => random() * 10 - 5);
    const shape = [POINTS, 1];
    return { x: tensor(xs, { device, dtype, shape }), y: tensor(xs.map(wave), { device, dtype, shape }) };
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
    return Promise.all(params.map((param) => (param.grad as Tensor).data()));
  };
}
