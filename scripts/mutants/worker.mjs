/**
 * The process in which tests run: it is told which bundle, which mutant and which tests, and says how they ended.
 *
 * A bundle is the function `(module, exports, require, $m)`. Calling it anew gives modules anew, so that nothing is left of
 * the mutant before: no plan it made, no device. What a mutant may still break is the process; whoever started it looks at
 * the time and ends it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";
import { Suite } from "./harness.mjs";

/**
 * @typedef {object} Task
 * @property {string} bundle        its path
 * @property {string[]} imports     what it requires: file URLs, and names of Node's modules
 * @property {number} mutant        which is on; −1 for none
 * @property {number[] | null} tests  which, by place in the file; null for all
 * @property {string} leave         a regular expression: tests of these names are left out where `tests` is null
 * @property {boolean} [alone]      each test with modules of its own, and note the mutants that it reaches
 *
 * @typedef {object} TestEnd
 * @property {number} test
 * @property {string} name
 * @property {number} ms
 * @property {number} cpuMs         of the processor, or `ms` where that is less: a busy machine makes no test slow
 * @property {string | null} error  its text, where the test failed
 * @property {number[]} [reached]   mutants
 */

/** @type {Map<string, Script>} */
const scripts = new Map();
/** @type {Map<string, unknown>} */
const modules = new Map();
/** Marks the modules that are in use. */
let current = {};

const say = (/** @type {object} */ message) => void process.send?.(message);

// What goes on after its test has ended concerns nobody any more.
process.on("unhandledRejection", () => {});
process.on("uncaughtException", () => {});
process.on("message", async (/** @type {Task} */ task) => {
  try {
    await (task.alone ? runAlone(task) : run(task));
    say({ type: "done" });
  } catch (error) {
    // The file's own code failed, outside every test.
    say({ type: "done", error: textOf(error) });
  }
});
say({ type: "ready" });

/** @param {Task} task */
async function run(task) {
  const { mutant } = task;
  const suite = await load(task, (id) => id === mutant);
  let started = now();
  await suite.run(
    task.tests ?? taking(suite, task),
    (test, error) => {
      say(endOf(suite, test, started, error));
      return task.mutant >= 0 && error !== undefined;
    },
    (test) => {
      started = now();
      say({ type: "begin", test });
    },
  );
}

/** @param {Task} task */
async function runAlone(task) {
  for (const test of taking(await load(task, () => false), task)) {
    /** @type {Set<number>} */
    const reached = new Set();
    say({ type: "begin", test });
    const started = now();
    const suite = await load(task, (id) => {
      reached.add(id);
      return false;
    });
    await suite.run([test], (_, error) => void say({ ...endOf(suite, test, started, error), reached: [...reached] }));
  }
}

/** @param {Suite} suite @param {Task} task */
function taking(suite, { leave }) {
  const left = new RegExp(leave);
  return suite.tests.flatMap(({ name }, i) => (left.test(name) ? [] : [i]));
}

/**
 * The file's tests, of modules that are new.
 *
 * @param {Task} task
 * @param {(id: number) => boolean} isOn
 */
async function load({ bundle, imports }, isOn) {
  for (const name of imports) {
    if (modules.has(name)) continue;
    const found = await import(name);
    modules.set(name, found.__esModule ? found : { __esModule: true, ...found });
  }
  let script = scripts.get(bundle);
  if (script === undefined) {
    script = new Script(readFileSync(bundle, "utf8"), { filename: bundle });
    scripts.set(bundle, script);
  }
  const suite = new Suite();
  const globals = suite.globals();
  const real = createRequire(pathToFileURL(bundle));
  const requireIt = (/** @type {string} */ name) =>
    name === "@jest/globals" ? globals : (modules.get(name) ?? real(name));
  const module = { exports: {} };
  // What an earlier mutant left running is itself again, or at least not this one.
  const mine = {};
  current = mine;
  const on = (/** @type {number} */ id) => isOn(id) && current === mine;
  script.runInThisContext()(module, module.exports, requireIt, on);
  return suite;
}

const now = () => ({ wall: performance.now(), cpu: process.cpuUsage() });

/**
 * @param {Suite} suite
 * @param {number} test
 * @param {ReturnType<typeof now>} started
 * @param {unknown} error
 */
function endOf(suite, test, started, error) {
  const ms = performance.now() - started.wall;
  const { user, system } = process.cpuUsage(started.cpu);
  const cpuMs = Math.min(ms, (user + system) / 1000);
  return {
    type: "end",
    test,
    name: suite.tests[test].name,
    ms,
    cpuMs,
    error: error === undefined ? null : textOf(error),
  };
}

/** @param {unknown} error */
const textOf = (error) => String(error instanceof Error ? error.message || error.name : error).slice(0, 400);
