/**
 * Omniglot on disk: 1623 handwritten characters, 20 drawings each, 28×28.
 *
 * `omniglot28.bin.gz` holds four-bit pixels, class by class, row by row, two pixels a byte, high nibble first; value /
 * 15 is the ink. `omniglot28.json` says how many classes there are, and that the first `background_classes` are for
 * training and the last `evaluation_classes` are held out. convert.ts makes both files from the published images.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const SIDE = 28;
const PIXELS = SIDE * SIDE;

/** The images, and which classes are for what. */
export interface Omniglot {
  /** Two pixels a byte. */
  readonly pixels: Uint8Array;
  readonly drawings: number;
  readonly trainClasses: readonly number[];
  readonly heldOutClasses: readonly number[];
}

/** What is wrong with the data folder, and where the data come from. */
export class DataError extends Error {
  override name = "DataError";
}

const HOW_TO_GET_IT = `
The example reads a folder with omniglot28.bin.gz and omniglot28.json. They are made from the complete Omniglot set (1623
characters of 20 drawings each, MIT licence): get images_background.zip and images_evaluation.zip from the folder python of
https://github.com/brendenlake/omniglot, then

  node scripts/run.mjs examples/maml-omniglot/convert.ts --images images_background.zip images_evaluation.zip --out FOLDER

and give the example --data FOLDER`;

/**
 * Reads the data.
 *
 * @param folder  holds the two files; undefined when the user gave none
 * @throws        DataError that says what is missing and where to get it
 */
export async function readOmniglot(folder: string | undefined): Promise<Omniglot> {
  if (folder === undefined) throw new DataError(`no data: --data FOLDER is missing\n${HOW_TO_GET_IT}`);
  const read = (name: string): Promise<Buffer> =>
    readFile(join(folder, name)).catch((error: Error) => {
      throw new DataError(`${join(folder, name)} cannot be read (${error.message})\n${HOW_TO_GET_IT}`);
    });
  const [packed, text] = await Promise.all([read("omniglot28.bin.gz"), read("omniglot28.json")]);
  const { shape, background_classes: train, evaluation_classes: heldOut } = JSON.parse(text.toString());
  const pixels = gunzipSync(packed);
  const [classes, drawings] = shape;
  if (pixels.length !== (classes * drawings * PIXELS) / 2 || train + heldOut !== classes) {
    throw new DataError(
      `${folder}: ${pixels.length} bytes of pixels don't hold the ${classes} classes of ${drawings} drawings, ` +
        `${train} + ${heldOut}, that omniglot28.json tells of\n${HOW_TO_GET_IT}`,
    );
  }
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  return { pixels, drawings, trainClasses: range(0, train), heldOutClasses: range(train, classes) };
}

/**
 * Unpacks one drawing.
 *
 * @param rotation  quarter turns, counter-clockwise
 * @param target    ink in [0, 1] is written here, 784 numbers from `offset` on
 */
export function unpackDrawing(
  { pixels, drawings }: Omniglot,
  { character, drawing, rotation }: { character: number; drawing: number; rotation: number },
  target: Float32Array,
  offset: number,
): void {
  const start = (character * drawings + drawing) * PIXELS;
  for (let i = 0; i < PIXELS; i++) {
    const byte = pixels[(start + i) >> 1];
    target[offset + rotated(i, rotation)] = ((i & 1) === 0 ? byte >> 4 : byte & 15) / 15;
  }
}

/** Where a pixel goes under quarter turns. */
function rotated(position: number, turns: number): number {
  let [row, column] = [Math.floor(position / SIDE), position % SIDE];
  for (let turn = 0; turn < turns; turn++) [row, column] = [SIDE - 1 - column, row];
  return row * SIDE + column;
}
