/**
 * Lion: evolved sign momentum (Chen et al. 2023, arXiv 2302.06675).
 *
 *     c = β₁ m + (1 − β₁) g
 *     p ← p − lr (sgn(c) + λ p)
 *     m ← β₂ m + (1 − β₂) g
 *
 * A sign has no slope: nothing flows through it. So the loss after training is a step function of both betas, whose
 * derivative is 0 wherever it exists, and a smooth one of lr and λ only as long as no sign turns.
 */
import { Optimizer, type Params, type Scalar, type State, type Tensor, type Updated } from "loopgrad";

/** Hyperparameters of {@link Lion}. */
export interface LionHyper {
  /** Default 1e-4. */
  lr: Scalar;
  /** Default [0.9, 0.99]. */
  betas: readonly [Scalar, Scalar];
  /** λ: decay of the parameter itself. Default 0. */
  weightDecay: Scalar;
}

/**
 * Evolved sign momentum.
 *
 * @example  const opt = new Lion(model.parameters(), { lr: 3e-4, weightDecay: 0.1 });
 */
export class Lion extends Optimizer<LionHyper> {
  /** Each element is on its own: `step()` may run the rule once for many parameters. */
  static override readonly elementwise = true;

  constructor(params: Params<LionHyper>, options: Partial<LionHyper> = {}) {
    super(params, options, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 });
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: LionHyper): Updated {
    const { lr, betas, weightDecay } = hyper;
    const before = (state.expAvg as Tensor | undefined) ?? grad.mul(0);
    const step = blend(before, grad, betas[0]).sign().add(param.mul(weightDecay));
    return { param: param.sub(step.mul(lr)), state: { expAvg: blend(before, grad, betas[1]) } };
  }
}

/** β a + (1 − β) b, for a β that is a number or a tensor. */
const blend = (a: Tensor, b: Tensor, beta: Scalar): Tensor => b.add(a.sub(b).mul(beta));
