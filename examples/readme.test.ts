/**
 * The program in the README runs as it stands there, and learns.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("..", import.meta.url));

test("the example runs", () => {
  const program = /```ts\n(import [\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1];
  if (program === undefined) throw new Error("README.md has no program in a ```ts block that begins with import");
  const file = join(mkdtempSync(join(tmpdir(), "loopgrad-")), "readme.ts");
  writeFileSync(file, `import { manualSeed } from "loopgrad";\nmanualSeed(1);\n${program}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/run.mjs", file], {
    cwd: root,
    encoding: "utf8",
  });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const losses = Array.from(stdout.matchAll(/^\d+ (\S+)$/gm), ([, loss]) => Number(loss));
  const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
  expect(losses.length).toBeGreaterThanOrEqual(10);
  expect(mean(losses.slice(-5))).toBeLessThan(mean(losses.slice(0, 5)));
}, 120_000);
