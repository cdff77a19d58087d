/**
 * Adam: steps scaled by moving averages of the gradient and of its square.
 *
 *     m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²
 *     p ← p − lr · m/(1 − β₁ᵗ) / (√v/√(1 − β₂ᵗ) + ε)
 *
 * The averages start at 0; the divisors 1 − βᵗ (*bias correction*) make up for that. They are computed on the tape if
 * the betas are tensors. The root is the safe one: where v is 0 its derivative is 0, at every order. `amsgrad` divides
 * by the largest v so far.
 */
import { ArgumentError, admit, type Tensor } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import {
  isPresent,
  movingAverage,
  oneMinus,
  over,
  penalized,
  power,
  type Scalar,
  squareRoot,
  times,
} from "../scalar.ts";

/** Hyperparameters of {@link Adam} and {@link AdamW}. */
export interface AdamHyper {
  /** Default 1e-3. */
  lr: Scalar;
  /** Decay of the two averages. Default [0.9, 0.999]. */
  betas: readonly [Scalar, Scalar];
  /** Default 1e-8. */
  eps: Scalar;
  /** Adam: L2 penalty, default 0. AdamW: decay of the parameter itself, default 1e-2. */
  weightDecay: Scalar;
  /** Default false. */
  amsgrad: boolean;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

const DEFAULTS: AdamHyper = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  maximize: false,
};

/** Throws unless the betas are a pair in [0, 1). */
export function checkBetas(who: string, betas: readonly Scalar[]): void {
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new ArgumentError(`${who}: betas is ${String(betas)}, wanted a pair of numbers or tensors`);
  }
  checkRange(who, "betas[0]", betas[0], 0, 1);
  checkRange(who, "betas[1]", betas[1], 0, 1);
}

/** The step common to Adam and AdamW: the gradient has its penalty, or the parameter its decay, already. */
function adamStep(param: Tensor, grad: Tensor, state: State, { lr, betas, eps, amsgrad }: AdamHyper): Updated {
  const [beta1, beta2] = betas;
  const step = ((state.step as number | undefined) ?? 0) + 1;
  const expAvg = movingAverage(state.expAvg as Tensor | undefined, grad, beta1);
  const expAvgSq = movingAverage(state.expAvgSq as Tensor | undefined, grad.square(), beta2);
  const next: Record<string, Tensor | number> = { step, expAvg, expAvgSq };
  let second = expAvgSq;
  if (amsgrad) {
    const largest = state.maxExpAvgSq as Tensor | undefined;
    // The largest starts at 0, and a square is never less.
    second = largest === undefined ? expAvgSq : largest.maximum(expAvgSq);
    next.maxExpAvgSq = second;
  }
  const correction1 = oneMinus(power(beta1, step));
  const correction2 = squareRoot(oneMinus(power(beta2, step)));
  const denominator = second.safeSqrt().mul(over(1, correction2)).add(eps);
  return { param: param.sub(expAvg.div(denominator).mul(over(lr, correction1))), state: next };
}

function validateAdam(who: string, { lr, betas, eps, weightDecay }: AdamHyper): void {
  checkRange(who, "lr", lr);
  checkRange(who, "eps", eps);
  checkRange(who, "weightDecay", weightDecay);
  checkBetas(who, betas);
}

/**
 * Adam, with weight decay as an L2 penalty.
 *
 * @see      torch.optim.Adam
 * @example  const opt = new Adam(model.parameters(), { lr: 3e-4 });
 */
export class Adam extends Optimizer<AdamHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<AdamHyper>, options: Partial<AdamHyper> = {}) {
    admit(arguments, "Adam(params: iterable, options?: object)");
    super(params, options, DEFAULTS);
  }

  protected override validate(hyper: AdamHyper): void {
    validateAdam("Adam", hyper);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: AdamHyper): Updated {
    return adamStep(param, penalized(grad, param, hyper), state, hyper);
  }
}

/**
 * Adam, with a decay that shrinks the parameter itself: p ← (1 − lr λ) p before the step.
 *
 * @see torch.optim.AdamW
 */
export class AdamW extends Optimizer<AdamHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<AdamHyper>, options: Partial<AdamHyper> = {}) {
    admit(arguments, "AdamW(params: iterable, options?: object)");
    super(params, options, { ...DEFAULTS, weightDecay: 1e-2 });
  }

  protected override validate(hyper: AdamHyper): void {
    validateAdam("AdamW", hyper);
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: AdamHyper): Updated {
    const { lr, weightDecay, maximize } = hyper;
    const g = maximize ? grad.neg() : grad;
    const decayed = isPresent(weightDecay) ? param.mul(oneMinus(times(lr, weightDecay))) : param;
    return adamStep(decayed, g, state, hyper);
  }
}
