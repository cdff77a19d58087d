/**
 * `pnpm bench WORKLOAD [--steps k] [--tasks n] [--device …] [--adapter …] [--iterations n] [--json]`.
 *
 * What the numbers control for: every call draws fresh task data on the host and uploads it; every call ends with the
 * results read back, all in one wait; the first call (compilation) stands apart; the timed calls come after a warm-up;
 * calls run one after another, never overlapped; the median is reported with the fastest and slowest call. What they
 * do not: other load on the machine, and its clock. Compare on one machine, at one time, more than once.
 *
 * `--adapter null` takes a WebGPU device that computes nothing: what remains is our own cost and the API's.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { type InitOptions, init } from "loopgrad";
import { measure } from "./measure.ts";
import { longLoop, sinusoid } from "./workloads.ts";

interface Options {
  device: "webgpu" | "cpu";
  adapter?: InitOptions["adapter"];
  steps: number;
  tasks?: number;
  iterations: number;
  json: boolean;
}

const count = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Wanted a whole number, at least 1.");
};

const WORKLOADS = {
  w0: { tasks: 1, what: "sinusoid MLP, one task, second order" },
  w1: { tasks: 25, what: "sinusoid MLP, 25 tasks, second order" },
  w4: { tasks: 1, what: "step time against the number of steps: softmax regression 32→3, an unused parameter" },
} as const;

const command = new Command("bench")
  .description(
    Object.entries(WORKLOADS)
      .map(([id, { what }]) => `${id}  ${what}`)
      .join("\n"),
  )
  .argument("<workload>", "w0, w1 or w4")
  .option("--steps <k>", "inner steps", count, 1)
  .option("--tasks <n>", "tasks in one meta-gradient (w0: 1, w1: 25)", count)
  .addOption(new Option("--device <name>").choices(["webgpu", "cpu"]).default("webgpu"))
  .addOption(new Option("--adapter <kind>", "for webgpu").choices(["hardware", "software", "null"]))
  .option("--iterations <n>", "timed calls", count, 30)
  .option("--json", "one JSON object instead of text", false)
  .allowExcessArguments(false)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

const [workload] = command.args;
const options = command.opts<Options>();
if (!isWorkload(workload)) command.error(`unknown workload "${workload}": wanted ${Object.keys(WORKLOADS).join(", ")}`);
if (options.device === "cpu" && options.adapter !== undefined) command.error("--adapter is for --device webgpu");
await main(workload as keyof typeof WORKLOADS);

async function main(id: keyof typeof WORKLOADS): Promise<void> {
  const { device: name, adapter, steps, iterations, json } = options;
  const device = await init(adapter === undefined ? { device: name } : { device: name, adapter });
  const about = {
    workload: id,
    device: name,
    adapter: name === "cpu" ? null : (adapter ?? "any"),
    description: device.description,
  };
  if (id === "w4") {
    const { early, late } = await longLoop(device, { calls: Math.max(100, iterations) });
    const result = {
      ...about,
      steps: late.step,
      earlyMs: early.ms,
      lateMs: late.ms,
      peakBytes: device.stats().peakBytes,
    };
    console.log(json ? JSON.stringify(result) : text({ ...result, earlyStep: early.step }));
  } else {
    const tasks = options.tasks ?? WORKLOADS[id].tasks;
    const step = sinusoid(device, { steps, tasks });
    const measured = await measure(device, step, { calls: iterations, warmup: { calls: 5, ms: 500 } });
    const result = { ...about, steps, tasks, ...measured };
    console.log(json ? JSON.stringify(result) : text(result));
  }
  device.destroy();
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
