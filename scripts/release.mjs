/**
 * Publishes all packages under one version: `pnpm release [--dry-run]`.
 *
 * Wanted: a clean tree, one version in all manifests, an entry for it in CHANGELOG.md, packages that pass
 * `check-published.mjs`, and to be logged in at npm. `--dry-run` does all but upload.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pnpm } from "./install.mjs";
import { packages, root } from "./workspace.mjs";

const isDry = process.argv.includes("--dry-run");
const odd = process.argv.slice(2).filter((argument) => argument !== "--dry-run");
if (odd.length > 0) fail(`unknown argument ${odd[0]}: wanted --dry-run, or nothing`);

const libraries = packages().filter(({ library }) => library);
const versions = new Set(
  libraries.map(({ dir }) => JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8")).version),
);
if (versions.size !== 1) fail(`the packages have several versions: ${[...versions].join(", ")}`);
const [version] = versions;

const changes = readFileSync(join(root, "CHANGELOG.md"), "utf8");
if (!changes.includes(`## ${version} `)) fail(`CHANGELOG.md has no entry "## ${version} (date)"`);
if (!isDry && changes.includes(`## ${version} (not released)`)) fail(`CHANGELOG.md: give ${version} its date`);
const changed = execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" });
if (changed !== "" && !isDry) fail(`the tree has changes that are not committed:\n${changed}`);

run(process.execPath, ["scripts/check-published.mjs"]);
process.env.LOOPGRAD_BUILT = "1";
const filters = libraries.flatMap(({ dir }) => ["--filter", `./${dir}`]);
const flags = isDry ? ["--dry-run", "--no-git-checks"] : [];
run(...pnpm(["--recursive", ...filters, "publish", "--access", "public", ...flags]));
console.log(isDry ? `${version} could be released` : `${version} is released: tag it with \`git tag v${version}\``);

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const shell = process.platform === "win32" && command !== process.execPath;
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", shell });
  if (status !== 0) fail(`${command} ${args.join(" ")} failed`);
}

/** @param {string} why */
function fail(why) {
  console.error(`release: ${why}`);
  process.exit(1);
}
