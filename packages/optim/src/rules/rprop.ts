/**
 * Rprop: each element has a step size of its own; only the sign of its gradient counts.
 *
 *     δ ← clamp(δ · (η⁺ if the sign stayed, η⁻ if it turned, 1 if either gradient was 0))      δ starts at lr
 *     g ← 0 where the sign turned
 *     p ← p − δ sign(g)
 */
import { admit, type Tensor, where } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { type Scalar, spread } from "../scalar.ts";

/** Hyperparameters of {@link Rprop}. */
export interface RpropHyper {
  /** First step size. Default 1e-2. */
  lr: Scalar;
  /** η⁻ and η⁺. Default [0.5, 1.2]. */
  etas: readonly [Scalar, Scalar];
  /** Least and largest step size. Default [1e-6, 50]. */
  stepSizes: readonly [Scalar, Scalar];
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Resilient backpropagation. @see torch.optim.Rprop */
export class Rprop extends Optimizer<RpropHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<RpropHyper>, options: Partial<RpropHyper> = {}) {
    admit(arguments, "Rprop(params: iterable, options?: object)");
    super(params, options, { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false });
  }

  protected override validate({ lr, etas, stepSizes }: RpropHyper): void {
    checkRange("Rprop", "lr", lr);
    checkRange("Rprop", "etas[0]", etas[0], 0, 1);
    checkRange("Rprop", "etas[1]", etas[1], 1);
    checkRange("Rprop", "stepSizes[0]", stepSizes[0]);
    checkRange("Rprop", "stepSizes[1]", stepSizes[1]);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: RpropHyper): Updated {
    const { lr, etas, stepSizes, maximize } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    let g = maximize ? grad.neg() : grad;
    const before = state.prev as Tensor | undefined;
    let stepSize = (state.stepSize as Tensor | undefined) ?? spread(lr, param);
    if (before !== undefined) {
      const agreement = g.mul(before);
      const turned = agreement.lt(0);
      const factor = where(agreement.gt(0), spread(etas[1], param), spread(1, param));
      stepSize = stepSize.mul(where(turned, spread(etas[0], param), factor));
      g = where(turned, 0, g);
    }
    stepSize = stepSize.clamp(stepSizes[0], stepSizes[1]);
    return { param: param.sub(g.sign().mul(stepSize)), state: { step, prev: g, stepSize } };
  }
}
