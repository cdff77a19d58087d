/**
 * Training an optimizer: by the gradient, through the steps it takes, of the losses it reaches.
 *
 * A long optimization is differentiated in *windows*: after `unroll` steps the network that is the optimizer takes a
 * step of its own, the graph is cut, and the optimization goes on from where it is, with weights and state that are
 * constants now (*truncated* back-propagation through time).
 */
import { type Adam, clipGradNorm, innerLoop, type Optimizer, scope, type Tensor } from "loopgrad";
import type { Problems } from "./tasks.ts";

export interface MetaTrainOptions {
  /** Steps on each batch of problems. */
  readonly steps: number;
  /** Steps in a window. */
  readonly unroll: number;
  /** Take the problems' gradients for constants, as the paper does: faster, and not quite the gradient. */
  readonly firstOrder: boolean;
}

/**
 * One batch of problems from beginning to end: steps / unroll updates of the optimizer's own weights.
 *
 * @param rule   over the problems' parameters: what is being learned
 * @param outer  over the weights of the rule's network
 * @returns      the mean loss over problems and steps, off the tape
 */
export async function metaTrain(
  problems: Problems,
  rule: Optimizer<object>,
  outer: Adam,
  { steps, unroll, firstOrder }: MetaTrainOptions,
): Promise<number> {
  const learned = outer.paramGroups.flatMap(({ params }) => params);
  using loop = innerLoop(problems, rule, {
    initial: "detached",
    mode: firstOrder ? "first-order" : "second-order",
  });
  const { fmodel, diffopt } = loop;
  const means: Promise<number>[] = [];
  for (let done = 0; done < steps; done += unroll) {
    using _ = scope();
    let loss = fmodel.forward();
    const reached: Tensor[] = [];
    for (let k = 0; k < Math.min(unroll, steps - done); k++) {
      diffopt.step(loss.sum(), { retainGraph: true });
      loss = fmodel.forward();
      reached.push(loss);
    }
    const metaLoss = reached.reduce((sum, one) => sum.add(one)).mean();
    outer.zeroGrad();
    metaLoss.backward({ inputs: learned });
    clipGradNorm(learned, 1);
    outer.step();
    loop.detach();
    means.push(metaLoss.div(reached.length).item());
  }
  const windows = await Promise.all(means);
  return windows.reduce((sum, x) => sum + x, 0) / windows.length;
}
