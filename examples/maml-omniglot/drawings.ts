/**
 * Omniglot as it is published: a PNG file per drawing, in folders alphabet/character, unpacked or in a zip archive.
 *
 * A *source* is a folder or an archive. Its characters are for training, or held out if `evaluation` is in a name above them,
 * as in images_evaluation.zip.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { type DecodedPng, decode } from "fast-png";
import { unzipSync } from "fflate";
import { DataError } from "./data.ts";

/** Pixels along a side of a published drawing. */
export const PUBLISHED_SIDE = 105;

/** A handwritten character: its drawings in the order of their names. */
export interface Character {
  /** As the original set has it: images_background/Greek/character01 */
  readonly name: string;
  readonly isHeldOut: boolean;
  readonly drawings: readonly Drawing[];
}

/** A drawing's file. */
export interface Drawing {
  readonly path: string;
  /** The file's bytes. */
  read(): Promise<Uint8Array>;
}

/**
 * Finds the characters of some sources, in alphabetical order: first those for training, then those that are held out.
 *
 * @throws DataError that names a source that cannot be read or has no images, or an image that lies elsewhere
 */
export async function findCharacters(sources: readonly string[]): Promise<Character[]> {
  const found = new Map<string, { isHeldOut: boolean; source: string; drawings: Drawing[] }>();
  for (const source of sources) {
    const drawings = await drawingsOf(source);
    if (drawings.length === 0) {
      throw new DataError(`${source}: no images: wanted PNG files in folders alphabet/character`);
    }
    for (const drawing of drawings) {
      const parts = drawing.path.split("/").slice(0, -1);
      const [alphabet, character] = parts.slice(-2);
      if (parts.length < 3) {
        throw new DataError(`${source}: ${drawing.path} lies outside of folders alphabet/character`);
      }
      const isHeldOut = parts.slice(0, -2).some((part) => /evaluation/i.test(part));
      const name = `images_${isHeldOut ? "evaluation" : "background"}/${alphabet}/${character}`;
      const before = found.get(name);
      if (before === undefined) found.set(name, { isHeldOut, source, drawings: [drawing] });
      else if (before.source === source) before.drawings.push(drawing);
      else throw new DataError(`${name} is in ${before.source} and in ${source}: give each character once`);
    }
  }
  const characters = Array.from(found, ([name, { isHeldOut, drawings }]) => ({
    name,
    isHeldOut,
    drawings: drawings.sort((a, b) => compare(a.path, b.path)),
  }));
  return characters.sort((a, b) => compare(a.name, b.name));
}

/** By code units, as the original set is ordered. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The PNG files of a source. Their paths begin with its name, and have slashes. */
async function drawingsOf(source: string): Promise<Drawing[]> {
  const about = await stat(source).catch((error: Error) => {
    throw new DataError(
      `${source} cannot be read (${error.message}): wanted a folder, or a zip archive, with Omniglot's images`,
    );
  });
  const top = basename(resolve(source));
  if (about.isDirectory()) {
    const files = (await readdir(source, { recursive: true })).map((file) => file.replaceAll("\\", "/"));
    return files
      .filter(isDrawing)
      .map((file) => ({ path: `${top}/${file}`, read: () => readFile(join(source, file)) }));
  }
  try {
    const files = unzipSync(await readFile(source), { filter: ({ name }) => isDrawing(name) });
    return Object.entries(files).map(([name, bytes]) => ({ path: `${top}/${name}`, read: async () => bytes }));
  } catch (error) {
    throw new DataError(`${source} is neither a folder nor a zip archive (${(error as Error).message})`);
  }
}

/** A PNG file, and none of those that macOS adds to archives. */
const isDrawing = (path: string): boolean => /\.png$/i.test(path) && !/(^|\/)(__MACOSX\/|\._)/.test(path);

/**
 * The ink of a drawing, row by row: 1 where the image is black, 0 where it is white.
 *
 * @throws DataError if it is no PNG image, or of another size than the published ones
 */
export async function inkOf({ path, read }: Drawing): Promise<Float32Array> {
  const bytes = await read();
  let image: DecodedPng;
  try {
    image = decode(bytes);
  } catch (error) {
    throw new DataError(`${path} is no PNG image (${(error as Error).message})`);
  }
  const { width, height } = image;
  if (width !== PUBLISHED_SIDE || height !== PUBLISHED_SIDE) {
    throw new DataError(`${path} is ${width}×${height} pixels, wanted ${PUBLISHED_SIDE}×${PUBLISHED_SIDE}`);
  }
  const grey = greyOf(image);
  return Float32Array.from({ length: width * height }, (_, i) => 1 - grey(Math.floor(i / width), i % width));
}

/** The lightness of an image's pixels, from 0 to 1. What is transparent is paper. */
function greyOf({ width, data, depth, channels, palette }: DecodedPng): (row: number, column: number) => number {
  // Pixels of less than eight bits share bytes; each row begins with a new one.
  const rowLength = depth < 8 ? Math.ceil((width * depth) / 8) : width * channels;
  const sample = (row: number, i: number): number => {
    if (depth >= 8) return data[row * rowLength + i];
    const bit = i * depth;
    return (data[row * rowLength + (bit >> 3)] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  };
  const most = 2 ** depth - 1;
  if (palette !== undefined) {
    const greys = palette.map((colour) => overPaper(colour.map((x) => x / 255)));
    return (row, column) => greys[sample(row, column)];
  }
  if (channels === 1) return (row, column) => sample(row, column) / most;
  return (row, column) =>
    overPaper(Array.from({ length: channels }, (_, c) => sample(row, column * channels + c) / most));
}

/** Grey, grey and alpha, red-green-blue, or that and alpha. */
function overPaper(samples: readonly number[]): number {
  const hasAlpha = samples.length % 2 === 0;
  const colours = hasAlpha ? samples.slice(0, -1) : samples;
  const grey = colours.reduce((sum, x) => sum + x, 0) / colours.length;
  const alpha = hasAlpha ? samples[samples.length - 1] : 1;
  return alpha * grey + 1 - alpha;
}
