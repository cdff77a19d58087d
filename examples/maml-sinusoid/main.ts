/**
 * Meta-learns sine waves, live: `npm start`, or `node scripts/run.mjs examples/maml-sinusoid/main.ts --help`.
 *
 * A network that has seen many waves is given ten points of a new one, takes a few gradient steps, and should draw the
 * whole of it. MAML learns initial weights from which that works; `--method maml fomaml anil reptile` compares it with
 * its relatives, which `../meta-learning/methods.ts` shows side by side.
 *
 * The default run is short: two minutes on two CPU cores at most. `--paper` is the published setting. At the end: the
 * errors on held-out waves as a table and a picture, and a picture of the adaptation.
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { functional as F, getRngState, manualSeed, scope, setRngState } from "loopgrad";
import { writeChart, writeCharts } from "../chart.ts";
import { integer, openDevice, Progress, positive, withBatchedOption, withDeviceOptions } from "../command-line.ts";
import type { Learner } from "../meta-learning/learner.ts";
import {
  innerOptimizer,
  type MethodName,
  methodNames,
  methods,
  outerOptimizer,
  type Task,
} from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
import { printTable } from "../table.ts";
import { cells, evaluate, MOST_STEPS, type Score } from "./evaluate.ts";
import { paperInit, sineNet } from "./network.ts";
import { adaptationCharts } from "./picture.ts";
import { sineTasks } from "./tasks.ts";
import { verdict } from "./verdict.ts";

/** Finn et al. 2017, section 5.1. */
const PAPER = { iterations: 70_000, tasks: 25, shots: 10, steps: 1, lr: 0.01, metaLr: 0.001 };

/** A short run that gets most of the way. */
const SHORT = { iterations: 5_000, tasks: 4, shots: 10, steps: 1, lr: 0.01, metaLr: 0.002 };

/** Where a method wants other settings than MAML. Reptile's meta-rate is the share of the way to the fast weights. */
const SHORT_OF: Partial<Record<MethodName, Partial<typeof SHORT>>> = {
  anil: { steps: 3 },
  reptile: { steps: 10, lr: 0.02, metaLr: 1 },
};

/** Step counts in the table. */
const REPORTED = [0, 1, 5, 10];

type Settings = typeof SHORT;
interface Options extends Partial<Settings> {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  method: MethodName[];
  evalTasks: number;
  evalEvery?: number;
  batched: boolean;
  paper: boolean;
  seed: number;
  out: string;
}

/** An option's help: its default, and the methods that have another. */
function usual(what: string, key: keyof Settings): string {
  const others = Object.entries(SHORT_OF).flatMap(([name, own]) => (key in own ? [`${name}: ${own[key]}`] : []));
  return `${what} (default: ${[SHORT[key], ...others].join("; ")})`;
}

const command = withBatchedOption(withDeviceOptions(new Command("maml-sinusoid")))
  .description("Meta-learns sine waves: initial weights from which a few gradient steps fit any wave.")
  .addOption(new Option("--method <names...>", "one or several to compare").choices(methodNames).default(["maml"]))
  .option("--iterations <n>", usual("meta-steps", "iterations"), integer(1))
  .option("--tasks <n>", usual("waves in a meta-batch", "tasks"), integer(1))
  .option("--shots <n>", usual("points to adapt on", "shots"), integer(1))
  .option("--steps <n>", usual("inner steps while training", "steps"), integer(1))
  .option("--lr <rate>", usual("of the inner loop", "lr"), positive)
  .option("--meta-lr <rate>", usual("of the outer loop", "metaLr"), positive)
  .option("--eval-tasks <n>", "held-out waves", integer(1), 100)
  .option("--eval-every <n>", "meta-steps between looks at the held-out waves (default: at the end)", integer(1))
  .option("--paper", "MAML's published setting: 70,000 meta-steps over 25 waves; other options still count", false)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the pictures go", "out")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
const { seed, out, evalTasks, batched } = options;
const chosen = [...new Set(options.method)];
if (options.paper && !chosen.every((name) => name === "maml" || name === "fomaml")) {
  command.error("error: --paper is a setting of maml and fomaml: leave the other methods, or --paper, out");
}
if (chosen.includes("reptile") && options.steps === 1) {
  command.error("error: --steps 1 makes Reptile plain training on all waves at once: give it 2 or more");
}

await openDevice(options);
const results: Result[] = [];
for (const name of chosen) results.push(await run(name));
await report();

/** What one method arrived at. */
interface Result {
  readonly name: MethodName;
  readonly settings: Settings;
  readonly model: Learner;
  readonly scores: Score[];
}

