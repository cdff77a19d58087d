/**
 * Dataset distillation, live: `node scripts/run.mjs examples/dataset-distillation/main.ts --help`.
 *
 * Learns a few images per class, and a learning rate for each of a few steps, such that a fresh net that is trained on
 * them alone does well on real images. At the end: a table of the test accuracy of nets that were never seen, beside
 * those trained on real images and on centroids, and pictures of the distilled images.
 */
import { join } from "node:path";
import { Command } from "commander";
import { manualSeed, type Sequential, type Tensor, tensor } from "loopgrad";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { DataError } from "../data/idx.ts";
import { type ImageData, type ImageSet, openImages, Sampler } from "../data/images.ts";
import { percentWithDeviation } from "../figures.ts";
import { writeImages } from "../images.ts";
import { printTable } from "../table.ts";
import { centroids, grade, randomImages, tuned } from "./baselines.ts";
import { distill, type Lesson, noise, student } from "./distill.ts";

interface Settings {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  data?: string;
  perClass: number;
  steps: number;
  lr: number;
  iterations: number;
  nets: number;
  batch: number;
  metaLr: number;
  hidden: number;
  evalNets: number;
  seed: number;
  out: string;
}

const settings = withDeviceOptions(new Command("dataset-distillation"))
  .description("Learns a few images on which fresh nets train in a few steps.")
  .option("--data <folder>", "images in MNIST's format; without: the 8×8 digits")
  .option("--per-class <n>", "distilled images of each class", integer(1), 1)
  .option("--steps <n>", "training steps on them", integer(1), 10)
  .option("--lr <rate>", "learning rate of the steps, to begin with", positive, 1)
  .option("--iterations <n>", "outer steps", integer(1), 500)
  .option("--nets <n>", "fresh nets in an outer step", integer(1), 2)
  .option("--batch <n>", "real images that a taught net is judged by", integer(1), 256)
  .option("--meta-lr <rate>", "Adam's learning rate in the outer loop", positive, 0.02)
  .option("--hidden <n>", "width of the nets' hidden layer", integer(1), 64)
  .option("--eval-nets <n>", "fresh nets that a figure is the mean of", integer(1), 10)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the pictures go", "out")
  .allowExcessArguments(false)
  .parse()
  .opts<Settings>();

/** Images that nets are judged by at the end. */
const JUDGES = 1000;
/** Training images that the largest comparison trains on, at most. */
const ALL = 500;

await main().catch((error) => {
  if (!(error instanceof DataError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
});

async function main(): Promise<void> {
  const { perClass, steps, hidden, seed } = settings;
  const data = await openImages(settings.data);
  console.log(`data: ${data.description}`);
  await openDevice(settings);
  manualSeed(seed);
  const pixels = data.train.height * data.train.width;
  const net = () => student(pixels, hidden, data.classes);

  const distilled = noise(data.classes, perClass, pixels, steps, settings.lr);
  await learn(distilled, net, data.train);
  await compare(distilled, net, data);
  await draw(distilled, data);
}

async function learn(distilled: Lesson, net: () => Sequential, train: ImageSet): Promise<void> {
  const sampler = new Sampler(train.rows, settings.seed);
  using progress = new Progress(settings.iterations);
  await distill(distilled, {
    ...settings,
    net,
    batch: () => train.batch(sampler.next(settings.batch)),
    onStep: async (step, loss) => {
      if (step % 10 === 0 || step === settings.iterations) {
        progress.show(step, `loss on real images ${(await loss.item()).toFixed(3)}`);
      }
    },
  });
}

/** Prints how well fresh nets do that were trained on the distilled images, and on others. */
async function compare(distilled: Lesson, net: () => Sequential, { train, test, classes }: ImageData): Promise<void> {
  const { perClass, steps, seed } = settings;
  const nets = Array.from({ length: settings.evalNets }, net);
  const judge = train.batch(new Sampler(train.rows, seed + 1).next(Math.min(JUDGES, train.count)));
  const testImages = test.batch(test.rows.slice(0, JUDGES));
  const rows: string[][] = [];
  const row = async (what: string, rate: string, lesson: Lesson): Promise<void> => {
    const { accuracy, deviation } = await grade(lesson, nets, testImages);
    const [images, steps] = [lesson.labels.size, lesson.logRates.size];
    rows.push([what, String(images), String(steps), rate, percentWithDeviation(accuracy, deviation)]);
  };
  const [slowest, fastest] = extremes(await distilled.logRates.exp().data());
  await row("distilled", `learned, ${slowest.toFixed(1)} to ${fastest.toFixed(1)}`, distilled);
  const few = (pixels: Float32Array): Tensor => tensor(pixels, { shape: distilled.images.shape });
  const all = train.batch(train.rows.slice(0, ALL));
  for (const [what, images, labels, count] of [
    ["random real images", few(randomImages(train, classes, perClass, seed)), distilled.labels, steps],
    ["centroids (k-means)", few(centroids(train, classes, perClass, seed)), distilled.labels, steps],
    ["real training images", all.x.flatten(1), all.y, steps],
    ["real training images", all.x.flatten(1), all.y, 10 * steps],
  ] as const) {
    const lesson = await tuned(images, labels, { steps: count, nets: nets.slice(0, 3), judge });
    await row(what, `best of a few, ${lesson.rate}`, lesson);
  }
  console.log(`\ntest accuracy of ${nets.length} fresh nets: mean and standard deviation`);
  printTable(["trained on", "images", "steps", "learning rate", "test accuracy"], rows);
}

/** Draws the distilled images: a column for each class; once with the classes' numbers, once the pixels alone. */
async function draw({ images }: Lesson, { train, classes }: ImageData): Promise<void> {
  const { height, width } = train;
  const { perClass } = settings;
  const byRow = await images
    .reshape([classes, perClass, height * width])
    .transpose(0, 1)
    .data();
  const range = extremes(byRow);
  const scale = Math.max(1, Math.round(48 / height));
  const grid = { count: classes * perClass, height, width, columns: classes, range, scale };
  const labels = Array.from({ length: grid.count }, (_, i) => `${i % classes}`);
  const labelled = await writeImages(join(settings.out, "dataset-distillation.svg"), byRow, { ...grid, labels });
  const plain = await writeImages(join(settings.out, "dataset-distillation.png"), byRow, grid);
  console.log(`pictures: ${labelled}, ${plain} (black ${range[0].toFixed(2)}, white ${range[1].toFixed(2)})`);
}

function extremes(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) [low, high] = [Math.min(low, values[i]), Math.max(high, values[i])];
  return [low, high];
}
