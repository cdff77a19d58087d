/**
 * Judging mutants: runs, for each, the tests that reach it, until one fails.
 *
 * First every test runs alone with no mutant on: how long it takes, and which mutants it reaches. A test that fails then, or
 * together with its file's others, takes no further part. A mutant is *killed* if a test fails that passes without it,
 * if a test takes five times as long and two seconds more, or if the process ends. It *survived* if all tests that reach it
 * pass, and is *not covered* where none does.
 */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cache } from "../workspace.mjs";

/**
 * @typedef {import("./bundle.mjs").Bundle} Bundle
 * @typedef {import("./mutate.mjs").Mutant} Mutant
 * @typedef {import("./worker.mjs").TestEnd} TestEnd
 *
 * @typedef {object} Known  what is known of a test
 * @property {Bundle} bundle
 * @property {number} test   its place in the file
 * @property {string} name
 * @property {number} ms
 * @property {number} cpuMs
 *
 * @typedef {object} Verdict
 * @property {"killed" | "survived" | "not covered"} is
 * @property {string} by     which test failed, and how; else how many tests reach it
 *
 * @typedef {{ ends: TestEnd[], stopped: null | { how: string, test: number | null } }} Outcome
 */

/** A process is left after so many mutants, whatever they did to it. */
const MUTANTS_PER_PROCESS = 40;
/** What describing a file's tests may take. */
const LOADING_MS = 20_000;

/** Of random programs a few are enough, and one that fails need not be shortened. */
const TESTING = {
  NODE_ENV: "test",
  CI: "1",
  LOOPGRAD_RANDOM_PROGRAMS: process.env.LOOPGRAD_RANDOM_PROGRAMS ?? "25",
};

/** A process for tests, made anew when it ends. */
class Process {
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;
  #runs = 0;

  /** @param {Record<string, string>} env */
  constructor(env) {
    this.env = env;
  }

  end() {
    this.#child?.kill("SIGKILL");
    this.#child = null;
    this.#runs = 0;
  }

