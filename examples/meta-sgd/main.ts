/**
 * Learned learning rates on sine waves: `node scripts/run.mjs examples/meta-sgd/main.ts --help`.
 *
 * MAML learns initial weights, and leaves the inner loop's learning rate to be guessed. Here the rates are learned as
 * well, in the four ways of `rates.ts`: `--rates elementwise` is Meta-SGD, `--rates per-step-per-layer` what MAML++ does.
 * Each is trained for as many meta-steps as plain MAML (`fixed`) from the same initial weights, and tested on the same
 * held-out waves. At the end: a table of the errors, a table of the learned rates, and a picture of both.
 *
 * Rates are learned for as many steps as `--steps` says, and are as large as those can bear. With more steps at test some
 * waves diverge, and take the mean along: so medians are compared.
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { Adam, manualSeed, SGD, scope } from "loopgrad";
import { type Chart, writeCharts } from "../chart.ts";
import { integer, openDevice, Progress, positive, withBatchedOption, withDeviceOptions } from "../command-line.ts";
import { cells, evaluate, MOST_STEPS, type Score } from "../maml-sinusoid/evaluate.ts";
import { sineNet } from "../maml-sinusoid/network.ts";
import { sineTasks } from "../maml-sinusoid/tasks.ts";
import type { Task } from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
import { printTable } from "../table.ts";
import { metaBackward } from "./meta-sgd.ts";
import { makeRates, type RatesKind, ratesKinds, readRates } from "./rates.ts";

interface Options {
  rates: RatesKind[];
  iterations: number;
  tasks: number;
  shots: number;
  steps: number;
  lr: number;
  metaLr: number;
  ratesLr: number;
  evalTasks: number;
  batched: boolean;
  seed: number;
  out: string;
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
}

const command = withBatchedOption(withDeviceOptions(new Command("meta-sgd")))
  .description("Learns the inner loop's learning rates with the initial weights, and compares with plain MAML.")
  .addOption(
    new Option("--rates <kinds...>", "which rates are learned; fixed is added for comparison")
      .choices(ratesKinds)
      .default(ratesKinds),
  )
  .option("--iterations <n>", "meta-steps", integer(1), 2000)
  .option("--tasks <n>", "waves in a meta-batch", integer(1), 4)
  .option("--shots <n>", "points to adapt on", integer(1), 10)
  .option("--steps <n>", "inner steps while training", integer(1), 3)
  .option("--lr <rate>", "that every inner rate begins with", positive, 0.01)
  .option("--meta-lr <rate>", "of Adam over the initial weights", positive, 0.002)
  .option("--rates-lr <rate>", "of Adam over the rates", positive, 0.0003)
  .option("--eval-tasks <n>", "held-out waves", integer(1), 100)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the pictures go", "out")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
await openDevice(options);
const results: Result[] = [];
for (const kind of new Set<RatesKind>(["fixed", ...options.rates])) results.push(await run(kind));
await report();

/** What one kind of rates arrived at. */
interface Result {
  readonly kind: RatesKind;
  /** By number of steps of adaptation. */
  readonly scores: Score[];
  /** The rates of each inner step: layer by layer, all that its parameters have, ascending. */
  readonly rates: readonly Map<string, number[]>[];
  readonly learned: number;
}

