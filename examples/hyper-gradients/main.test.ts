/**
 * The hyper-gradients example from its command line, in a run of seconds.
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
  const command = ["scripts/run.mjs", "examples/hyper-gradients/main.ts", "--device", "cpu", "--out", out, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

const SHORT = ["--windows", "4", "--steps", "3", "--eval-steps", "5", "--runs", "2", "--no-grid"];

test.each(["restarts", "online"])(
  "%s: leaves a table of starts and what was learned, and a chart",
  (method) => {
    const args = ["--method", method, "--start", "0.003,1e-4", "--start", "0.01,0.3", "--meta-lr", "0.5"];
    const { code, stdout, stderr } = example(...SHORT, ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rates = [...stdout.matchAll(/│ (start|- learned) +│ +([\d.e-]+) │/g)].map((match) => Number(match[2]));
    expect(rates).toHaveLength(4);
    expect([rates[0], rates[2]]).toEqual([0.003, 0.01]);
    expect(rates[1]).toBeGreaterThan(0.003);
    const chart = readFileSync(join(out, `hyper-gradients-${method}.svg`), "utf8");
    for (const text of ["learning rate", "weight decay", "from 0.0030, 0.00010"]) expect(chart).toContain(text);
    expect(chart).not.toContain("NaN");
  },
  120_000,
);

test("fixed values are compared", () => {
  const { stdout } = example(...SHORT.slice(0, -1), "--start", "0.1,0.01", "--windows", "1", "--runs", "1");
  expect(stdout.match(/│ fixed/g)).toHaveLength(30);
}, 120_000);

test("wrong input is an error that says what is wanted", () => {
  expect(example("--start", "0.1")).toMatchObject({ code: 1, stderr: expect.stringContaining("as in 0.01,0.001") });
  expect(example("--start", "0.1,-1")).toMatchObject({ code: 1, stderr: expect.stringContaining("greater than 0") });
  expect(example("--wrong", "1")).toMatchObject({ code: 1, stderr: expect.stringContaining("from 0 to 1") });
  const many = example("--train-images", "1000");
  expect(many).toMatchObject({ code: 2, stderr: expect.stringContaining("1297 training images") });
  expect(example("--data", "/nowhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("no such file") });
}, 60_000);
