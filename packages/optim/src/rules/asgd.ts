/**
 * Averaged SGD: descent with a decaying rate η, and an average of the parameters it passes.
 *
 *     p ← (1 − λ η) p − η g
 *     a ← a + μ (p − a)
 *     η ← lr / (1 + λ lr t)^α        the first η is lr
 *     μ ← 1 / max(1, t − t₀)
 *
 * The average `ax` is in the state. η is computed on the tape if lr, λ or α are tensors.
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { oneMinus, over, penalized, plus, power, type Scalar, times } from "../scalar.ts";

/** Hyperparameters of {@link ASGD}. */
export interface ASGDHyper {
  /** Default 1e-2. */
  lr: Scalar;
  /** Decay λ. Default 1e-4. */
  lambd: Scalar;
  /** Power α of η's decay. Default 0.75. */
  alpha: Scalar;
  /** Step at which averaging starts: a count, not differentiable. Default 1e6. */
  t0: number;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Averaged stochastic gradient descent. @see torch.optim.ASGD */
export class ASGD extends Optimizer<ASGDHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<ASGDHyper>, options: Partial<ASGDHyper> = {}) {
    admit(arguments, "ASGD(params: iterable, options?: object)");
    super(params, options, { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false });
  }

  override get counts(): readonly string[] {
    return ["t0"];
  }

  protected override validate({ lr, weightDecay }: ASGDHyper): void {
    checkRange("ASGD", "lr", lr);
    checkRange("ASGD", "weightDecay", weightDecay);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: ASGDHyper): Updated {
    const { lr, lambd, alpha, t0 } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const eta = state.eta ?? lr;
    const mu = (state.mu as number | undefined) ?? 1;
    const g = penalized(grad, param, hyper);
    const next = param.mul(oneMinus(times(lambd, eta))).sub(g.mul(eta));
    const before = state.ax as Tensor | undefined;
    const ax = mu === 1 || before === undefined ? next : before.add(next.sub(before).mul(mu));
    return {
      param: next,
      state: {
        step,
        eta: over(lr, power(plus(1, times(times(lambd, lr), step)), alpha)),
        mu: 1 / Math.max(1, step - t0),
        ax,
      },
    };
  }
}
