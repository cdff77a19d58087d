/**
 * The results of `npm run test:full`, in docs/results/full-test.md: a row for each part, of its last run.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { root } from "./workspace.mjs";

const FILE = join(root, "docs", "results", "full-test.md");

/**
 * What came of a part.
 *
 * @typedef {{ name: string, passed: number, failed: number, notRun: string[], seconds: number }} Result
 */

/**
 * Puts a part's row into the file. The rows of the others stay.
 *
 * @param {string} key     the part
 * @param {Result} result
 * @param {string[]} keys  all parts, in their order
 */
export function writeResults(key, result, keys) {
  const rows = existsSync(FILE) ? rowsOf(readFileSync(FILE, "utf8")) : new Map();
  rows.set(key, rowOf(key, result, tested, today()));
  writeFileSync(FILE, page(rows, keys));
}

/**
 * The page's text.
 *
 * @param {Map<string, string>} rows  by part
 * @param {readonly string[]} keys    all parts: those without a row were never run
 */
export function page(rows, keys) {
  const missing = keys.filter((key) => !rows.has(key));
  return `# The long test

What \`npm run test:full\` said last, part by part. It writes this page. A part again: \`npm run test:full -- --only NAME\`.

| part | what | passed | failed | not run, and why | minutes | machine | date | commit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${keys.map((key) => rows.get(key) ?? `| \`${key}\` | | | | NOT RUN: it has not been started yet | | | | |`).join("\n")}

${missing.length === 0 ? "Every part has run." : `Parts that have not been started yet: ${missing.join(", ")}.`} A commit with + had changes that were not committed.
`;
}

/**
 * @param {string} key
 * @param {Result} result
 * @param {string} commit
 * @param {string} date
 */
export function rowOf(key, { name, passed, failed, notRun, seconds }, commit, date) {
  const missing = notRun.map((what) => `NOT RUN: ${what.replaceAll("|", "/")}`).join("; ");
  const machine = `${process.platform} ${process.arch}, ${cpus().length} cores, Node ${process.versions.node}`;
  const minutes = (seconds / 60).toFixed(1);
  return `| \`${key}\` | ${name} | ${passed} | ${failed} | ${missing} | ${minutes} | ${machine} | ${date} | ${commit} |`;
}

/**
 * The rows of a page, by part; without those of parts that have not been started.
 *
 * @param {string} text
 * @returns {Map<string, string>}
 */
export function rowsOf(text) {
  const rows = Array.from(text.matchAll(/^\| `(\w+)` \| [^|].*$/gm), ([row, key]) => /** @type {const} */ ([key, row]));
  return new Map(rows);
}

/** The commit that was tested; with a + if files had changed since. The page itself doesn't count. */
function commit() {
  const git = (/** @type {string[]} */ ...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain", "--", ".", ":!docs/results/full-test.md");
    return git("rev-parse", "--short", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

/** What the run began with. */
const tested = commit();

const today = () => new Date().toISOString().slice(0, 10);
