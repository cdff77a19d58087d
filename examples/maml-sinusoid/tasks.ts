/**
 * Sine waves to learn from a few points: y = a·sin(x − p), with the amplitude a in [0.1, 5] and the phase p in [0, π].
 *
 * A *task* is one wave. Its *support set* is what a model adapts on, its *query set* what the adapted model is
 * judged by. All numbers come from loopgrad's stream of random numbers, so a seed fixes them on every device.
 */
import { rand, type Tensor } from "loopgrad";
import type { Batch, Task } from "../meta-learning/methods.ts";

/** The range that points are drawn from. */
export const X_RANGE = { min: -5, max: 5 } as const;

/** Uniform in [low, high). */
const uniform = (shape: number[], low: number, high: number): Tensor =>
  rand(shape)
    .mul(high - low)
    .add(low);

/**
 * Draws tasks, stacked: x and y are [count, points, 1].
 *
 * @param shots    points in a support set
 * @param queries  points in a query set, or the x of all of them, [points, 1]
 */
export function sineTasks(count: number, shots: number, queries: number | Tensor = shots): Task {
  const amplitude = uniform([count, 1, 1], 0.1, 5);
  const phase = uniform([count, 1, 1], 0, Math.PI);
  const wave = (x: Tensor): Batch => ({ x, y: x.sub(phase).sin().mul(amplitude) });
  const points = (n: number): Tensor => uniform([count, n, 1], X_RANGE.min, X_RANGE.max);
  const query = typeof queries === "number" ? points(queries) : queries.expand([count, ...queries.shape]);
  return { support: wave(points(shots)), query: wave(query) };
}
