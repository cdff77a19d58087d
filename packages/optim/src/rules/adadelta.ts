/**
 * Adadelta: the ratio of two moving averages, of squared steps and of squared gradients, sets the step.
 *
 *     s ← ρ s + (1 − ρ) g²
 *     d = √(a + ε) / √(s + ε) · g
 *     a ← ρ a + (1 − ρ) d²
 *     p ← p − lr d
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { movingAverage, penalized, type Scalar, squareRoot } from "../scalar.ts";

/** Hyperparameters of {@link Adadelta}. */
export interface AdadeltaHyper {
  /** Default 1. */
  lr: Scalar;
  /** Decay of the averages. Default 0.9. */
  rho: Scalar;
  /** Default 1e-6. */
  eps: Scalar;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Adadelta. @see torch.optim.Adadelta */
export class Adadelta extends Optimizer<AdadeltaHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<AdadeltaHyper>, options: Partial<AdadeltaHyper> = {}) {
    admit(arguments, "Adadelta(params: iterable, options?: object)");
    super(params, options, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false });
  }

  protected override validate({ lr, rho, eps, weightDecay }: AdadeltaHyper): void {
    checkRange("Adadelta", "lr", lr);
    checkRange("Adadelta", "rho", rho, 0, 1);
    checkRange("Adadelta", "eps", eps);
    checkRange("Adadelta", "weightDecay", weightDecay);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: AdadeltaHyper): Updated {
    const { lr, rho, eps } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const g = penalized(grad, param, hyper);
    const squareAvg = movingAverage(state.squareAvg as Tensor | undefined, g.square(), rho);
    const before = state.accDelta as Tensor | undefined;
    const numerator = before === undefined ? squareRoot(eps) : before.add(eps).sqrt();
    const delta = g.mul(numerator).div(squareAvg.add(eps).sqrt());
    const accDelta = movingAverage(before, delta.square(), rho);
    return { param: param.sub(delta.mul(lr)), state: { step, squareAvg, accDelta } };
  }
}
