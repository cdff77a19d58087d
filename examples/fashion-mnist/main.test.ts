/**
 * The Fashion-MNIST example from its command line: on the digits, and on a few invented images in four files.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "@jest/globals";
import { init, loadSafetensors } from "loopgrad";
import { ResNet8 } from "./model.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/fashion-mnist/main.ts", "--device", "cpu", "--out", folder, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

/** Four files in which an image of class c is white in row 2 c + 4. */
function stripes(): string {
  const data = mkdtempSync(join(folder, "stripes-"));
  for (const [part, count] of [["train", 40] as const, ["t10k", 20] as const]) {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
    const pixels = new Uint8Array(count * 784);
    for (const [i, label] of labels.entries())
      pixels.fill(255, i * 784 + 28 * (2 * label + 4), i * 784 + 28 * (2 * label + 5));
    const file = (magic: number, dims: number[], bytes: Uint8Array): Buffer => {
      const header = Buffer.alloc(4 * (1 + dims.length));
      for (const [i, word] of [magic, ...dims].entries()) header.writeUInt32BE(word, 4 * i);
      return gzipSync(Buffer.concat([header, bytes]));
    };
    writeFileSync(join(data, `${part}-images-idx3-ubyte.gz`), file(0x803, [count, 28, 28], pixels));
    writeFileSync(join(data, `${part}-labels-idx1-ubyte.gz`), file(0x801, [count], labels));
  }
  return data;
}

test("without data it learns the digits, and shows what it got wrong", () => {
  const { code, stdout, stderr } = example("--width", "4", "--batch", "32", "--steps", "40", "--test-every", "20");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("data: handwritten digits: 1297 training and 500 test images");
  expect(stdout).toContain("after 20 steps, first 1000 test images: accuracy");
  expect(Number(/after 40 steps, all test images: accuracy (\S+) %/.exec(stdout)?.[1])).toBeGreaterThan(60);
  expect(stdout.match(/^│ +\d │ +\S+ % │/gm)).toHaveLength(10);
  for (const name of ["loss", "mistakes"]) expect(existsSync(join(folder, `fashion-mnist-${name}.svg`))).toBe(true);
}, 120_000);

test("a trace has the weights, the settings and every loss; two runs have the same", async () => {
  const data = stripes();
  const traced = (name: string): { settings: Record<string, number>; losses: number[]; ms: number[] } => {
    const path = join(folder, name, "trace.json");
    const run = example("--data", data, "--width", "2", "--batch", "8", "--steps", "6", "--trace", path);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toContain("t-shirt");
    return JSON.parse(readFileSync(path, "utf8"));
  };
  const [one, two] = [traced("one"), traced("two")];
  expect(one.settings).toMatchObject({
    width: 2,
    steps: 6,
    batch: 8,
    lr: 0.1,
    momentum: 0.9,
    weightDecay: 5e-4,
    seed: 1,
  });
  expect(one.losses).toHaveLength(6);
  expect(one.losses).toEqual(two.losses);
  await init({ device: "cpu" });
  const model = new ResNet8(2, 10);
  model.loadStateDict(await loadSafetensors(join(folder, "one", "trace.safetensors")));
}, 120_000);

test("wrong input is refused with a reason", () => {
  expect(example("--data", "/nowhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("--data FOLDER") });
  expect(example("--trace", "losses.txt")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("--trace losses.txt: wanted a name that ends in .json"),
  });
  expect(example("--batch", "2000")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("batches of 2000 cannot be had from 1297 examples"),
  });
}, 120_000);