  /** To be called between mutants. */
  rest() {
    if (++this.#runs >= MUTANTS_PER_PROCESS) this.end();
  }

  async #started() {
    if (this.#child !== null) return this.#child;
    const child = fork(fileURLToPath(new URL("./worker.mjs", import.meta.url)), {
      env: { ...process.env, ...this.env, ...TESTING },
      execArgv: ["--max-old-space-size=3000", "--expose-gc", "--no-warnings"],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    await new Promise((done) => child.once("message", done));
    return child;
  }

  /**
   * @param {import("./worker.mjs").Task} task
   * @param {(test: number) => number} limitOf  what a test may take, in ms
   * @returns {Promise<Outcome>}
   */
  async run(task, limitOf) {
    const child = await this.#started();
    /** @type {TestEnd[]} */
    const ends = [];
    return new Promise((done) => {
      /** @type {number | null} */
      let test = null;
      const finish = (/** @type {Outcome["stopped"]} */ stopped) => {
        clearTimeout(timer);
        child.off("message", hear);
        child.off("exit", gone);
        if (stopped !== null && this.#child === child) this.end();
        done({ ends, stopped });
      };
      let limit = LOADING_MS;
      let [wall, cpu] = [0, 0];
      const wait = (/** @type {number} */ ms) => {
        [limit, wall, cpu] = [ms, performance.now(), cpuMs(child)];
        timer = setTimeout(late, ms);
      };
      // On a busy machine a test takes long and does little: it gets four times as long.
      const late = () => {
        if (cpuMs(child) - cpu < limit / 2 && performance.now() - wall < 4 * limit) timer = setTimeout(late, limit / 2);
        else finish({ how: "no end", test });
      };
      const gone = () => finish({ how: "the process ended", test });
      /** @type {NodeJS.Timeout} */
      let timer;
      const hear = (/** @type {any} */ message) => {
        clearTimeout(timer);
        if (message.type === "begin") test = message.test;
        if (message.type === "end") ends.push(message);
        if (message.type === "done") {
          return message.error === undefined ? finish(null) : finish({ how: message.error, test });
        }
        wait(message.type === "begin" ? limitOf(message.test) : LOADING_MS);
      };
      child.on("message", hear);
      child.on("exit", gone);
      wait(LOADING_MS);
      child.send(task);
    });
  }
}

/**
 * The processor time that a process has used; without end where the system doesn't tell, so that the wall's time decides.
 *
 * @param {import("node:child_process").ChildProcess} child
 */
function cpuMs({ pid }) {
  try {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13);
    return 10 * (Number(user) + Number(system));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export class Judge {
  /** Tests that reach a mutant, by its id. @type {Map<number, Known[]>} */
  #reaching = new Map();
  /** What killed mutants of a source file, last first. @type {Map<string, Known[]>} */
  #killers = new Map();
  /** Tests that take no part, with the reason. @type {string[]} */
  left = [];
  #process;
  #leave;

  /**
   * @param {Record<string, string>} env  the adapter's variables
   * @param {RegExp} leave  tests of these names take no part
   */
  constructor(env, leave = /(?!)/) {
    this.#process = new Process(env);
    this.#leave = leave.source;
  }

  end() {
    this.#process.end();
  }

  /**
   * Runs a file's tests without mutants, or remembers how that went.
   *
   * @param {Bundle} bundle
   */
  async learn(bundle) {
    const folder = join(cache, "mutants", "learnt");
    const key = createHash("sha256").update(bundle.hash).update(this.#leave).digest("hex");
    const memory = join(folder, `${key}.json`);
    /** @type {{ tests: TestEnd[], left: string[] } | null} */
    let learnt = null;
    try {
      learnt = JSON.parse(readFileSync(memory, "utf8"));
    } catch {
      // Not known yet.
    }
    learnt ??= await this.#learn(bundle);
    mkdirSync(folder, { recursive: true });
    writeFileSync(memory, JSON.stringify(learnt));
    this.left.push(...learnt.left);
    for (const { test, name, ms, cpuMs = ms, reached = [] } of learnt.tests) {
      const known = { bundle, test, name, ms, cpuMs };
      for (const id of reached) this.#reaching.set(id, [...(this.#reaching.get(id) ?? []), known]);
    }
  }

  /** @param {Bundle} bundle */
  async #learn(bundle) {
    const task = { bundle: bundle.path, imports: bundle.imports, mutant: -1, tests: null, leave: this.#leave };
    const long = () => 300_000;
    const alone = await this.#process.run({ ...task, alone: true }, long);
    this.#process.end();
    if (alone.stopped !== null) {
      return { tests: [], left: [`${bundle.test}: ${alone.stopped.how}`] };
    }
    const together = await this.#process.run(task, long);
    this.#process.end();
    /** @type {string[]} */
    const left = [];
    const tests = alone.ends.filter((end) => {
      const other = together.ends.find(({ test }) => test === end.test);
      const error = end.error ?? (other === undefined ? "did not run with the others" : other.error);
      if (error !== null) left.push(`${bundle.test}: ${end.name}: ${error.split("\n")[0]}`);
      return error === null;
    });
    return { tests, left };
  }

  /**
   * @param {Mutant} mutant
   * @param {number} [slowest]  tests that take longer, in ms of the processor, are not asked
   * @returns {Promise<Verdict>}
   */
  async judge(mutant, slowest = Number.POSITIVE_INFINITY) {
    const all = this.#reaching.get(mutant.id) ?? [];
    const reaching = all.filter(({ cpuMs }) => cpuMs <= slowest);
    if (all.length === 0) return { is: "not covered", by: "no test" };
    const killers = this.#killers.get(mutant.file) ?? [];
    const first = killers.filter((known) => reaching.includes(known)).slice(0, 4);
    const groups = [...first.map((known) => [known]), ...byFile(reaching.filter((known) => !first.includes(known)))];
    for (const group of groups) {
      const killed = await this.#kills(mutant, group);
      if (killed === null) continue;
      const [killer, how] = killed;
      this.#killers.set(mutant.file, [killer, ...killers.filter((known) => known !== killer)].slice(0, 30));
      this.#process.rest();
      return { is: "killed", by: `${killer.bundle.test}: ${killer.name}: ${how.split("\n")[0]}` };
    }
    this.#process.rest();
    return { is: "survived", by: `${reaching.length} tests` };
  }

  /**
   * Runs tests of one file with a mutant.
   *
   * @param {Mutant} mutant
   * @param {Known[]} group
   * @param {boolean} [again]
   * @returns {Promise<[Known, string] | null>} what failed, and how
   */
  async #kills(mutant, group, again = false) {
    const { path, imports } = group[0].bundle;
    const known = (/** @type {number | null} */ test) => group.find((one) => one.test === test) ?? group[0];
    const limitOf = (/** @type {number} */ test) => 5 * known(test).ms + 2000;
    const tests = group.map(({ test }) => test).sort((a, b) => a - b);
    const task = { bundle: path, imports, mutant: mutant.id, tests, leave: this.#leave };
    const { ends, stopped } = await this.#process.run(task, limitOf);
    if (stopped !== null) return [known(stopped.test), stopped.how];
    const last = ends.at(-1);
    if (last === undefined || last.error === null) return null;
    // Is it the mutant, or what came before in this process, or the choice of tests?
    const upTo = tests.slice(0, ends.length);
    const without = await this.#process.run({ ...task, mutant: -1, tests: upTo }, limitOf);
    if (without.stopped === null && without.ends.every(({ error }) => error === null))
      return [known(last.test), last.error];
    this.#process.end();
    return again ? null : this.#kills(mutant, group, true);
  }
}

/**
 * Tests by file, the quickest first.
 *
 * @param {Known[]} tests
 * @returns {Known[][]}
 */
function byFile(tests) {
  const groups = [...new Set(tests.map(({ bundle }) => bundle))].map((bundle) =>
    tests.filter((known) => known.bundle === bundle),
  );
  const total = (/** @type {Known[]} */ group) => group.reduce((sum, { ms }) => sum + ms, 0);
  return groups.sort((a, b) => total(a) - total(b));
}
