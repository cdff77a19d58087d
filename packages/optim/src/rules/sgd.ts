/**
 * Stochastic gradient descent, with momentum.
 *
 *     g ← g + λ p                    weight decay
 *     b ← μ b + (1 − τ) g            momentum; at the first step b ← g
 *     g ← g + μ b   (nesterov),   or   g ← b
 *     p ← p − lr g
 */
import { ArgumentError, admit, type Tensor } from "@loopgrad/tensor";
import { checkRange, Optimizer, type Params, type State, type Updated } from "../optimizer.ts";
import { isPresent, oneMinus, penalized, type Scalar } from "../scalar.ts";

/** Hyperparameters of {@link SGD}. */
export interface SGDHyper {
  /** Default 1e-3. */
  lr: Scalar;
  /** Default 0: none. */
  momentum: Scalar;
  /** Default 0. */
  dampening: Scalar;
  /** L2 penalty. Default 0. */
  weightDecay: Scalar;
  /** Default false. */
  nesterov: boolean;
  /** Climb instead of descending. Default false. */
  maximize: boolean;
}

/**
 * Stochastic gradient descent.
 *
 * @see      torch.optim.SGD
 * @example  const opt = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
 */
export class SGD extends Optimizer<SGDHyper> {
  static override readonly elementwise = true;

  constructor(params: Params<SGDHyper>, options: Partial<SGDHyper> = {}) {
    admit(arguments, "SGD(params: iterable, options?: object)");
    super(params, options, { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false });
  }

  protected override validate({ lr, momentum, dampening, weightDecay, nesterov }: SGDHyper): void {
    checkRange("SGD", "lr", lr);
    checkRange("SGD", "momentum", momentum);
    checkRange("SGD", "dampening", dampening, Number.NEGATIVE_INFINITY);
    checkRange("SGD", "weightDecay", weightDecay);
    if (nesterov && (!isPresent(momentum) || dampening !== 0)) {
      throw new ArgumentError("SGD: nesterov wants a momentum and no dampening");
    }
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: SGDHyper): Updated {
    const { lr, momentum, dampening, nesterov } = hyper;
    let g = penalized(grad, param, hyper);
    if (!isPresent(momentum)) return { param: param.sub(g.mul(lr)), state };
    const before = state.momentumBuffer as Tensor | undefined;
    const fresh = before === undefined || !isPresent(dampening) ? g : g.mul(oneMinus(dampening));
    const momentumBuffer = before === undefined ? fresh : before.mul(momentum).add(fresh);
    g = nesterov ? g.add(momentumBuffer.mul(momentum)) : momentumBuffer;
    return { param: param.sub(g.mul(lr)), state: { momentumBuffer } };
  }
}
