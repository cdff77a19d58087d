/**
 * How well a model adapts to waves it never saw.
 */
import { functional as F, linspace, type Override, type SGD, scope } from "loopgrad";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt } from "../meta-learning/methods.ts";
import { sineTask, X_RANGE } from "./tasks.ts";

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

/**
 * Mean squared errors on the query sets of held-out waves: 50 evenly spaced points each.
 *
 * @param inner     the optimizer that adapts
 * @param tasks     how many waves, from the stream of random numbers
 * @param override  hyperparameters of each step, in place of the optimizer's
 * @returns         for 0, 1, … MOST_STEPS steps
 */
export async function evaluate(
  model: Learner,
  inner: SGD,
  { tasks, shots, override }: { tasks: number; shots: number; override?: (step: number) => Override },
): Promise<Score[]> {
  const at = Array.from({ length: MOST_STEPS + 1 }, (_, k) => k);
  const errors: number[][] = at.map(() => []);
  for (let i = 0; i < tasks; i++) {
    using _ = scope();
    const task = sineTask(shots, linspace(X_RANGE.min, X_RANGE.max, 50).reshape([50, 1]));
    const outputs = adapt(model, task, { inner, loss: F.mseLoss, at, override });
    const found = await Promise.all(outputs.map((output) => F.mseLoss(output, task.query.y).item()));
    for (const [k, error] of found.entries()) errors[k].push(error);
  }
  return at.map((steps) => score(steps, errors[steps], errors[0]));
}

/** Sums up the errors of many waves after one number of steps. */
export function score(steps: number, errors: readonly number[], before: readonly number[]): Score {
  const n = errors.length;
  const mean = errors.reduce((sum, x) => sum + x, 0) / n;
  const variance = errors.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
  const sorted = [...errors].sort((a, b) => a - b);
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
