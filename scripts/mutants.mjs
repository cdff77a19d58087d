/**
 * How good the tests are: `npm run test:mutants`, or `node scripts/mutants.mjs [options]`.
 *
 * Plants small faults, one at a time, and runs the narrow tests of the folder that each stands in. A fault that no test
 * notices is printed, with its place and the change. The score is the share of faults that were noticed; those that
 * `mutants/equivalent.json` declares to change nothing that can be seen are left out.
 *
 *   --folder NAME    plan, record, autograd, rules or higher; several with commas; all of them by default
 *   --file TEXT      only files whose path contains it
 *   --sample N       so many mutants of each folder, drawn by the seed; all by default
 *   --seed N         another draw; 1 by default
 *   --survivors      only those that the last run of the folder left alive or found not covered
 *   --equivalents    only those that are declared equivalent: are they?
 *   --quick          without the tests that take more than half a second of the processor: while tests are written
 *   --list           prints the mutants, runs nothing
 *   --goal           ends with 1 where a folder's score is below its goal
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { adapterEnv } from "./adapter.mjs";
import { bundle } from "./mutants/bundle.mjs";
import { Judge } from "./mutants/judge.mjs";
import { plant } from "./mutants/mutate.mjs";
import { cache, packages, root } from "./workspace.mjs";

/**
 * @typedef {import("./mutants/mutate.mjs").Mutant} Mutant
 * @typedef {import("./mutants/judge.mjs").Verdict} Verdict
 *
 * @typedef {object} Folder
 * @property {RegExp} sources  of the files below, those to plant mutants in
 * @property {RegExp} tests    the narrow tests
 * @property {RegExp} [leave]  tests of these names take no part
 * @property {number} goal     the score wanted, in per cent
 *
 * @typedef {Pick<Mutant, "file" | "inside" | "text" | "original" | "mutated" | "nth"> & { reason: string }} Equivalent
 */

/** What doesn't know its device shows its faults on cpu, in a tenth of the time. */
const gpu = /webgpu/i;

/** @type {Record<string, Folder>} */
const FOLDERS = {
  plan: {
    // The random programs, the device that only keeps graphs, and plans on the host stand there for the tests.
    sources: /^packages\/tensor\/src\/plan\/(?!capture-graph|host-plan|.*-programs)/,
    tests: /^packages\/tensor\/src\/(plan|debug)\/|^packages\/tensor\/src\/(cpu\/backend|webgpu\/(backend|half))\.test/,
    goal: 90,
  },
  record: {
    sources: /^packages\/tensor\/src\/record\//,
    tests: /^packages\/tensor\/src\/((record|debug|cpu|webgpu)\/)?[\w-]*\.test/,
    goal: 90,
  },
  autograd: {
    sources: /^packages\/autograd\/src\/(?!print\.ts)/,
    tests: /^packages\/autograd\/src\//,
    leave: gpu,
    goal: 90,
  },
  rules: {
    sources: /^packages\/optim\/src\/rules\//,
    tests: /^packages\/optim\/src\/|^packages\/higher\/src\/corrections\.test|^conformance\/src\/golden\.training/,
    leave: gpu,
    goal: 85,
  },
  higher: {
    sources: /^packages\/higher\/src\/(?!testing\/)/,
    // Hundreds of tests of the same few paths, whose every first run takes a second.
    tests: /^packages\/higher\/src\/(?!lockstep)/,
    leave: gpu,
    goal: 85,
  },
};

const { values: options } = parseArgs({
  options: {
    folder: { type: "string", default: Object.keys(FOLDERS).join() },
    file: { type: "string", default: "" },
    sample: { type: "string", default: "Infinity" },
    seed: { type: "string", default: "1" },
    survivors: { type: "boolean", default: false },
    equivalents: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    goal: { type: "boolean", default: false },
  },
});

/** All TypeScript files of the packages and of the conformance runner, relative to the root. */
const FILES = packages()
  .filter(({ dir }) => /^(packages|conformance)\b/.test(dir))
  .flatMap(({ dir }) =>
    readdirSync(join(root, dir, "src"), { recursive: true }).map((file) => `${dir}/src/${file}`.replaceAll("\\", "/")),
  )
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .sort();

/** @type {Equivalent[]} */
const EQUIVALENT = JSON.parse(readFileSync(new URL("./mutants/equivalent.json", import.meta.url), "utf8"));

/** @param {Pick<Mutant, "file" | "inside" | "text" | "original" | "mutated" | "nth">} mutant */
const keyOf = ({ file, inside, text, original, mutated, nth }) =>
  JSON.stringify([file, inside, text, original, mutated, nth]);

const equivalent = new Set(EQUIVALENT.map(keyOf));
/** @type {string[]} */
const below = [];
for (const name of options.folder.split(",")) {
  if (!Object.hasOwn(FOLDERS, name)) {
    console.error(`--folder: "${name}" is given; of ${Object.keys(FOLDERS).join(", ")} some are wanted`);
    process.exit(2);
  }
  const score = await judgeFolder(name, FOLDERS[name]);
  if (score !== null && score < FOLDERS[name].goal) below.push(name);
}
if (options.goal && below.length > 0) {
  console.log(`below their goals: ${below.join(", ")}`);
  process.exitCode = 1;
}

