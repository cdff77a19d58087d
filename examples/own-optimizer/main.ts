/**
 * An optimizer of one's own: `node scripts/run.mjs examples/own-optimizer/main.ts --help`.
 *
 * `lars.ts` and `lion.ts` are optimizers that loopgrad does not have, each written as one rule. This program shows what
 * comes with that: (1) the derivatives of the loss after a training run by each of the rule's hyperparameters, beside
 * central differences of whole training runs; (2) hyperparameters that learn from these derivatives. The device is the
 * cpu in float64, as differences of losses want.
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import { init, manualSeed, type Optimizer, type Tensor } from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer } from "../command-line.ts";
import { printTable } from "../table.ts";
import { checkedGradients, descend, sineProblem } from "./hyper-gradients.ts";
import { Lars } from "./lars.ts";
import { Lion } from "./lion.ts";

/** Optimizers, with the hyperparameters that are to be learned. */
const OPTIMIZERS: Record<string, { make: (params: Tensor[]) => Optimizer<object>; learned: string[] }> = {
  lars: {
    make: (params) => new Lars(params, { lr: 0.1, momentum: 0.5, weightDecay: 0.1, trust: 0.1 }),
    learned: ["lr", "momentum", "weightDecay"],
  },
  lion: { make: (params) => new Lion(params, { lr: 0.003, weightDecay: 0.01 }), learned: ["lr", "weightDecay"] },
};

const command = new Command("own-optimizer")
  .description(
    "Differentiates training runs by the hyperparameters of optimizers written here, and learns some of them.",
  )
  .addOption(new Option("--optimizer <name>", "the rule").choices(Object.keys(OPTIMIZERS)).default("lars"))
  .option("--steps <n>", "inner training steps", integer(1), 20)
  .option("--outer-steps <n>", "steps of the hyperparameters", integer(1), 40)
  .option("--seed <n>", "of all random numbers", integer(0), 1)
  .option("--out <folder>", "where the chart goes", "out")
  .allowExcessArguments(false)
  .parse();

const { optimizer, steps, outerSteps, seed, out } = command.opts<{
  optimizer: string;
  steps: number;
  outerSteps: number;
  seed: number;
  out: string;
}>();

console.log(`device: ${await init({ device: "cpu", dtype: "float64" })}`);
manualSeed(seed);
const { make, learned } = OPTIMIZERS[optimizer];
const problem = sineProblem(make, steps);

console.log(`\nderivatives of the loss after ${steps} steps of ${optimizer}, by its hyperparameters`);
printTable(
  ["hyperparameter", "value", "on the tape", "central differences"],
  (await checkedGradients(problem)).map(({ name, value, tape, differences }) => [
    name,
    value.toPrecision(3),
    tape.toPrecision(9),
    differences.toPrecision(9),
  ]),
);

const { losses, values } = await descend(problem, learned, outerSteps);
console.log(`\nlearning ${learned.join(", ")} by these derivatives`);
const last = losses.length - 1;
printTable(
  ["outer steps", "loss", ...learned],
  [...new Set([0, Math.floor(last / 2), last])].map((i) => [
    i,
    losses[i].toPrecision(4),
    ...learned.map((n) => values[n][i].toPrecision(4)),
  ]),
);
const path = await writeChart(join(out, `own-optimizer-${optimizer}.svg`), {
  title: `${optimizer} learns ${learned.join(", ")}`,
  x: { label: "outer steps" },
  y: { label: "value", log: true },
  series: [
    { name: "loss after training", points: losses.map((y, x): [number, number] => [x, y]) },
    ...learned.map((name) => ({ name, dashed: true, points: values[name].map((y, x): [number, number] => [x, y]) })),
  ],
});
console.log(`chart: ${path}`);
