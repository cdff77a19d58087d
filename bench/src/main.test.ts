/**
 * The command line of the benchmarks: an object a row, and errors for what it does not know.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../..", import.meta.url));

function bench(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "bench/src/main.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env },
  });
  return { code: status, stdout, stderr };
}

/** The rows that a run prints. */
function rows(...args: string[]) {
  const { code, stdout, stderr } = bench(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("--json prints one object with every number", () => {
  const result = rows("w0", "--device", "cpu", "--iterations", "2", "--steps", "2");
  expect(result).toHaveLength(1);
  expect(result[0]).toMatchObject({ workload: "w0", device: "cpu", adapter: null, steps: 2, tasks: 1, submits: 1 });
  for (const name of ["firstMs", "medianMs", "minMs", "maxMs", "cpuMs", "dispatches", "peakBytes", "load"]) {
    expect(result[0][name]).toBeGreaterThan(0);
  }
  expect(result[0].versions).toEqual({ loopgrad: expect.any(String), node: process.versions.node });
}, 60_000);

test("a row for each combination of size and shape, each with its rate and its share of what the machine can", () => {
  const result = rows(
    "matmul",
    "softmax",
    "--device",
    "cpu",
    "--iterations",
    "2",
    "--size",
    "16,32",
    "--shape",
    "square,tall",
  );
  expect(result.map(({ workload, size, shape }) => `${workload} ${size} ${shape}`)).toEqual(
    ["matmul", "softmax"].flatMap((id) =>
      [16, 32].flatMap((n) => ["square", "tall"].map((shape) => `${id} ${n} ${shape}`)),
    ),
  );
  for (const { workload, gflops, gbps, share, repeat } of result) {
    expect(workload === "matmul" ? gflops : gbps).toBeGreaterThan(0);
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThanOrEqual(1);
    expect(repeat).toBe(64);
  }
}, 120_000);

test("two devices take turns at the same work, after their results were compared", () => {
  const [first, second] = rows("w0", "--device", "cpu,webgpu", "--adapter", "software", "--iterations", "2");
  expect([first.device, second.device]).toEqual(["cpu", "webgpu"]);
  expect(second.ratio).toBeCloseTo(second.minMs / first.minMs);
}, 120_000);

test("w3 measures memory, and checkpoints hold less", () => {
  const held = (...checkpoint: string[]): Record<string, number> =>
    rows("w3", "--device", "cpu", "--steps", "4", ...checkpoint)[0];
  const [plain, checkpointed] = [held(), held("--checkpoint", "step")];
  expect(plain).toMatchObject({ workload: "w3", steps: 4, optimizer: "sgd", checkpoint: "none" });
  expect(plain.bytesPerStep).toBeLessThan(2.8 * 2 ** 20);
  expect(checkpointed.bytesPerStep).toBeLessThan(0.4 * 2 ** 20);
  expect(checkpointed.peakBytes).toBeLessThan(plain.peakBytes);
  expect(checkpointed.gradient).toBeCloseTo(plain.gradient, 3);
}, 120_000);

test("float64 rows compute in float64, models too", () => {
  const [product, step] = rows(
    "matmul",
    "mlp",
    "--device",
    "cpu",
    "--size",
    "16",
    "--iterations",
    "1",
    "--dtype",
    "float64",
  );
  expect(product.peakBytes).toBeGreaterThanOrEqual(3 * 8 * 256);
  const [half] = rows("mlp", "--device", "cpu", "--size", "16", "--iterations", "1");
  expect(step.peakBytes).toBeGreaterThan(1.8 * half.peakBytes);
}, 60_000);

test("--profile shows a call kernel by kernel, where there are calls", () => {
  const [row] = rows("mlp", "--device", "cpu", "--size", "8", "--iterations", "1", "--profile");
  expect(row.profile.length).toBeGreaterThan(5);
  expect(row.profile.reduce((sum: number, { calls }: { calls: number }) => sum + calls, 0)).toBe(row.dispatches);
}, 60_000);

test("a page is made of rows that were printed before", () => {
  const folder = mkdtempSync(join(tmpdir(), "loopgrad-page-"));
  try {
    const [file, html] = ["rows.json", "page.html"].map((name) => join(folder, name));
    const { stdout } = bench("bundle", "--json");
    writeFileSync(file, stdout);
    expect(bench("page", file, file, "--html", html)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(html, "utf8").match(/^bundle /gm)).toHaveLength(4);
    expect(bench("page", join(folder, "none.json"), "--html", html)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cannot be read"),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test("a peer that is not installed is an error with the remedy", () => {
  const peers = mkdtempSync(join(tmpdir(), "loopgrad-no-peers-"));
  try {
    process.env.LOOPGRAD_PEERS = peers;
    expect(bench("w0", "--device", "cpu", "--peers", "torch,jax-js:wasm")).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("jax-js, torch are not installed: `pnpm bench:peers jax-js torch` does it"),
    });
  } finally {
    delete process.env.LOOPGRAD_PEERS;
    rmSync(peers, { recursive: true });
  }
}, 60_000);

test("what does not fit ends with 2 and runs nothing", () => {
  expect(bench("w9", "--device", "cpu")).toEqual({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining('unknown workload "w9": wanted w0, w1, w2'),
  });
}, 60_000);
