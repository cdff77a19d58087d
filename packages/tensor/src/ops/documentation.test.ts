/**
 * What an editor shows on a method: the documentation of the function. Asked of TypeScript's language service, as editors do
 * (of the last version that has one for programs; the compiler in use here has none).
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import ts from "typescript5";
import * as lg from "../index.ts";
import { Tensor } from "../index.ts";

const OPS = dirname(expect.getState().testPath as string);
const PROBE = join(OPS, "probe.ts");

const functions = Object.entries(lg).flatMap(([name, value]) =>
  typeof value === "function" && lg.signatureOf(value) !== null ? [name] : [],
);
const methods = Object.entries(Object.getOwnPropertyDescriptors(Tensor.prototype)).flatMap(([name, { value }]) =>
  typeof value === "function" && !/^_|^constructor$/.test(name) ? [name] : [],
);

/** A program that names every function and every method, one a line. */
const TEXT = [
  'import * as lg from "../index.ts";',
  "declare const x: lg.Tensor;",
  ...functions.map((name) => `lg.${name};`),
  ...methods.map((name) => `x.${name};`),
].join("\n");

interface Shown {
  readonly text: string;
  readonly tags: readonly string[];
}

/** What the editor shows at `lg.name` or `x.name`. */
let shown: (where: string) => Shown;

beforeAll(() => {
  const host: ts.LanguageServiceHost = {
    getCompilationSettings: () => ({
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      customConditions: ["@loopgrad/source"],
      allowImportingTsExtensions: true,
      noEmit: true,
      strict: true,
      lib: ["lib.es2023.d.ts"],
      types: [],
    }),
    getScriptFileNames: () => [PROBE],
    getScriptVersion: () => "1",
    getScriptSnapshot: (file) =>
      file === PROBE
        ? ts.ScriptSnapshot.fromString(TEXT)
        : existsSync(file)
          ? ts.ScriptSnapshot.fromString(readFileSync(file, "utf8"))
          : undefined,
    getCurrentDirectory: () => OPS,
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
    fileExists: (file) => file === PROBE || ts.sys.fileExists(file),
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath,
  };
  const service = ts.createLanguageService(host);
  const asked = new Map<string, Shown>();
  const ask = (where: string): Shown => {
    const info = service.getQuickInfoAtPosition(PROBE, TEXT.indexOf(`\n${where};`) + 1 + where.indexOf(".") + 1);
    const tags = (info?.tags ?? []).map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`);
    return { text: ts.displayPartsToString(info?.documentation), tags };
  };
  shown = (where) => {
    const answer = asked.get(where) ?? ask(where);
    asked.set(where, answer);
    return answer;
  };
});

test("every function and every method is documented", () => {
  expect(methods.length).toBeGreaterThan(170);
  expect(functions.filter((name) => shown(`lg.${name}`).text === "")).toEqual([]);
  expect(methods.filter((name) => shown(`x.${name}`).text === "")).toEqual([]);
});

/** Methods that differ from the function of their name, or have words of their own; and other names. */
const BY_HAND = ["view", "unfold", "var", "viewAs"];

test("a method shows what its function says, with its parameters and examples", () => {
  const both = methods.filter((name) => functions.includes(name) && !BY_HAND.includes(name));
  const aliases = both.filter((name) => /^Another name of/.test(shown(`x.${name}`).text));
  expect(both.length - aliases.length).toBeGreaterThan(140);
  for (const name of both) {
    if (!aliases.includes(name)) expect([name, shown(`x.${name}`)]).toEqual([name, shown(`lg.${name}`)]);
  }
  expect(shown("x.digamma")).toEqual({
    text: "ψ(x), the derivative of log Γ(x). −∞ at 0 (∞ at −0), NaN at negative integers.",
    tags: ["@see torch.digamma"],
  });
});
