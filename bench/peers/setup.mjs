/**
 * Installs the peers: `pnpm bench:peers [NAME…]`, of jax-js, tfjs, torch, higher, jax; all if none is named.
 *
 * JavaScript libraries come from npm into `bench/peers/node_modules`, Python ones from PyPI into `bench/peers/python`, a virtual
 * environment. Both are ignored by git, and the project's own installation knows nothing of them.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const KNOWN = { "jax-js": "npm", tfjs: "npm", torch: "python", higher: "python", jax: "python" };

const names = process.argv.slice(2);
const odd = names.find((name) => !(name in KNOWN));
if (odd !== undefined) {
  console.error(`bench:peers: unknown peer "${odd}": wanted ${Object.keys(KNOWN).join(", ")}`);
  process.exit(2);
}
const wants = (/** @type {string} */ kind) =>
  names.length === 0 || names.some((name) => KNOWN[/** @type {keyof typeof KNOWN} */ (name)] === kind);

/**
 * Runs a command, and shows it.
 *
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  console.log(`> ${command} ${args.join(" ")}`);
  const shell = process.platform === "win32";
  return spawnSync(command, args, { cwd: here, stdio: "inherit", shell }).status === 0;
}

/** @returns {boolean} */
function python() {
  const bin = join(here, "python", ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]));
  if (!existsSync(bin)) {
    const made = ["python3", "python"].some((name) => run(name, ["-m", "venv", "python"]));
    if (!made) {
      console.error("bench:peers: no Python 3 with venv was found. Install one (Debian: apt-get install python3-venv)");
      return false;
    }
  }
  return run(bin, ["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"]);
}

const installed = [
  // Nothing that comes with them needs its install script.
  !wants("npm") || run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]),
  !wants("python") || python(),
];
process.exitCode = installed.every(Boolean) ? 0 : 1;
console.log(process.exitCode === 0 ? "bench:peers: installed" : "bench:peers: not all could be installed, see above");
