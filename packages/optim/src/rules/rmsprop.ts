/**
 * RMSprop: the gradient over the root of its moving mean square.
 *
 *     s ← α s + (1 − α) g²
 *     d = √s + ε;    centered: √(s − ḡ²) + ε, with ḡ the moving average of g
 *     b ← μ b + g / d                momentum
 *     p ← p − lr b
 *
 * The root is the safe one: its derivative at 0 is 0, at every order.
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { isPresent, movingAverage, penalized, type Scalar } from "../scalar.ts";

/** Hyperparameters of {@link RMSprop}. */
export interface RMSpropHyper {
  /** Default 1e-2. */
  lr: Scalar;
  /** Decay of the averages. Default 0.99. */
  alpha: Scalar;
  /** Default 1e-8. */
  eps: Scalar;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Default 0: none. */
  momentum: Scalar;
  /** Divide by the variance, not by the mean square. Default false. */
  centered: boolean;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** RMSprop. @see torch.optim.RMSprop */
export class RMSprop extends Optimizer<RMSpropHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<RMSpropHyper>, options: Partial<RMSpropHyper> = {}) {
    admit(arguments, "RMSprop(params: iterable, options?: object)");
    super(params, options, {
      lr: 1e-2,
      alpha: 0.99,
      eps: 1e-8,
      weightDecay: 0,
      momentum: 0,
      centered: false,
      maximize: false,
    });
  }

  protected override validate(hyper: RMSpropHyper): void {
    for (const name of ["lr", "alpha", "eps", "weightDecay", "momentum"] as const)
      checkRange("RMSprop", name, hyper[name]);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: RMSpropHyper): Updated {
    const { lr, alpha, eps, momentum, centered } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const g = penalized(grad, param, hyper);
    const squareAvg = movingAverage(state.squareAvg as Tensor | undefined, g.square(), alpha);
    const next: Record<string, Tensor | number> = { step, squareAvg };
    let variance = squareAvg;
    if (centered) {
      const gradAvg = movingAverage(state.gradAvg as Tensor | undefined, g, alpha);
      variance = squareAvg.sub(gradAvg.square());
      next.gradAvg = gradAvg;
    }
    let scaled = g.div(variance.safeSqrt().add(eps));
    if (isPresent(momentum)) {
      const before = state.momentumBuffer as Tensor | undefined;
      if (before !== undefined) scaled = before.mul(momentum).add(scaled);
      next.momentumBuffer = scaled;
    }
    return { param: param.sub(scaled.mul(lr)), state: next };
  }
}
