/**
 * Learns an optimizer: `node scripts/run.mjs examples/learned-optimizer/main.ts --help`.
 *
 * After *Learning to learn by gradient descent by gradient descent* (Andrychowicz et al. 2016, arXiv 1606.04474). The
 * update rule is a network, `--model lstm` or `mlp` (rules.ts); it is trained by differentiating the losses that it
 * reaches on many small problems, `--task quadratic` or `sine` (tasks.ts), through its own steps (meta-train.ts). Then
 * it competes on problems it never saw, and for twice as many steps as it was trained for, with SGD and Adam whose
 * learning rates were tuned (compare.ts).
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { Adam, keep, manualSeed, SGD, scope } from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer, openDevice, Progress, positive, withBatchedOption, withDeviceOptions } from "../command-line.ts";
import { printTable } from "../table.ts";
import { type MakeOptimizer, optimize, tuned } from "./compare.ts";
import { metaTrain } from "./meta-train.ts";
import { LEARNERS } from "./rules.ts";
import { FAMILIES, type Family } from "./tasks.ts";

const command = withBatchedOption(withDeviceOptions(new Command("learned-optimizer")))
  .description("Trains an optimizer by gradients through its steps, and compares it with SGD and Adam.")
  .addOption(new Option("--model <kind>", "the rule's network").choices(Object.keys(LEARNERS)).default("mlp"))
  .addOption(new Option("--task <family>", "problems to optimize").choices(Object.keys(FAMILIES)).default("quadratic"))
  .option("--iterations <n>", "batches of problems to train on", integer(1), 300)
  .option("--problems <n>", "problems in a batch", integer(1), 16)
  .option("--steps <n>", "steps on each batch while training", integer(1), 100)
  .option("--unroll <n>", "steps that are differentiated through at once", integer(1), 20)
  .option("--meta-lr <rate>", "Adam's learning rate for the rule's network", positive, 1e-3)
  .option("--first-order", "take the problems' gradients for constants, as the paper does", false)
  .option("--eval-problems <n>", "problems to compare on", integer(1), 100)
  .option("--eval-steps <n>", "steps to compare over (default: twice --steps)", integer(1))
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the chart goes", "out")
  .allowExcessArguments(false)
  .parse();

interface Settings {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  model: keyof typeof LEARNERS;
  task: Family;
  iterations: number;
  problems: number;
  steps: number;
  unroll: number;
  metaLr: number;
  firstOrder: boolean;
  evalProblems: number;
  batched: boolean;
  evalSteps?: number;
  seed: number;
  out: string;
}

const settings = command.opts<Settings>();
const { model, task, seed, steps, batched } = settings;
const evalSteps = settings.evalSteps ?? 2 * steps;
/** Seeds of the problems that choices are made by, and of those that are reported. */
const [choosing, heldOut] = [seed + 1_000_000, seed + 2_000_000];
const drawHeldOut = () => FAMILIES[task](settings.evalProblems, batched);
const drawChoosing = () => FAMILIES[task](settings.problems, batched);

await openDevice(settings);
manualSeed(seed);
const { net, optimizer } = LEARNERS[model]();
await train();

const rates = {
  SGD: await tuned(drawChoosing, (lr) => (params) => new SGD(params, { lr }), steps, choosing),
  Adam: await tuned(drawChoosing, (lr) => (params) => new Adam(params, { lr }), steps, choosing),
};
const contestants: [string, MakeOptimizer][] = [
  [`SGD, lr ${rates.SGD.toPrecision(2)}`, (params) => new SGD(params, { lr: rates.SGD })],
  [`Adam, lr ${rates.Adam.toPrecision(2)}`, (params) => new Adam(params, { lr: rates.Adam })],
  [`learned ${model}`, optimizer],
];
const results: { name: string; curve: number[]; final: number[] }[] = [];
for (const [name, one] of contestants) {
  results.push({ name, ...(await optimize(drawHeldOut, one, evalSteps, heldOut)) });
}
await report();

/** Trains the network, and keeps the weights that did best on problems set aside. */
async function train(): Promise<void> {
  const outer = new Adam(net.parameters(), { lr: settings.metaLr });
  using progress = new Progress(settings.iterations);
  const every = Math.max(1, Math.floor(settings.iterations / 10));
  let best = { mean: Number.POSITIVE_INFINITY, weights: net.stateDict() };
  for (let i = 1; i <= settings.iterations; i++) {
    manualSeed(seed + i);
    using _ = scope();
    const problems = FAMILIES[task](settings.problems, batched);
    const loss = await metaTrain(problems, optimizer(problems.parameters()), outer, settings);
    problems.dispose();
    progress.show(i, `mean loss ${loss.toPrecision(3)}`);
    if (i % every !== 0 && i !== settings.iterations) continue;
    const { curve } = await optimize(drawChoosing, optimizer, steps, choosing);
    const mean = curve.reduce((sum, x) => sum + x, 0) / curve.length;
    if (mean < best.mean) best = { mean, weights: keep(net.stateDict()) };
  }
  progress.end();
  net.loadStateDict(best.weights);
}

/** The table and the chart. */
async function report(): Promise<void> {
  const at = [...new Set([0, 10, Math.min(50, evalSteps), Math.min(steps, evalSteps), evalSteps])].filter(
    (k) => k <= evalSteps,
  );
  const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  console.log(`\nmean loss over ${settings.evalProblems} held-out problems after some steps (trained for ${steps})`);
  printTable(
    ["optimizer", ...at.map((k) => `${k}`), `median after ${evalSteps}`],
    results.map(({ name, curve, final }) => [name, ...at.map((k) => show(curve[k])), show(median(final))]),
  );
  const path = await writeChart(join(settings.out, `learned-optimizer-${model}-${task}.svg`), {
    title: `Held-out problems: ${task}`,
    x: { label: "steps" },
    y: { label: "mean loss", log: true },
    series: results.map(({ name, curve }, i) => ({
      name,
      points: curve.map((loss, k): [number, number] => [k, loss]),
      dashed: i < 2,
    })),
  });
  console.log(`chart: ${path}`);
}

function show(x: number): string {
  return Number.isFinite(x) ? x.toPrecision(3) : "diverged";
}
