/**
 * Optimizers side by side on the same held-out problems: curves of the mean loss, with the learning rates of the
 * ordinary ones tuned on other problems.
 */
import { manualSeed, noGrad, type Optimizer, scope, type Tensor } from "loopgrad";
import type { Problems } from "./tasks.ts";

/** Makes an optimizer over some parameters. */
export type MakeOptimizer = (params: Tensor[]) => Optimizer<object>;

/**
 * Optimizes a batch of problems in place, as any training loop does.
 *
 * @param seed  of the problems and of the points they draw
 * @returns     the mean loss before each step and after the last, and the loss of each problem at the end
 */
export async function optimize(
  draw: () => Problems,
  make: MakeOptimizer,
  steps: number,
  seed: number,
): Promise<{ curve: number[]; final: number[] }> {
  manualSeed(seed);
  using _ = scope();
  const problems = draw();
  const opt = make(problems.parameters());
  const means: Promise<number>[] = [];
  for (let k = 0; k < steps; k++) {
    using _step = scope();
    opt.zeroGrad();
    const loss = problems.forward();
    loss.sum().backward();
    means.push(loss.mean().item());
    opt.step();
  }
  const last = noGrad(() => problems.forward());
  means.push(last.mean().item());
  const result = { curve: await Promise.all(means), final: [...((await last.toArray()) as number[])] };
  opt.dispose();
  problems.dispose();
  return result;
}

/** Powers of √10 from 1e-4 to 10. */
export const RATES: readonly number[] = Array.from({ length: 11 }, (_, i) => 10 ** (i / 2 - 4));

/**
 * The learning rate with the least mean loss over all steps.
 *
 * @param make  an optimizer with a given rate
 */
export async function tuned(
  draw: () => Problems,
  make: (lr: number) => MakeOptimizer,
  steps: number,
  seed: number,
): Promise<number> {
  let best = { lr: Number.NaN, mean: Number.POSITIVE_INFINITY };
  for (const lr of RATES) {
    const { curve } = await optimize(draw, make(lr), steps, seed);
    const mean = curve.reduce((sum, x) => sum + x, 0) / curve.length;
    if (mean < best.mean) best = { lr, mean };
  }
  return best.lr;
}
