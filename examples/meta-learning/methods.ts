/**
 * Four ways to learn initial weights from which a few gradient steps suffice, side by side.
 *
 * A *task* has a *support set* to adapt on and a *query set* to be judged by. The *inner loop* takes gradient steps
 * from the initial weights θ to the *fast weights* φ of one task. The *outer loop* improves θ, by a meta-gradient that
 * each method computes in its own way:
 *
 * - MAML (Finn, Abbeel, Levine 2017, arXiv 1703.03400): the gradient of the query loss at φ with respect to θ, through
 *   the inner loop's own steps. Second order.
 * - FOMAML (the same paper, section 5.2): the same, with the inner gradients taken for constants.
 * - ANIL (Raghu, Raghu, Bengio, Vinyals 2020, arXiv 1909.09157): MAML whose inner loop moves the last layer only.
 * - Reptile (Nichol, Achiam, Schulman 2018, arXiv 1803.02999): no gradient through anything. θ moves towards φ.
 *
 * Each function below adds one task's share of the meta-gradient to the model's `.grad`. `over-tasks.ts` runs it for all
 * tasks of a meta-step at once: what `backward` adds is then the sum over the tasks.
 */
import {
  Adam,
  ConstantLR,
  innerLoop,
  LinearLR,
  type LRScheduler,
  type Mode,
  noGrad,
  type Override,
  SGD,
  type Tensor,
} from "loopgrad";
import type { Learner } from "./learner.ts";

/** Inputs and what they should give, along axis 0. */
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** What is to be learned from little. */
export interface Task {
  readonly support: Batch;
  readonly query: Batch;
}

/** The inner loop. */
export interface InnerSettings {
  /** The inner loop's rule: its options count, it is never stepped itself. See {@link innerOptimizer}. */
  readonly inner: SGD;
  /** How many inner steps. */
  readonly steps: number;
  readonly loss: (output: Tensor, y: Tensor) => Tensor;
}

/** The inner loop and the task's part in the outer one. */
export interface Settings extends InnerSettings {
  /** The task's weight in the meta-gradient: 1 / tasks makes it a mean. */
  readonly share: number;
}

/**
 * On the query set after the inner loop: the loss, 0-d, and the model's output. Off the tape. Reptile has adapted to
 * the query set too, so its loss is lower than what it will be at test.
 */
export interface Outcome {
  readonly loss: Tensor;
  readonly output: Tensor;
}

type Method = (model: Learner, task: Task, settings: Settings) => Outcome;

/** The gradient of the query loss after the inner loop, with as much of the loop on the tape as the mode says. */
const ofQueryLoss =
  (mode: Mode): Method =>
  (model, { support, query }, { inner, steps, loss, share }) =>
    innerLoop(model, inner, { mode }, ({ fmodel, diffopt }) => {
      for (let k = 0; k < steps; k++) diffopt.step(loss(fmodel.forward(support.x), support.y));
      const output = fmodel.forward(query.x);
      const queryLoss = loss(output, query.y);
      queryLoss.mul(share).backward(); // fast weights began as images of the model's: this fills its .grad
      return { loss: queryLoss.detach(), output: output.detach() };
    });

/** d L(φ(θ); query) / dθ, through every step. */
export const maml = ofQueryLoss("second-order");

/** dφ/dθ is taken for the identity, so this is the gradient of the query loss at φ. */
export const fomaml = ofQueryLoss("first-order");

/** As MAML, and the inner optimizer holds the head only. So the features of the support set stay: computed once. */
export const anil: Method = (model, { support, query }, { inner, steps, loss, share }) =>
  innerLoop(model, inner, { mode: "second-order" }, ({ fmodel, diffopt }) => {
    const features = fmodel.call(({ body }) => body.forward(support.x));
    for (let k = 0; k < steps; k++) {
      diffopt.step(
        loss(
          fmodel.call(({ head }) => head.forward(features)),
          support.y,
        ),
      );
    }
    const output = fmodel.forward(query.x);
    const queryLoss = loss(output, query.y);
    queryLoss.mul(share).backward(); // the body's gradient: through the query's features and the support's
    return { loss: queryLoss.detach(), output: output.detach() };
  });

/**
 * θ − φ in place of a gradient: an outer step of SGD with rate ε moves θ the share ε of the way to φ.
 *
 * Steps go over different mini-batches of the task, here the support and the query set in turn: what makes gradients
 * of different batches agree is all that tells Reptile from training on all tasks at once. So it wants several steps.
 */
export const reptile: Method = (model, { support, query }, { inner, steps, loss, share }) =>
  innerLoop(model, inner, { mode: "none" }, ({ fmodel, diffopt }) => {
    const batches = [support, query];
    for (let k = 0; k < steps; k++) {
      const { x, y } = batches[k % 2];
      diffopt.step(loss(fmodel.forward(x), y));
    }
    const fast = fmodel.parameters();
    model.parameters().forEach((theta, i) => {
      theta.backward({ gradient: noGrad(() => theta.sub(fast[i]).mul(share)) });
    });
    const output = noGrad(() => fmodel.forward(query.x));
    return { loss: loss(output, query.y), output };
  });

export const methods = { maml, fomaml, anil, reptile };

export type MethodName = keyof typeof methods;

export const methodNames = Object.keys(methods) as MethodName[];

/** The inner loop's optimizer: ANIL's holds the head, the others' the whole model. */
export function innerOptimizer(method: MethodName, model: Learner, lr: number): SGD {
  return new SGD(method === "anil" ? model.head.parameters() : model.parameters(), { lr });
}

/**
 * The outer loop's optimizer and the schedule of its rate: Adam at a constant rate; for Reptile SGD, whose rate falls
 * linearly to 0, as in the paper.
 *
 * @param lr          Adam's, or the share of the way to the fast weights that Reptile's first step goes
 * @param iterations  when Reptile's rate is 0
 */
export function outerOptimizer(
  method: MethodName,
  model: Learner,
  { lr, iterations }: { lr: number; iterations: number },
): { outer: Adam | SGD; schedule: LRScheduler } {
  if (method === "reptile") {
    const outer = new SGD(model.parameters(), { lr });
    return { outer, schedule: new LinearLR(outer, { startFactor: 1, endFactor: 0, totalIters: iterations }) };
  }
  const outer = new Adam(model.parameters(), { lr });
  return { outer, schedule: new ConstantLR(outer, { factor: 1 }) };
}

export interface AdaptOptions {
  readonly at: readonly number[];
  readonly override?: (step: number) => Override;
}

/**
 * Adapts to a task with nothing recorded: how a learned model is used.
 *
 * @param at        the numbers of steps after which to look, ascending
 * @param override  hyperparameters of each step, from 0 on, in place of the inner optimizer's
 * @returns         the model's output on the query set after each of them
 */
export function adapt(
  model: Learner,
  { support, query }: Task,
  { inner, loss, at, override }: Omit<InnerSettings, "steps"> & AdaptOptions,
): Tensor[] {
  return innerLoop(model, inner, { mode: "none" }, ({ fmodel, diffopt }) => {
    const outputs: Tensor[] = [];
    for (let k = 0; outputs.length < at.length; k++) {
      if (at[outputs.length] === k) outputs.push(noGrad(() => fmodel.forward(query.x)));
      if (outputs.length < at.length) {
        diffopt.step(loss(fmodel.forward(support.x), support.y), { override: override?.(k) });
      }
    }
    return outputs;
  });
}