/** Trains and tests with one kind of rates. All begin with the same weights and see the same waves. */
async function run(kind: RatesKind): Promise<Result> {
  const { iterations, tasks, shots, steps, lr, metaLr, ratesLr, evalTasks, batched, seed } = options;
  manualSeed(seed);
  const model = sineNet();
  const inner = new SGD(model.parameters(), { lr });
  const rates = makeRates(kind, model, { lr, steps });
  const groups = [{ params: model.parameters() }, { params: rates.leaves, lr: ratesLr }];
  const outer = new Adam(rates.leaves.length > 0 ? groups : groups.slice(0, 1), { lr: metaLr });
  const learn = (task: Task) => metaBackward(model, task, { inner, rates, steps, share: 1 / tasks });
  using progress = new Progress(iterations);
  const every = Math.max(1, Math.min(25, Math.floor(iterations / 20)));
  let smooth = Number.NaN;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    using _ = scope();
    outer.zeroGrad();
    const losses = overTasks(learn, batched)(sineTasks(tasks, shots));
    outer.step();
    if (iteration % every === 0 || iteration === iterations) {
      const loss = await losses.mean().item();
      smooth = Number.isNaN(smooth) ? loss : 0.8 * smooth + 0.2 * loss;
      progress.show(iteration, `${kind}: query loss ${smooth.toFixed(3)}`);
    }
  }
  progress.end();
  manualSeed(seed + 1_000_003);
  return {
    kind,
    scores: await evaluate(model, inner, { tasks: evalTasks, shots, override: rates.at, batched }),
    rates: await Promise.all(Array.from({ length: steps }, (_, k) => readRates(model, rates, k))),
    learned: rates.leaves.reduce((sum, { size }) => sum + size, 0),
  };
}

/** Tables of errors and of rates, and a picture of both. */
async function report(): Promise<void> {
  const { evalTasks, steps, iterations, lr, out } = options;
  // Before, after the first step, after as many as in training, and after all.
  const reported = [...new Set([0, 1, Math.min(steps, MOST_STEPS), MOST_STEPS])];
  console.log(`squared error on ${evalTasks} held-out waves, after ${iterations} meta-steps over ${steps} inner steps`);
  printTable(
    ["rates", "learned", "steps", "mean", "± 95 % CI", "median", "diverged", "median / fixed"],
    results.flatMap(({ kind, scores, learned }) =>
      reported.map((k) => {
        const ratio = scores[k].median / results[0].scores[k].median;
        return [kind, learned, k, ...cells(scores[k]), ratio.toFixed(2)];
      }),
    ),
  );

  console.log(`inner rates, which began with ${lr}`);
  printTable(
    ["rates", "step", "layer", "least", "median", "greatest"],
    results.flatMap(({ kind, rates }) =>
      (kind === "per-step-per-layer" ? rates : rates.slice(0, 1)).flatMap((byLayer, k) =>
        Array.from(byLayer, ([layer, values]) => {
          const shown = [0, 0.5, 1].map((share) => values[Math.round(share * (values.length - 1))].toFixed(4));
          return [kind, kind === "per-step-per-layer" ? k + 1 : "all", layer, ...shown];
        }),
      ),
    ),
  );
  console.log(`picture: ${await writeCharts(join(out, "meta-sgd.svg"), charts(), { columns: 2 })}`);
}

/** The errors of all kinds, and what the rates of the larger kinds became. */
function charts(): Chart[] {
  const errors: Chart = {
    title: `Median error of ${options.evalTasks} held-out waves`,
    x: { label: "gradient steps of adaptation" },
    y: { label: "squared error", log: true },
    series: results.map(({ kind, scores }) => ({
      name: kind,
      points: scores.map(({ steps, median }) => [steps, median]),
    })),
  };
  const ofRates = results.flatMap(({ kind, rates }): Chart[] => {
    const layers = [...rates[0].keys()];
    if (kind === "elementwise") {
      const points = (values: number[]) => values.map((rate, i) => [i / (values.length - 1), rate] as const);
      return [
        {
          title: "elementwise rates, sorted",
          x: { label: "share of the layer's weights" },
          y: { label: "inner learning rate" },
          series: layers.map((layer) => ({ name: layer, points: points(rates[0].get(layer) as number[]) })),
        },
      ];
    }
    if (kind === "per-step-per-layer" && rates.length > 1) {
      const points = (layer: string) =>
        rates.map((byLayer, k) => [k + 1, (byLayer.get(layer) as number[])[0]] as const);
      return [
        {
          title: "rates per step and layer",
          x: { label: "inner step" },
          y: { label: "inner learning rate" },
          series: layers.map((layer) => ({ name: layer, points: points(layer) })),
        },
      ];
    }
    return [];
  });
  return [errors, ...ofRates];
}
