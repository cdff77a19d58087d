/**
 * Optimizers of one's own: the rules against formulas, their derivatives against differences, and the program.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, manualSeed, type Optimizer, Parameter, type Tensor, tensor } from "loopgrad";
import { checkedGradients, descend, sineProblem } from "./hyper-gradients.ts";
import { Lars } from "./lars.ts";
import { Lion } from "./lion.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/own-optimizer/main.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** The parameter after each of two steps with the gradients given. */
async function twoSteps(opt: Optimizer<object>, w: Parameter, gradients: readonly number[][]): Promise<number[][]> {
  const path: number[][] = [];
  for (const g of gradients) {
    w.grad = tensor(g);
    opt.step();
    path.push((await w.toArray()) as number[]);
  }
  return path;
}

test("LARS in place follows its formula", async () => {
  const w = new Parameter(tensor([3, 4]));
  const opt = new Lars([w], { lr: 0.5, momentum: 0.9, weightDecay: 0, trust: 0.1, eps: 0 });
  const path = await twoSteps(opt, w, [
    [0, 2],
    [1, 0],
  ]);
  // r = 0.1 · 5 / 2; then r = 0.1 ‖w₁‖ / 1
  const first = [3, 4 - 0.5 * 0.25 * 2];
  const r = 0.1 * Math.hypot(...first);
  const second = [3 - 0.5 * r, first[1] - 0.5 * 0.9 * 0.5];
  for (const [i, x] of [...path[0], ...path[1]].entries()) expect(x).toBeCloseTo([...first, ...second][i], 12);
});

test("Lion in place follows its formula", async () => {
  const w = new Parameter(tensor([1, -1]));
  const opt = new Lion([w], { lr: 0.1, betas: [0.5, 0.75], weightDecay: 0.5 });
  const path = await twoSteps(opt, w, [
    [1, -2],
    [-0.1, 0.1],
  ]);
  // m = ¼ g; then c = ½ m + ½ g = (0.075, −0.2): both signs stay
  const step = (x: number, sign: number): number => x - 0.1 * (sign + 0.5 * x);
  const first = [step(1, 1), step(-1, -1)];
  const second = [step(first[0], 1), step(first[1], -1)];
  for (const [i, x] of [...path[0], ...path[1]].entries()) expect(x).toBeCloseTo([...first, ...second][i], 12);
});

describe.each([
  ["LARS", (p: Tensor[]) => new Lars(p, { lr: 0.1, momentum: 0.5, weightDecay: 0.1, trust: 0.1, eps: 1e-3 })],
  ["Lion", (p: Tensor[]) => new Lion(p, { lr: 0.003, weightDecay: 0.01 })],
] as const)("%s", (_, make) => {
  test("is differentiable in every hyperparameter", async () => {
    manualSeed(1);
    const found = await checkedGradients(sineProblem(make as (p: Tensor[]) => Optimizer<object>, 10));
    expect(found.length).toBeGreaterThanOrEqual(4);
    for (const { tape, differences } of found) {
      expect(Math.abs(tape - differences)).toBeLessThan(1e-6 * Math.abs(differences) + 1e-8);
    }
  });
});

test("hyperparameters learn", async () => {
  manualSeed(1);
  const problem = sineProblem((p) => new Lars(p, { lr: 0.1, momentum: 0.5, weightDecay: 0.1, trust: 0.1 }), 8);
  const { losses, values } = await descend(problem, ["lr", "weightDecay"], 6);
  expect(losses[6]).toBeLessThan(losses[0]);
  expect(problem.opt.paramGroups[0]).toMatchObject({ lr: expect.closeTo(values.lr[6], 12) });
});

test("the program prints both derivatives, and leaves a chart", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const { code, stdout } = example("--steps", "5", "--outer-steps", "3", "--out", out);
  expect(code).toBe(0);
  expect(stdout).toMatch(/central differences/);
  expect(stdout).toMatch(/weightDecay/);
  expect(existsSync(join(out, "own-optimizer-lars.svg"))).toBe(true);
  expect(example("--optimizer", "sgd")).toMatchObject({ code: 1, stderr: expect.stringContaining("lars, lion") });
}, 120_000);
