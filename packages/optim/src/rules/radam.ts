/**
 * RAdam: Adam that divides by the second moment only once enough gradients were seen to trust it.
 *
 *     ρ∞ = 2 / (1 − β₂) − 1;   ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)
 *     r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))
 *     p ← p − lr m / (1 − β₁ᵗ) · (r √(1 − β₂ᵗ) / (√v + ε)   if ρ > 5, else 1)
 *
 * If β₂ is a tensor the choice is made on the device: a rule never looks at a tensor's value.
 */
import { admit, type Tensor, where } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { minus, movingAverage, oneMinus, over, power, type Scalar, squareRoot, times } from "../scalar.ts";
import { checkBetas } from "./adam.ts";
import { decayed } from "./nadam.ts";

/** Hyperparameters of {@link RAdam}. */
export interface RAdamHyper {
  /** Default 1e-3. */
  lr: Scalar;
  /** Default [0.9, 0.999]. */
  betas: readonly [Scalar, Scalar];
  /** Default 1e-8. */
  eps: Scalar;
  /** Default 0. */
  weightDecay: Scalar;
  /** Decay the parameter, as AdamW, rather than penalize. Default false. */
  decoupledWeightDecay: boolean;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/** Rectified Adam. @see torch.optim.RAdam */
export class RAdam extends Optimizer<RAdamHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<RAdamHyper>, options: Partial<RAdamHyper> = {}) {
    admit(arguments, "RAdam(params: iterable, options?: object)");
    super(params, options, {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      decoupledWeightDecay: false,
      maximize: false,
    });
  }

  protected override validate(hyper: RAdamHyper): void {
    for (const name of ["lr", "eps", "weightDecay"] as const) checkRange("RAdam", name, hyper[name]);
    checkBetas("RAdam", hyper.betas);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: RAdamHyper): Updated {
    const { lr, eps, betas } = hyper;
    const step = ((state.step as number | undefined) ?? 0) + 1;
    const [p, g] = decayed(param, grad, hyper);
    const expAvg = movingAverage(state.expAvg as Tensor | undefined, g, betas[0]);
    const expAvgSq = movingAverage(state.expAvgSq as Tensor | undefined, g.square(), betas[1]);
    const mean = expAvg.mul(over(lr, oneMinus(power(betas[0], step))));

    const correction = oneMinus(power(betas[1], step));
    const limit = minus(over(2, oneMinus(betas[1])), 1);
    const length = minus(limit, over(times(2 * step, power(betas[1], step)), correction));
    const rectifiedSquare = over(
      times(times(minus(length, 4), minus(length, 2)), limit),
      times(times(minus(limit, 4), minus(limit, 2)), length),
    );
    const scaled = (rectifier: Scalar): Tensor =>
      mean.mul(times(rectifier, squareRoot(correction))).div(expAvgSq.safeSqrt().add(eps));
    const next = { step, expAvg, expAvgSq };
    if (typeof length === "number" && typeof rectifiedSquare === "number") {
      return { param: p.sub(length > 5 ? scaled(Math.sqrt(rectifiedSquare)) : mean), state: next };
    }
    const trusted = (length as Tensor).gt(5);
    const rectifier = where(trusted, rectifiedSquare, 1).sqrt();
    return { param: p.sub(where(trusted.expandAs(p), scaled(rectifier), mean)), state: next };
  }
}
