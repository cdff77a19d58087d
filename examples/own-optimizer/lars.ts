/**
 * LARS: layer-wise adaptive rate scaling (You et al. 2017, arXiv 1708.03888), written as a user would.
 *
 *     r = η ‖p‖ / (‖g‖ + λ ‖p‖ + ε)          the layer's *trust ratio*
 *     m ← μ m + r (g + λ p)
 *     p ← p − lr m
 *
 * An optimizer is this and no more: a class with defaults, and a pure rule in tensor operations. Nothing here is said
 * about derivatives, and yet the rule can be differentiated in all that it reads: the parameter, its gradient, the
 * momentum of earlier steps, and each hyperparameter that is given as a tensor. Two habits keep it so: values that may
 * be tensors are used by operations only, and state is returned, never changed.
 */
import { Optimizer, type Params, type Scalar, type State, type Tensor, type Updated } from "loopgrad";

/** Hyperparameters of {@link Lars}. */
export interface LarsHyper {
  /** Default 1. */
  lr: Scalar;
  /** μ. Default 0.9. */
  momentum: Scalar;
  /** λ. Default 1e-4. */
  weightDecay: Scalar;
  /** η: how far a layer may move, relative to its norm. Default 0.02. */
  trust: Scalar;
  /** ε. Default 1e-8. */
  eps: Scalar;
}

/**
 * Layer-wise adaptive rate scaling.
 *
 * @example
 * const opt = new Lars(model.parameters(), { lr: 0.5 });
 * opt.step();                                  // in place, as any optimizer
 * using loop = innerLoop(model, opt);          // on the tape
 */
export class Lars extends Optimizer<LarsHyper> {
  constructor(params: Params<LarsHyper>, options: Partial<LarsHyper> = {}) {
    super(params, options, { lr: 1, momentum: 0.9, weightDecay: 1e-4, trust: 0.02, eps: 1e-8 });
  }

  override update(param: Tensor, grad: Tensor, state: State, hyper: LarsHyper): Updated {
    const { lr, momentum, weightDecay, trust, eps } = hyper;
    const size = param.norm();
    const ratio = size.mul(trust).div(grad.norm().add(size.mul(weightDecay)).add(eps));
    const fresh = grad.add(param.mul(weightDecay)).mul(ratio);
    const before = state.momentumBuffer as Tensor | undefined;
    const momentumBuffer = before === undefined ? fresh : before.mul(momentum).add(fresh);
    return { param: param.sub(momentumBuffer.mul(lr)), state: { momentumBuffer } };
  }
}