/**
 * @param {string} name
 * @param {Folder} folder
 * @returns {Promise<number | null>} the score in per cent; null where nothing was run
 */
async function judgeFolder(name, folder) {
  /** @type {Map<string, string>} */
  const planted = new Map();
  /** @type {Mutant[]} */
  const all = [];
  for (const file of FILES.filter((file) => folder.sources.test(file) && !file.endsWith(".test.ts"))) {
    const { code, mutants } = plant(readFileSync(join(root, file), "utf8"), file, all.length);
    planted.set(file, code);
    all.push(...mutants);
  }
  warnOfStale(all, planted);
  const memory = join(cache, "mutants", `${name}-alive.json`);
  const chosen = choose(all, memory);
  if (options.list) {
    for (const mutant of chosen) console.log(show(mutant));
    console.log(`${name}: ${chosen.length} of ${all.length} mutants`);
    return null;
  }

  const tests = FILES.filter((file) => folder.tests.test(file) && /(?<!\.browser)\.test\.ts$/.test(file));
  const judge = new Judge(await adapterEnv({ adapter: process.env.LOOPGRAD_ADAPTER ?? "software" }), folder.leave);
  const started = performance.now();
  const bundles = await bundle(tests, planted, name);
  for (const one of bundles) await judge.learn(one);
  for (const line of judge.left) console.log(`takes no part: ${line}`);
  console.log(`${name}: ${seconds(started)} s to learn what the tests reach`);

  const asked = chosen.filter((mutant) => equivalent.has(keyOf(mutant)) === options.equivalents);
  /** @type {Map<Mutant, Verdict>} */
  const verdicts = new Map();
  for (const mutant of asked) {
    const begun = performance.now();
    const verdict = await judge.judge(mutant, options.quick ? 500 : undefined);
    verdicts.set(mutant, verdict);
    if (process.env.LOOPGRAD_MUTANTS_VERBOSE) {
      console.log(`${verdict.is} in ${seconds(begun)} s by ${verdict.by}\n${show(mutant)}`);
    } else if (verdict.is !== "killed") console.log(`${verdict.is} (${verdict.by})\n${show(mutant)}`);
  }
  judge.end();

  const count = (/** @type {Verdict["is"]} */ is) =>
    [...verdicts.values()].filter((verdict) => verdict.is === is).length;
  const [killed, survived, uncovered] = [count("killed"), count("survived"), count("not covered")];
  const score = asked.length === 0 ? 100 : (100 * killed) / asked.length;
  mkdirSync(join(cache, "mutants"), { recursive: true });
  writeFileSync(memory, JSON.stringify(asked.filter((mutant) => verdicts.get(mutant)?.is !== "killed").map(keyOf)));
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
  const spared = options.equivalents ? 0 : chosen.length - asked.length;
  console.log(`${name}: ${seconds(started)} s`);
  console.log("| folder | mutants | drawn (seed) | killed | survived | not covered | equivalent | score | commit |");
  console.log(
    `| ${name} | ${all.length} | ${chosen.length} (${options.seed}) | ${killed} | ${survived} | ${uncovered} | ${spared} | ` +
      `${score.toFixed(1)} % | ${commit} |\n`,
  );
  return score;
}

/**
 * The mutants that the options ask for.
 *
 * @param {Mutant[]} all
 * @param {string} memory  where the last run's survivors are
 */
function choose(all, memory) {
  let chosen = all.filter(({ file }) => file.includes(options.file));
  if (options.equivalents) chosen = chosen.filter((mutant) => equivalent.has(keyOf(mutant)));
  if (options.survivors) {
    const alive = new Set(JSON.parse(readFileSync(memory, "utf8")));
    chosen = chosen.filter((mutant) => alive.has(keyOf(mutant)));
  }
  // Drawn by what a mutant is and not by its number, so that a draw stays the same where the source does.
  const lot = (/** @type {Mutant} */ mutant) =>
    createHash("sha256")
      .update(options.seed + keyOf(mutant))
      .digest("hex");
  const lots = new Map(chosen.map((mutant) => [mutant, lot(mutant)]));
  const drawn = [...chosen].sort((a, b) => ((lots.get(a) ?? "") < (lots.get(b) ?? "") ? -1 : 1));
  return drawn.slice(0, Number(options.sample)).sort((a, b) => a.id - b.id);
}

/**
 * An entry whose source has changed says nothing any more.
 *
 * @param {Mutant[]} all
 * @param {Map<string, string>} planted
 */
function warnOfStale(all, planted) {
  const known = new Set(all.map(keyOf));
  for (const entry of EQUIVALENT) {
    if (planted.has(entry.file) && !known.has(keyOf(entry))) {
      console.log(`equivalent.json: no such mutant any more: ${entry.file}: ${entry.original} → ${entry.mutated}`);
    }
  }
}

/** @param {Mutant} mutant */
function show({ file, line, inside, text, original, mutated, nth }) {
  const short = (/** @type {string} */ code) => (code.length > 300 ? `${code.slice(0, 300)} …` : code);
  const which = nth > 1 ? ` (${nth})` : "";
  return `  ${file}:${line} in ${inside || "the module"}\n    ${text}\n    ${short(original)}  →  ${short(mutated)}${which}\n`;
}

/** @param {number} started */
function seconds(started) {
  return ((performance.now() - started) / 1000).toFixed(1);
}
