/**
 * Runs Jest with an adapter: `node scripts/jest.mjs [--browser] [jest arguments]`.
 *
 *   node scripts/jest.mjs packages/tensor          the tests whose path contains it
 *   node scripts/jest.mjs matmul -t "second order" one file's tests of that name
 *   node scripts/jest.mjs --browser                the tests that drive a headless Chromium
 *
 * Tests use the bundled software adapter, so that every machine sees the same results, unless
 * LOOPGRAD_ADAPTER=hardware is set.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { adapterEnv } from "./adapter.mjs";
import { root } from "./workspace.mjs";

/**
 * @param {string[]} args  Jest's arguments, and `--browser`
 * @returns {Promise<number>} Jest's exit code
 */
export async function jest(args) {
  const browser = args.includes("--browser");
  const env = await adapterEnv({ adapter: process.env.LOOPGRAD_ADAPTER ?? "software" });
  const nodeOptions = `${process.env.NODE_OPTIONS ?? ""} --experimental-vm-modules --disable-warning=ExperimentalWarning`;
  const bin = createRequire(import.meta.url).resolve("jest/bin/jest");
  const project = ["--selectProjects", browser ? "browser" : "node"];
  const rest = args.filter((arg) => arg !== "--browser");
  const child = spawn(process.execPath, [bin, ...rest, ...project], {
    cwd: root,
    env: { ...process.env, ...env, NODE_OPTIONS: nodeOptions },
    stdio: "inherit",
  });
  return new Promise((done) => child.on("close", (code) => done(code ?? 1)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await jest(process.argv.slice(2)).catch((error) => {
    console.error(`jest: ${error.message}`);
    return 1;
  });
}
