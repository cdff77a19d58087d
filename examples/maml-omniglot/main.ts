/**
 * MAML on Omniglot: `node scripts/run.mjs examples/maml-omniglot/main.ts --data FOLDER [options]`.
 *
 * Learns initial weights from which five gradient steps on a few drawings tell characters apart that it never saw.
 * The defaults suit a machine without a GPU: width 16 and four episodes a meta-step. The original model has `--width 64`
 * (75,205 parameters at 5 ways).
 */
import { Command } from "commander";
import { Adam, manualSeed, noGrad, SGD, scope, stack, type Tensor } from "loopgrad";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { CheckpointError, resume, save } from "./checkpoint.ts";
import { DataError, readOmniglot } from "./data.ts";
import { Episodes } from "./episodes.ts";
import { metaBackward, targetNet, test } from "./maml.ts";

interface Options {
  data?: string;
  ways: number;
  shots: number;
  queries: number;
  width: number;
  tasks: number;
  iterations: number;
  innerSteps: number;
  innerLr: number;
  metaLr: number;
  firstOrder: boolean;
  rotations: boolean;
  evalEvery: number;
  evalTasks: number;
  checkpoint?: string;
  resume: boolean;
  seed: number;
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
}

const command = withDeviceOptions(new Command("maml-omniglot"))
  .description("Meta-learns to tell handwritten characters apart from a few drawings of each.")
  .option("--data <folder>", "holds omniglot28.bin.gz and omniglot28.json")
  .option("--ways <n>", "classes of an episode", integer(2), 5)
  .option("--shots <n>", "drawings of each class to adapt on", integer(1), 5)
  .option("--queries <n>", "drawings of each class to judge by", integer(1), 15)
  .option("--width <n>", "channels of each convolution; the original has 64", integer(1), 16)
  .option("--tasks <n>", "episodes of a meta-step", integer(1), 4)
  .option("--iterations <n>", "meta-steps", integer(1), 300)
  .option("--inner-steps <n>", "gradient steps of adaptation", integer(1), 5)
  .option("--inner-lr <rate>", "SGD's learning rate in the inner loop", positive, 0.1)
  .option("--meta-lr <rate>", "Adam's learning rate in the outer loop", positive, 0.001)
  .option("--first-order", "take the inner gradients as constants", false)
  .option("--rotations", "quarter turns of training characters are classes of their own", false)
  .option("--eval-every <n>", "meta-steps between tests on held-out characters", integer(1), 100)
  .option("--eval-tasks <n>", "episodes of a test", integer(1), 50)
  .option("--checkpoint <folder>", "saves a checkpoint there at each test")
  .option("--resume", "goes on from the checkpoint", false)
  .option("--seed <n>", "of initial weights and episodes", integer(0), 1)
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
if (options.resume && options.checkpoint === undefined) command.error("--resume needs --checkpoint FOLDER");

try {
  await main();
} catch (error) {
  if (!(error instanceof DataError || error instanceof CheckpointError || error instanceof RangeError)) throw error;
  console.error(`maml-omniglot: ${error.message}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { ways, shots, queries, rotations, width, tasks, iterations, innerSteps, innerLr, metaLr, seed } = options;
  const data = await readOmniglot(options.data);
  await openDevice(options);
  manualSeed(seed);
  const model = targetNet({ ways, width });
  const inner = new SGD(model.parameters(), { lr: innerLr });
  const outer = new Adam(model.parameters(), { lr: metaLr });
  const shape = { ways, shots, queries, rotations };
  const episodes = new Episodes(data, data.trainClasses, shape, seed);

  const { firstOrder } = options;
  const settings = { ...shape, width, tasks, innerSteps, innerLr, metaLr, firstOrder, seed };
  const run = { model, outer, episodes, settings };
  const first = options.resume ? await resume(options.checkpoint as string, run) : 0;

  /** The same held-out episodes at every test, drawn apart from those of training. */
  const report = async (iteration: number): Promise<void> => {
    const heldOut = new Episodes(data, data.heldOutClasses, { ...shape, rotations: false }, seed + 1_000_003);
    const { loss, accuracy } = await test(model, inner, heldOut, { innerSteps, count: options.evalTasks });
    console.log(
      `after ${iteration} meta-steps, held-out characters: accuracy ${percent(accuracy)}, loss ${loss.toFixed(3)}`,
    );
  };

  await report(first);
  const progress = new Progress(iterations, first);
  for (let iteration = first + 1; iteration <= iterations; iteration++) {
    {
      using _ = scope();
      outer.zeroGrad();
      const losses: Tensor[] = [];
      const accuracies: Tensor[] = [];
      for (let task = 0; task < tasks; task++) {
        const { loss, accuracy } = metaBackward(model, inner, episodes.next(), options);
        losses.push(loss);
        accuracies.push(accuracy);
      }
      outer.step();
      const [loss, accuracy] = await Promise.all(
        [losses, accuracies].map((list) => noGrad(() => stack(list).mean()).item()),
      );
      progress.show(iteration, `query loss ${loss.toFixed(3)}, accuracy ${percent(accuracy)}`);
    }
    if (iteration % options.evalEvery === 0 || iteration === iterations) {
      progress.end();
      await report(iteration);
      if (options.checkpoint !== undefined) await save(options.checkpoint, iteration, run);
    }
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
