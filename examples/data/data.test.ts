/**
 * Files of images: what is read from good ones, and what is said of bad ones.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "@jest/globals";
import { init } from "loopgrad";
import { loadDigits } from "./digits.ts";
import { DataError, loadFashionMnist, readIdxImages, readIdxLabels } from "./idx.ts";
import { ImageSet, openImages, Sampler } from "./images.ts";

let folder: string;
beforeAll(async () => {
  await init({ device: "cpu" });
  folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
});

const write = (name: string, ...bytes: number[]): string => {
  const path = join(folder, name);
  writeFileSync(path, Uint8Array.from(bytes));
  return path;
};
/** Two images of 1×3 pixels, with the labels 7 and 2. */
const IMAGES = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255];
const LABELS = [0, 0, 8, 1, 0, 0, 0, 2, 7, 2];

test("images and labels are read, gzipped or not", async () => {
  const images = { count: 2, height: 1, width: 3, pixels: Uint8Array.of(1, 2, 3, 4, 5, 255) };
  expect(await readIdxImages(write("plain", ...IMAGES))).toEqual(images);
  expect(await readIdxLabels(write("labels", ...LABELS))).toEqual(Uint8Array.of(7, 2));
  write("zipped.gz", ...gzipSync(Uint8Array.from(IMAGES)));
  expect(await readIdxImages(join(folder, "zipped"))).toEqual(images);
});

test("broken files are named with what is wrong", async () => {
  const labels = write("only-labels", ...LABELS);
  await expect(readIdxImages(labels)).rejects.toThrow(
    "0x00000801, wanted 0x00000803 for IDX images: images and labels",
  );
  await expect(readIdxLabels(write("text", 72, 101, 108, 108, 111))).rejects.toThrow("magic number 0x48656c6c, wanted");
  await expect(readIdxLabels(write("short", 0, 0))).rejects.toThrow("only 2 bytes");
  await expect(readIdxImages(write("header", 0, 0, 8, 3, 0, 0))).rejects.toThrow("6 bytes, wanted a header of 16");
  await expect(readIdxImages(write("cut", ...IMAGES.slice(0, -1)))).rejects.toThrow(
    "cut off: 21 bytes, wanted 22 for 2 × 1 × 3",
  );
  await expect(readIdxLabels(write("long", ...LABELS, 0))).rejects.toThrow("too long: 11 bytes, wanted 10 for 2");
  const gz = gzipSync(Uint8Array.from(IMAGES));
  await expect(readIdxImages(write("torn.gz", ...gz.subarray(0, 20)))).rejects.toThrow("broken gzip data");
  await expect(readIdxImages(folder)).rejects.toThrow("cannot be read");
});

test("a folder without the files says where to get them, and counts must agree", async () => {
  await expect(loadFashionMnist(folder)).rejects.toThrow(DataError);
  await expect(openImages(folder)).rejects.toThrow("dataset-fashion-mnist");
  for (const part of ["train", "t10k"]) {
    write(`${part}-images-idx3-ubyte`, ...IMAGES);
    write(`${part}-labels-idx1-ubyte`, ...LABELS);
  }
  const { train, classes } = await openImages(folder);
  expect([train.count, train.height, train.width, classes]).toEqual([2, 1, 3, 8]);
  write("t10k-labels-idx1-ubyte", 0, 0, 8, 1, 0, 0, 0, 1, 7);
  await expect(loadFashionMnist(folder)).rejects.toThrow("2 t10k images, but 1 labels");
});

test("the digits are 1797 in ten classes", async () => {
  const { train, test } = await loadDigits();
  expect([train.images.count, test.images.count]).toEqual([1297, 500]);
  expect(new Set(test.labels).size).toBe(10);
  const set = new ImageSet(test);
  const { x, y } = set.batch([3, 4]);
  expect([x.shape, y.shape]).toEqual([[2, 1, 8, 8], [2]]);
  expect(await y.toArray()).toEqual([...test.labels.slice(3, 5)]);
  expect((await x.amax().item()) <= 1).toBe(true);
});

test("a sampler draws every row once before any again, and a seed fixes the order", () => {
  const rows = [3, 1, 4, 1.5, 9];
  const sampler = new Sampler(rows, 5);
  for (let round = 0; round < 3; round++) expect(new Set(sampler.next(5))).toEqual(new Set(rows));
  expect(new Sampler(rows, 5).next(12)).toEqual(new Sampler(rows, 5).next(12));
  expect(new Sampler(rows, 5).next(12)).not.toEqual(new Sampler(rows, 6).next(12));
});
