/**
 * How well a model adapts to waves it never saw.
 */
import { functional as F, linspace, type Override, type SGD, scope, stack, type Tensor } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt, type Task } from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
import { sineTasks, X_RANGE } from "./tasks.ts";

/** Errors are measured before adaptation and after each of so many steps. */
export const MOST_STEPS = 10;

/** Errors over held-out waves after some number of steps. */
export interface Score {
  readonly steps: number;
  readonly mean: number;
  /** Half the width of the mean's 95 % confidence interval. */
  readonly margin: number;
  readonly median: number;
  /** The share of waves whose error is larger than before adaptation, or not finite. */
  readonly diverged: number;
}

export interface EvaluateOptions {
  readonly tasks: number;
  readonly shots: number;
  readonly override?: (step: number) => Override;
  readonly batched: boolean;
}

/**
 * Mean squared errors on the query sets of held-out waves: 50 evenly spaced points each.
 *
 * @param inner     the optimizer that adapts
 * @param tasks     how many waves, from the stream of random numbers
 * @param override  hyperparameters of each step, in place of the optimizer's
 * @param batched   all waves at once
 * @returns         for 0, 1, … MOST_STEPS steps
 */
export async function evaluate(
  model: Learner,
  inner: SGD,
  { tasks, shots, override, batched }: EvaluateOptions,
): Promise<Score[]> {
  const at = Array.from({ length: MOST_STEPS + 1 }, (_, k) => k);
  using _ = scope();
  const waves = sineTasks(tasks, shots, linspace(X_RANGE.min, X_RANGE.max, 50).reshape([50, 1]));
  const errorsOf = (task: Task): Tensor =>
    stack(adapt(model, task, { inner, loss: F.mseLoss, at, override }).map((y) => F.mseLoss(y, task.query.y)));
  const errors = (await overTasks(errorsOf, batched)(waves).t().toArray()) as number[][];
  return at.map((steps) => score(steps, errors[steps], errors[0]));
}

/** Sums up the errors of many waves after one number of steps. */
export function score(steps: number, errors: readonly number[], before: readonly number[]): Score {
  const n = errors.length;
  const mean = errors.reduce((sum, x) => sum + x, 0) / n;
  const variance = errors.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
  // What has diverged beyond all numbers is larger than any.
  const sorted = errors.map((x) => (Number.isFinite(x) ? x : Number.MAX_VALUE)).sort((a, b) => a - b);
  return {
    steps,
    mean,
    margin: 1.96 * Math.sqrt(variance / n),
    median: (sorted[Math.floor((n - 1) / 2)] + sorted[Math.ceil((n - 1) / 2)]) / 2,
    diverged: errors.filter((x, i) => !(x <= before[i])).length / n,
  };
}

/** A score's cells of a table, after the number of steps: mean, margin, median, share diverged. */
export const cells = ({ mean, margin, median, diverged }: Score): string[] => [
  mean.toFixed(3),
  margin.toFixed(3),
  median.toFixed(3),
  `${(100 * diverged).toFixed(1)} %`,
];
