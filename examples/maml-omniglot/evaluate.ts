/**
 * How well a model learns characters that it never saw.
 */
import { functional as F, type SGD, scope, type Tensor } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt, type Task } from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
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
 * @param chunk  episodes that are held in memory at a time
 */
export async function evaluate(
  model: Learner,
  inner: SGD,
  episodes: Episodes,
  { steps, count, chunk, batched }: { steps: number; count: number; chunk: number; batched: boolean },
): Promise<Score> {
  const judge = (episode: Task): Tensor[] => {
    const [logits] = adapt(model, episode, { inner, loss: F.crossEntropy, at: [steps] });
    return [F.crossEntropy(logits, episode.query.y), accuracyOf(logits, episode.query.y)];
  };
  const accuracies: number[] = [];
  let loss = 0;
  while (accuracies.length < count) {
    using _ = scope();
    const some = episodes.next(Math.min(chunk, count - accuracies.length));
    const [errors, right] = await Promise.all(overTasks(judge, batched)(some).map((found) => found.data()));
    for (const error of errors) loss += error / count;
    accuracies.push(...right);
  }
  const mean = accuracies.reduce((sum, x) => sum + x, 0) / count;
  const variance = accuracies.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, count - 1);
  return { accuracy: mean, margin: 1.96 * Math.sqrt(variance / count), loss };
}

/** The share of rows whose largest logit is the label's, 0-d. */
export const accuracyOf = (logits: Tensor, labels: Tensor): Tensor =>
  logits.detach().argmax(1).eq(labels).to("float32").mean();
