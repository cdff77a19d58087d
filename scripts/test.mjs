/**
 * `npm test`: installs, then runs every check and every test. A part that fails doesn't keep the next from running.
 *
 * Each part counts as one test, except Jest's, which count their own. The last line is `N passed, N failed`.
 *
 * `--full` (`npm run test:full`) runs what takes long as well: every case on every device, more random programs, and a
 * sample of mutants.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { install } from "./install.mjs";
import { cache, root } from "./workspace.mjs";

install();

const bin = (/** @type {string} */ name) => join(root, "node_modules", ".bin", name);
const isFull = process.argv.includes("--full");
if (isFull) {
  process.env.LOOPGRAD_FULL = "1";
  process.env.LOOPGRAD_RANDOM_PROGRAMS ??= "2000";
}

/** A part that runs longer hangs: it fails, and the others still run. */
const LIMIT_MINUTES = isFull ? 240 : 18;
/** How many of the slowest test files are listed. */
const SLOWEST = 10;
const total = { passed: 0, failed: 0 };
/** @type {string[]} */
const failedParts = [];

await part("format and lint", bin("biome"), ["check", "--error-on-warnings", "."]);
await part("import directions", process.execPath, ["scripts/imports.mjs"]);
await part("types", bin("tsc"), ["-b"]);
await part("published packages", process.execPath, ["scripts/check-published.mjs"]);
await jestPart("tests in Node", []);
await jestPart("tests in a browser", ["--browser"]);
if (isFull) await part("mutants", process.execPath, ["scripts/mutants.mjs", "--sample", "100"]);

if (failedParts.length > 0) console.log(`\nfailed: ${failedParts.join(", ")}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

/**
 * A part that passes or fails as one.
 *
 * @param {string} name
 * @param {string} command
 * @param {string[]} args
 */
async function part(name, command, args) {
  await timed(name, async () => {
    const passed = (await exitCode(command, args)) === 0;
    return { passed: passed ? 1 : 0, failed: passed ? 0 : 1 };
  });
}

/**
 * A run of Jest. A test file that cannot be run counts as a failed test.
 *
 * @param {string} name
 * @param {string[]} args
 */
async function jestPart(name, args) {
  await timed(name, async () => {
    const report = join(cache, `jest-report-${process.pid}.json`);
    mkdirSync(cache, { recursive: true });
    const code = await exitCode(process.execPath, [
      "scripts/jest.mjs",
      ...args,
      "--ci",
      "--json",
      `--outputFile=${report}`,
    ]);
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, testResults } = read(report);
    showSlowest(testResults);
    rmSync(report, { force: true });
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    return { passed: numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
  });
}

/**
 * What a run of Jest reports.
 *
 * @typedef {object} Report
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numRuntimeErrorTestSuites
 * @property {{ name: string, startTime: number, endTime: number }[]} testResults
 */

/**
 * The files that took longest, so that one that grows is seen.
 *
 * @param {Report["testResults"]} results
 */
function showSlowest(results) {
  const slowest = results
    .map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST);
  console.log(`the ${slowest.length} slowest files:`);
  for (const { name, seconds } of slowest) {
    console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${relative(root, name)}`);
  }
}

/**
 * @param {string} report
 * @returns {Report}
 */
function read(report) {
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 1, testResults: [] };
  }
}

/**
 * @param {string} name
 * @param {() => Promise<{ passed: number, failed: number }>} run
 */
async function timed(name, run) {
  console.log(`\n── ${name}`);
  const started = performance.now();
  const { passed, failed } = await run();
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) failedParts.push(name);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`── ${name}: ${failed === 0 ? "passed" : "FAILED"} in ${seconds} s`);
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<number>}
 */
function exitCode(command, args) {
  const shell = process.platform === "win32" && command !== process.execPath;
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell });
  const limit = setTimeout(() => {
    console.error(`no end after ${LIMIT_MINUTES} minutes: stopped`);
    child.kill("SIGKILL");
  }, LIMIT_MINUTES * 60_000);
  return new Promise((done) => {
    child.on("error", (error) => {
      console.error(error.message);
      done(1);
    });
    child.on("close", (code) => {
      clearTimeout(limit);
      done(code ?? 1);
    });
  });
}
