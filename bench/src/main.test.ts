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

test("w3 measures memory, and checkpoints hold less", () => {
  const held = (...checkpoint: string[]): Record<string, number> => {
    const { code, stdout } = bench("w3", "--device", "cpu", "--steps", "4", "--json", ...checkpoint);
    expect(code).toBe(0);
    return JSON.parse(stdout);
  };
  const [plain, checkpointed] = [held(), held("--checkpoint", "step")];
  expect(plain).toMatchObject({ workload: "w3", steps: 4, optimizer: "sgd", checkpoint: "none" });
  expect(plain.bytesPerStep).toBeLessThan(2.8 * 2 ** 20);
  expect(checkpointed.bytesPerStep).toBeLessThan(0.4 * 2 ** 20);
  expect(checkpointed.peakBytes).toBeLessThan(plain.peakBytes);
  expect(checkpointed.gradient).toBeCloseTo(plain.gradient, 3);
}, 120_000);

test("unknown workloads and options are errors", () => {
  expect(bench("w9", "--device", "cpu")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('unknown workload "w9"'),
  });
  expect(bench("w0", "--step", "2")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("unknown option '--step'"),
  });
  expect(bench("w3", "--tasks", "2").stderr).toContain("--tasks is not for w3");
  expect(bench("w3", "--checkpoint", "most").stderr).toContain("Wanted a whole number");
  expect(bench("w0", "--steps", "0")).toMatchObject({ code: 2, stderr: expect.stringContaining("at least 1") });
}, 60_000);
