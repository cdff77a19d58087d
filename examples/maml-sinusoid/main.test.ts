/**
 * The sine example from its command line, in a run that is shorter still.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/maml-sinusoid/main.ts", "--device", "cpu", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("it learns to adapt, and leaves a table and a picture", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const { code, stdout } = example("--iterations", "2000", "--meta-lr", "0.003", "--eval-tasks", "40", "--out", out);
  expect(stdout).toMatch(/passed: ten steps make the error \d+\.\d times smaller/);
  expect(code).toBe(0);
  for (const steps of [0, 1, 5, 10]) expect(stdout).toMatch(new RegExp(`^ +${steps} +\\d+\\.\\d{3}`, "m"));
  const picture = readFileSync(join(out, "maml-sinusoid.svg"), "utf8");
  expect(picture.match(/<polyline/g)).toHaveLength(24);
  expect(picture).not.toContain("NaN");
}, 120_000);

test("a seed fixes the run, and first order is another algorithm", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const table = (...args: string[]): string => {
    const { stdout } = example("--iterations", "20", "--eval-tasks", "5", "--out", out, ...args);
    return stdout.slice(stdout.indexOf("steps"), stdout.indexOf("picture"));
  };
  const first = table("--seed", "7");
  expect(table("--seed", "7")).toBe(first);
  expect(table("--seed", "8")).not.toBe(first);
  expect(table("--seed", "7", "--first-order")).not.toBe(first);
}, 120_000);

test("wrong options are errors that say what is wanted", () => {
  expect(example("--lr", "-1")).toMatchObject({ code: 1, stderr: expect.stringContaining("greater than 0") });
  expect(example("--iterations", "many")).toMatchObject({ code: 1, stderr: expect.stringContaining("whole number") });
  expect(example("--itertions", "1")).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown option") });
}, 60_000);
