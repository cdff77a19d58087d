/**
 * Ways to train on a lopsided task, which differ only in how much each example of a batch counts.
 */
import { Linear, noGrad, Sequential, SGD, scope, Tanh, type Tensor } from "loopgrad";
import { type ImageSet, Sampler } from "../data/images.ts";
import { type Classifier, type Examples, exampleWeights, losses } from "./reweight.ts";
import { examplesOf, type Groups, rowsOf, type Task } from "./task.ts";

/** Their names, as the table shows them. */
export const METHODS = ["unweighted", "clean added", "by frequency", "reweighted"] as const;

/**
 * - "unweighted": all examples count the same.
 * - "clean added": the same, with the clean images among the training images.
 * - "by frequency": both groups count the same in all, the rare examples so much more.
 * - "reweighted": as the clean images' loss wants it.
 */
export type Method = (typeof METHODS)[number];

export interface TrainOptions {
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly hidden: number;
  readonly seed: number;
}

/** Trains a net; it is the caller's to dispose of. */
export function trainBy(
  method: Method,
  images: ImageSet,
  groups: Groups,
  { rows, clean, wrong }: Task,
  { steps, batch, lr, hidden, seed }: TrainOptions,
): Classifier {
  const net = new Sequential(new Linear(images.height * images.width, hidden), new Tanh(), new Linear(hidden, 1));
  const sgd = new SGD(net.parameters(), { lr, momentum: 0.9 });
  const sampler = new Sampler(method === "clean added" ? [...rows, ...clean] : rows, seed);
  const rareShare = shareLabelledRare(images, groups, rows, wrong);
  for (let step = 0; step < steps; step++) {
    using _ = scope();
    const examples = examplesOf(images, groups, sampler.next(batch), wrong);
    const weights = weigh(examples);
    sgd.zeroGrad();
    losses(net, examples).mul(weights).sum().backward();
    sgd.step();
  }
  sgd.dispose();
  return net;

  function weigh(examples: Examples): Tensor | number {
    if (method === "reweighted") return exampleWeights(net, lr, examples, examplesOf(images, groups, clean));
    if (method !== "by frequency") return 1 / batch;
    const [ofCommon, ofRare] = [0.5 / (1 - rareShare) / batch, 0.5 / rareShare / batch];
    return examples.y.mul(ofRare - ofCommon).add(ofCommon);
  }
}

/** As a trainer sees it, who doesn't know which labels are wrong. */
function shareLabelledRare(
  images: ImageSet,
  { rare }: Groups,
  rows: readonly number[],
  wrong: ReadonlySet<number>,
): number {
  return rows.filter((row) => rare.includes(images.labels[row]) !== wrong.has(row)).length / rows.length;
}

/** The mean of the two groups' accuracies. */
export async function balancedAccuracy(net: Classifier, images: ImageSet, groups: Groups): Promise<number> {
  using _ = scope();
  const accuracies = [groups.common, groups.rare].map((classes) => {
    const { x, y } = examplesOf(images, groups, rowsOf(images, classes));
    return noGrad(() => net.forward(x).squeeze(1).gt(0).to("float32").eq(y).to("float32").mean()).item();
  });
  const [common, rare] = await Promise.all(accuracies);
  return (common + rare) / 2;
}
