/**
 * A language model of characters: `node scripts/run.mjs examples/language-model/main.ts [--model transformer] [options]`.
 *
 * Learns to tell the next character of Moby-Dick (or of any `--text FILE`) from those before, with an LSTM or a small
 * causal transformer (models.ts), in the plain training loop (train.ts). At the end: bits per character on the last
 * tenth of the text, which it never saw, beside what simpler methods need, and some text of its own.
 *
 * `--trace FILE.json` notes the initial weights, the text and the loss of every step, for
 * bench/peers/language_model_torch.py to repeat in PyTorch.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Command, Option } from "commander";
import { manualSeed } from "loopgrad";
import { writeChart } from "../chart.ts";
import { integer, openDevice, Progress, positive, withDeviceOptions } from "../command-line.ts";
import { Lcg } from "../lcg.ts";
import { printTable } from "../table.ts";
import { Trace } from "../trace.ts";
import { type Corpus, corpus, mobyDick, readText, TextError } from "./corpus.ts";
import { placesOf, write } from "./generate.ts";
import { type LanguageModel, LstmModel, TransformerModel } from "./models.ts";
import { bitsPerCharacter, train } from "./train.ts";

/** What is not given. The rates were found by a few short runs. */
const DEFAULTS = {
  lstm: { width: 128, layers: 1, heads: 0, lr: 0.01 },
  transformer: { width: 64, layers: 2, heads: 4, lr: 0.01 },
};

interface Options {
  model: "lstm" | "transformer";
  text?: string;
  width: number;
  layers: number;
  heads: number;
  window: number;
  batch: number;
  steps: number;
  lr: number;
  clip: number;
  evalEvery: number;
  prompt: string;
  length: number;
  temperature: number;
  trace?: string;
  seed: number;
  out: string;
  device: "auto" | "webgpu" | "cpu";
  adapter?: "hardware" | "software";
}

const { lstm, transformer } = DEFAULTS;
const command = withDeviceOptions(new Command("language-model"))
  .description("Learns a text character by character, and goes on writing in its manner.")
  .addOption(new Option("--model <name>", "which network").choices(["lstm", "transformer"]).default("lstm"))
  .option("--text <file>", "a text in UTF-8 to learn from (default: Moby-Dick)")
  .option("--width <n>", `units of a layer (default: ${lstm.width}; ${transformer.width} for transformer)`, integer(1))
  .option("--layers <n>", `(default: ${lstm.layers}; ${transformer.layers} for transformer)`, integer(1))
  .option("--heads <n>", `of the transformer's attention (default: ${transformer.heads})`, integer(1))
  .option("--window <n>", "characters that it reads at a time", integer(2), 64)
  .option("--batch <n>", "windows of a step", integer(1), 16)
  .option("--steps <n>", "training steps", integer(1), 1000)
  .option("--lr <rate>", `Adam's peak rate (default: ${lstm.lr}; ${transformer.lr} for transformer)`, positive)
  .option("--clip <norm>", "the longest that a gradient may be", positive, 1)
  .option("--eval-every <n>", "steps between looks at 64 windows of the validation text", integer(1), 100)
  .option("--prompt <text>", "how the written text begins", "The whale ")
  .option("--length <n>", "characters to write", integer(1), 500)
  .option("--temperature <t>", "of the drawing of characters", positive, 0.7)
  .option("--trace <file>", "notes initial weights and every loss there: FILE.json")
  .option("--seed <n>", "of initial weights, windows and writing", integer(0), 1)
  .option("--out <folder>", "where the chart goes", "out")
  .allowExcessArguments(false)
  .parse();

