/**
 * MAML (Finn et al. 2017): initial weights from which a few gradient steps suffice.
 *
 * The *inner loop* adapts a copy of the weights to one task's support set. The *outer loop* improves the initial
 * weights by the gradient of the query loss after adaptation: a gradient through the inner loop's own steps.
 */
import { functional as F, innerLoop, Linear, noGrad, ReLU, randn, Sequential, SGD, type Tensor } from "loopgrad";
import type { SineTask } from "./tasks.ts";

/** The network of the paper: 1-40-40-1 with ReLU. */
export const sineNet = (): Sequential =>
  new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU(), new Linear(40, 1));

/** The paper's initial weights: normal with σ = 0.01, cut off at 2σ; biases 0. */
export function paperInit(model: Sequential): void {
  for (const [name, parameter] of model.namedParameters()) {
    const sample = randn([...parameter.shape])
      .clamp(-2, 2)
      .mul(0.01);
    parameter.assign(name.endsWith("weight") ? sample : sample.mul(0));
  }
}

export interface InnerOptions {
  /** Gradient steps on the support set. */
  readonly steps: number;
  /** First-order MAML: takes the inner gradients as constants. */
  readonly firstOrder?: boolean;
}

/**
 * One task's share of the meta-gradient: adds it to the model's `.grad`.
 *
 * @param inner  the optimizer of the inner loop; its options count, it is never stepped
 * @param share  the task's weight in the mean over tasks
 * @returns      the query loss after adaptation, off the tape
 */
export function metaBackward(
  model: Sequential,
  inner: SGD,
  { support, query }: SineTask,
  { steps, firstOrder = false }: InnerOptions,
  share: number,
): Tensor {
  const mode = firstOrder ? "first-order" : "second-order";
  return innerLoop(model, inner, { mode }, ({ fmodel, diffopt }) => {
    for (let k = 0; k < steps; k++) diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y));
    const loss = F.mseLoss(fmodel.forward(query.x), query.y);
    loss.mul(share).backward();
    return loss.detach();
  });
}

/**
 * Adapts to a task and predicts its query set before the first step and after each of `steps`.
 *
 * @returns  steps + 1 predictions, each of the query's shape
 */
export function adapt(model: Sequential, inner: SGD, { support, query }: SineTask, steps: number): Tensor[] {
  return innerLoop(model, inner, { mode: "none" }, ({ fmodel, diffopt }) => {
    const predict = (): Tensor => noGrad(() => fmodel.forward(query.x));
    const predictions = [predict()];
    for (let k = 0; k < steps; k++) {
      diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y));
      predictions.push(predict());
    }
    return predictions;
  });
}

/** The inner loop's optimizer. */
export const innerOptimizer = (model: Sequential, lr: number): SGD => new SGD(model.parameters(), { lr });
