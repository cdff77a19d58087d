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
  vmap,
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
 * @param batched  all of them at once, by vmap; else one after another
 */
export function sinusoid(
  device: Device,
  {
    steps,
    tasks,
    batched = false,
    dtype = "float32",
  }: { steps: number; tasks: number; batched?: boolean; dtype?: Settings["dtype"] },
): Step {
  const random = seeded(1);
  const model = new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU(), new Linear(40, 1));
  setWeights(model, { device, dtype });
  const inner = new SGD(model.parameters(), { lr: 0.01 });
  const params = model.parameters();
  /** Of one task: x and y of its support set and of its query set, [10, 1] each. */
  const draw = (): Float32Array[] => {
    const [amplitude, phase] = [0.1 + 4.9 * random(), Math.PI * random()];
    return [0, 1].flatMap(() => {
      const xs = Float32Array.from({ length: POINTS }, () => random() * 10 - 5);
      return [xs, xs.map((x) => amplitude * Math.sin(x - phase))];
    });
  };
  const queryLoss = (x: Tensor, y: Tensor, queryX: Tensor, queryY: Tensor): Tensor =>
    innerLoop(model, inner, {}, ({ fmodel, diffopt }) => {
      for (let k = 0; k < steps; k++) diffopt.step(F.mseLoss(fmodel.forward(x), y));
      return F.mseLoss(fmodel.forward(queryX), queryY);
    });
  type Data = [Tensor, Tensor, Tensor, Tensor];
  const together = vmap(queryLoss);
  return async () => {
    using _ = scope();
    model.zeroGrad();
    const drawn = Array.from({ length: tasks }, draw);
    if (batched) {
      const shape = [tasks, POINTS, 1];
      const data = [0, 1, 2, 3].map((part) =>
        tensor(joined(drawn.map((task) => task[part])), { device, dtype, shape }),
      );
      together(...(data as Data))
        .mean()
        .backward();
    } else {
      for (const task of drawn) {
        using _ = scope();
        const loss = queryLoss(...(task.map((part) => tensor(part, { device, dtype, shape: [POINTS, 1] })) as Data));
        (tasks === 1 ? loss : loss.mul(1 / tasks)).backward();
      }
    }
    return Promise.all(params.map((param) => (param.grad as Tensor).data()));
  };
}

/** Arrays one after another. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
