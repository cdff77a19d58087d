/**
 * Pictures of adaptation: held-out waves, with the model's curve before and after a few gradient steps.
 */
import { functional as F, linspace, type SGD, scope, type Tensor } from "loopgrad";
import type { Chart } from "../chart.ts";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt } from "../meta-learning/methods.ts";
import { sineTask, X_RANGE } from "./tasks.ts";

const POINTS = 101;
/** The numbers of steps whose curves are drawn. */
const AT = [0, 1, 10];

/**
 * Adapts to a few waves.
 *
 * @param title  stands above each chart, with the wave's number
 * @param waves  how many, from the stream of random numbers
 * @returns      a chart for each
 */
export async function adaptationCharts(
  title: string,
  model: Learner,
  inner: SGD,
  { shots, waves }: { shots: number; waves: number },
): Promise<Chart[]> {
  const charts: Chart[] = [];
  for (let i = 0; i < waves; i++) {
    using _ = scope();
    const x = linspace(X_RANGE.min, X_RANGE.max, POINTS).reshape([POINTS, 1]);
    const task = sineTask(shots, x);
    const outputs = adapt(model, task, { inner, loss: F.mseLoss, at: AT });
    const steps = AT.map((k) => (k === 0 ? "before" : `after ${k} step${k > 1 ? "s" : ""}`));
    charts.push({
      title: `${title}, held-out wave ${i + 1}`,
      x: { label: "x" },
      y: { label: "y" },
      series: [
        { name: "the wave", points: await points(x, task.query.y) },
        ...(await Promise.all(
          outputs.map(async (y, k) => ({ name: steps[k], points: await points(x, y), dashed: k < AT.length - 1 })),
        )),
        { name: "support set", points: await points(task.support.x, task.support.y), dots: true },
      ],
    });
  }
  return charts;
}

async function points(x: Tensor, y: Tensor): Promise<[number, number][]> {
  const [xs, ys] = await Promise.all([x.data(), y.data()]);
  return Array.from(xs, (value, i) => [value, ys[i]]);
}
