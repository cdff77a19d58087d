/**
 * Installs the dependencies where that is needed, with the pnpm that package.json names. Needs Node and npm only,
 * so nothing here may import a dependency.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cache, root } from "./workspace.mjs";

/**
 * Checks Node's version and installs, unless `node_modules` is that of the current lockfile.
 *
 * Ends the process with a message if Node is too old or the installation fails.
 */
export function install() {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const wanted = Number(/\d+/.exec(manifest.engines.node)?.[0]);
  if (Number.parseInt(process.versions.node, 10) < wanted) {
    console.error(`Node ${process.versions.node} runs this; Node ${wanted} or later is wanted: https://nodejs.org`);
    process.exit(1);
  }
  const stamp = join(cache, "installed");
  const lockfile = readFileSync(join(root, "pnpm-lock.yaml"));
  const key = createHash("sha256").update(`${process.platform} ${process.arch} `).update(lockfile).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  const pnpm = `npx --yes ${manifest.packageManager} install --frozen-lockfile --config.confirm-modules-purge=false`;
  console.log(`> ${pnpm}`);
  const { status } = spawnSync(pnpm, { cwd: root, stdio: "inherit", shell: true });
  if (status !== 0) {
    console.error("The installation failed: see above. It needs the npm registry.");
    process.exit(1);
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, key);
}

/**
 * A command of the pnpm that package.json names, without an installation of pnpm.
 *
 * @param {string[]} args
 * @returns {[command: string, args: string[]]}
 */
export function pnpm(args) {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return [process.platform === "win32" ? "npx.cmd" : "npx", ["--yes", packageManager, ...args]];
}
