/**
 * What users install: the packages packed into tarballs, and an empty project outside the workspace that has them.
 *
 * The *first program* is that of the README, with a loop that is shorter.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pnpm } from "./install.mjs";
import { packages, root } from "./workspace.mjs";

const libraries = packages().filter(({ library }) => library);
const { version } = JSON.parse(readFileSync(join(root, libraries[0].dir, "package.json"), "utf8"));

/** The path of a command that the workspace has installed. */
export const bin = (/** @type {string} */ name) => join(root, "node_modules", ".bin", name);

/**
 * Runs a command, and shows what it said if it fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} [env]  variables beside those of this process
 */
export function run(command, args, cwd, env = {}) {
  const isScript = process.platform === "win32" && command !== process.execPath;
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: "utf8",
      env: { ...process.env, ...env },
      shell: isScript,
      stdio: ["ignore", "pipe", "pipe"],
      // What hangs is stopped.
      timeout: 60 * 60_000,
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = /** @type {{ stdout?: string, stderr?: string }} */ (error);
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout}\n${stderr}`);
  }
}

/** The first program of the README, with three steps. */
export function firstProgram() {
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  assert(code !== undefined, "the README has no program in JavaScript");
  const short = code.replace("i < 2000", "i < 3");
  assert.notEqual(short, code, "the README's loop of 2000 is gone: this check shortens it");
  return short;
}

/**
 * Packs all packages, which must be built, and looks into the tarballs.
 *
 * @param {string} folder  where they go
 * @returns {string[]} the tarballs
 */
export function packAll(folder) {
  const filters = libraries.flatMap(({ dir }) => ["--filter", `./${dir}`]);
  run(...pnpm(["--recursive", ...filters, "pack", "--pack-destination", folder]), root);
  return libraries.map(({ name }) => {
    const file = join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
    lookInto(name, file, folder);
    return file;
  });
}

/**
 * @param {string} name
 * @param {string} tarball
 * @param {string} cwd
 */
function lookInto(name, tarball, cwd) {
  const listed = run("tar", ["-tf", tarball], cwd);
  const paths = listed
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  for (const wanted of ["package.json", "LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]) {
    assert(paths.includes(wanted), `${name}: the tarball has no ${wanted}`);
  }
  const odd = paths.filter((path) => /\.test\.|(^|\/)(src|testing|golden)\//.test(path));
  assert.deepEqual(odd, [], `${name}: the tarball has files that nobody needs`);
  const manifest = run("tar", ["-xOf", tarball, "package/package.json"], cwd);
  assert(!/workspace:|@loopgrad\/source/.test(manifest), `${name}: the manifest speaks of the workspace`);
  assert.equal(JSON.parse(manifest).version, version, `${name}: all packages have one version`);
}

/**
 * Installs tarballs into an empty project, with the README's program as `main.mjs` and `main.ts`.
 *
 * @param {string} project  a folder to make
 * @param {string[]} tarballs
 */
export function installPacked(project, tarballs) {
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true, "type": "module" }\n');
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  run(
    npm,
    ["install", "--no-audit", "--no-fund", "--prefer-offline", "--omit=optional", "--omit=peer", ...tarballs],
    project,
  );
  writeFileSync(join(project, "main.mjs"), firstProgram());
  writeFileSync(join(project, "main.ts"), `${firstProgram()}export {};\n`);
}
