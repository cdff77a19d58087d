/**
 * Learning rate and weight decay by gradient descent, live: `node scripts/run.mjs examples/hyper-gradients/main.ts --help`.
 *
 * A small net is trained on few images, some of them with a wrong label, so both hyperparameters matter. They are
 * learned from several bad starts, and should meet. At the end: a table of what was learned against a grid of fixed
 * values, and charts of the ways there.
 */
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { manualSeed, type Tensor, tensor } from "loopgrad";
import { writeCharts } from "../chart.ts";
import { integer, openDevice, Progress, positive, share, withDeviceOptions } from "../command-line.ts";
import { DataError } from "../data/idx.ts";
import { openImages, Sampler } from "../data/images.ts";
import { percent } from "../figures.ts";
import { printTable } from "../table.ts";
import { evaluate } from "./evaluate.ts";
import { classifier, hyperFrom, hyperValues, learn, type Task } from "./hypergradient.ts";

interface Settings {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  data?: string;
  method: "restarts" | "online";
  start: [number, number][];
  windows: number;
  steps?: number;
  metaLr: number;
  trainImages: number;
  wrong: number;
  batch: number;
  hidden: number;
  momentum: number;
  evalSteps: number;
  runs: number;
  grid: boolean;
  seed: number;
  out: string;
}

const STARTS: [number, number][] = [
  [0.003, 1e-4],
  [0.003, 0.3],
  [0.5, 0.001],
];

const settings = withDeviceOptions(new Command("hyper-gradients"))
  .description("Learns learning rate and weight decay through unrolled training.")
  .addOption(
    new Option("--method <name>", "restarts: each window trains anew; online: one training goes on")
      .choices(["restarts", "online"])
      .default("restarts"),
  )
  .option("--data <folder>", "images in MNIST's format; without: the 8×8 digits")
  .option("--start <lr,decay...>", "first values; may be given several times (default: three bad ones)", pairs, [])
  .option("--windows <n>", "outer steps", integer(1), 100)
  .option("--steps <n>", "training steps in a window (default: 100, or 5 online)", integer(1))
  .option("--meta-lr <rate>", "Adam's learning rate for the logarithms", positive, 0.1)
  .option("--train-images <n>", "images to train on", integer(1), 100)
  .option("--wrong <share>", "share of the training labels that are wrong, from 0 to 1", share, 0.3)
  .option("--batch <n>", "images in a training step", integer(1), 50)
  .option("--hidden <n>", "width of the hidden layer", integer(1), 32)
  .option("--momentum <m>", "of the inner SGD, from 0 to 1", share, 0.9)
  .option("--eval-steps <n>", "training steps of a comparison", integer(1), 100)
  .option("--runs <n>", "trainings that a score is the mean of", integer(1), 5)
  .option("--no-grid", "no comparison with fixed values")
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the charts go", "out")
  .allowExcessArguments(false)
  .parse()
  .opts<Settings>();

/** Fixed values that are compared. */
const RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1];
const DECAYS = [1e-4, 3e-3, 1e-2, 3e-2, 1e-1];
const VALIDATION_IMAGES = 500;
const TEST_IMAGES = 500;

