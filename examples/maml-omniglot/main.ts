/**
 * MAML on Omniglot: `node scripts/run.mjs examples/maml-omniglot/main.ts --data FOLDER [options]`.
 *
 * Learns initial weights from which five gradient steps on a few drawings tell characters apart that it never saw.
 * `--method` takes one of four ways to learn them, which `../meta-learning/methods.ts` shows side by side.
 *
 * The defaults suit a machine without a GPU: width 16 and four episodes a meta-step. The original model has `--width 64`
 * (75,205 parameters at 5 ways).
 */
import { join } from "node:path";
import { Command, Option } from "commander";
import {
  CheckpointError,
  functional as F,
  loadCheckpoint,
  manualSeed,
  type Saveable,
  saveCheckpoint,
  scope,
  type Tensor,
} from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer, openDevice, Progress, positive, withBatchedOption, withDeviceOptions } from "../command-line.ts";
import {
  innerOptimizer,
  type MethodName,
  methodNames,
  methods,
  outerOptimizer,
  type Task,
} from "../meta-learning/methods.ts";
import { overTasks } from "../meta-learning/over-tasks.ts";
import { printTable } from "../table.ts";
import { DataError, readOmniglot } from "./data.ts";
import { Episodes } from "./episodes.ts";
import { accuracyOf, evaluate, type Score } from "./evaluate.ts";
import { targetNet } from "./network.ts";

interface Options {
  data?: string;
  method: MethodName;
  ways: number;
  shots: number;
  queries: number;
  width: number;
  tasks: number;
  iterations: number;
  innerSteps: number;
  innerLr: number;
  metaLr?: number;
  rotations: boolean;
  evalEvery: number;
  evalTasks: number;
  batched: boolean;
  checkpoint?: string;
  resume: boolean;
  seed: number;
  out: string;
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
}

/** Adam's rate, and the share of the way to the fast weights that Reptile goes. */
const META_LR = { adam: 0.001, reptile: 1 };

const command = withBatchedOption(withDeviceOptions(new Command("maml-omniglot")))
  .description("Meta-learns to tell handwritten characters apart from a few drawings of each.")
  .option("--data <folder>", "holds omniglot28.bin.gz and omniglot28.json")
  .addOption(new Option("--method <name>", "how the initial weights are learned").choices(methodNames).default("maml"))
  .option("--ways <n>", "classes of an episode", integer(2), 5)
  .option("--shots <n>", "drawings of each class to adapt on", integer(1), 5)
  .option("--queries <n>", "drawings of each class to judge by", integer(1), 15)
  .option("--width <n>", "channels of each convolution; the original has 64", integer(1), 16)
  .option("--tasks <n>", "episodes of a meta-step", integer(1), 4)
  .option("--iterations <n>", "meta-steps", integer(1), 300)
  .option("--inner-steps <n>", "gradient steps of adaptation", integer(1), 5)
  .option("--inner-lr <rate>", "SGD's learning rate in the inner loop", positive, 0.1)
  .option("--meta-lr <rate>", `of the outer loop (default: ${META_LR.adam}; reptile: ${META_LR.reptile})`, positive)
  .option("--rotations", "quarter turns of training characters are classes of their own", false)
  .option("--eval-every <n>", "meta-steps between tests on held-out characters", integer(1), 100)
  .option("--eval-tasks <n>", "episodes of a test", integer(1), 50)
  .option("--checkpoint <file>", "saves a checkpoint there at each test")
  .option("--resume", "goes on from the checkpoint", false)
  .option("--seed <n>", "of initial weights and episodes", integer(0), 1)
  .option("--out <folder>", "where the picture goes", "out")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
if (options.resume && options.checkpoint === undefined) command.error("error: --resume needs --checkpoint FILE");
if (options.method === "reptile" && options.innerSteps === 1) {
  command.error("error: --inner-steps 1 makes Reptile plain training on all episodes: give it 2 or more");
}

/** A test during the run. */
type Test = Score & { readonly iteration: number };

