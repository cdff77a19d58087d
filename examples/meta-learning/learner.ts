/**
 * A model in two parts: the *body* computes features, the *head*, its last layer, reads the answer off them.
 */
import { type Linear, Module, type Sequential, type Tensor } from "loopgrad";

export class Learner extends Module {
  constructor(
    readonly body: Sequential,
    readonly head: Linear,
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x));
  }
}
