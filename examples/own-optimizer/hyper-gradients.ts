/**
 * Derivatives of the loss after training, with respect to the optimizer's own hyperparameters.
 *
 * The *problem* is small: a network 1-16-1 learns one period of a sine from 32 points; the *outer loss* is its error
 * on other points after `steps` steps of full-batch training.
 */
import {
  Adam,
  applyHyperparameters,
  functional as F,
  grad,
  higher,
  innerLoop,
  Linear,
  linspace,
  type Optimizer,
  Parameter,
  Sequential,
  scope,
  Tanh,
  Tensor,
  type Trainable,
  trainableHyperparameters,
} from "loopgrad";

/** A model, its optimizer, and the loss after training as a function of hyperparameters. */
export interface Problem {
  readonly opt: Optimizer<object>;
  outerLoss(hyper: Trainable): Tensor;
}

/** @param make  an optimizer over the network's parameters */
export function sineProblem(make: (params: Tensor[]) => Optimizer<object>, steps: number): Problem {
  const model = new Sequential(new Linear(1, 16), new Tanh(), new Linear(16, 1));
  const opt = make(model.parameters());
  const [x, held] = [linspace(-3, 3, 32).reshape([-1, 1]), linspace(-2.9, 2.9, 23).reshape([-1, 1])];
  const outerLoss = (override: Trainable): Tensor =>
    innerLoop(model, opt, { override }, ({ fmodel, diffopt }) => {
      for (let k = 0; k < steps; k++) diffopt.step(F.mseLoss(fmodel.forward(x), x.sin()));
      return F.mseLoss(fmodel.forward(held), held.sin());
    });
  return { opt, outerLoss };
}

/** A hyperparameter's value, and the outer loss's derivative by it, found twice. */
export interface Checked {
  readonly name: string;
  readonly value: number;
  readonly tape: number;
  readonly differences: number;
}

/** The derivative by every hyperparameter: from the tape, and by central differences, which take four runs each. */
export async function checkedGradients({ opt, outerLoss }: Problem): Promise<Checked[]> {
  const hyper = trainableHyperparameters(opt);
  const names = Object.entries(hyper).flatMap(([name, values]) =>
    higher.flatten<Tensor>(values).map((_, i, all) => (all.length === 1 ? name : `${name}[${i}]`)),
  );
  const leaves = higher.flatten<Tensor>(hyper);
  const slopes = grad(outerLoss(hyper), leaves, { allowUnused: true });
  const found: Checked[] = [];
  for (const [i, leaf] of leaves.entries()) {
    const value = await leaf.item();
    const at = async (step: number): Promise<number> => {
      using loss = scope(() => outerLoss(swapped(hyper, leaf, value + step)).detach());
      return loss.item();
    };
    // Small: over larger steps the loss after a whole training bends, and jumps where a sign turns.
    const h = 1e-6 * Math.max(value, 1e-2);
    const near = (await at(h)) - (await at(-h));
    const far = (await at(2 * h)) - (await at(-2 * h));
    const tape = slopes[i] === null ? 0 : await (slopes[i] as Tensor).item();
    found.push({ name: names[i], value, tape, differences: (8 * near - far) / (12 * h) });
  }
  return found;
}

/** The same hyperparameters with another value for one of them. */
function swapped(hyper: Trainable, leaf: Tensor, value: number): Trainable {
  const swap = (x: Tensor | Tensor[]): unknown =>
    x instanceof Tensor ? (x === leaf ? leaf.mul(0).add(value) : x) : x.map(swap);
  return Object.fromEntries(Object.entries(hyper).map(([name, all]) => [name, all.map(swap)])) as Trainable;
}

/** Values of the outer loss and of hyperparameters while these descend. */
export interface Descent {
  readonly losses: number[];
  readonly values: Record<string, number[]>;
}

/**
 * Learns hyperparameters by Adam, each in its logarithm, so that it stays positive. In the end the optimizer has them.
 *
 * @param names  which ones
 */
export async function descend({ opt, outerLoss }: Problem, names: readonly string[], steps: number): Promise<Descent> {
  const start = trainableHyperparameters(opt, names);
  const logs = names.map((name) => new Parameter((start[name][0] as Tensor).log()));
  const outer = new Adam(logs, { lr: 0.05 });
  const losses: number[] = [];
  const values: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let i = 0; i <= steps; i++) {
    using _ = scope();
    const hyper: Trainable = Object.fromEntries(names.map((name, n) => [name, [logs[n].exp()]]));
    outer.zeroGrad();
    const loss = outerLoss(hyper);
    loss.backward({ inputs: logs });
    losses.push(await loss.item());
    for (const name of names) values[name].push(await (hyper[name][0] as Tensor).item());
    if (i < steps) outer.step();
  }
  await applyHyperparameters(opt, Object.fromEntries(names.map((name, n) => [name, [logs[n].exp()]])));
  return { losses, values };
}
