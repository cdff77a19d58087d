/**
 * Builds every package that others import: `node scripts/build.mjs [--no-types]`.
 *
 * `dist/` mirrors `src/`: a module for each module, with its source map, so that bundlers drop what a program does not use,
 * and load on demand what is imported on demand (WebGPU). WGSL files become modules of their text. The `.d.ts` files come
 * from `tsc -b`.
 *
 * Bundlers drop what has no effects. Of calls they cannot know, so they are told: an operation, or a class that extends what
 * a function makes, is marked as *pure*.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { packages, root } from "./workspace.mjs";

/**
 * Marks calls that only make something: definitions of operations and other constants by a call, and classes that extend
 * what a call makes.
 *
 * @param {string} source
 */
export const withPureCalls = (source) =>
  source
    .replace(/^((?:export )?const \w+(?:: [^=\n]+)? = )(?!method\()(?=[a-z]\w*\()/gm, "$1/* @__PURE__ */ ")
    .replace(/^((?:export )?(?:abstract )?class \w+(?:<[^>\n]*>)? extends )(?=[a-z]\w*\()/gm, "$1/* @__PURE__ */ ");

/**
 * Imports of files by the names that they have in `dist`.
 *
 * @param {string} source
 */
const withBuiltNames = (source) =>
  source.replace(/((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+)(")/g, (_, before, path, after) => {
    const built = path.replace(/\.ts$/, ".js").replace(/\.wgsl$/, ".wgsl.js");
    return `${before}${built}${after}`;
  });

/** @type {import("esbuild").Plugin} */
const asPublished = {
  name: "as published",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      contents: withBuiltNames(withPureCalls(readFileSync(path, "utf8"))),
      loader: "ts",
    }));
  },
};

/**
 * The files of a package that its entries lead to: what only tests use is not published.
 *
 * @param {string} src
 * @param {string[]} entryPoints
 */
async function publishedFiles(src, entryPoints) {
  const { metafile } = await build({
    absWorkingDir: src,
    entryPoints,
    bundle: true,
    packages: "external",
    format: "esm",
    loader: { ".wgsl": "text" },
    metafile: true,
    write: false,
    outdir: "out",
    logLevel: "silent",
  });
  return Object.keys(metafile.inputs);
}

/**
 * Writes a package's modules.
 *
 * @param {import("./workspace.mjs").WorkspacePackage} of
 */
async function buildModules({ dir, entries }) {
  const [src, dist] = [join(root, dir, "src"), join(root, dir, "dist")];
  removeLeftovers(src, dist);
  const files = await publishedFiles(
    src,
    Object.values(entries).map((file) => file.slice(`${dir}/src/`.length)),
  );
  for (const path of files.filter((file) => file.endsWith(".wgsl"))) {
    const to = join(dist, `${path}.js`);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, `export default ${JSON.stringify(readFileSync(join(src, path), "utf8"))};\n`);
  }
  await build({
    entryPoints: files.filter((file) => file.endsWith(".ts")).map((file) => join(src, file)),
    outbase: src,
    outdir: dist,
    bundle: false,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    plugins: [asPublished],
    sourcemap: true,
    logLevel: "warning",
  });
}

/**
 * Builds all packages.
 *
 * @param {{ types?: boolean }} [options]  whether to write declarations as well; default true
 * @returns {Promise<boolean>}             whether all went well
 */
export async function buildPackages({ types = true } = {}) {
  const started = performance.now();
  const libraries = packages().filter(({ library }) => library);
  try {
    await Promise.all(libraries.map(buildModules));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
  console.log(`${libraries.length} packages built in ${Math.round(performance.now() - started)} ms`);
  if (!types) return true;
  const tsc = join(root, "node_modules", ".bin", "tsc");
  return spawnSync(tsc, ["-b"], { cwd: root, stdio: "inherit", shell: process.platform === "win32" }).status === 0;
}

/**
 * Removes modules of earlier builds, and declarations of files that are gone: they would be published.
 *
 * @param {string} src
 * @param {string} dist
 */
function removeLeftovers(src, dist) {
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const isGone = /\.d\.ts(\.map)?$/.test(name) && !existsSync(join(src, name.replace(/\.d\.ts(\.map)?$/, ".ts")));
    if (isGone || /\.js(\.map)?$/.test(name)) rmSync(join(dist, name));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = (await buildPackages({ types: !process.argv.includes("--no-types") })) ? 0 : 1;
}
