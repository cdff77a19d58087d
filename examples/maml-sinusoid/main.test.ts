/**
 * The sine example from its command line, in a run that is shorter still.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { verdict } from "./verdict.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/maml-sinusoid/main.ts", "--device", "cpu", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("it learns to adapt, and leaves a table and pictures", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  // The short run has learned something, the long one what it is to learn.
  const iterations = process.env.LOOPGRAD_FULL === undefined ? "600" : "2000";
  const { code, stdout } = example(
    "--iterations",
    iterations,
    "--meta-lr",
    "0.003",
    "--eval-tasks",
    "40",
    "--out",
    out,
  );
  const [, times] = /maml: ten steps make the error (\d+\.\d) times smaller/.exec(stdout) ?? [];
  expect(Number(times)).toBeGreaterThan(iterations === "600" ? 2 : 5);
  expect(code).toBe(0);
  for (const steps of [0, 1, 5, 10]) expect(stdout).toMatch(new RegExp(`│ maml +│ +${steps} │ +\\d+\\.\\d{3} │`));
  const waves = readFileSync(join(out, "maml-sinusoid.svg"), "utf8");
  for (const text of ["the wave", "before", "after 10 steps", "support set"]) expect(waves).toContain(`>${text}<`);
  for (let wave = 1; wave <= 6; wave++) expect(waves).toContain(`>maml, held-out wave ${wave}<`);
  expect(waves).not.toContain("NaN");
  expect(readFileSync(join(out, "maml-sinusoid-errors.svg"), "utf8")).toContain("40 held-out waves");
}, 120_000);

test("a seed fixes the run, all waves at once or one after the other, and the methods are different algorithms", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const rows = (...args: string[]): string[] => {
    const { stdout } = example("--iterations", "5", "--eval-tasks", "5", "--out", out, ...args);
    return stdout.split("\n").filter((line) => /│ +10 │/.test(line));
  };
  const all = rows("--seed", "7", "--method", "maml", "fomaml", "anil", "reptile");
  expect(all).toHaveLength(4);
  expect(new Set(all.map((row) => row.split("│")[3])).size).toBe(4);
  const errors = (row: string): string[] => row.split("│").slice(2);
  expect(errors(rows("--seed", "7")[0])).toEqual(errors(all[0]));
  expect(errors(rows("--seed", "7", "--no-batched", "--eval-every", "2")[0])).toEqual(errors(all[0]));
  expect(errors(rows("--seed", "8")[0])).not.toEqual(errors(all[0]));
}, 120_000);

test("a short run, or one with other settings, says what came of it, and does not fail", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const { code, stdout, stderr } = example("--iterations", "20", "--eval-tasks", "5", "--out", out);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).not.toContain("FAILED");
  expect(stdout).toMatch(
    /^maml: ten steps make the error \d\.\d times smaller \(not checked because of 20 meta-steps; from 5000 on .* 5 times\)$/m,
  );
}, 60_000);

test("only a run with the usual settings, or longer, can fail", () => {
  const usual = { iterations: 5000, lr: 0.01, shots: 10 };
  const of = (ratio: number, given: Partial<typeof usual> = {}) =>
    verdict("maml", ratio, { ...usual, ...given }, usual);
  expect(of(4.9)).toEqual({
    failed: true,
    text: "FAILED: maml: ten steps make the error 4.9 times smaller, wanted more than 5 times",
  });
  expect(of(4.9, { iterations: 6000 }).failed).toBe(true);
  expect(of(Number.NaN).failed).toBe(true);
  expect(of(5.1)).toEqual({
    failed: false,
    text: "passed: maml: ten steps make the error 5.1 times smaller (wanted: more than 5 times)",
  });
  expect(of(1, { iterations: 4999 })).toMatchObject({
    failed: false,
    text: expect.stringContaining("4999 meta-steps"),
  });
  expect(of(1, { lr: 0.5, shots: 1 })).toMatchObject({
    failed: false,
    text: expect.stringContaining("not checked because of lr 0.5 in place of 0.01, shots 1 in place of 10"),
  });
  expect(of(Number.NaN, { lr: 9 }).failed).toBe(false);
});

test("wrong options are errors that say what is wanted", () => {
  expect(example("--lr", "-1")).toMatchObject({ code: 1, stderr: expect.stringContaining("greater than 0") });
  expect(example("--iterations", "many")).toMatchObject({ code: 1, stderr: expect.stringContaining("whole number") });
  expect(example("--itertions", "1")).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown option") });
  expect(example("--method", "mmal")).toMatchObject({ code: 1, stderr: expect.stringContaining("fomaml") });
  const reptile = ["--method", "reptile"];
  expect(example(...reptile, "--steps", "1")).toMatchObject({ code: 1, stderr: expect.stringContaining("2 or more") });
  expect(example(...reptile, "--paper")).toMatchObject({ code: 1, stderr: expect.stringContaining("maml and fomaml") });
}, 60_000);
