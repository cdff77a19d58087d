/**
 * Adagrad: each element's step shrinks with the sum of its squared gradients.
 *
 *     s ← s + g²                     s starts at `initialAccumulatorValue`
 *     p ← p − lr / (1 + (t − 1) · lrDecay) · g / (√s + ε)
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { isPresent, over, penalized, plus, type Scalar, times } from "../scalar.ts";

/** Hyperparameters of {@link Adagrad}. */
export interface AdagradHyper {
  /** Default 1e-2. */
  lr: Scalar;
  /** Default 0. */
  lrDecay: Scalar;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Default 0. */
  initialAccumulatorValue: Scalar;
  /** Default 1e-10. */
  eps: Scalar;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Adagrad. @see torch.optim.Adagrad */
export class Adagrad extends Optimizer<AdagradHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<AdagradHyper>, options: Partial<AdagradHyper> = {}) {
    admit(arguments, "Adagrad(params: iterable, options?: object)");
    super(params, options, {
      lr: 1e-2,
      lrDecay: 0,
      weightDecay: 0,
      initialAccumulatorValue: 0,
      eps: 1e-10,
      maximize: false,
    });
  }

  protected override validate(hyper: AdagradHyper): void {
    for (const name of ["lr", "lrDecay", "weightDecay", "initialAccumulatorValue", "eps"] as const) {
      checkRange("Adagrad", name, hyper[name]);
    }
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: AdagradHyper): Updated {
    const { lr, lrDecay, initialAccumulatorValue, eps } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const g = penalized(grad, param, hyper);
    const before = (state.sum as Tensor | undefined) ?? initialAccumulatorValue;
    const sum = isPresent(before) ? g.square().add(before) : g.square();
    const rate = over(lr, plus(1, times(lrDecay, step - 1)));
    return { param: param.sub(g.div(sum.safeSqrt().add(eps)).mul(rate)), state: { step, sum } };
  }
}
