/**
 * Checked numbers, and the progress of a program whose output is not a terminal.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { integer, positive } from "./command-line.ts";

test("numbers are checked", () => {
  expect(integer(2)("12")).toBe(12);
  for (const text of ["1", "2.5", "", "many"]) expect(() => integer(2)(text)).toThrow("at least 2");
  expect(positive("1e-3")).toBe(0.001);
  for (const text of ["0", "-1", "Infinity", "x"]) expect(() => positive(text)).toThrow("greater than 0");
});

test("progress in a log: its first and last line, one before what else is printed, and no codes of a terminal", () => {
  const file = join(mkdtempSync(join(tmpdir(), "loopgrad-")), "program.ts");
  const kit = fileURLToPath(new URL("command-line.ts", import.meta.url));
  writeFileSync(
    file,
    `import { Progress } from ${JSON.stringify(kit)};
using progress = new Progress(8, 2);
for (let i = 3; i <= 8; i++) {
  progress.show(i, "loss " + i);
  if (i === 5) { progress.end(); console.log("a test"); }
}`,
  );
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ["scripts/run.mjs", file], { cwd: root, encoding: "utf8" });
  expect(status).toBe(0);
  const lines = stdout.split("\n").filter((line) => line !== "");
  const shown = lines.map((line) => line.replace(/ {2}[\d.]+ ms each.*$/, ""));
  expect(shown).toEqual(["3/8  loss 3", "5/8  loss 5", "a test", "6/8  loss 6", "8/8  loss 8"]);
  expect(lines[0]).toMatch(/ {2}\d+\.\d ms each, +\d+s left$/);
  expect(stdout).not.toContain("\u001b");
}, 60_000);
