/**
 * Grids of images, read back.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { decode } from "fast-png";
import { writeImages } from "./images.ts";

const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
/** Three images of 1 × 2 pixels. */
const pixels = [0, 1, 0.5, -1, 2, 0.2];
const grid = { count: 3, height: 1, width: 2, columns: 2 };

test("images stand row by row, scaled, on white", async () => {
  const path = await writeImages(join(folder, "deeper", "sheet.png"), pixels, { ...grid, scale: 2 });
  const { width, height, channels, data } = decode(readFileSync(path));
  expect([width, height, channels]).toEqual([4 + 2 * (4 + 4), 4 + 2 * (2 + 4), 1]);
  const at = (x: number, y: number): number => data[y * width + x];
  // The first image's corner is (4, 4), the second's (12, 4), the third's (4, 10); each pixel is 2 × 2 dots.
  expect([at(4, 4), at(5, 5), at(6, 4), at(7, 5)]).toEqual([0, 0, 255, 255]);
  expect([at(12, 4), at(14, 4)]).toEqual([128, 0]);
  expect([at(4, 10), at(6, 10)]).toEqual([255, 51]);
  expect([at(0, 0), at(12, 10)]).toEqual([255, 255]);
});

test("a range says what is black and what is white", async () => {
  const path = await writeImages(join(folder, "range.png"), pixels, { ...grid, scale: 1, range: [-1, 1] });
  const { width, data } = decode(readFileSync(path));
  expect(Array.from(data.slice(4 * width + 4, 4 * width + 6))).toEqual([128, 255]);
});

test("with labels the file is an SVG that holds the images", async () => {
  const path = await writeImages(join(folder, "labelled.svg"), pixels, { ...grid, labels: ["a", "b < c", "d"] });
  const svg = readFileSync(path, "utf8");
  for (const text of [">a<", ">b &lt; c<", ">d<"]) expect(svg).toContain(text);
  const [, png] = /base64,([^"]+)"/.exec(svg) as RegExpExecArray;
  const { width, height, data } = decode(Buffer.from(png, "base64"));
  expect([width, height, ...data]).toEqual([2, 1, 0, 255]);
});

test("what does not fit is refused", async () => {
  const path = join(folder, "none.png");
  await expect(writeImages(path, [1, 2], grid)).rejects.toThrow("2 pixels, wanted 3 × 1 × 2");
  await expect(writeImages(path, pixels, { ...grid, labels: ["a"] })).rejects.toThrow("1 labels for 3 images");
  await expect(writeImages(path, pixels, { ...grid, labels: ["a", "b", "c"] })).rejects.toThrow("become .svg");
  await expect(writeImages(join(folder, "a.svg"), pixels, grid)).rejects.toThrow("become .png");
});
