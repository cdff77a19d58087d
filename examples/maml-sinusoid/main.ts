/**
 * Meta-learns sine waves with MAML, live: `npm start`, or `node scripts/run.mjs examples/maml-sinusoid/main.ts --help`.
 *
 * The default run is short: two minutes on two CPU cores at most. `--paper` is the published setting. At the end: a
 * table of the error on held-out waves after 0, 1, 5 and 10 steps, and a picture of the adaptation.
 */
import { Command } from "commander";
import { Adam, manualSeed, noGrad, type Sequential, scope, stack, type Tensor } from "loopgrad";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { evaluate, printTable, REPORTED } from "./evaluate.ts";
import { innerOptimizer, metaBackward, paperInit, sineNet } from "./maml.ts";
import { writePicture } from "./picture.ts";
import { sineTask } from "./tasks.ts";

/** Finn et al. 2017, section 5.1. */
const PAPER = { iterations: 70_000, tasks: 25, shots: 10, steps: 1, lr: 0.01, metaLr: 0.001, evalTasks: 600 };

/** A short run that gets most of the way. */
const SHORT = { iterations: 5_000, tasks: 4, shots: 10, steps: 1, lr: 0.01, metaLr: 0.002, evalTasks: 100 };

type Settings = typeof SHORT & {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  seed: number;
  firstOrder: boolean;
  paper: boolean;
  out: string;
};

const command = withDeviceOptions(new Command("maml-sinusoid"))
  .description("Meta-learns sine waves: initial weights from which a few gradient steps fit any wave.")
  .option("--iterations <n>", `meta-steps (default: ${SHORT.iterations})`, integer(1))
  .option("--tasks <n>", `waves in a meta-batch (default: ${SHORT.tasks})`, integer(1))
  .option("--shots <n>", `points to adapt on (default: ${SHORT.shots})`, integer(1))
  .option("--steps <n>", `inner gradient steps while training (default: ${SHORT.steps})`, integer(1))
  .option("--lr <rate>", `learning rate of the inner loop (default: ${SHORT.lr})`, positive)
  .option("--meta-lr <rate>", `Adam's learning rate in the outer loop (default: ${SHORT.metaLr})`, positive)
  .option("--eval-tasks <n>", `held-out waves (default: ${SHORT.evalTasks})`, integer(1))
  .option("--first-order", "take the inner gradients as constants", false)
  .option("--paper", "the published setting: 70,000 meta-steps over 25 waves; other options still count", false)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the picture goes", "out")
  .allowExcessArguments(false)
  .parse();

const given = command.opts<Partial<Settings>>();
const settings = { ...(given.paper ? PAPER : SHORT), ...given } as Settings;

await openDevice(settings);
manualSeed(settings.seed);
const model = sineNet();
if (settings.paper) paperInit(model);
await train(model);
const inner = innerOptimizer(model, settings.lr);
const scores = await evaluate(model, inner, { tasks: settings.evalTasks, shots: settings.shots });
printTable(scores);
console.log(`picture: ${await writePicture(model, inner, settings)}`);
verdict(scores);

/** The outer loop. */
async function train(model: Sequential): Promise<void> {
  const { iterations, tasks, shots, lr, metaLr } = settings;
  const inner = innerOptimizer(model, lr);
  const outer = new Adam(model.parameters(), { lr: metaLr });
  const progress = new Progress(iterations);
  // Reading a loss waits for the device: now and then is enough.
  const every = Math.max(1, Math.min(25, Math.floor(iterations / 20)));
  let smooth = Number.NaN;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    using _ = scope();
    outer.zeroGrad();
    const losses: Tensor[] = [];
    for (let i = 0; i < tasks; i++) losses.push(metaBackward(model, inner, sineTask(shots), settings, 1 / tasks));
    outer.step();
    if (iteration % every === 0 || iteration === iterations) {
      const loss = await noGrad(() => stack(losses).mean()).item();
      smooth = Number.isNaN(smooth) ? loss : 0.8 * smooth + 0.2 * loss;
      progress.show(iteration, `query loss ${smooth.toFixed(3)}`);
    }
  }
  progress.end();
}

/** Says whether adaptation works, and makes it the exit code. */
function verdict(scores: Awaited<ReturnType<typeof evaluate>>): void {
  const [before, after] = [scores[0].mean, scores[REPORTED.length - 1].mean];
  const ratio = before / after;
  const learned = ratio > 5;
  console.log(
    learned
      ? `passed: ten steps make the error ${ratio.toFixed(1)} times smaller (wanted: more than 5 times)`
      : `FAILED: ten steps make the error ${ratio.toFixed(1)} times smaller, wanted more than 5 times`,
  );
  process.exitCode = learned ? 0 : 1;
}
