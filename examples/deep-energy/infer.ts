/**
 * Prediction as optimization: the label is found by gradient descent on the energy, and that descent is learned.
 *
 * No module takes part in the inner loop: what its optimizer steps is the label. The outer loss compares the label that
 * comes out with the true class, and its gradient flows through all the steps into the energy network: "end-to-end"
 * learning of energies (Belanger, Yang and McCallum 2017, arXiv 1703.05667), the deep-energy example of Grefenstette et
 * al. 2019, arXiv 1910.01727.
 */
import { createDifferentiable, functional as F, noGrad, SGD, type Tensor, zeros } from "loopgrad";
import type { EnergyNet } from "./energy.ts";

export interface InferOptions {
  /** Steps of gradient descent over the label, and their learning rate. */
  readonly steps: number;
  readonly lr: number;
}

/**
 * Labels for images, on the tape.
 *
 * @param x  [n, 1, side, side]
 * @returns  scores of the classes, [n, classes]
 */
export function infer(net: EnergyNet, x: Tensor, { steps, lr }: InferOptions): Tensor {
  const features = net.embed(x); // once: only the head sees the label
  let y = zeros([x.shape[0], net.sizes.classes], { dtype: x.dtype, requiresGrad: true });
  using descent = createDifferentiable(SGD, { lr }, { params: [y] });
  // The energies of a batch are summed: each depends on its own label only, so each label gets its own gradient.
  for (let k = 0; k < steps; k++) [y] = descent.step(net.energy(features, y).sum());
  return y;
}

/** The outer loss of a batch: cross-entropy of the labels after the last step, in nats. */
export const inferenceLoss = (net: EnergyNet, x: Tensor, target: Tensor, options: InferOptions): Tensor =>
  F.crossEntropy(infer(net, x, options), target);

/** A label on its way down: its energy and its scores. */
export interface Stage {
  /** [n] */
  readonly energy: Tensor;
  /** [n, classes] */
  readonly y: Tensor;
}

/** The way down the energy, from the zero label through every step, with nothing recorded for an outer loss. */
export function descend(net: EnergyNet, x: Tensor, { steps, lr }: InferOptions): Stage[] {
  const features = noGrad(() => net.embed(x));
  let y = zeros([x.shape[0], net.sizes.classes], { dtype: x.dtype, requiresGrad: true });
  using descent = createDifferentiable(SGD, { lr }, { params: [y], mode: "none" });
  const stages: Stage[] = [];
  for (let k = 0; k <= steps; k++) {
    const energy = net.energy(features, y);
    stages.push({ energy: energy.detach(), y });
    if (k < steps) [y] = descent.step(energy.sum());
  }
  return stages;
}
