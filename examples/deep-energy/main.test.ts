/**
 * The deep-energy example from its command line, in a run of seconds.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "loopgrad-"));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/deep-energy/main.ts", "--device", "cpu", "--out", out, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

const SHORT = ["--eval-every", "75", "--eval-images", "100", "--batch", "64"];

test("it trains, and leaves a table and a chart", () => {
  const isFull = process.env.LOOPGRAD_FULL !== undefined;
  const { code, stdout, stderr } = example(...SHORT, "--iterations", isFull ? "150" : "75");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("model: spen, 14433 parameters");
  const accuracy = (steps: number): number =>
    Number(stdout.match(new RegExp(`│ +${steps} │ +[-\\d.]+ │ +([\\d.]+) % │`))?.[1]);
  expect(accuracy(0)).toBeLessThan(20);
  // The short run has not learned yet, the long one has.
  expect(accuracy(5)).toBeGreaterThan(isFull ? 25 : 0);
  expect(accuracy(10)).not.toBeNaN();
  const chart = readFileSync(join(out, "deep-energy-spen.svg"), "utf8");
  expect(chart).toContain("test accuracy");
  expect(chart).not.toContain("NaN");
}, 120_000);

test("the convex one is another model", () => {
  const { code, stdout, stderr } = example(...SHORT, "--iterations", "2", "--model", "icnn");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("model: icnn");
  expect(readFileSync(join(out, "deep-energy-icnn.svg"), "utf8")).toContain("(icnn)");
}, 120_000);

test("images in MNIST's format are read, and larger ones get the published kernels", () => {
  const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const count = 6;
  const pixels = Array.from({ length: count * 28 * 28 }, (_, i) => (i * 37) % 256);
  for (const part of ["train", "t10k"]) {
    const images = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28, ...pixels];
    writeFileSync(join(folder, `${part}-images-idx3-ubyte`), Uint8Array.from(images));
    writeFileSync(
      join(folder, `${part}-labels-idx1-ubyte`),
      Uint8Array.of(0, 0, 8, 1, 0, 0, 0, count, 0, 1, 2, 0, 1, 2),
    );
  }
  const { code, stdout } = example("--data", folder, "--iterations", "1", "--batch", "4", "--hidden", "8");
  expect(code).toBe(0);
  expect(stdout).toContain("6 training and 6 test images of 28×28 pixels");
  // Convolutions 520 + 25,050; layers 800-8-8; head 11-8-1.
  expect(stdout).toContain(`${520 + 25_050 + 6_408 + 72 + 96 + 9} parameters`);
}, 60_000);

test("wrong input is an error that says what is wanted", () => {
  expect(example("--model", "rbm")).toMatchObject({ code: 1, stderr: expect.stringContaining("spen, icnn") });
  const nowhere = example("--data", "/nowhere");
  expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining("train-images-idx3-ubyte") });
  expect(example("--lr", "0")).toMatchObject({ code: 1, stderr: expect.stringContaining("greater than 0") });
}, 60_000);
