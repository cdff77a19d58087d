/**
 * How good hyperparameters are: whole trainings with them, from several fresh starts, off the tape.
 */
import { noGrad, SGD, scope } from "loopgrad";
import type { Batch } from "../data/images.ts";
import { lossOf, type Task } from "./hypergradient.ts";

/** Means over the trainings. */
export interface Score {
  readonly validationLoss: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
}

/** Trains `runs` nets for `steps` steps each with fixed hyperparameters. */
export async function evaluate(
  task: Task,
  test: Batch,
  { lr, decay, steps, runs }: { lr: number; decay: number; steps: number; runs: number },
): Promise<Score> {
  const sums = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    using _ = scope();
    const net = task.net();
    const sgd = new SGD(net.parameters(), { lr, weightDecay: decay, momentum: task.momentum });
    for (let k = 0; k < steps; k++) {
      using _step = scope();
      sgd.zeroGrad();
      lossOf(net, task.batch()).backward();
      sgd.step();
    }
    const found = noGrad(() => [
      lossOf(net, task.validation),
      lossOf(net, test),
      net.forward(test.x.flatten(1)).argmax(1).eq(test.y).to("float32").mean(),
    ]);
    for (const [i, value] of (await Promise.all(found.map((x) => x.item()))).entries()) sums[i] += value / runs;
    sgd.dispose();
    net.dispose();
  }
  const [validationLoss, testLoss, testAccuracy] = sums;
  return { validationLoss, testLoss, testAccuracy };
}
