/**
 * Handwritten digits that come with the examples: 1797 images of 8×8 pixels, ten classes. See README.md for the source.
 *
 * `digits.csv.gz` has a line per image: 64 pixels from 0 (paper) to 16 (ink), row by row, then the digit. The writers
 * of neighbouring lines are the same people, so the split into training and test images is by blocks of lines.
 */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import type { IdxSet } from "./idx.ts";

/** Pixels along a side, how dark a pixel can be, and how many images train. */
const SIDE = 8;
const INK = 16;
const TRAIN = 1297;

/**
 * Reads the digits.
 *
 * @returns  the first 1297 lines to train on and the last 500 to test on, pixels scaled to 0 … 255
 */
export async function loadDigits(): Promise<{ train: IdxSet; test: IdxSet }> {
  const text = gunzipSync(await readFile(new URL("digits.csv.gz", import.meta.url))).toString("ascii");
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.split(",").map(Number));
  return { train: toSet(lines.slice(0, TRAIN)), test: toSet(lines.slice(TRAIN)) };
}

function toSet(lines: readonly (readonly number[])[]): IdxSet {
  const count = lines.length;
  const pixels = new Uint8Array(count * SIDE * SIDE);
  for (const [i, line] of lines.entries()) {
    for (let p = 0; p < SIDE * SIDE; p++) pixels[i * SIDE * SIDE + p] = Math.round((line[p] * 255) / INK);
  }
  const labels = Uint8Array.from(lines, (line) => line[SIDE * SIDE]);
  return { images: { count, height: SIDE, width: SIDE, pixels }, labels };
}
