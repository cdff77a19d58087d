/**
 * NAdam: Adam with Nesterov's momentum.
 *
 *     μₜ = β₁ (1 − 0.96^(t · momentumDecay) / 2)
 *     m, v as in Adam;   d = √(v / (1 − β₂ᵗ)) + ε;   Π = product of all μ so far
 *     p ← p − lr ((1 − μₜ) / (1 − Π) · g + μₜ₊₁ / (1 − Π μₜ₊₁) · m) / d
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { isPresent, movingAverage, oneMinus, over, penalized, power, type Scalar, times } from "../scalar.ts";
import { checkBetas } from "./adam.ts";

/** Hyperparameters of {@link NAdam}. */
export interface NAdamHyper {
  /** Default 2e-3. */
  lr: Scalar;
  /** Default [0.9, 0.999]. */
  betas: readonly [Scalar, Scalar];
  /** Default 1e-8. */
  eps: Scalar;
  /** Default 0. */
  weightDecay: Scalar;
  /** Default 4e-3. */
  momentumDecay: Scalar;
  /** Decay the parameter, as AdamW, rather than penalize. Default false. */
  decoupledWeightDecay: boolean;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Adam with Nesterov momentum. @see torch.optim.NAdam */
export class NAdam extends Optimizer<NAdamHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<NAdamHyper>, options: Partial<NAdamHyper> = {}) {
    admit(arguments, "NAdam(params: iterable, options?: object)");
    super(params, options, {
      lr: 2e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      momentumDecay: 4e-3,
      decoupledWeightDecay: false,
      maximize: false,
    });
  }

  protected override validate(hyper: NAdamHyper): void {
    for (const name of ["lr", "eps", "weightDecay", "momentumDecay"] as const) checkRange("NAdam", name, hyper[name]);
    checkBetas("NAdam", hyper.betas);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: NAdamHyper): Updated {
    const { lr, eps, betas, momentumDecay } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const [p, g] = decayed(param, grad, hyper);
    const momentumAt = (t: number): Scalar =>
      times(betas[0], oneMinus(times(0.5, power(0.96, times(momentumDecay, t)))));
    const [mu, muNext] = [momentumAt(step), momentumAt(step + 1)];
    const muProduct = times(state.muProduct ?? 1, mu);
    const expAvg = movingAverage(state.expAvg as Tensor | undefined, g, betas[0]);
    const expAvgSq = movingAverage(state.expAvgSq as Tensor | undefined, g.square(), betas[1]);
    const denominator = expAvgSq
      .mul(over(1, oneMinus(power(betas[1], step))))
      .safeSqrt()
      .add(eps);
    const fresh = g.mul(times(lr, over(oneMinus(mu), oneMinus(muProduct))));
    const kept = expAvg.mul(times(lr, over(muNext, oneMinus(times(muProduct, muNext)))));
    return { param: p.sub(fresh.add(kept).div(denominator)), state: { step, muProduct, expAvg, expAvgSq } };
  }
}

/** Parameter and gradient after weight decay of either kind. */
export function decayed(
  param: Tensor,
  grad: Tensor,
  hyper: { lr: Scalar; weightDecay: Scalar; decoupledWeightDecay: boolean; maximize: boolean },
): [Tensor, Tensor] {
  if (!hyper.decoupledWeightDecay) return [param, penalized(grad, param, hyper)];
  const g = hyper.maximize ? grad.neg() : grad;
  if (!isPresent(hyper.weightDecay)) return [param, g];
  return [param.mul(oneMinus(times(hyper.lr, hyper.weightDecay))), g];
}
