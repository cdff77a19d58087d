/**
 * The learned optimizer from its command line, in runs that are shorter still; and its rules.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, init, innerLoop, manualSeed, noGrad, type Tensor, tensor } from "loopgrad";
import { LEARNERS, preprocessed } from "./rules.ts";
import { FAMILIES, Quadratics } from "./tasks.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/learned-optimizer/main.ts", "--device", "cpu", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

/** Mean losses of the table's row, at the numbers of steps in its head. */
function row(stdout: string, name: string): number[] {
  const line = stdout.split("\n").find((text) => text.includes(name)) ?? "";
  return line.split("│").slice(2, -1).map(Number);
}

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

test("an mlp learns to descend quadratics it never saw, and leaves a table and a chart", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const sizes = ["--iterations", "25", "--steps", "40", "--unroll", "10", "--problems", "8", "--eval-problems", "20"];
  const { code, stdout, stderr } = example(...sizes, "--meta-lr", "0.003", "--out", out);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const learned = row(stdout, "learned mlp");
  expect(learned.every(Number.isFinite)).toBe(true);
  // Columns: the loss after 0, 10, 40, 50 and 80 steps, and the median.
  expect(learned[2]).toBeLessThan(learned[0] / 10);
  expect(row(stdout, "SGD, lr")).toHaveLength(learned.length);
  expect(row(stdout, "Adam, lr")[0]).toBe(learned[0]);
  expect(readFileSync(join(out, "learned-optimizer-mlp-quadratic.svg"), "utf8")).toContain("learned mlp");
}, 120_000);

test("an lstm and nets on sine waves, in first order, run", () => {
  const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
  const sizes = ["--iterations", "2", "--steps", "6", "--unroll", "4", "--problems", "2", "--eval-problems", "2"];
  const { code, stdout } = example("--model", "lstm", "--task", "sine", "--first-order", ...sizes, "--out", out);
  expect(code).toBe(0);
  expect(row(stdout, "learned lstm").every(Number.isFinite)).toBe(true);
}, 120_000);

test("wrong options are errors that say what is wanted", () => {
  expect(example("--model", "gru")).toMatchObject({ code: 1, stderr: expect.stringContaining("lstm, mlp") });
  expect(example("--unroll", "0")).toMatchObject({ code: 1, stderr: expect.stringContaining("at least 1") });
}, 60_000);

test("preprocessing: a logarithm and a sign, or a tiny gradient enlarged", async () => {
  const p = 10;
  const values = [1, -Math.exp(5), Math.exp(-12), 0];
  const features = await preprocessed(tensor(values), p).toArray();
  const wanted = [
    [0, 1],
    [0.5, -1],
    [-1, Math.exp(-2)],
    [-1, 0],
  ];
  for (const [i, row] of (features as number[][]).entries()) {
    for (const [j, x] of row.entries()) expect(x).toBeCloseTo(wanted[i][j], 12);
  }
});

describe.each(Object.entries(LEARNERS))("the %s", (_, learner) => {
  /** The losses that an unroll ends with, [problems]. */
  function unrolled(problems: Quadratics, { optimizer }: ReturnType<typeof learner>, cut: number): Tensor {
    const opt = optimizer(problems.parameters());
    return innerLoop(problems, opt, { initial: "detached" }, (loop) => {
      for (let k = 0; k < 4; k++) {
        if (k === cut) loop.detach();
        loop.diffopt.step(loop.fmodel.forward().sum());
      }
      return loop.fmodel.forward();
    });
  }

  test("in an inner loop and in place it makes the same steps; its state survives a cut", async () => {
    manualSeed(2);
    const made = learner();
    const problems = new Quadratics(3);
    const inLoop = await unrolled(problems, made, -1).toArray();
    expect(await unrolled(problems, made, 2).toArray()).toEqual(inLoop);
    const opt = made.optimizer(problems.parameters());
    for (let k = 0; k < 4; k++) {
      opt.zeroGrad();
      problems.forward().sum().backward();
      opt.step();
    }
    const inPlace = (await noGrad(() => problems.forward()).toArray()) as number[];
    for (const [i, loss] of inPlace.entries()) expect(loss).toBeCloseTo((inLoop as number[])[i], 10);
  });

  test("the gradient of its weights through four steps is that of central differences", async () => {
    manualSeed(3);
    const made = learner();
    const problems = new Quadratics(2);
    const [w] = made.net.parameters();
    const f = (): Tensor => unrolled(problems, made, -1).mean();
    const [slope] = grad(f(), [w]);
    const own = w.detach();
    const at = async (h: number): Promise<number> => {
      w.assign(own.add(h));
      const loss = await f().item();
      w.assign(own);
      return loss;
    };
    const h = 1e-5;
    const wanted = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
    expect((await (slope as Tensor).sum().item()) / wanted).toBeCloseTo(1, 6);
  });
});

test("a cut stops the gradient at the window's beginning", async () => {
  manualSeed(4);
  const { net, optimizer } = LEARNERS.lstm();
  const problems = new Quadratics(1);
  using loop = innerLoop(problems, optimizer(problems.parameters()), { initial: "detached" });
  loop.diffopt.step(loop.fmodel.forward().sum());
  loop.detach();
  const [none] = grad(loop.fmodel.forward().sum(), [net.parameters()[0]], { allowUnused: true });
  expect(none).toBeNull();
  loop.diffopt.step(loop.fmodel.forward().sum());
  const [some] = grad(loop.fmodel.forward().sum(), [net.parameters()[0]], { allowUnused: true });
  expect(some).not.toBeNull();
});

test.each(Object.keys(FAMILIES) as (keyof typeof FAMILIES)[])("%s: problems of a batch do not mix", async (family) => {
  manualSeed(5);
  const problems = FAMILIES[family](3);
  const { optimizer } = LEARNERS.mlp();
  using loop = innerLoop(problems, optimizer(problems.parameters()));
  for (let k = 0; k < 2; k++) loop.diffopt.step(loop.fmodel.forward().sum());
  const second = loop.fmodel.forward().select(0, 1);
  for (const slope of grad(second, problems.parameters())) {
    const sizes = await (slope as Tensor).abs().flatten(1).sum(1).data();
    expect(Array.from(sizes, (size) => size > 0)).toEqual([false, true, false]);
  }
});
