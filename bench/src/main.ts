/**
 * `pnpm bench WORKLOAD [--steps k] [--tasks n] [--device …] [--adapter …] [--iterations n] [--json]`;
 * w3 takes `--optimizer` and `--checkpoint` too, and neither tasks nor iterations.
 *
 * What the numbers control for: every call draws fresh task data on the host and uploads it; every call ends with the
 * results read back, all in one wait; the first call (compilation) stands apart; the timed calls come after a warm-up;
 * calls run one after another, never overlapped; the median is reported with the fastest and slowest call. What they
 * do not: other load on the machine, and its clock. Compare on one machine, at one time, more than once.
 *
 * `--adapter null` takes a WebGPU device that computes nothing: what remains is our own cost and the API's.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { type Checkpoint, type Device, type InitOptions, init } from "loopgrad";
import { measure } from "./measure.ts";
import { longLoop, memory, OPTIMIZERS } from "./unrolls.ts";
import { sinusoid } from "./workloads.ts";

interface Options {
  device: "webgpu" | "cpu";
  adapter?: InitOptions["adapter"];
  steps?: number;
  tasks?: number;
  iterations?: number;
  optimizer?: keyof typeof OPTIMIZERS;
  checkpoint?: Checkpoint;
  json: boolean;
}

const count = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Wanted a whole number, at least 1.");
};

const checkpoint = (text: string): Checkpoint =>
  text === "none" || text === "step" || text === "sqrt" ? text : count(text);

/** For each workload what it is, and the options that it takes besides `--steps`, with what they are if not given. */
const WORKLOADS = {
  w0: { what: "sinusoid MLP, one task, second order", steps: 1, options: { tasks: 1, iterations: 30 } },
  w1: { what: "sinusoid MLP, 25 tasks, second order", steps: 1, options: { tasks: 25, iterations: 30 } },
  w3: {
    what: "memory of an unroll: MLP 64-256-256-10, batch 256",
    steps: 100,
    options: { optimizer: "sgd", checkpoint: "none" },
  },
  w4: {
    what: "time of a step, early and late in an unroll: softmax regression 32→3, an unused and a frozen parameter",
    steps: 1000,
    options: {},
  },
} as const;

const command = new Command("bench")
  .description(
    Object.entries(WORKLOADS)
      .map(([id, { what }]) => `${id}  ${what}`)
      .join("\n"),
  )
  .argument("<workload>", "w0, w1, w3 or w4")
  .option("--steps <k>", "inner steps (w0, w1: 1, w3: 100, w4: 1000)", count)
  .option("--tasks <n>", "w0, w1: tasks in one meta-gradient (1, 25)", count)
  .addOption(new Option("--device <name>").choices(["webgpu", "cpu"]).default("webgpu"))
  .addOption(new Option("--adapter <kind>", "for webgpu").choices(["hardware", "software", "null"]))
  .option("--iterations <n>", "w0, w1: timed calls (30)", count)
  .addOption(new Option("--optimizer <name>", "w3: the inner optimizer (sgd)").choices(Object.keys(OPTIMIZERS)))
  .option("--checkpoint <kind>", "w3: none, step, sqrt, or the length of a segment (none)", checkpoint)
  .option("--json", "one JSON object instead of text", false)
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

const [workload] = command.args;
const given = command.opts<Options>();
if (!isWorkload(workload)) command.error(`unknown workload "${workload}": wanted ${Object.keys(WORKLOADS).join(", ")}`);
const { options: taken, steps } = WORKLOADS[workload as keyof typeof WORKLOADS];
for (const name of ["tasks", "iterations", "optimizer", "checkpoint"] as const) {
  if (given[name] !== undefined && !(name in taken)) command.error(`--${name} is not for ${workload}`);
}
if (workload === "w4" && given.steps !== undefined && given.steps < 10) command.error("--steps of w4: at least 10");
if (given.device === "cpu" && given.adapter !== undefined) command.error("--adapter is for --device webgpu");
await main(workload as keyof typeof WORKLOADS, { steps, ...taken, ...given } as Required<Options>);

async function main(id: keyof typeof WORKLOADS, options: Required<Options>): Promise<void> {
  const { device: name, adapter } = options;
  const device = await init(adapter === undefined ? { device: name } : { device: name, adapter });
  const result = {
    workload: id,
    device: name,
    adapter: name === "cpu" ? null : (adapter ?? "any"),
    description: device.description,
    ...(await resultOf(id, device, options)),
  };
  console.log(options.json ? JSON.stringify(result) : text(result));
  device.destroy();
}

async function resultOf(id: keyof typeof WORKLOADS, device: Device, options: Required<Options>): Promise<object> {
  const { steps, tasks, iterations, optimizer, checkpoint } = options;
  switch (id) {
    case "w0":
    case "w1": {
      const step = sinusoid(device, { steps, tasks });
      return { steps, tasks, ...(await measure(device, step, { calls: iterations, warmup: { calls: 5, ms: 500 } })) };
    }
    case "w3":
      return { steps, optimizer, checkpoint, ...(await memory(device, { steps, optimizer, checkpoint })) };
    case "w4":
      return { steps, ...(await longLoop(device, { steps })), peakBytes: device.stats().peakBytes };
    default:
      throw new Error(`unknown workload ${id satisfies never}`);
  }
}

function isWorkload(id: string): id is keyof typeof WORKLOADS {
  return Object.hasOwn(WORKLOADS, id);
}

/** One line for each number, with at most three decimals. */
function text(result: Readonly<Record<string, unknown>>): string {
  const shown = (x: unknown): string => (typeof x === "number" ? String(Math.round(x * 1000) / 1000) : String(x));
  const width = Math.max(...Object.keys(result).map((key) => key.length));
  return Object.entries(result)
    .map(([key, value]) => `${key.padEnd(width)}  ${shown(value)}`)
    .join("\n");
}
