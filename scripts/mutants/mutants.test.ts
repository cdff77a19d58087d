/** The mutation run, on a toy: what is planted, and what becomes of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { transformSync } from "esbuild";
import { root } from "../workspace.mjs";
import { bundle } from "./bundle.mjs";
import { Judge } from "./judge.mjs";
import { type Mutant, plant } from "./mutate.mjs";

const FILE = "scripts/mutants/toy/toy.ts";

/** The mutants of a piece of code, as `original → mutated`. */
const mutantsOf = (code: string): string[] =>
  plant(code, "a.ts").mutants.map(({ original, mutated }) => `${original} → ${mutated}`);

/** Runs planted code with one mutant on, or none. */
function evaluate(code: string, on: number, ...args: number[]): unknown {
  const planted = plant(`const f = ${code};`, "a.ts").code;
  return new Function("$m", `${planted}; return f;`)((id: number) => id === on)(...args);
}

describe("planting", () => {
  test("conditions", () => {
    expect(mutantsOf("if (a < b && c) f();")).toEqual([
      "a < b && c → a < b || c",
      "a < b && c → a < b",
      "a < b && c → c",
      "a < b && c → false",
      "a < b → a <= b",
      "a < b → a >= b",
      "f(); → ;",
    ]);
    expect(mutantsOf("while (x) {}")).toEqual(["x → false"]);
    expect(mutantsOf("const y = !x ? a ?? b : c?.d.e;")).toEqual([
      "!x → false",
      "!x → true",
      "a ?? b → (a) && (b)",
      "c?.d.e → c.d.e",
    ]);
  });

  test("numbers, methods, results, blocks", () => {
    expect(mutantsOf("x = (a + b) * -1;")).toEqual([
      "(a + b) * -1 → (a + b) / -1",
      "a + b → a - b",
      "-1 → 1",
      "x = (a + b) * -1; → ;",
    ]);
    expect(mutantsOf("const f = () => xs.slice(2);")).toEqual(["xs.slice(2) → xs", "2 → 3"]);
    expect(mutantsOf("function f() { g(); return x.min(y); }")).toEqual([
      "g(); → ;",
      "x.min(y) → x.max(y)",
      "{ g(); return x.min(y); } → {}",
    ]);
  });

  test("types, messages and printing are left alone", () => {
    expect(mutantsOf('const x = y as 1 | "a"; type T = 2; import a from "a";')).toEqual([]);
    expect(mutantsOf("throw new ShapeError(a + 1);")).toEqual([]);
    expect(mutantsOf("class A { toString() { return this.x + 1; } }")).toEqual([]);
    expect(mutantsOf('const m = "it was " + n;')).toEqual([]);
  });

  test("a mutant is known by its text and place, not by its number", () => {
    const [first, second] = plant("function f(a) {\n  return g(a + 1, a + 1);\n}", "a.ts").mutants.filter(
      ({ original }) => original === "1",
    );
    expect(first).toMatchObject({ file: "a.ts", line: 2, inside: "f", text: "return g(a + 1, a + 1);", nth: 1 });
    expect(second).toMatchObject({ nth: 2 });
  });

  test("planted code does what it did, and with one mutant on that alone", () => {
    const code = "(a, b) => { let s = 0; if (a) if (a > b) s = a - b; else s = (a + b) * 2; return s; }";
    const { mutants } = plant(`const f = ${code};`, "a.ts");
    for (const [a, b] of [
      [0, 1],
      [1, 1],
      [3, 2],
      [2, 3],
    ]) {
      const f = new Function(`return ${code}`)();
      expect(evaluate(code, -1, a, b)).toBe(f(a, b));
      for (const { id, original, mutated } of mutants) {
        if (code.split(original).length !== 2) continue;
        const changed = new Function(`return ${code.replace(original, mutated)}`)();
        expect([original, mutated, evaluate(code, id, a, b)]).toEqual([original, mutated, changed(a, b)]);
      }
    }
  });
});

test("every planted source is a program still", () => {
  const files = readdirSync(join(root, "packages"), { recursive: true })
    .map((file) => `packages/${file}`.replaceAll("\\", "/"))
    .filter((file) => /^packages\/\w+\/src\/.*(?<!\.test)\.ts$/.test(file));
  expect(files.length).toBeGreaterThan(200);
  for (const file of files) {
    const { code } = plant(readFileSync(join(root, file), "utf8"), file);
    expect(() => transformSync(code, { loader: "ts", target: "node20", sourcefile: file })).not.toThrow();
  }
});

describe("judging", () => {
  let judge: Judge;
  let mutants: Mutant[];

  beforeAll(async () => {
    judge = new Judge({});
    const source = readFileSync(join(root, FILE), "utf8");
    const planted = plant(source, FILE);
    mutants = planted.mutants;
    for (const one of await bundle(["scripts/mutants/toy/toy.test.ts"], new Map([[FILE, planted.code]]), "toy")) {
      await judge.learn(one);
    }
  });
  afterAll(() => judge.end());

  const verdict = (original: string, mutated: string) => {
    const mutant = mutants.find((one) => one.original === original && one.mutated === mutated);
    if (mutant === undefined) throw new Error(`no mutant ${original} → ${mutated}`);
    return judge.judge(mutant);
  };

  test("every test takes part", () => {
    expect(judge.left).toEqual([]);
  });

  test("a fault that a test notices is killed, and the next is not blamed for it", async () => {
    expect(await verdict("i <= n", "i < n")).toMatchObject({ is: "killed" });
    expect(await verdict("x > 0", "x >= 0")).toEqual({ is: "survived", by: "1 tests" });
    expect(await verdict("x > 0", "true")).toMatchObject({ is: "killed" });
  });

  test("a loop without end is ended, and killed", async () => {
    expect((await verdict("i++", "i--")).by).toMatch(/sums to 4: no end$/);
  });

  test("what no test reaches is not covered", async () => {
    expect(await verdict("2 * x", "2 / x")).toEqual({ is: "not covered", by: "no test" });
  });

  test("every mutant meets new modules", async () => {
    expect(await verdict("calls += 1", "calls -= 1")).toMatchObject({ is: "killed" });
    expect(await verdict("calls += 1;", ";")).toMatchObject({ is: "killed" });
    expect(await verdict("0", "1")).toMatchObject({ is: "killed" });
  });
});
