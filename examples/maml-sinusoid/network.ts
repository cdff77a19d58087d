/**
 * The network that learns sine waves, in Finn et al. 2017 and since: 1-40-40-1 with ReLU.
 */
import { Linear, ReLU, randn, Sequential } from "loopgrad";
import { Learner } from "../meta-learning/learner.ts";

/** The head is the last layer: ANIL adapts that alone. */
export const sineNet = (): Learner =>
  new Learner(new Sequential(new Linear(1, 40), new ReLU(), new Linear(40, 40), new ReLU()), new Linear(40, 1));

/** The paper's initial weights: normal with σ = 0.01, cut off at 2σ; biases 0. */
export function paperInit(model: Learner): void {
  for (const [name, parameter] of model.namedParameters()) {
    const sample = randn([...parameter.shape])
      .clamp(-2, 2)
      .mul(0.01);
    parameter.assign(name.endsWith("weight") ? sample : sample.mul(0));
  }
}
