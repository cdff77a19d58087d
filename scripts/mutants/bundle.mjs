/**
 * Bundling tests with planted sources: one file a test file, in which the files of a folder carry their mutants. What Jest
 * runs before every test file, the checks of plans and the audit of devices, comes first in each.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { cache, root, sources } from "../workspace.mjs";

/**
 * @typedef {object} Bundle
 * @property {string} test       the test file, relative to the root
 * @property {string} path       where the bundle lies
 * @property {string} hash       of its text
 * @property {string[]} imports  what it requires when it runs
 */

const SETUP = "packages/tensor/src/testing/setup.ts";

/**
 * @param {string[]} tests  test files, relative to the root
 * @param {Map<string, string>} planted  TypeScript with mutants in it, by path relative to the root
 * @param {string} folder   a name for where the bundles lie
 * @returns {Promise<Bundle[]>}
 */
export async function bundle(tests, planted, folder) {
  const outdir = join(cache, "mutants", folder);
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: tests,
    inject: [join(root, SETUP)],
    outdir,
    outbase: root,
    write: false,
    metafile: true,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    // A module that is imported in the middle comes from the worker's list, as all others do.
    supported: { "dynamic-import": false },
    alias: sources(),
    loader: { ".wgsl": "text" },
    plugins: [npmPackagesStayImports, loadPlanted(planted)],
    logLevel: "error",
  });
  return outputFiles.map(({ path, text }) => {
    const { imports, entryPoint = "" } = metafile.outputs[relative(root, path).replaceAll("\\", "/")];
    const external = imports.filter((one) => one.external).map((one) => one.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `(function (module, exports, require, $m) {${text}\n})`);
    return {
      test: entryPoint,
      path,
      hash: createHash("sha256").update(text).digest("hex"),
      imports: [...new Set([...external, "webgpu"])].filter((name) => name !== "@jest/globals"),
    };
  });
}

/** Npm packages are resolved where the importing file finds them: the bundle lies elsewhere. */
const npmPackagesStayImports = {
  name: "npm packages stay imports",
  setup(/** @type {import("esbuild").PluginBuild} */ build) {
    const ours = new Set(Object.keys(sources()));
    build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (kind === "entry-point" || pluginData === resolving || ours.has(path)) return;
      if (path === "@jest/globals") return { path, external: true };
      const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: resolving });
      const resolved = found.errors.length === 0 && isAbsolute(found.path);
      return { path: resolved ? pathToFileURL(found.path).href : path, external: true };
    });
  },
};

const resolving = Symbol("resolving");

/** @param {Map<string, string>} planted */
const loadPlanted = (planted) => ({
  name: "planted sources",
  setup(/** @type {import("esbuild").PluginBuild} */ build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const file = relative(root, path).replaceAll("\\", "/");
      const source = planted.get(file) ?? readFileSync(path, "utf8");
      const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      const contents = source.replace(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, key) =>
        JSON.stringify(meta[/** @type {keyof typeof meta} */ (key)]),
      );
      return { contents, loader: /** @type {const} */ ("ts") };
    });
  },
});
