/**
 * MAML's meta-gradient, with respect to the inner learning rates as well as the initial weights.
 */
import { functional as F, innerLoop, type SGD, type Tensor } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";
import type { Task } from "../meta-learning/methods.ts";
import type { Rates } from "./rates.ts";

/**
 * Adds one task's share of the meta-gradient to the `.grad` of the model's parameters and of the rates' leaves.
 *
 * A step is φ ← φ − α∘∇L(φ), and α is on the tape like φ: so the gradient by α costs nothing but its own backward.
 *
 * @param share  the task's weight: 1 / tasks makes the meta-gradient a mean
 * @returns      the query loss after adaptation, 0-d, off the tape
 */
export function metaBackward(
  model: Learner,
  { support, query }: Task,
  { inner, rates, steps, share }: { inner: SGD; rates: Rates; steps: number; share: number },
): Tensor {
  return innerLoop(model, inner, { mode: "second-order" }, ({ fmodel, diffopt }) => {
    for (let k = 0; k < steps; k++) {
      diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y), { override: rates.at(k) });
    }
    const loss = F.mseLoss(fmodel.forward(query.x), query.y);
    loss.mul(share).backward();
    return loss.detach();
  });
}
