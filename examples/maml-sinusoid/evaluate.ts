/**
 * How well a model adapts to waves it never saw.
 */
import { linspace, type Sequential, type SGD, scope } from "loopgrad";
import { adapt } from "./maml.ts";
import { sineTask, X_RANGE } from "./tasks.ts";

/** The numbers of gradient steps that are reported. */
export const REPORTED = [0, 1, 5, 10] as const;

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
 * @param inner  the optimizer that adapts
 */
export async function evaluate(
  model: Sequential,
  inner: SGD,
  { tasks, shots }: { tasks: number; shots: number },
): Promise<Score[]> {
  const errors: number[][] = REPORTED.map(() => []);
  for (let i = 0; i < tasks; i++) {
    using _ = scope();
    const task = sineTask(shots, linspace(X_RANGE.min, X_RANGE.max, 50).reshape([50, 1]));
    const predictions = adapt(model, inner, task, REPORTED[REPORTED.length - 1]);
    const found = await Promise.all(REPORTED.map((k) => predictions[k].sub(task.query.y).square().mean().item()));
    for (const [column, error] of found.entries()) errors[column].push(error);
  }
  return REPORTED.map((steps, column) => score(steps, errors[column], errors[0]));
}

function score(steps: number, errors: readonly number[], before: readonly number[]): Score {
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

export function printTable(scores: readonly Score[]): void {
  console.log("\nmean squared error on held-out waves");
  console.log("steps     mean  ± 95 % CI   median   diverged");
  for (const { steps, mean, margin, median, diverged } of scores) {
    const columns = [mean.toFixed(3).padStart(8), margin.toFixed(3).padStart(10), median.toFixed(3).padStart(8)];
    console.log(`${String(steps).padStart(5)} ${columns.join(" ")} ${`${(100 * diverged).toFixed(1)} %`.padStart(10)}`);
  }
  console.log("");
}
