/**
 * From published images to the example's data: archives and folders as they are published, read back by the example's loader.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { encode } from "fast-png";
import { zipSync } from "fflate";
import { readOmniglot, SIDE, unpackDrawing } from "./data.ts";
import { findCharacters, inkOf } from "./drawings.ts";
import { resized } from "./resize.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));

function convert(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/maml-omniglot/convert.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

type Ink = (row: number, column: number) => boolean;

/** A PNG image of one bit a pixel, as the published ones are: ink is black, which is 0. */
function png(ink: Ink, side = 105): Uint8Array {
  const rowLength = Math.ceil(side / 8);
  const data = new Uint8Array(rowLength * side).fill(255);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      if (ink(row, column)) data[row * rowLength + (column >> 3)] &= ~(0x80 >> (column & 7));
    }
  }
  return encode({ width: side, height: side, data, depth: 1, channels: 1 });
}

/** 15 old pixels are 4 new ones: the corner of `size` × `size` new pixels at the upper left, a character's own. */
const corner =
  (size: number): Ink =>
  (row, column) =>
    row < size * 3.75 && column < size * 3.75;
/** A strip along the left, three quarters down: neither turned nor mirrored it is the same. */
const strip: Ink = (row, column) => row < 75 && column < 30;

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/** The example's view of a drawing: 28 rows of ink. */
async function loaded(data: string, character: number, drawing: number): Promise<Float32Array> {
  const pixels = new Float32Array(SIDE * SIDE);
  unpackDrawing(await readOmniglot(data), { character, drawing, rotation: 0 }, pixels, 0);
  return pixels;
}

/** Ink away from edges, where the filter rings. */
function expectInk(
  pixels: Float32Array,
  ink: (row: number, column: number) => boolean,
  edges: readonly number[],
): void {
  const isNear = (x: number): boolean => edges.some((edge) => x > edge - 4 && x < edge + 3);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      if (isNear(row) || isNear(column)) continue;
      expect({ row, column, ink: pixels[row * SIDE + column] }).toEqual({ row, column, ink: ink(row, column) ? 1 : 0 });
    }
  }
}

test("an archive to train on and a folder to test on become the example's data", async () => {
  const zipped: Record<string, Uint8Array> = { "images_background/": new Uint8Array() };
  for (const [alphabet, character, ink] of [
    ["Zulu", "character01", corner(12)],
    ["Greek", "character02", corner(20)],
    ["Greek", "character01", strip],
  ] as const) {
    for (const drawing of ["02", "01"]) {
      zipped[`images_background/${alphabet}/${character}/0001_${drawing}.png`] = png(
        drawing === "01" ? ink : (row, column) => ink(column, row),
      );
    }
  }
  zipped["__MACOSX/images_background/Greek/character01/._0001_01.png"] = Uint8Array.of(1, 2, 3);
  zipped["images_background/readme.txt"] = Uint8Array.of(1, 2, 3);
  const archive = join(folder, "images_background.zip");
  write(archive, zipSync(zipped));
  const unpacked = join(folder, "images_evaluation");
  for (const drawing of ["01", "02"]) {
    write(join(unpacked, "Angelic", "character01", `0965_${drawing}.png`), png(corner(16)));
  }

  const out = join(folder, "data", "omniglot");
  const { code, stdout, stderr } = convert("--images", unpacked, archive, "--out", out);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("4 characters of 2 drawings: 3 for training, 1 held out");
  const about = JSON.parse(readFileSync(join(out, "omniglot28.json"), "utf8"));
  expect(about).toMatchObject({ shape: [4, 2, 28, 28], background_classes: 3, evaluation_classes: 1 });
  expect(about.classes).toEqual([
    "images_background/Greek/character01",
    "images_background/Greek/character02",
    "images_background/Zulu/character01",
    "images_evaluation/Angelic/character01",
  ]);
  expect(await readOmniglot(out)).toMatchObject({ drawings: 2, trainClasses: [0, 1, 2], heldOutClasses: [3] });
  expectInk(await loaded(out, 0, 0), (row, column) => row < 20 && column < 8, [8, 20]);
  expectInk(await loaded(out, 0, 1), (row, column) => row < 8 && column < 20, [8, 20]);
  expectInk(await loaded(out, 1, 0), (row, column) => row < 20 && column < 20, [20]);
  expectInk(await loaded(out, 2, 1), (row, column) => row < 12 && column < 12, [12]);
  expectInk(await loaded(out, 3, 0), (row, column) => row < 16 && column < 16, [16]);
}, 120_000);

test("without a name that has evaluation in it, the last characters are held out", async () => {
  const top = join(folder, "some");
  for (let character = 1; character <= 4; character++) {
    write(join(top, "Greek", `character0${character}`, "1.png"), png(corner(4 * character)));
  }
  const out = join(folder, "some-data");
  const { code, stdout } = convert("--images", top, "--out", out, "--held-out", "0.25");
  expect(code).toBe(0);
  expect(stdout).toContain("the last 1 of 4 characters are held out");
  expect(await readOmniglot(out)).toMatchObject({ trainClasses: [0, 1, 2], heldOutClasses: [3] });
  const none = convert("--images", top, "--out", out, "--held-out", "0");
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("give images_evaluation too") });
}, 120_000);

