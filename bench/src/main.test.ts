/**
 * The command line of the benchmarks: one JSON object, and errors for what it does not know.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));

function bench(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "bench/src/main.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("--json prints one object with every number", () => {
  const { code, stdout } = bench("w0", "--device", "cpu", "--iterations", "2", "--steps", "2", "--json");
  expect(code).toBe(0);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ workload: "w0", device: "cpu", adapter: null, steps: 2, tasks: 1, submits: 1 });
  for (const name of ["firstMs", "medianMs", "minMs", "maxMs", "cpuMs", "dispatches", "peakBytes"]) {
    expect(result[name]).toBeGreaterThan(0);
  }
}, 60_000);

test("unknown workloads and options are errors", () => {
  expect(bench("w9", "--device", "cpu")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('unknown workload "w9"'),
  });
  expect(bench("w0", "--step", "2")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("unknown option '--step'"),
  });
  expect(bench("w0", "--steps", "0")).toMatchObject({ code: 2, stderr: expect.stringContaining("at least 1") });
}, 60_000);
