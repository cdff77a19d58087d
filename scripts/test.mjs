/**
 * `npm test`: installs, then runs every check and every test. A part that fails doesn't keep the next from running.
 *
 * Each part counts as one test, except Jest's and those of other runtimes, which count their own. What cannot run on this machine
 * is printed as NOT RUN, and counted apart. The last line is `N passed, N failed`.
 *
 *   npm test -- --only lint,types        those parts alone; an unknown name lists them
 *   npm run test:full                    what takes long as well: longer tests, 2,000 random programs, a sample of mutants, other
 *                                        versions of Node, Deno; the results stand in docs/results/full-test.md
 *   npm run test:full -- --only deno     a part of it, and its row of the results
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { install } from "./install.mjs";
import { cache, root } from "./workspace.mjs";

install();
// They need what was installed.
const { checkRuntime, runtimeNames } = await import("./runtimes.mjs");
const { writeResults } = await import("./full-results.mjs");

/**
 * What came of a part.
 *
 * @typedef {object} Outcome
 * @property {number} passed
 * @property {number} failed
 * @property {string[]} notRun  what did not run, and why
 */

const bin = (/** @type {string} */ name) => join(root, "node_modules", ".bin", name);
const isFull = process.argv.includes("--full");
if (isFull) {
  process.env.LOOPGRAD_FULL = "1";
  process.env.LOOPGRAD_RANDOM_PROGRAMS ??= "2000";
}

/** A part that runs longer hangs: it fails, and the others still run. */
const LIMIT_MINUTES = isFull ? 240 : 25;
/** How many of the slowest test files are listed. */
const SLOWEST = 10;

/**
 * A part: the name that `--only` takes, what it is, and how it runs.
 *
 * @typedef {[key: string, name: string, run: () => Promise<Outcome>]} Part
 */

/** @type {Part[]} */
const parts = [
  ["lint", "format and lint", () => asOne(bin("biome"), ["check", "--error-on-warnings", "."])],
  ["imports", "import directions", () => asOne(process.execPath, ["scripts/imports.mjs"])],
  ["types", "types", () => asOne(bin("tsc"), ["-b"])],
  ["published", "published packages", () => asOne(process.execPath, ["scripts/check-published.mjs"])],
  ["node", "tests in Node", () => jest([])],
  ["browser", "tests in a browser", () => jest(["--browser"])],
];
/** @type {Part[]} */
const longParts = [
  ["mutants", "a sample of mutants", () => asOne(process.execPath, ["scripts/mutants.mjs", "--sample", "100"])],
  ...runtimeNames.map((name) => /** @type {Part} */ ([name, `the basics on ${name}`, () => checkRuntime(name)])),
];

const total = { passed: 0, failed: 0, notRun: /** @type {string[]} */ ([]) };
/** @type {string[]} */
const failedParts = [];
const chosen = chosenParts(isFull ? [...parts, ...longParts] : parts);
for (const part of chosen) await timed(part);

if (total.notRun.length > 0) console.log(`\n${total.notRun.map((what) => `NOT RUN: ${what}`).join("\n")}`);
if (failedParts.length > 0) console.log(`\nfailed: ${failedParts.join(", ")}`);
console.log(`\n${total.notRun.length} not run\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

/**
 * The parts that `--only` names; all without it. Ends the process where it names others.
 *
 * @param {Part[]} all
 */
function chosenParts(all) {
  const args = process.argv.slice(2).filter((arg) => arg !== "--full");
  if (args.length === 0) return all;
  const [flag, names = ""] = args[0].startsWith("--only=") ? ["--only", args[0].slice(7)] : args;
  const wanted = names.split(",");
  const known = all.map(([key]) => key);
  if (flag !== "--only" || wanted.some((name) => !known.includes(name))) {
    console.error(`${args.join(" ")} is given; wanted is --only with some of ${known.join(",")}, or nothing`);
    process.exit(2);
  }
  return all.filter(([key]) => wanted.includes(key));
}

/**
 * A command that passes or fails as one.
 *
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<Outcome>}
 */
async function asOne(command, args) {
  const passed = (await exitCode(command, args)) === 0;
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, notRun: [] };
}

/**
 * A run of Jest. A test file that cannot be run counts as a failed test, and a test that is skipped as not run.
 *
 * @param {string[]} args
 * @returns {Promise<Outcome>}
 */
async function jest(args) {
  const report = join(cache, `jest-report-${process.pid}.json`);
  mkdirSync(cache, { recursive: true });
  const code = await exitCode(process.execPath, [
    "scripts/jest.mjs",
    ...args,
    "--ci",
    "--json",
    `--outputFile=${report}`,
  ]);
  const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites, testResults } = read(report);
  showSlowest(testResults);
  rmSync(report, { force: true });
  const failed = numFailedTests + numRuntimeErrorTestSuites;
  const notRun = numPendingTests === 0 ? [] : [`${numPendingTests} tests that are marked as skipped`];
  return { passed: numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed, notRun };
}

/**
 * What a run of Jest reports.
 *
 * @typedef {object} Report
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests
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
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numRuntimeErrorTestSuites: 1, testResults: [] };
  }
}

/** @param {Part} part */
async function timed([key, name, run]) {
  console.log(`\n── ${name}`);
  const started = performance.now();
  const outcome = await run();
  const seconds = (performance.now() - started) / 1000;
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.notRun.push(...outcome.notRun);
  if (outcome.failed > 0) failedParts.push(name);
  if (isFull)
    writeResults(
      key,
      { name, ...outcome, seconds },
      [...parts, ...longParts].map(([other]) => other),
    );
  console.log(`── ${name}: ${outcome.failed === 0 ? "passed" : "FAILED"} in ${seconds.toFixed(1)} s`);
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
