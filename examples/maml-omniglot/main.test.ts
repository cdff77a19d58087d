/**
 * The Omniglot example from its command line, on a few invented characters.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));
const CLASSES = 9;
const DRAWINGS = 20;
const BYTES = (28 * 28) / 2;

let folder: string;

/** Each character is ink in some rows of its own; drawings differ in how dark it is. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const pixels = new Uint8Array(CLASSES * DRAWINGS * BYTES);
  for (let character = 0; character < CLASSES; character++) {
    for (let drawing = 0; drawing < DRAWINGS; drawing++) {
      const ink = 5 + (drawing % 10);
      for (let i = 0; i < BYTES; i++) {
        const row = Math.floor(i / 14);
        if (row % CLASSES === character) pixels[(character * DRAWINGS + drawing) * BYTES + i] = ink * 17;
      }
    }
  }
  writeFileSync(join(folder, "omniglot28.bin.gz"), gzipSync(pixels));
  const about = { shape: [CLASSES, DRAWINGS, 28, 28], background_classes: 6, evaluation_classes: 3 };
  writeFileSync(join(folder, "omniglot28.json"), JSON.stringify(about));
});

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const small = ["--ways", "2", "--shots", "1", "--queries", "2", "--width", "2", "--tasks", "2", "--eval-tasks", "2"];
  const command = ["scripts/run.mjs", "examples/maml-omniglot/main.ts", "--device", "cpu", ...small, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("a run that was stopped and resumed ends like one that was not", () => {
  const checkpoint = (name: string): string => join(folder, `${name}.safetensors`);
  const common = ["--data", folder, "--rotations", "--inner-steps", "2", "--eval-every", "2", "--out", folder];
  const straight = example(...common, "--iterations", "4", "--checkpoint", checkpoint("straight"));
  expect(straight).toMatchObject({ code: 0, stderr: "" });
  example(...common, "--iterations", "2", "--checkpoint", checkpoint("stopped"));
  const resumed = example(...common, "--iterations", "4", "--checkpoint", checkpoint("stopped"), "--resume");

  const table = (stdout: string): string => stdout.slice(stdout.indexOf("┌"));
  expect(straight.stdout).toContain("after 4 meta-steps, held-out characters: accuracy");
  expect(table(straight.stdout)).toMatch(/│ +4 │ +\d+\.\d % │/);
  expect(table(resumed.stdout)).toBe(table(straight.stdout));
  const read = (name: string): Buffer => readFileSync(checkpoint(name));
  expect(read("stopped").equals(read("straight"))).toBe(true);
  const picture = readFileSync(join(folder, "omniglot-maml.svg"), "utf8");
  expect(picture).toContain("2-way 1-shot Omniglot");
  expect(picture).not.toContain("NaN");

  const other = example(...common, "--checkpoint", checkpoint("stopped"), "--resume", "--inner-lr", "0.2");
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("was made with innerLr 0.1, not 0.2") });
}, 120_000);

test("the methods are different algorithms, and each changes the model", () => {
  const common = ["--data", folder, "--inner-steps", "2", "--iterations", "2", "--eval-every", "1", "--out", folder];
  const runs = ["maml", "fomaml", "anil", "reptile"].map((method) => {
    const { code, stdout } = example(...common, "--meta-lr", "0.05", "--method", method);
    expect(code).toBe(0);
    const losses = Array.from(stdout.matchAll(/characters: .*loss (\d+\.\d{3})$/gm), ([, loss]) => loss);
    expect(losses).toHaveLength(3);
    expect(losses[2]).not.toBe(losses[0]);
    return losses.slice(1).join();
  });
  expect(new Set(runs).size).toBe(4);
}, 120_000);

test("without data it says where to get them", () => {
  expect(example()).toMatchObject({ code: 2, stderr: expect.stringContaining("--data FOLDER is missing") });
  const nowhere = example("--data", "/nowhere");
  expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining("github.com/brendenlake/omniglot") });
  expect(nowhere.stderr).toContain(
    "node scripts/run.mjs examples/maml-omniglot/convert.ts --images images_background.zip",
  );
}, 60_000);

test("more shots and queries than drawings are refused", () => {
  const { code, stderr } = example("--data", folder, "--shots", "10", "--queries", "11");
  expect(code).toBe(2);
  expect(stderr).toContain("10 shots and 11 queries are more than the 20 drawings");
}, 60_000);

test("wrong options are errors that say what is wanted", () => {
  expect(example("--method", "mmal")).toMatchObject({ code: 1, stderr: expect.stringContaining("fomaml") });
  expect(example("--resume")).toMatchObject({ code: 1, stderr: expect.stringContaining("--checkpoint FILE") });
  const reptile = example("--method", "reptile", "--inner-steps", "1");
  expect(reptile).toMatchObject({ code: 1, stderr: expect.stringContaining("give it 2 or more") });
}, 60_000);
