/**
 * `--browser`: the same ids, measured in a headless browser on both devices.
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

test("rows of a page have the numbers of others, and the browser's version", () => {
  const args = ["w0", "reduce", "--browser", "--device", "cpu,webgpu", "--iterations", "2", "--profile", "--json"];
  const { code, stdout, stderr } = bench(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rows.map(({ workload, device }) => `${workload} ${device}`)).toEqual([
    "w0 cpu",
    "w0 webgpu",
    "reduce cpu",
    "reduce webgpu",
  ]);
  for (const row of rows) {
    expect(row).toMatchObject({ subject: "loopgrad in a page", calls: 2, plansMade: 0, pipelinesCreated: 0 });
    expect(row.firstMs).toBeGreaterThan(0);
    const calls = row.profile.map((one: { calls: number }) => one.calls);
    expect(calls.reduce((sum: number, one: number) => sum + one, 0)).toBe(row.dispatches);
    expect(row.versions.chromium).toMatch(/^\d+\./);
  }
  expect(rows[1].submits).toBe(1);
  expect(rows[3].gbps).toBeGreaterThan(0);
}, 180_000);