const given = command.opts<Pick<Options, "model"> & Partial<Options>>();
const options = { ...DEFAULTS[given.model], ...given } as Options;
if (options.model === "lstm" && given.heads !== undefined) command.error("--heads is for --model transformer");
if (options.trace?.endsWith(".json") === false) {
  command.error(`--trace ${options.trace}: wanted a name that ends in .json`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TextError)) throw error;
  console.error(`language-model: ${error.message}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const { model: kind, text, width, layers, heads, window, steps, lr, clip, batch, seed } = options;
  const data = corpus(text === undefined ? await mobyDick() : await readText(text), window);
  const { vocabulary, validation } = data;
  console.log(
    `text: ${data.train.length} characters, ${vocabulary.length} different; ${validation.length} to validate`,
  );
  placesOf(options.prompt, vocabulary);
  await openDevice(options);

  manualSeed(seed);
  const sizes = { vocabulary: vocabulary.length, width, layers, heads, window };
  const model = kind === "lstm" ? new LstmModel(sizes) : new TransformerModel(sizes);
  console.log(`parameters: ${model.parameters().reduce((count, parameter) => count + parameter.size, 0)}`);
  const schedule = { steps, batch, window, lr, clip };
  const trace = await openTrace(model, data, { model: kind, ...sizes, ...schedule, seed });

  const curves = { train: [] as [number, number][], validation: [] as [number, number][] };
  const look = async (step: number): Promise<void> => {
    curves.validation.push([step, await bitsPerCharacter(model, validation, { window, count: 64 })]);
  };
  using progress = new Progress(steps);
  const readEvery = trace === null ? Math.min(10, steps) : 1;
  const isLook = (step: number): boolean => step % options.evalEvery === 0 || step === steps;
  await look(0);
  await train(model, data, schedule, new Lcg(seed), {
    wanted: (step) => step % readEvery === 0 || isLook(step),
    async seen(step, loss) {
      trace?.step(loss);
      const bits = loss / Math.LN2;
      curves.train.push([step, bits]);
      progress.show(step, `${bits.toFixed(3)} bits per character`);
      if (!isLook(step)) return;
      progress.end();
      await look(step);
      console.log(`after ${step} steps, validation: ${curves.validation.at(-1)?.[1].toFixed(3)} bits per character`);
    },
  });
  progress.end();
  await trace?.end();

  const chart = await writeChart(join(options.out, `language-model-${kind}.svg`), {
    title: `Bits per character (${kind})`,
    x: { label: "steps" },
    y: { label: "bits per character" },
    series: [
      { name: "training batches", points: curves.train },
      { name: "validation", points: curves.validation, dashed: true },
    ],
  });
  console.log(`chart: ${chart}`);
  printTable(
    ["bits per character of the validation text", ""],
    [
      ["every character alike", Math.log2(vocabulary.length).toFixed(3)],
      ["characters by their frequency", frequencyBits(data).toFixed(3)],
      ["gzip", gzipBits(data).toFixed(3)],
      [`this ${kind}`, (await bitsPerCharacter(model, validation, { window })).toFixed(3)],
    ],
  );
  console.log(`\n${await write(model, vocabulary, options)}`);
}

/** Beside the weights a trace has the text that is learned. */
async function openTrace(model: LanguageModel, data: Corpus, settings: Record<string, unknown>): Promise<Trace | null> {
  if (options.trace === undefined) return null;
  const { train, vocabulary } = data;
  const text = Array.from(train, (place) => vocabulary[place]).join("");
  return Trace.begin(options.trace, model, { ...settings, characters: vocabulary.join("") }, { text });
}

/** What a code needs that knows how often each character occurs in the training text, and nothing else. */
function frequencyBits({ vocabulary, train, validation }: Corpus): number {
  const counts = new Float64Array(vocabulary.length).fill(1);
  for (const place of train) counts[place]++;
  const total = train.length + vocabulary.length;
  return validation.reduce((bits, place) => bits - Math.log2(counts[place] / total), 0) / validation.length;
}

/** What gzip makes of the validation text. */
function gzipBits({ vocabulary, validation }: Corpus): number {
  const text = Array.from(validation, (place) => vocabulary[place]).join("");
  return (8 * gzipSync(text, { level: 9 }).length) / validation.length;
}
