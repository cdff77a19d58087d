/**
 * The programs in the README run as they stand there, and learn; the pieces in the README of `higher` run too.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import * as loopgrad from "loopgrad";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The README's whole programs: its blocks that begin with an import. */
const programs = Array.from(
  readFileSync(join(root, "README.md"), "utf8").matchAll(/```[jt]s\n(import [\s\S]*?)```/g),
  ([, program]) => program,
);

test("there are an inner loop, a batch of them, and a plain one", () => {
  const shown = programs.map((program) => ["innerLoop", "metaLoss"].filter((name) => program.includes(name)));
  expect(shown).toEqual([["innerLoop"], ["metaLoss"], []]);
});

test.each(programs.map((program, i) => [i, program]))(
  "program %i runs, and learns",
  (_, program) => {
    const file = join(mkdtempSync(join(tmpdir(), "loopgrad-")), "readme.ts");
    writeFileSync(file, `import { manualSeed as seed } from "loopgrad";\nseed(1);\n${program}`);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/run.mjs", file], {
      cwd: root,
      encoding: "utf8",
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const losses = Array.from(stdout.matchAll(/^\d+ (\S+)$/gm), ([, loss]) => Number(loss));
    const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
    const quarter = Math.ceil(losses.length / 4);
    expect(losses.length).toBeGreaterThanOrEqual(5);
    expect(mean(losses.slice(-quarter))).toBeLessThan(mean(losses.slice(0, quarter)));
  },
  120_000,
);

test("the pieces of code in higher's README run", () => {
  const readme = readFileSync(join(root, "packages/higher/README.md"), "utf8");
  const pieces = Array.from(readme.matchAll(/```ts\n([\s\S]*?)```/g), ([, piece]) => piece);
  expect(pieces.length).toBeGreaterThanOrEqual(12);
  // What the README says that its pieces have, and one more: a weight of the loss, to be learned.
  const prelude = `
    await init({ device: "cpu" });
    manualSeed(1);
    const F = functional;
    const model = new Sequential(new Linear(4, 8), new Tanh(), new Linear(8, 3));
    const inner = new SGD(model.parameters(), { lr: 0.1 });
    const data = () => [randn([6, 4]), tensor([0, 1, 2, 0, 1, 2], { dtype: "int32" })];
    const tasks = [0, 1].map(() => {
      const [[x, y], [queryX, queryY]] = [data(), data()];
      return { x, y, queryX, queryY };
    });
    const [task] = tasks;
    const together = (name) => stack(tasks.map((one) => one[name]));
    const support = { x: together("x"), y: together("y") };
    const query = { x: together("queryX"), y: together("queryY") };
    const scale = new Parameter(tensor(1));
    const outer = new Adam([...model.parameters(), scale]);`;
  const blocks = pieces.map((piece, i) => `{\n${piece}\nconsole.log("piece ${i}");\n}`);
  const body = [prelude, ...blocks].join("\n");
  const names = Object.keys(loopgrad).filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  const file = join(mkdtempSync(join(tmpdir(), "loopgrad-")), "pieces.ts");
  writeFileSync(file, `import { ${names.join(", ")} } from "loopgrad";\n${body}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/run.mjs", file], {
    cwd: root,
    encoding: "utf8",
  });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout.match(/^piece \d+$/gm)).toHaveLength(pieces.length);
}, 120_000);
