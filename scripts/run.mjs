/**
 * Runs a TypeScript program: `node scripts/run.mjs path/to/file.ts [arguments]`.
 *
 * esbuild bundles the program with the workspace packages' sources into the cache folder, where a bundle stays as long as
 * none of its inputs changes; a child Node runs it with source maps and the adapter environment. Of the program's arguments,
 * `--device` and `--adapter` are read here as well, to choose that environment; all are passed on.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { adapterEnv } from "./adapter.mjs";
import { cache, root, sources as sourcesByName } from "./workspace.mjs";

/**
 * @param {string} file    the program, relative to the current folder
 * @param {string[]} args  its arguments
 * @returns {Promise<number>} its exit code
 */
export async function run(file, args) {
  const entry = resolve(file);
  const device = option(args, "device");
  const [outfile, env] = await Promise.all([
    bundle(entry),
    adapterEnv({ device: device ?? "webgpu", adapter: option(args, "adapter") }).catch((error) => {
      // The program may not want a device at all; if it does, it says so itself.
      if (device !== undefined) throw error;
      return {};
    }),
  ]);
  const child = spawn(process.execPath, ["--enable-source-maps", outfile, ...args], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
  return new Promise((done) => child.on("close", (code) => done(code ?? 1)));
}

/**
 * Bundles a program with the workspace's sources; npm packages stay imports.
 *
 * @param {string} entry  absolute path
 * @returns {Promise<string>} the bundle's path
 */
export async function bundle(entry) {
  const name = basename(entry, extname(entry));
  const key = createHash("sha256").update(entry).digest("hex").slice(0, 12);
  const outfile = join(cache, "run", `${relative(root, dirname(entry)).replace(/\W+/g, "-")}-${name}-${key}.mjs`);
  if (await isCurrent(outfile)) return outfile;
  const started = Date.now();
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    outfile,
    write: false,
    metafile: true,
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true,
    sourcesContent: false,
    alias: sources,
    loader: { ".wgsl": "text" },
    plugins: [npmPackagesStayImports, importMetaOfTheSource],
    logLevel: "warning",
  });
  await mkdir(dirname(outfile), { recursive: true });
  for (const { path, contents } of outputFiles) await replace(path, contents);
  const inputs = Object.keys(metafile.inputs).map((path) => resolve(root, path));
  const seen = await Promise.all([...inputs, ...builders].map(async (path) => [path, await stateOf(path)]));
  // What changed while it was read is read again the next time.
  const isCertain = inputs.every((path) => statSync(path).mtimeMs < started);
  if (isCertain) await replace(`${outfile}.inputs`, JSON.stringify(seen));
  return outfile;
}

/** What a bundle depends on beside its inputs: how it is made, and what is installed. */
const builders = [fileURLToPath(import.meta.url), join(root, "pnpm-lock.yaml"), join(root, "tsconfig.base.json")];

/**
 * Whether a bundle is there, and none of its inputs has changed since.
 *
 * @param {string} outfile
 */
async function isCurrent(outfile) {
  try {
    /** @type {[path: string, state: string][]} */
    const seen = JSON.parse(await readFile(`${outfile}.inputs`, "utf8"));
    const states = await Promise.all([stateOf(outfile), ...seen.map(([path]) => stateOf(path))]);
    return seen.every(([, state], i) => states[i + 1] === state);
  } catch {
    return false;
  }
}

/**
 * A file's state, as far as it can be seen without reading it.
 *
 * @param {string} path
 */
async function stateOf(path) {
  const { mtimeMs, size } = await stat(path);
  return `${mtimeMs} ${size}`;
}

/**
 * Writes a file beside its place and renames it, so that another run of the same program never reads half of it.
 *
 * @param {string} path
 * @param {Uint8Array | string} contents
 */
async function replace(path, contents) {
  await writeFile(`${path}.${process.pid}`, contents);
  await rename(`${path}.${process.pid}`, path);
}

/** The packages' sources, by name: a program outside the workspace finds them too. */
const sources = sourcesByName();

/**
 * Bare imports that don't lead into the workspace's own sources are left to Node. They are resolved here, where the
 * importing package finds them: the bundle lies elsewhere.
 */
const npmPackagesStayImports = {
  name: "npm packages stay imports",
  setup(/** @type {import("esbuild").PluginBuild} */ build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (kind === "entry-point" || pluginData === resolving || path in sources) return;
      const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: resolving });
      // What cannot be found stays as it is: an optional package, which Node reports if it is wanted after all.
      const resolved = found.errors.length === 0 && isAbsolute(found.path);
      return { path: resolved ? pathToFileURL(found.path).href : path, external: true };
    });
  },
};

/** Marks the resolutions that the plugin itself asks for. */
const resolving = Symbol("resolving");

/** `import.meta` speaks of the source file, so that programs find the files beside them. */
const importMetaOfTheSource = {
  name: "import.meta of the source",
  setup(/** @type {import("esbuild").PluginBuild} */ build) {
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      if (!source.includes("import.meta.")) return;
      const meta = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
      const contents = source.replace(/\bimport\.meta\.(url|filename|dirname)\b/g, (_, key) =>
        JSON.stringify(meta[/** @type {keyof typeof meta} */ (key)]),
      );
      return { contents, loader: "ts" };
    });
  },
};

/**
 * The value of `--name value` or `--name=value`.
 *
 * @param {string[]} args
 * @param {string} name
 */
function option(args, name) {
  const at = args.indexOf(`--${name}`);
  if (at >= 0) return args[at + 1];
  return args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [file, ...args] = process.argv.slice(2);
  if (file === undefined) {
    console.error("usage: node scripts/run.mjs path/to/file.ts [arguments]");
    process.exit(2);
  }
  process.exitCode = await run(file, args).catch((error) => {
    console.error(`run: ${error.message}`);
    return 1;
  });
}
