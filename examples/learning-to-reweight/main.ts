/**
 * Learning to reweight, live: `node scripts/run.mjs examples/learning-to-reweight/main.ts --help`.
 *
 * Even digits are common among the training images, odd ones rare, and a few balanced images are set apart. Nets are
 * trained on ever more lopsided sets, in four ways. At the end: a table of balanced accuracies, and a chart of them.
 */
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { manualSeed } from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer, openDevice, Progress, positive, share, withDeviceOptions } from "../command-line.ts";
import { DataError } from "../data/idx.ts";
import { openImages } from "../data/images.ts";
import { meanAndDeviation, percent, percentWithDeviation } from "../figures.ts";
import { printTable } from "../table.ts";
import { balancedAccuracy, METHODS, trainBy } from "./methods.ts";
import { lopsidedTask } from "./task.ts";

interface Settings {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  data?: string;
  common: number[];
  rare: number[];
  imbalances: number[];
  wrong: number;
  clean: number;
  limit: number;
  steps: number;
  batch: number;
  lr: number;
  hidden: number;
  runs: number;
  seed: number;
  out: string;
}

const settings = withDeviceOptions(new Command("learning-to-reweight"))
  .description("Weighs the examples of lopsided training data by what a few clean images say.")
  .option("--data <folder>", "images in MNIST's format; without: the 8×8 digits")
  .option("--common <classes>", "class numbers of the common group", classes, [0, 2, 4, 6, 8])
  .option("--rare <classes>", "class numbers of the rare group", classes, [1, 3, 5, 7, 9])
  .option("--imbalances <shares>", "shares of the common group", shares, [0.5, 0.9, 0.95, 0.98, 0.99, 0.995])
  .option("--wrong <share>", "share of the training labels that are wrong, from 0 to 1", share, 0)
  .option("--clean <n>", "clean images of each group", integer(1), 10)
  .option("--limit <n>", "images of the common group, at most", integer(1), 5000)
  .option("--steps <n>", "training steps", integer(1), 1500)
  .option("--batch <n>", "images in a training step", integer(1), 100)
  .option("--lr <rate>", "learning rate", positive, 0.03)
  .option("--hidden <n>", "width of the hidden layer", integer(1), 64)
  .option("--runs <n>", "trainings with other images and weights that a figure is the mean of", integer(1), 3)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the chart goes", "out")
  .allowExcessArguments(false)
  .parse()
  .opts<Settings>();

await main().catch((error) => {
  if (!(error instanceof DataError || error instanceof RangeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
});

async function main(): Promise<void> {
  const { imbalances, runs, seed } = settings;
  const { description, train, test } = await openImages(settings.data);
  console.log(`data: ${description}`);
  await openDevice(settings);
  manualSeed(seed);

  const series = METHODS.map((name) => ({ name, points: [] as [number, number][] }));
  const rows: string[][] = [];
  using progress = new Progress(imbalances.length * METHODS.length * runs);
  let done = 0;
  for (const imbalance of imbalances) {
    const cells: string[] = [];
    for (const [m, method] of METHODS.entries()) {
      const scores: number[] = [];
      for (let run = 0; run < runs; run++) {
        const task = lopsidedTask(train, settings, { ...settings, imbalance, seed: seed + 1000 * run });
        const net = trainBy(method, train, settings, task, { ...settings, seed: seed + run });
        scores.push(await balancedAccuracy(net, test, settings));
        net.dispose();
        progress.show(++done, `${percent(imbalance)} common, ${method}: ${percent(scores[run])}`);
        if (m === 0 && run === 0) cells.push(percent(imbalance), String(task.rareCount));
      }
      const { mean, deviation } = meanAndDeviation(scores);
      series[m].points.push([imbalance, mean]);
      cells.push(percentWithDeviation(mean, deviation));
    }
    rows.push(cells);
  }
  progress.end();

  console.log(`\nbalanced accuracy on test images: mean and standard deviation of ${runs} runs`);
  printTable(["common", "rare images", ...METHODS], rows);
  const chart = await writeChart(join(settings.out, "learning-to-reweight.svg"), {
    title: "Balanced accuracy on lopsided training data",
    x: { label: "share of the common group" },
    y: { label: "balanced accuracy" },
    series,
  });
  console.log(`picture: ${chart}`);
}

/** "0,2,4" */
function classes(text: string): number[] {
  const values = text.split(",").map(Number);
  if (text.trim() !== "" && values.every((value) => Number.isInteger(value) && value >= 0)) return values;
  throw new InvalidArgumentError("Wanted class numbers with commas between them, as in 0,2,4.");
}

/** "0.9,0.99" */
function shares(text: string): number[] {
  const values = text.split(",").map(Number);
  if (values.every((value) => value > 0 && value < 1)) return values;
  throw new InvalidArgumentError("Wanted numbers between 0 and 1 with commas between them, as in 0.9,0.99.");
}
