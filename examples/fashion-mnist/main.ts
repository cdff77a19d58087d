/**
 * A residual network learns Fashion-MNIST: `node scripts/run.mjs examples/fashion-mnist/main.ts --data FOLDER [options]`.
 *
 * Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747) has 60,000 training and 10,000 test images of clothes in
 * ten classes, 28×28, grey. The network has 20,000 weights (model.ts) and learns in the plain training loop (train.ts).
 * Without `--data` it learns 8×8 handwritten digits, which come along.
 *
 * `--trace FILE.json` notes the initial weights and the loss of every step, for bench/peers/fashion_mnist_torch.py to
 * repeat in PyTorch.
 */
import { Command } from "commander";
import { manualSeed } from "loopgrad";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { DataError } from "../data/idx.ts";
import { openImages } from "../data/images.ts";
import { Trace } from "../trace.ts";
import { ResNet8 } from "./model.ts";
import { type Curve, drawLoss, drawMistakes, percent, printClasses } from "./report.ts";
import { test, train } from "./train.ts";

interface Options {
  data?: string;
  width: number;
  steps?: number;
  batch: number;
  lr: number;
  momentum: number;
  weightDecay: number;
  testEvery: number;
  trace?: string;
  seed: number;
  out: string;
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
}

const CLOTHES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split(" ");
const DIGITS = [..."0123456789"];

const command = withDeviceOptions(new Command("fashion-mnist"))
  .description("Trains a small residual network to tell clothes apart; digits, if no data are given.")
  .option("--data <folder>", "holds the four files of Fashion-MNIST")
  .option("--width <n>", "channels of the first block", integer(1), 8)
  .option("--steps <n>", "training steps (default: 600 with --data, 200 without)", integer(1))
  .option("--batch <n>", "images of a step", integer(2), 64)
  .option("--lr <rate>", "SGD's learning rate at the start", positive, 0.1)
  .option("--momentum <m>", "SGD's momentum", positive, 0.9)
  .option("--weight-decay <l>", "L2 penalty", positive, 5e-4)
  .option("--test-every <n>", "steps between looks at the first 1000 test images", integer(1), 200)
  .option("--trace <file>", "notes initial weights and every loss there: FILE.json")
  .option("--seed <n>", "of initial weights and batches", integer(0), 1)
  .option("--out <folder>", "where the pictures go", "out")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
if (options.trace?.endsWith(".json") === false) {
  command.error(`--trace ${options.trace}: wanted a name that ends in .json`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof DataError || error instanceof RangeError)) throw error;
  console.error(`fashion-mnist: ${error.message}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { data, width, batch, lr, momentum, weightDecay, seed, out } = options;
  const images = await openImages(data);
  console.log(`data: ${images.description}`);
  const names = data === undefined ? DIGITS : CLOTHES;
  if (images.classes > names.length) {
    throw new DataError(`${data}: labels up to ${images.classes - 1}, wanted ${names.length} classes, from 0 on`);
  }
  const steps = options.steps ?? (data === undefined ? 200 : 600);
  await openDevice(options);

  manualSeed(seed);
  const model = new ResNet8(width, names.length);
  console.log(`parameters: ${model.parameters().reduce((count, parameter) => count + parameter.size, 0)}`);
  const schedule = { steps, batch, lr, momentum, weightDecay, seed };
  const trace = options.trace === undefined ? null : await Trace.begin(options.trace, model, { width, ...schedule });

  const losses: Curve = [];
  const tests: Curve = [];
  const look = async (step: number): Promise<void> => {
    const now = await test(model, images.test, images.test.rows.slice(0, 1000));
    tests.push([step, now.loss]);
    console.log(`after ${step} steps, first 1000 test images: ${said(now)}`);
  };
  using progress = new Progress(steps);
  const readEvery = trace === null ? Math.min(10, steps) : 1;
  const isLook = (step: number): boolean => step % options.testEvery === 0 && step < steps;
  await look(0);
  await train(model, images.train, schedule, {
    wanted: (step) => step % readEvery === 0 || isLook(step),
    async seen(step, loss, accuracy) {
      trace?.step(loss);
      losses.push([step, loss]);
      progress.show(step, `loss ${loss.toFixed(3)}, accuracy ${percent(accuracy)}`);
      if (!isLook(step)) return;
      progress.end();
      await look(step);
    },
  });
  progress.end();
  await trace?.end();

  const end = await test(model, images.test);
  tests.push([steps, end.loss]);
  printClasses(names, images.test, end.answers);
  await drawLoss(out, losses, tests);
  await drawMistakes(out, names, images.test, end.answers);
  console.log(`after ${steps} steps, all test images: ${said(end)}`);
}

function said({ accuracy, loss }: { accuracy: number; loss: number }): string {
  return `accuracy ${percent(accuracy)}, loss ${loss.toFixed(3)}`;
}
