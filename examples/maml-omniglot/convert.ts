/**
 * Makes the example's data from Omniglot as it is published:
 *
 *     node scripts/run.mjs examples/maml-omniglot/convert.ts \
 *       --images images_background.zip images_evaluation.zip --out FOLDER
 *
 * The two archives are in the folder python of https://github.com/brendenlake/omniglot; folders that were unpacked from them do
 * as well. What is written is what data.ts reads: FOLDER/omniglot28.bin.gz and FOLDER/omniglot28.json.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Command } from "commander";
import { Progress, share } from "../command-line.ts";
import { DataError, SIDE } from "./data.ts";
import { type Character, findCharacters, inkOf, PUBLISHED_SIDE } from "./drawings.ts";
import { resized } from "./resize.ts";

interface Options {
  images: string[];
  out: string;
  heldOut: number;
}

const options = new Command("convert")
  .description("Makes the data of maml-omniglot from the published images of Omniglot.")
  .requiredOption("--images <paths...>", "folders or zip archives with folders alphabet/character of PNG images")
  .requiredOption("--out <folder>", "where the two files go")
  .option("--held-out <share>", "of the characters, if no name has evaluation in it: the last ones", share, 0.4)
  .allowExcessArguments(false)
  .parse()
  .opts<Options>();

try {
  await main();
} catch (error) {
  if (!(error instanceof DataError)) throw error;
  console.error(`convert: ${error.message}`);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const characters = await findCharacters(options.images);
  const drawings = drawingsOfEach(characters);
  const training = countForTraining(characters);
  const held = characters.length - training;
  const pixels = await packed(characters, drawings);
  const about = {
    shape: [characters.length, drawings, SIDE, SIDE],
    order: `class by class, ${drawings} drawings each; ink = 1`,
    background_classes: training,
    evaluation_classes: held,
    classes: characters.map(({ name }) => name),
  };
  await mkdir(options.out, { recursive: true });
  await writeFile(join(options.out, "omniglot28.bin.gz"), gzipSync(pixels, { level: 9 }));
  await writeFile(join(options.out, "omniglot28.json"), `${JSON.stringify(about)}\n`);
  console.log(
    `${characters.length} characters of ${drawings} drawings: ${training} for training, ${held} held out\n` +
      `written: ${join(options.out, "omniglot28.bin.gz")}, ${join(options.out, "omniglot28.json")}; now\n` +
      `node scripts/run.mjs examples/maml-omniglot/main.ts --data ${options.out}`,
  );
}

/** How many drawings each character has. */
function drawingsOfEach(characters: readonly Character[]): number {
  const [first, ...others] = characters;
  const count = first.drawings.length;
  const odd = others.find(({ drawings }) => drawings.length !== count);
  if (odd === undefined) return count;
  throw new DataError(
    `${odd.name} has ${odd.drawings.length} drawings, ${first.name} has ${count}: each character needs as many`,
  );
}

/** How many of the characters are for training. They come first. */
function countForTraining(characters: readonly Character[]): number {
  const training = characters.filter(({ isHeldOut }) => !isHeldOut).length;
  if (training === 0) {
    throw new DataError("no images for training: every name has evaluation in it; give images_background too");
  }
  if (training < characters.length) return training;
  const kept = Math.ceil((1 - options.heldOut) * training);
  if (kept === training) {
    throw new DataError(
      "no characters are held out: give images_evaluation too, or more characters, or a larger --held-out",
    );
  }
  console.log(`no name has evaluation in it: the last ${training - kept} of ${training} characters are held out`);
  return kept;
}

/** All drawings with four bits a pixel: two pixels a byte, high nibble first. */
async function packed(characters: readonly Character[], drawings: number): Promise<Uint8Array> {
  const bytes = new Uint8Array((characters.length * drawings * SIDE * SIDE) / 2);
  using progress = new Progress(characters.length);
  let at = 0;
  for (const [i, character] of characters.entries()) {
    for (const drawing of character.drawings) {
      const ink = resized(await inkOf(drawing), PUBLISHED_SIDE, SIDE);
      for (let p = 0; p < ink.length; p += 2) {
        bytes[at++] = (Math.round(15 * ink[p]) << 4) | Math.round(15 * ink[p + 1]);
      }
    }
    progress.show(i + 1, character.name);
  }
  return bytes;
}
