/**
 * Deep energy models on images, live: `node scripts/run.mjs examples/deep-energy/main.ts --help`.
 *
 * An energy network learns E(image, label) such that five steps of gradient descent over the label, from zero, end at
 * the right class. Outside: Adam. At the end: energy and accuracy after each inner step, and a chart of the training.
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { Adam, manualSeed, scope } from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { DataError } from "../data/idx.ts";
import { type ImageSet, openImages, Sampler } from "../data/images.ts";
import { percent } from "../figures.ts";
import { printTable } from "../table.ts";
import { type EnergyKind, EnergyNet, sizesFor } from "./energy.ts";
import { descend, inferenceLoss } from "./infer.ts";

interface Settings {
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
  model: EnergyKind;
  data?: string;
  iterations: number;
  batch: number;
  steps: number;
  lr: number;
  metaLr?: number;
  hidden?: number;
  evalEvery: number;
  evalImages: number;
  seed: number;
  out: string;
}

const settings = withDeviceOptions(new Command("deep-energy"))
  .description("Learns an energy of images and labels; labels are found by gradient descent on it.")
  .addOption(
    new Option("--model <kind>", "spen: any energy; icnn: convex in the label")
      .choices(["spen", "icnn"])
      .default("spen"),
  )
  .option("--data <folder>", "images in MNIST's format; without: the 8×8 digits, and a smaller network")
  .option("--iterations <n>", "outer steps", integer(1), 1000)
  .option("--batch <n>", "images in an outer step", integer(1), 128)
  .option("--steps <n>", "inner steps over the label", integer(1), 5)
  .option("--lr <rate>", "learning rate of the inner steps", positive, 0.1)
  .option(
    "--meta-lr <rate>",
    "Adam's learning rate in the outer loop (default: 3e-4, or 3e-3 for small images)",
    positive,
  )
  .option("--hidden <n>", "width of the layers (default: 500, or 64 for small images)", integer(1))
  .option("--eval-every <n>", "outer steps between looks at the test images", integer(1), 50)
  .option("--eval-images <n>", "how many test images are looked at", integer(1), 500)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the chart goes", "out")
  .allowExcessArguments(false)
  .parse()
  .opts<Settings>();

/** Test images in one piece. */
const CHUNK = 250;

await main().catch((error) => {
  if (!(error instanceof DataError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
});

async function main(): Promise<void> {
  const { description, train, test, classes } = await openImages(settings.data);
  console.log(`data: ${description}`);
  await openDevice(settings);
  manualSeed(settings.seed);
  const sizes = sizesFor(train.height, classes);
  const net = new EnergyNet(settings.model, { ...sizes, hidden: settings.hidden ?? sizes.hidden });
  const metaLr = settings.metaLr ?? (sizes.hidden === 500 ? 3e-4 : 3e-3);
  const count = net.parameters().reduce((sum, { size }) => sum + size, 0);
  console.log(`model: ${settings.model}, ${count} parameters`);

  const accuracies = await learn(net, metaLr, train, test);
  const stages = await evaluate(net, test, 2 * settings.steps);
  console.log(`\ntest images, by steps over the label (learned for ${settings.steps})`);
  printTable(
    ["steps", "mean energy, from the first", "accuracy"],
    stages.map(({ energy, accuracy }, k) => [k, (energy - stages[0].energy).toFixed(2), percent(accuracy)]),
  );
  const chart = await writeChart(join(settings.out, `deep-energy-${settings.model}.svg`), {
    title: `Deep energy (${settings.model}): test accuracy`,
    x: { label: "outer steps" },
    y: { label: "accuracy" },
    series: [{ name: `after ${settings.steps} steps over the label`, points: accuracies }],
  });
  console.log(`picture: ${chart}`);
}

/** The outer loop. Returns (outer steps, test accuracy) as it went on. */
async function learn(net: EnergyNet, metaLr: number, train: ImageSet, test: ImageSet): Promise<[number, number][]> {
  const { iterations, evalEvery, steps } = settings;
  const outer = new Adam(net.parameters(), { lr: metaLr });
  const sampler = new Sampler(train.rows, settings.seed);
  using progress = new Progress(iterations);
  const accuracies: [number, number][] = [];
  const look = async (done: number): Promise<string> => {
    const { accuracy } = (await evaluate(net, test, steps))[steps];
    accuracies.push([done, accuracy]);
    return `test accuracy ${percent(accuracy)}`;
  };
  let seen = await look(0);
  for (let i = 1; i <= iterations; i++) {
    using _ = scope();
    const { x, y } = train.batch(sampler.next(settings.batch));
    const loss = inferenceLoss(net, x, y, settings);
    outer.zeroGrad();
    loss.backward();
    outer.step();
    net.project();
    if (i % evalEvery === 0 || i === iterations) seen = await look(i);
    if (i % 10 === 0 || i === iterations) progress.show(i, `loss ${(await loss.item()).toFixed(3)}, ${seen}`);
  }
  progress.end();
  return accuracies;
}

/** Mean energy and accuracy on test images after 0, 1, …, `steps` steps over the label. */
async function evaluate(
  net: EnergyNet,
  test: ImageSet,
  steps: number,
): Promise<{ energy: number; accuracy: number }[]> {
  const rows = test.rows.slice(0, settings.evalImages);
  const sums = Array.from({ length: steps + 1 }, () => ({ energy: 0, accuracy: 0 }));
  for (let start = 0; start < rows.length; start += CHUNK) {
    using _ = scope();
    const { x, y } = test.batch(rows.slice(start, start + CHUNK));
    const read = descend(net, x, { steps, lr: settings.lr }).map((stage) =>
      Promise.all([stage.energy.sum().item(), stage.y.argmax(1).eq(y).to("float32").sum().item()]),
    );
    for (const [k, [energy, right]] of (await Promise.all(read)).entries()) {
      sums[k].energy += energy / rows.length;
      sums[k].accuracy += right / rows.length;
    }
  }
  return sums;
}
