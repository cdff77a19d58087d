/**
 * Adamax: Adam with the largest gradient, discounted, in place of the second moment.
 *
 *     m ← β₁ m + (1 − β₁) g
 *     u ← max(β₂ u, |g| + ε)
 *     p ← p − lr / (1 − β₁ᵗ) · m / u
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { movingAverage, oneMinus, over, penalized, power, type Scalar } from "../scalar.ts";
import { checkBetas } from "./adam.ts";

/** Hyperparameters of {@link Adamax}. */
export interface AdamaxHyper {
  /** Default 2e-3. */
  lr: Scalar;
  /** Default [0.9, 0.999]. */
  betas: readonly [Scalar, Scalar];
  /** Default 1e-8. */
  eps: Scalar;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Adamax. @see torch.optim.Adamax */
export class Adamax extends Optimizer<AdamaxHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<AdamaxHyper>, options: Partial<AdamaxHyper> = {}) {
    admit(arguments, "Adamax(params: iterable, options?: object)");
    super(params, options, { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false });
  }

  protected override validate({ lr, betas, eps, weightDecay }: AdamaxHyper): void {
    checkRange("Adamax", "lr", lr);
    checkRange("Adamax", "eps", eps);
    checkRange("Adamax", "weightDecay", weightDecay);
    checkBetas("Adamax", betas);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: AdamaxHyper): Updated {
    const { lr, eps, betas } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const g = penalized(grad, param, hyper);
    const expAvg = movingAverage(state.expAvg as Tensor | undefined, g, betas[0]);
    const before = state.expInf as Tensor | undefined;
    const size = g.abs().add(eps);
    const expInf = before === undefined ? size : before.mul(betas[1]).maximum(size);
    const rate = over(lr, oneMinus(power(betas[0], step)));
    return { param: param.sub(expAvg.div(expInf).mul(rate)), state: { step, expAvg, expInf } };
  }
}
