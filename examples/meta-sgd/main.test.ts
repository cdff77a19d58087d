/**
 * Learned rates: their meta-gradients against central differences, and the program from its command line.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { init, Linear, manualSeed, noGrad, rand, Sequential, SGD, Tanh, tensor } from "loopgrad";
import { Learner } from "../meta-learning/learner.ts";
import { metaBackward } from "./meta-sgd.ts";
import { makeRates, type RatesKind, ratesKinds, readRates } from "./rates.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const STEPS = 2;

async function setup(kind: RatesKind) {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(3);
  const model = new Learner(new Sequential(new Linear(1, 3), new Tanh()), new Linear(3, 1));
  const inner = new SGD(model.parameters(), { lr: 1 });
  const points = () => {
    const x = rand([4, 1]);
    return { x, y: x.mul(3).sin() };
  };
  const rates = makeRates(kind, model, { lr: 0.1, steps: STEPS });
  const task = { support: points(), query: points() };
  const run = () => metaBackward(model, task, { inner, rates, steps: STEPS, share: 1 });
  return { model, rates, run };
}

test.each([
  ["fixed", 0],
  ["scalar", 1],
  ["per-parameter", 4],
  ["elementwise", 10],
  ["per-step-per-layer", 4],
] as const)("%s: %i rates are learned, by the gradient through the steps", async (kind, count) => {
  const { rates, run } = await setup(kind);
  await run().item();
  const grads = await Promise.all(rates.leaves.map(async (leaf) => Array.from((await leaf.grad?.data()) ?? [])));
  expect(grads.flat()).toHaveLength(count);

  const step = 1e-5;
  for (const [l, leaf] of rates.leaves.entries()) {
    const values = Array.from(await leaf.data());
    const set = (list: number[]): void =>
      noGrad(() => leaf.assign(tensor(list, { dtype: "float64" }).reshape([...leaf.shape])));
    for (const i of values.keys()) {
      const loss = async (by: number): Promise<number> => {
        set(values.map((value, j) => (j === i ? value + by : value)));
        return run().item();
      };
      const slope = ((await loss(step)) - (await loss(-step))) / (2 * step);
      expect(grads[l][i]).toBeCloseTo(slope, 7);
    }
    set(values);
  }
});

test("all kinds begin as plain MAML with one rate", async () => {
  const losses = [];
  for (const kind of ratesKinds) {
    const { model, rates, run } = await setup(kind);
    losses.push(await run().item());
    const read = await readRates(model, rates, 5);
    expect([...read.keys()]).toEqual(["body.0", "head"]);
    for (const rate of [...read.values()].flat()) expect(rate).toBeCloseTo(0.1, 12);
  }
  for (const loss of losses) expect(loss).toBeCloseTo(losses[0], 12);
});

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/meta-sgd/main.ts", "--device", "cpu", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test("it compares all kinds, and leaves tables and a picture", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const run = example("--iterations", "10", "--tasks", "2", "--steps", "2", "--eval-tasks", "4", "--out", out);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const rows = run.stdout.split("\n").map((line) => line.split("│").map((cell) => cell.trim()));
  for (const [kind, learned] of [
    ["fixed", "0"],
    ["scalar", "1"],
    ["per-parameter", "6"],
    ["elementwise", "1761"],
    ["per-step-per-layer", "6"],
  ]) {
    const errors = rows.filter((row) => row[1] === kind && row[2] === learned && row.length === 10);
    expect(errors.map((row) => row[3])).toEqual(["0", "1", "2", "10"]);
  }
  // The rates moved, each on its own, and those of plain MAML did not.
  expect(run.stdout).toMatch(/│ fixed +│ all +│ head +│ 0\.0100 │ 0\.0100 │ +0\.0100 │/);
  const picture = readFileSync(join(out, "meta-sgd.svg"), "utf8");
  for (const text of ["elementwise rates, sorted", "rates per step and layer"]) expect(picture).toContain(text);
  expect(picture).not.toContain("NaN");
}, 120_000);

test("wrong options are errors that say what is wanted", () => {
  expect(example("--rates", "vector")).toMatchObject({ code: 1, stderr: expect.stringContaining("elementwise") });
  expect(example("--rates-lr", "0")).toMatchObject({ code: 1, stderr: expect.stringContaining("greater than 0") });
  expect(example("--steps", "0")).toMatchObject({ code: 1, stderr: expect.stringContaining("at least 1") });
}, 60_000);
