/**
 * Pictures of adaptation: held-out waves, with the model's curve before and after a few gradient steps.
 */
import { functional as F, linspace, type SGD, scope, type Tensor } from "loopgrad";
import type { Chart } from "../chart.ts";
import type { Learner } from "../meta-learning/learner.ts";
import { adapt, type Task } from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
import { sineTasks, X_RANGE } from "./tasks.ts";

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
  { shots, waves, batched }: { shots: number; waves: number; batched: boolean },
): Promise<Chart[]> {
  using _ = scope();
  const x = linspace(X_RANGE.min, X_RANGE.max, POINTS).reshape([POINTS, 1]);
  const { support, query } = sineTasks(waves, shots, x);
  const curves = (task: Task): Tensor[] => adapt(model, task, { inner, loss: F.mseLoss, at: AT });
  const outputs = overTasks(curves, batched)({ support, query });
  const charts: Chart[] = [];
  for (let i = 0; i < waves; i++) {
    const steps = AT.map((k) => (k === 0 ? "before" : `after ${k} step${k > 1 ? "s" : ""}`));
    charts.push({
      title: `${title}, held-out wave ${i + 1}`,
      x: { label: "x" },
      y: { label: "y" },
      series: [
        { name: "the wave", points: await points(x, query.y.select(0, i)) },
        ...(await Promise.all(
          outputs.map(async (y, k) => ({
            name: steps[k],
            points: await points(x, y.select(0, i)),
            dashed: k < AT.length - 1,
          })),
        )),
        { name: "support set", points: await points(support.x.select(0, i), support.y.select(0, i)), dots: true },
      ],
    });
  }
  return charts;
}

async function points(x: Tensor, y: Tensor): Promise<[number, number][]> {
  const [xs, ys] = await Promise.all([x.data(), y.data()]);
  return Array.from(xs, (value, i) => [value, ys[i]]);
}
