/**
 * `node scripts/run.mjs bench/src/update.ts [--optimizer name] [--options json] [--tensors n] [--iterations n] [--adapter …]`.
 *
 * What an optimizer's step costs with many parameter tensors of differing shapes. Two cases: *stored*: the gradients
 * lie in buffers of their own (the loss was read before the step); *pending*: forward, backward and step share a flush,
 * and the counts and times are those of all three. `syncMs` is the time until `step()` returns, `doneMs` until the device
 * has done the work, and `cpuMs` the processor time that the process (its other threads too) took until `step()` returned,
 * which other load on the machine changes less; all are medians. On the null adapter nothing is computed: it is our own
 * cost, and that of the interface's calls.
 * `--one-by-one` takes the optimizer for one whose rule is not elementwise, so that each parameter is updated by itself.
 */

import { Command, Option } from "commander";
import { type Device, init, Linear, optim, Parameter, randn, Sequential, scope, type Tensor } from "loopgrad";

const command = new Command("update")
  .option("--optimizer <name>", "a class of loopgrad's optim", "Adam")
  .option("--tensors <n>", "parameter tensors", (text) => Number(text), 200)
  .option("--options <json>", "its options", (text) => JSON.parse(text), {})
  .option("--one-by-one", "each parameter by itself", false)
  .option("--iterations <n>", "timed steps", (text) => Number(text), 30)
  .addOption(new Option("--device <name>").choices(["webgpu", "cpu"]).default("webgpu"))
  .addOption(new Option("--adapter <kind>").choices(["hardware", "software", "null"]))
  .allowExcessArguments(false)
  .parse();
const { optimizer, options, tensors, oneByOne, iterations, device: name, adapter } = command.opts();

type Stepper = { step(): void; zeroGrad(): void };
type Class = new (params: Tensor[], options: object) => Stepper;
const named = (optim as unknown as Record<string, Class>)[optimizer];
const make: Class = oneByOne
  ? class extends named {
      static readonly elementwise = false;
    }
  : named;
const device: Device = await init(name === "cpu" ? { device: name } : { device: name, adapter });

function stored(): () => () => void {
  const params = Array.from({ length: tensors }, (_, i) => new Parameter(randn([3 + (i % 17), 5 + (i % 31)])));
  for (const param of params) param.grad = randn(param.shape);
  const opt = new make(params, { lr: 1e-3, ...options });
  device.flush();
  return () => () => opt.step();
}

function pending(): () => () => void {
  const width = (i: number): number => 8 + (i % 13);
  const layers = Array.from({ length: tensors / 2 }, (_, i) => new Linear(width(i), width(i + 1)));
  const model = new Sequential(...layers);
  const opt = new make(model.parameters(), { lr: 1e-3, ...options });
  const x = randn([4, width(0)]);
  return () => {
    opt.zeroGrad();
    const loss = model.forward(x).square().mean();
    loss.backward();
    return () => opt.step();
  };
}

const cases = { stored: stored(), pending: pending() };
for (const [id, prepare] of Object.entries(cases)) {
  const times: number[] = [];
  const cpuTimes: number[] = [];
  const doneTimes: number[] = [];
  let counts = {};
  for (let i = 0; i < 10 + iterations; i++) {
    using _ = scope();
    const before = device.stats();
    const step = prepare();
    const started = performance.now();
    const cpu = process.cpuUsage();
    step();
    const { user, system } = process.cpuUsage(cpu);
    if (i >= 10) {
      times.push(performance.now() - started);
      cpuTimes.push((user + system) / 1000);
    }
    const after = device.stats();
    const made = (
      ["dispatches", "copies", "submits", "plansMade", "bindGroupsCreated", "buffersCreated", "recorded"] as const
    ).map((key) => [
      key,
      (after as unknown as Record<string, number>)[key] - (before as unknown as Record<string, number>)[key],
    ]);
    counts = Object.fromEntries(made);
    await device.synchronize();
    if (i >= 10) doneTimes.push(performance.now() - started);
  }
  console.log(
    JSON.stringify({
      case: id,
      optimizer,
      tensors,
      syncMs: median(times),
      cpuMs: median(cpuTimes),
      doneMs: median(doneTimes),
      ...counts,
    }),
  );
}
device.destroy();

function median(numbers: number[]): number {
  return Number(numbers.sort((a, b) => a - b)[numbers.length >> 1].toFixed(3));
}
