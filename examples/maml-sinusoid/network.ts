/**
 * The network that learns sine waves, in Finn et al. 2017 and since: 1-40-40-1 with ReLU.
 */
import { Linear, ReLU, randn, Sequential, type Tensor, where } from "loopgrad";
import { Learner } from "../meta-learning/learner.ts";

/** The head is the last layer: ANIL adapts that alone. */
export const sineNet = (): Learner =>
  new Learner(new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU()), new Linear(40, 1));

/** The paper's initial weights: normal with σ = 0.01, truncated at 2σ; biases 0. */
export function paperInit(model: Learner): void {
  for (const [name, parameter] of model.namedParameters()) {
    const sample = truncatedNormal([...parameter.shape]).mul(0.01);
    parameter.assign(name.endsWith("weight") ? sample : sample.mul(0));
  }
}

/** Normal, and drawn again where it is more than 2 away from 0: 5 of 100 are at first, 1 in 10⁸ after five more draws. */
function truncatedNormal(shape: number[]): Tensor {
  let sample = randn(shape);
  for (let draw = 0; draw < 5; draw++) sample = where(sample.abs().le(2), sample, randn(shape));
  return sample.clamp(-2, 2);
}
