/**
 * What users install, tried as they would: `node scripts/check-published.mjs`.
 *
 * Packs every package, looks into the tarballs, installs them into an empty project outside the workspace, and there
 * checks types, runs the README's first program in plain Node, builds it with Vite, and weighs what a page loads.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { buildPackages } from "./build.mjs";
import { bin, installPacked, packAll, run } from "./packed.mjs";

/** Bytes, gzipped and minified, that a page with `init, Linear, SGD, innerLoop` loads for the cpu, and more for WebGPU. */
const LIMITS = { cpu: 95_200, webgpu: 40_000, wasm: 2_000 };

const folder = mkdtempSync(join(tmpdir(), "loopgrad-published-"));

/**
 * A step, with the time that it took.
 *
 * @template T
 * @param {string} name
 * @param {() => T | Promise<T>} step
 * @returns {Promise<T>}
 */
async function check(name, step) {
  const started = performance.now();
  const result = await step();
  console.log(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

try {
  await check("build", async () => assert(await buildPackages(), "the build failed"));
  process.env.LOOPGRAD_BUILT = "1";
  const tarballs = await check("pack", () => packAll(folder));
  await check("publint and attw", () => lintAll(tarballs));
  const project = join(folder, "project");
  await check("install into an empty project", () => installPacked(project, tarballs));
  await check("types, for bundlers and for Node", () => checkTypes(project));
  await check("the README's program in Node", () => runInNode(project));
  await check("the README's program in Vite", () => buildWithVite(project));
  await check("methods in a bundle", () => runBundled(project));
  await check("sizes", () => weigh(project));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param {string[]} tarballs */
async function lintAll(tarballs) {
  for (const tarball of tarballs) {
    const data = new Uint8Array(readFileSync(tarball));
    const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
      `publint: ${tarball}`,
    );
    const analysis = await checkPackage(createPackageFromTarballData(data));
    assert(analysis.types !== false, `attw: ${tarball} has no types`);
    // Packages are ES modules: what `require` sees does not count.
    const problems = analysis.problems.filter(
      (problem) => !("resolutionKind" in problem && /cjs|node10/i.test(problem.resolutionKind)),
    );
    assert.deepEqual(problems, [], `attw: ${tarball}`);
  }
}

/** @param {string} project */
function checkTypes(project) {
  const common = {
    target: "es2022",
    lib: ["es2022", "dom", "esnext.disposable"],
    strict: true,
    noEmit: true,
    types: [],
  };
  for (const [name, module, moduleResolution] of [
    ["bundler", "esnext", "bundler"],
    ["nodenext", "nodenext", "nodenext"],
  ]) {
    const config = {
      compilerOptions: { ...common, module, moduleResolution, skipLibCheck: false },
      files: ["main.ts"],
    };
    writeFileSync(join(project, `tsconfig.${name}.json`), JSON.stringify(config));
    run(bin("tsc"), ["-p", `tsconfig.${name}.json`], project);
  }
}

/** @param {string} project */
function runInNode(project) {
  const said = run(process.execPath, ["main.mjs"], project);
  assert.match(said, /^0 \d+\.\d+/m, `the program said ${said}`);
}

/** @param {string} project */
function buildWithVite(project) {
  writeFileSync(join(project, "index.html"), '<!doctype html><script type="module" src="/main.ts"></script>\n');
  const said = run(bin("vite"), ["build", "--logLevel", "warn"], project);
  assert.equal(said.trim(), "", `Vite warned: ${said}`);
  const chunks = readdirSync(join(project, "dist/assets")).filter((name) => name.endsWith(".js"));
  assert(chunks.length > 1, "Vite made one chunk: WebGPU is not loaded on demand");
}

/**
 * Bundlers drop definitions that nobody names. Those of methods must stay: nobody names the functions.
 *
 * @param {string} project
 */
async function runBundled(project) {
  const program = 'import { init, tensor } from "loopgrad"; await init({ device: "cpu" }); ';
  const outfile = join(project, "bundled.mjs");
  await build({
    stdin: {
      contents: `${program}console.log(await tensor([4]).sqrt().digamma().mul(0).item());`,
      resolveDir: project,
    },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    outfile,
    external: ["node:*", "webgpu"],
  });
  assert.equal(run(process.execPath, [outfile], project).trim(), "0");
}

/** @param {string} project */
async function weigh(project) {
  const { outputFiles } = await build({
    stdin: {
      contents: 'import { init, innerLoop, Linear, SGD } from "loopgrad"; console.log(init, innerLoop, Linear, SGD);',
      resolveDir: project,
    },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outdir: join(project, "weighed"),
    external: ["node:*", "webgpu"],
    write: false,
  });
  const size = { cpu: 0, webgpu: 0, wasm: 0 };
  for (const { path, contents } of outputFiles) {
    // What LOOPGRAD_DEBUG=check compares with, and device.explain(): no page loads them unless it asks.
    if (/\b(arithmetic|check|explain)-/.test(path)) continue;
    const part = /backend-/.test(path) ? "webgpu" : /tiles-/.test(path) ? "wasm" : "cpu";
    size[part] += gzipSync(contents, { level: 9 }).length;
  }
  console.log(
    `init, innerLoop, Linear, SGD: ${size.cpu} bytes, ${size.wasm} more for the cpu, ${size.webgpu} for WebGPU, gzipped`,
  );
  assert(
    size.cpu <= LIMITS.cpu && size.webgpu <= LIMITS.webgpu && size.wasm <= LIMITS.wasm,
    `wanted at most ${JSON.stringify(LIMITS)}`,
  );
  assert(existsSync(project));
}
