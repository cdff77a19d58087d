/**
 * Learning to reweight examples (Ren, Zeng, Yang and Urtasun 2018, arXiv 1803.09050).
 *
 * Training data are lopsided; a few *clean* images are not. How much should each example of a batch count? Give example
 * i the weight εᵢ, take one virtual step of gradient descent, and look at the clean loss after it. Its derivative by εᵢ
 * at ε = 0 says whether more of example i would help:
 *
 *     θ′(ε) = θ − lr Σᵢ εᵢ ∇ℓᵢ(θ)          the virtual step
 *     wᵢ ∝ max(0, −∂L_clean(θ′(ε))/∂εᵢ)    so wᵢ ∝ max(0, ∇ℓᵢ · ∇L_clean): examples that pull the same way count
 *
 * Then the true step is taken with the weights w, which add up to 1.
 */
import { functional as F, grad, innerLoop, type Module, SGD, type Tensor, zeros } from "loopgrad";

/** Images as rows of pixels [n, pixels], and classes 0 or 1 as floats [n]. */
export interface Examples {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** A net whose output is one logit for each example, [n, 1]. */
export type Classifier = Module & { forward(x: Tensor): Tensor };

/** The loss of each example, [n], in nats. */
export const losses = (net: { forward(x: Tensor): Tensor }, { x, y }: Examples): Tensor =>
  F.binaryCrossEntropyWithLogits(net.forward(x).squeeze(1), y, { reduction: "none" });

/**
 * The clean loss after one virtual step on weighted examples. The net stays as it is.
 *
 * @param epsilon  the examples' weights, [n]: the tape leads from the result to them
 * @param lr       of the virtual step
 */
export function cleanLossAfter(net: Classifier, lr: number, epsilon: Tensor, batch: Examples, clean: Examples): Tensor {
  const sgd = new SGD(net.parameters(), { lr });
  return innerLoop(net, sgd, { initial: "detached" }, ({ fmodel, diffopt }) => {
    diffopt.step(losses(fmodel, batch).mul(epsilon).sum());
    return losses(fmodel, clean).mean();
  });
}

/**
 * The weights of a batch's examples: none is negative, and they add up to 1, unless all are 0.
 *
 * @param lr  of the virtual step; it cancels, but for rounding
 * @returns   [n], constants to the tape
 */
export function exampleWeights(net: Classifier, lr: number, batch: Examples, clean: Examples): Tensor {
  const epsilon = zeros([batch.y.size], { dtype: batch.x.dtype, requiresGrad: true });
  const [gradient] = grad(cleanLossAfter(net, lr, epsilon, batch, clean), [epsilon]) as [Tensor];
  const weights = gradient.neg().relu();
  const total = weights.sum();
  return weights.div(total.add(total.eq(0).to(total.dtype))); // 0 / 1 where no example helps
}
