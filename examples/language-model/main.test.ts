/**
 * The language-model example from its command line, on a text of one sentence over and over.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { corpus, mobyDick } from "./corpus.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "loopgrad-"));
const sentence = join(folder, "sentence.txt");
writeFileSync(sentence, "the whale swims on. ".repeat(200));

const SMALL = "--window 16 --batch 8 --width 16 --steps 60 --lr 0.03 --eval-every 30 --length 40".split(" ");

function example(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ["scripts/run.mjs", "examples/language-model/main.ts", "--device", "cpu", "--out", folder, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

test.each(["lstm", "transformer"])(
  "the %s learns a sentence, and writes it",
  (model) => {
    const trace = join(folder, `${model}.json`);
    const run = example("--text", sentence, "--model", model, ...SMALL, "--prompt", "the whale", "--trace", trace);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const bits = (what: string): number => Number(new RegExp(`│ ${what} +│ +(\\S+) │`).exec(run.stdout)?.[1]);
    expect(bits("every character alike")).toBeCloseTo(Math.log2(13), 3);
    expect(bits(`this ${model}`)).toBeLessThan(0.6 * bits("characters by their frequency"));
    const written = run.stdout.slice(0, -1).split("\n").at(-1) as string;
    expect(written).toMatch(/^the whale/);
    expect(written).toHaveLength("the whale".length + 40);
    expect(existsSync(join(folder, `language-model-${model}.svg`))).toBe(true);

    const noted = JSON.parse(readFileSync(trace, "utf8"));
    expect(noted.settings).toMatchObject({ model, width: 16, window: 16, characters: " .aehilmnostw" });
    expect(noted.losses).toHaveLength(60);
    expect(existsSync(join(folder, `${model}.safetensors`))).toBe(true);
    expect(readFileSync(join(folder, `${model}.txt`), "utf8")).toMatch(/^the whale swims on\. /);
  },
  120_000,
);

test("Moby-Dick is there", async () => {
  const text = await mobyDick();
  expect(text).toContain("Call me Ishmael.");
  const { train, validation, vocabulary } = corpus(text, 64);
  expect(train.length + validation.length).toBeGreaterThan(1_200_000);
  expect(vocabulary).toEqual([...vocabulary].sort());
});

test("wrong input is refused with a reason", () => {
  const refused = (args: string[], code: number, stderr: string): void =>
    expect(example(...args)).toMatchObject({ code, stderr: expect.stringContaining(stderr) });
  refused(["--text", "/nowhere.txt"], 2, "/nowhere.txt cannot be read");
  refused(["--text", sentence, "--window", "1000"], 2, "does not hold a window of 1001");
  refused(["--text", sentence, "--window", "16", "--prompt", "Ahab"], 2, 'the prompt has "A"');
  refused(["--heads", "2"], 1, "--heads is for --model transformer");
}, 120_000);
