/** Scopes in an engine that knows no `Symbol.dispose`. */
import { execFileSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { buildSync } from "esbuild";

/** What older engines have as `Symbol`; it stands before the bundled program, which sees no other. */
const OLD_SYMBOL = `const Symbol = Object.assign((name) => globalThis.Symbol(name), {
  for: globalThis.Symbol.for, iterator: globalThis.Symbol.iterator, asyncIterator: globalThis.Symbol.asyncIterator,
});`;

test("a program with `using` runs where Symbol.dispose is missing", () => {
  const source = `
    const known = Symbol.dispose;
    const { init, scope, tensor } = await import("./index.ts");
    await init({ device: "cpu" });
    let inside;
    { using _ = scope(); inside = tensor([1]).add(1); }
    console.log(known, inside.isReleased);
  `;
  const { outputFiles } = buildSync({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: "ts" },
    banner: { js: OLD_SYMBOL },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "es2022",
    conditions: ["@loopgrad/source"],
    loader: { ".wgsl": "text" },
    external: ["webgpu"],
  });
  const program = outputFiles[0].text;
  const out = execFileSync(process.execPath, ["--input-type=module", "-"], { input: program, encoding: "utf8" });
  expect(out.trim()).toBe("undefined true");
});