try {
  await main();
} catch (error) {
  if (!(error instanceof DataError || error instanceof CheckpointError || error instanceof RangeError)) throw error;
  console.error(`maml-omniglot: ${error.message}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { method, ways, shots, queries, rotations, width, tasks, iterations, innerSteps, innerLr, batched, seed } =
    options;
  const { metaLr = method === "reptile" ? META_LR.reptile : META_LR.adam } = options;
  const data = await readOmniglot(options.data);
  await openDevice(options);
  manualSeed(seed);
  const model = targetNet({ ways, width });
  const inner = innerOptimizer(method, model, innerLr);
  const { outer, schedule } = outerOptimizer(method, model, { lr: metaLr, iterations });
  const shape = { ways, shots, queries, rotations };
  const episodes = new Episodes(data, data.trainClasses, shape, seed);

  const run = { model, outer, schedule, episodes };
  const settings = { method, ...shape, width, tasks, innerSteps, innerLr, metaLr, seed };
  // Reptile's rate falls to 0 at the last meta-step, so that one cannot change.
  const fixed = method === "reptile" ? { ...settings, iterations } : settings;
  const tests = options.resume ? await resume(run, fixed) : [];
  const first = tests.at(-1)?.iteration ?? 0;

  /** The same held-out episodes at every test, drawn apart from those of training. */
  const test = async (iteration: number): Promise<void> => {
    const heldOut = new Episodes(data, data.heldOutClasses, { ...shape, rotations: false }, seed + 1_000_003);
    tests.push({
      iteration,
      ...(await evaluate(model, inner, heldOut, {
        steps: innerSteps,
        count: options.evalTasks,
        chunk: tasks,
        batched,
      })),
    });
    console.log(`after ${iteration} meta-steps, held-out characters: ${show(tests[tests.length - 1])}`);
  };

  const how = { inner, steps: innerSteps, loss: F.crossEntropy, share: 1 / tasks };
  const learn = (episode: Task): [Tensor, Tensor] => {
    const { loss, output } = methods[method](model, episode, how);
    return [loss, accuracyOf(output, episode.query.y)];
  };

  if (first === 0) await test(0);
  using progress = new Progress(iterations, first);
  for (let iteration = first + 1; iteration <= iterations; iteration++) {
    {
      using _ = scope();
      outer.zeroGrad();
      const results = overTasks(learn, batched)(episodes.next(tasks));
      outer.step();
      schedule.step();
      const [loss, accuracy] = await Promise.all(results.map((each) => each.mean().item()));
      progress.show(iteration, `${method}: query loss ${loss.toFixed(3)}, accuracy ${percent(accuracy)}`);
    }
    if (iteration % options.evalEvery === 0 || iteration === iterations) {
      progress.end();
      await test(iteration);
      if (options.checkpoint !== undefined) {
        await saveCheckpoint(options.checkpoint, run, { extra: { settings: fixed, tests } });
      }
    }
  }
  await report(tests);
}

/**
 * Puts a checkpoint back.
 *
 * @returns the tests up to it
 * @throws  CheckpointError if there is none, or it was made with other settings
 */
async function resume(run: Parameters<typeof loadCheckpoint>[1], settings: Record<string, unknown>): Promise<Test[]> {
  const file = options.checkpoint as string;
  const check = (extra: Saveable): void => {
    const saved = (extra as unknown as { settings: Record<string, unknown> }).settings;
    for (const [name, value] of Object.entries(settings)) {
      if (saved[name] === value) continue;
      throw new CheckpointError(`${file} was made with ${name} ${saved[name]}, not ${value}`);
    }
  };
  const extra = await loadCheckpoint(file, run, { check });
  return (extra as unknown as { tests: Test[] }).tests;
}

async function report(tests: readonly Test[]): Promise<void> {
  const { ways, shots, method, evalTasks } = options;
  printTable(
    ["meta-steps", "accuracy on held-out characters", "± 95 % CI", "loss"],
    tests.map(({ iteration, accuracy, margin, loss }) => [
      iteration,
      percent(accuracy),
      percent(margin),
      loss.toFixed(3),
    ]),
  );
  const picture = await writeChart(join(options.out, `omniglot-${method}.svg`), {
    title: `${ways}-way ${shots}-shot Omniglot, ${evalTasks} episodes of held-out characters`,
    x: { label: "meta-steps" },
    y: { label: "accuracy, %" },
    series: [{ name: method, points: tests.map(({ iteration, accuracy }) => [iteration, 100 * accuracy]) }],
  });
  console.log(`picture: ${picture}`);
}

function show({ accuracy, loss }: Score): string {
  return `accuracy ${percent(accuracy)}, loss ${loss.toFixed(3)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
