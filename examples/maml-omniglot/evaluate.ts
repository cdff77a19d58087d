/**
 * How well a model learns characters that it never saw.
 */
import { functional as F, type SGD, scope, type Tensor } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt } from "../meta-learning/methods.ts";
import type { Episodes } from "./episodes.ts";

/** Means over episodes: accuracy in [0, 1], with half its 95 % confidence interval, and the loss in nats. */
export type Score = {
  readonly accuracy: number;
  readonly margin: number;
  readonly loss: number;
};

/**
 * Adapts to held-out episodes. The model doesn't change.
 *
 * @param inner  the optimizer that adapts
 * @param steps  of adaptation
 * @param count  episodes
 */
export async function evaluate(
  model: Learner,
  inner: SGD,
  episodes: Episodes,
  { steps, count }: { steps: number; count: number },
): Promise<Score> {
  const accuracies: number[] = [];
  let loss = 0;
  for (let i = 0; i < count; i++) {
    using _ = scope();
    const episode = episodes.next();
    const [logits] = adapt(model, episode, { inner, loss: F.crossEntropy, at: [steps] });
    const { y } = episode.query;
    const [error, right] = await Promise.all([F.crossEntropy(logits, y).item(), accuracyOf(logits, y).item()]);
    loss += error / count;
    accuracies.push(right);
  }
  const mean = accuracies.reduce((sum, x) => sum + x, 0) / count;
  const variance = accuracies.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, count - 1);
  return { accuracy: mean, margin: 1.96 * Math.sqrt(variance / count), loss };
}

/** The share of rows whose largest logit is the label's, 0-d. */
export const accuracyOf = (logits: Tensor, labels: Tensor): Tensor =>
  logits.detach().argmax(1).eq(labels).to("float32").mean();