/** images_background/Greek/character01/0394_01.png of Omniglot, MIT licence, © 2015 Brenden Lake. */
const ALPHA =
  "iVBORw0KGgoAAAANSUhEUgAAAGkAAABpAQAAAAAR+TCXAAAAB3RJTUUH3woUEjAah/FkpAAAAMNJREFUOI3t0rENwjAQBVBbLlx6A2AEJsCMwgjZwImy" +
  "mLOJJRa40kXkIyKS/S+IVHTkuqcrTvr3FeP06k9Z3I9IPCOjz+fGos7IWbnskRaZlUHSSRMweU0BGCZBFowckQOnJPkAjpzuEI5h0kC7Zd7lbASLJG+2" +
  "eo+zkoe2DIIXQbrushNMXXgiKUzA+MEBOJAfgWO+GaBZftpYbFa25Vzs0of2heyWtrQfJcd9qIzvFdAj05pFbc6acu2VE6xz8OBXvgDKyRu2f3BinQAA" +
  "AABJRU5ErkJggg==";

/** Rows 4 to 18 of the same drawing after Pillow's Image.resize((28, 28), LANCZOS), in sixteenths of ink. */
const SMALL_ALPHA = `
  ................171.........
  ............2...4f2.........
  ..........6ef8..bd..........
  .........4f99f7.e8..........
  .........db..ad1f5..........
  ........5f3..4fbe2..........
  ........8e....bfa...........
  ........7e....4fa...........
  ........8e....cef3..........
  ........8e...2f7e6..2.......
  ........7e...9e1f5.5e1......
  ........8e..2f6.cd9fb.......
  ........4f55ed..3bda1.......
  .........9ffa2..............
  ..........22................`;

test("a published drawing becomes what Pillow makes of it", async () => {
  const bytes = Buffer.from(ALPHA, "base64");
  const small = resized(await inkOf({ path: "0394_01.png", read: async () => bytes }), 105, SIDE);
  const rows = Array.from({ length: SIDE }, (_, row) =>
    Array.from(small.subarray(row * SIDE, (row + 1) * SIDE), (ink) => Math.round(15 * ink).toString(16)).join(""),
  );
  const empty = "0".repeat(SIDE);
  const wanted = SMALL_ALPHA.trim()
    .split(/\s+/)
    .map((row) => row.replaceAll(".", "0"));
  expect(rows).toEqual([...new Array(4).fill(empty), ...wanted, ...new Array(9).fill(empty)]);
});

test("images of other kinds have the same ink", async () => {
  const ink: Ink = (row, column) => (row * 7 + column * 3) % 11 < 4;
  const of = async (bytes: Uint8Array): Promise<Float32Array> => inkOf({ path: "a.png", read: async () => bytes });
  const wanted = await of(png(ink));
  expect(wanted[0]).toBe(1);
  expect(wanted[4]).toBe(ink(0, 4) ? 1 : 0);
  const image = (channels: number, depth: 8 | 16, of: (ink: boolean) => number[]) => {
    const samples = Array.from({ length: 105 * 105 }, (_, i) => of(ink(Math.floor(i / 105), i % 105))).flat();
    const data = depth === 8 ? Uint8Array.from(samples) : Uint16Array.from(samples);
    return encode({ width: 105, height: 105, data, depth, channels });
  };
  expect(await of(image(1, 8, (is) => [is ? 0 : 255]))).toEqual(wanted);
  expect(await of(image(1, 16, (is) => [is ? 0 : 65535]))).toEqual(wanted);
  expect(await of(image(3, 8, (is) => (is ? [0, 0, 0] : [255, 255, 255])))).toEqual(wanted);
  // Black, and where there is no ink transparent.
  expect(await of(image(4, 8, (is) => [0, 0, 0, is ? 255 : 0]))).toEqual(wanted);
  expect(await of(image(2, 8, (is) => [0, is ? 255 : 0]))).toEqual(wanted);
});

test("what is wrong is said in words", async () => {
  const path = (name: string, bytes?: Uint8Array): string => {
    if (bytes !== undefined) write(join(folder, name), bytes);
    return join(folder, name);
  };
  const find = (...sources: string[]) => findCharacters(sources);
  await expect(find(path("nowhere"))).rejects.toThrow(/nowhere cannot be read \(.*no such file/);
  await expect(find(path("text.zip", Buffer.from("not a zip archive")))).rejects.toThrow(
    "text.zip is neither a folder nor a zip archive",
  );
  await expect(find(path("empty.zip", zipSync({ "a/b.txt": Uint8Array.of(1) })))).rejects.toThrow(
    "empty.zip: no images",
  );
  mkdirSync(path("nothing"));
  await expect(find(path("nothing"))).rejects.toThrow(
    "nothing: no images: wanted PNG files in folders alphabet/character",
  );
  path("flat/1.png", png(strip));
  await expect(find(path("flat"))).rejects.toThrow("flat/1.png lies outside of folders alphabet/character");
  path("one/Greek/character01/1.png", png(strip));
  path("two/Greek/character01/1.png", png(strip));
  await expect(find(path("one"), path("two"))).rejects.toThrow("give each character once");
  const drawing = (name: string, bytes: Uint8Array) => ({ path: name, read: async () => bytes });
  await expect(inkOf(drawing("small.png", png(strip, 64)))).rejects.toThrow(
    "small.png is 64×64 pixels, wanted 105×105",
  );
  await expect(inkOf(drawing("text.png", Buffer.from("text")))).rejects.toThrow("text.png is no PNG image");

  expect(convert("--out", folder)).toMatchObject({ code: 1, stderr: expect.stringContaining("--images") });
  path("uneven/Greek/character01/1.png", png(strip));
  path("uneven/Greek/character02/1.png", png(strip));
  path("uneven/Greek/character02/2.png", png(strip));
  const uneven = convert("--images", path("uneven"), "--out", folder);
  expect(uneven).toMatchObject({ code: 2, stderr: expect.stringContaining("character02 has 2 drawings") });
}, 60_000);
