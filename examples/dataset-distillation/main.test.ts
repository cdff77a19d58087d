/**
 * The dataset-distillation example from its command line, in a run of seconds.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "loopgrad-"));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = [
    "scripts/run.mjs",
    "examples/dataset-distillation/main.ts",
    "--device",
    "cpu",
    "--out",
    out,
    ...args,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("it distils better images than noise, and leaves a table and a picture", () => {
  const short = ["--iterations", "40", "--nets", "1", "--steps", "4", "--per-class", "2", "--eval-nets", "3"];
  const { code, stdout, stderr } = example(...short, "--hidden", "16");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const accuracy = (what: string): number => Number(stdout.match(new RegExp(`│ ${what} .*│ +([\\d.]+) % ±`))?.[1]);
  expect(accuracy("distilled")).toBeGreaterThan(30);
  for (const what of ["random real images", "centroids", "real training images"]) {
    expect(accuracy(what)).toBeGreaterThan(10);
  }
  const picture = readFileSync(join(out, "dataset-distillation.png"));
  expect(picture.subarray(1, 4).toString()).toBe("PNG");
  // Ten columns and two rows of 8×8 pixels, six dots each, four dots between them.
  expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([4 + 10 * 52, 4 + 2 * 52]);
  const labelled = readFileSync(join(out, "dataset-distillation.svg"), "utf8");
  expect(Array.from(labelled.matchAll(/>(\d)<\/text>/g), ([, label]) => label).join("")).toBe("01234567890123456789");
}, 120_000);

test("wrong input is an error that says what is wanted", () => {
  expect(example("--per-class", "0")).toMatchObject({ code: 1, stderr: expect.stringContaining("at least 1") });
  expect(example("--perclass", "1")).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown option") });
  expect(example("--data", "/nowhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("no such file") });
}, 60_000);