await main().catch((error) => {
  if (!(error instanceof DataError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
});

async function main(): Promise<void> {
  const { method, momentum, evalSteps, runs } = settings;
  const { description, train, test, classes } = await openImages(settings.data);
  console.log(`data: ${description}`);
  await openDevice(settings);
  manualSeed(settings.seed);

  if (settings.trainImages + VALIDATION_IMAGES > train.count) {
    throw new DataError(
      `--train-images ${settings.trainImages} and ${VALIDATION_IMAGES} to validate on are more than the ${train.count} training images`,
    );
  }
  const draw = new Sampler(train.rows, settings.seed);
  const trainRows = draw.next(settings.trainImages);
  const labels = spoil([...trainRows.map((row) => train.labels[row])], classes);
  const batches = new Sampler([...trainRows.keys()], settings.seed + 1);
  const task: Task = {
    net: () => classifier(train.height * train.width, settings.hidden, classes),
    batch: () => {
      const chosen = batches.next(settings.batch);
      const { x } = train.batch(chosen.map((i) => trainRows[i]));
      return { x, y: tensor(Int32Array.from(chosen, (i) => labels[i])) };
    },
    validation: train.batch(draw.next(VALIDATION_IMAGES)),
    momentum,
  };
  const testImages = test.batch(test.rows.slice(0, TEST_IMAGES));
  const score = (lr: number, decay: number) => evaluate(task, testImages, { lr, decay, steps: evalSteps, runs });

  const ways: Way[] = [];
  for (const start of settings.start.length > 0 ? settings.start : STARTS) ways.push(await follow(start, task));

  const rows: (string | number)[][] = [];
  const line = async (what: string, lr: number, decay: number): Promise<void> => {
    const { validationLoss, testLoss, testAccuracy } = await score(lr, decay);
    const numbers = [validationLoss, testLoss].map((loss) => loss.toFixed(3));
    rows.push([what, show(lr), show(decay), ...numbers, percent(testAccuracy)]);
  };
  for (const { points } of ways) {
    const [first, last] = [points[0], points[points.length - 1]];
    await line("start", ...first);
    await line("- learned", ...last);
  }
  if (settings.grid) for (const lr of RATES) for (const decay of DECAYS) await line("fixed", lr, decay);
  console.log(`\n${method}: means over ${runs} trainings of ${evalSteps} steps`);
  printTable(["", "learning rate", "weight decay", "validation loss", "test loss", "test accuracy"], rows);

  const charts = ["learning rate", "weight decay"].map((what, i) => ({
    title: what,
    x: { label: "windows" },
    y: { label: what, log: true },
    series: ways.map(({ name, points }) => ({ name, points: points.map((at, w) => [w, at[i]] as const) })),
  }));
  const picture = await writeCharts(join(settings.out, `hyper-gradients-${method}.svg`), charts, { columns: 2 });
  console.log(`picture: ${picture}`);
}

/** Hyperparameters from window to window. */
interface Way {
  readonly name: string;
  readonly points: [number, number][];
}

/** Learns the hyperparameters from one start. */
async function follow([lr, decay]: [number, number], task: Task): Promise<Way> {
  const { method, windows, metaLr, steps = method === "online" ? 5 : 100 } = settings;
  const hyper = hyperFrom(lr, decay);
  const name = `from ${show(lr)}, ${show(decay)}`;
  const points: [number, number][] = [[lr, decay]];
  using progress = new Progress(windows);
  const onWindow = async (done: number, loss: Tensor): Promise<void> => {
    const [value, [rate, strength]] = await Promise.all([loss.item(), hyperValues(hyper)]);
    points.push([rate, strength]);
    progress.show(done, `${name}: loss ${value.toFixed(3)}, lr ${show(rate)}, decay ${show(strength)}`);
  };
  await learn(hyper, task, { method, windows, steps, metaLr, onWindow });
  progress.end();
  return { name, points };
}

/** Gives a share of the labels another value, always the same ones. */
function spoil(labels: number[], classes: number): number[] {
  const wrong = new Sampler([...labels.keys()], settings.seed).next(Math.round(settings.wrong * labels.length));
  for (const [i, at] of wrong.entries()) labels[at] = (labels[at] + 1 + (i % (classes - 1))) % classes;
  return labels;
}

function show(value: number): string {
  return value.toPrecision(2);
}

/** "0.003,1e-4", once more. */
function pairs(text: string, before: [number, number][]): [number, number][] {
  const values = text.split(",").map(Number);
  if (values.length === 2 && values.every((value) => Number.isFinite(value) && value > 0)) {
    return [...before, values as [number, number]];
  }
  throw new InvalidArgumentError("Wanted learning rate and weight decay, both greater than 0, as in 0.01,0.001.");
}
