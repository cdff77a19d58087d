/**
 * The learning-to-reweight example from its command line, in a run of seconds.
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
    "examples/learning-to-reweight/main.ts",
    "--device",
    "cpu",
    "--out",
    out,
    ...args,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("it compares four ways of weighing, and leaves a table and a chart", () => {
  const short = ["--imbalances", "0.6,0.9", "--steps", "40", "--runs", "2", "--lr", "0.1"];
  const { code, stdout, stderr } = example(...short);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/│ common │ rare images │ +unweighted │ +clean added │ +by frequency │ +reweighted │/);
  const row = stdout.match(/│ 60\.0 % │ +(\d+) │(.*)│/);
  expect(Number(row?.[1])).toBeGreaterThan(400);
  for (const cell of row?.[2].split("│") ?? []) expect(Number.parseFloat(cell)).toBeGreaterThan(70);
  const chart = readFileSync(join(out, "learning-to-reweight.svg"), "utf8");
  for (const text of ["unweighted", "reweighted", "share of the common group"]) expect(chart).toContain(text);
  expect(chart).not.toContain("NaN");
}, 120_000);

test("wrong labels leave the clean images alone", () => {
  const short = ["--imbalances", "0.9", "--steps", "5", "--runs", "1"];
  const table = (...args: string[]): string => example(...short, ...args).stdout.split("┌")[1];
  expect(table("--wrong", "0.4")).not.toBe(table());
}, 120_000);

test("wrong input is an error that says what is wanted", () => {
  expect(example("--imbalances", "0.9,1")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("between 0 and 1"),
  });
  expect(example("--rare", "one")).toMatchObject({ code: 1, stderr: expect.stringContaining("as in 0,2,4") });
  const scarce = example("--imbalances", "0.2", "--runs", "1");
  expect(scarce).toMatchObject({ code: 2, stderr: expect.stringContaining("an imbalance of 0.2 wants") });
  const shared = example("--common", "1,2", "--rare", "2");
  expect(shared).toMatchObject({ code: 2, stderr: expect.stringContaining("class 2 is in both groups") });
  expect(example("--data", "/nowhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("no such file") });
}, 60_000);