/** What is taken for options that were not given. */
function usualOf(name: MethodName): Settings {
  return options.paper ? PAPER : { ...SHORT, ...SHORT_OF[name] };
}

/** Trains and tests one method. All begin with the same weights and are tested on the same waves. */
async function run(name: MethodName): Promise<Result> {
  const { paper } = options;
  const given = Object.fromEntries(Object.keys(SHORT).flatMap((key) => pick(options, key as keyof Settings)));
  const settings: Settings = { ...usualOf(name), ...given };
  manualSeed(seed);
  const model = sineNet();
  if (paper) paperInit(model);
  const inner = innerOptimizer(name, model, settings.lr);
  /** On the same waves each time, without a mark on the random numbers of training. */
  const test = async (): Promise<Score[]> => {
    const training = getRngState();
    manualSeed(seed + 1_000_003);
    const scores = await evaluate(model, inner, { tasks: evalTasks, shots: settings.shots, batched });
    setRngState(training);
    return scores;
  };
  await train(name, model, settings, test);
  return { name, settings, model, scores: await test() };
}

/** The outer loop. */
async function train(
  name: MethodName,
  model: Learner,
  settings: Settings,
  test: () => Promise<Score[]>,
): Promise<void> {
  const { iterations, tasks, shots, steps, lr, metaLr } = settings;
  const inner = innerOptimizer(name, model, lr);
  const { outer, schedule } = outerOptimizer(name, model, { lr: metaLr, iterations });
  const learn = (task: Task) => methods[name](model, task, { inner, steps, loss: F.mseLoss, share: 1 / tasks });
  using progress = new Progress(iterations);
  // Reading a loss waits for the device: now and then is enough.
  const every = Math.max(1, Math.min(25, Math.floor(iterations / 20)));
  let smooth = Number.NaN;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    using _ = scope();
    outer.zeroGrad();
    const { loss: losses } = overTasks(learn, batched)(sineTasks(tasks, shots));
    outer.step();
    schedule.step();
    if (iteration % every === 0 || iteration === iterations) {
      const loss = await losses.mean().item();
      smooth = Number.isNaN(smooth) ? loss : 0.8 * smooth + 0.2 * loss;
      progress.show(iteration, `${name}: query loss ${smooth.toFixed(3)}`);
    }
    if (iteration % (options.evalEvery ?? Number.POSITIVE_INFINITY) === 0) {
      progress.end();
      const scores = await test();
      const cellsAt = REPORTED.map((k) => `${k}: ${cells(scores[k]).join(" ")}`);
      console.log(`${name}, ${iteration} meta-steps; mean, ± 95 % CI, median, diverged after ${cellsAt.join(" | ")}`);
    }
  }
}

/** Tables, pictures, and whether adaptation works: that is the exit code of a run with the usual settings. */
async function report(): Promise<void> {
  console.log(`mean squared error on ${evalTasks} held-out waves`);
  printTable(
    ["method", "steps", "mean", "± 95 % CI", "median", "diverged"],
    results.flatMap(({ name, scores }) => REPORTED.map((steps) => [name, steps, ...cells(scores[steps])])),
  );
  const waves = results.length === 1 ? 6 : 3;
  const charts = [];
  for (const { name, model, settings } of results) {
    manualSeed(seed + 2_000_003);
    const inner = innerOptimizer(name, model, settings.lr);
    charts.push(...(await adaptationCharts(name, model, inner, { shots: settings.shots, waves, batched })));
  }
  const errors = {
    title: `Error on ${evalTasks} held-out waves`,
    x: { label: "gradient steps of adaptation" },
    y: { label: "mean squared error", log: true },
    series: results.map(({ name, scores }) => ({
      name,
      points: scores.map(({ steps, mean }) => [steps, mean] as const),
    })),
  };
  console.log(`pictures: ${await writeCharts(join(out, "maml-sinusoid.svg"), charts)}`);
  console.log(`          ${await writeChart(join(out, "maml-sinusoid-errors.svg"), errors)}`);
  for (const { name, settings, scores } of results) {
    const ratio = scores[0].mean / scores[MOST_STEPS].mean;
    const { failed, text } = verdict(name, ratio, settings, usualOf(name));
    console.log(text);
    if (failed) process.exitCode = 1;
  }
}

/** The property, if it is there. */
function pick<T extends object, K extends keyof T>(from: T, key: K): [K, T[K]][] {
  return from[key] === undefined ? [] : [[key, from[key]]];
}
