/**
 * `pnpm bench list`, `pnpm bench ID… [options]`, `pnpm bench page ROWS.json… --html FILE`: see bench/README.md.
 *
 * What the numbers control for: data that a step of training or meta-learning would have fresh is drawn on the host and uploaded
 * in every call; every call ends with its results read back; the first call (compilation) stands apart; the timed
 * calls come after a warm-up, and results are compared before; calls run one after another, never overlapped, several subjects
 * in turns; the median is reported with the fastest and slowest call, and the machine's load. What they do not: other load on the
 * machine, and its clock. Compare on one machine, at one time, more than once.
 *
 * `--adapter null` takes a WebGPU device that computes nothing: what remains is our own cost and the API's.
 */
import { writeFileSync } from "node:fs";
import { LoopgradError } from "loopgrad";
import { browserRows } from "./browser.ts";
import { differences, readRows } from "./check.ts";
import { command, type Given, listing, wantedRows } from "./options.ts";
import { page, picture } from "./page.ts";
import { profiled, type Row, text } from "./rows.ts";
import { Runner } from "./run.ts";

command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2)).parse();
if (command.args.length === 1 && command.args[0] === "list") console.log(listing());
else if (command.args[0] === "page") process.exitCode = pageOf(command.args.slice(1), command.opts<Given>());
else process.exitCode = await main(command.args, command.opts<Given>());

/** `pnpm bench page ROWS.json… --html FILE`: a page of what `--json` printed before. */
function pageOf(files: readonly string[], given: Given): number {
  if (files.length === 0)
    command.error("page: wanted files that --json printed, as in: bench page rows.json --html page.html");
  if (given.html === undefined && given.svg === undefined) command.error("page: wanted --html FILE or --svg FILE");
  try {
    write(files.flatMap(readRows), given);
    return 0;
  } catch (error) {
    if (!(error instanceof LoopgradError)) throw error;
    console.error(`bench: ${error.message}`);
    return 1;
  }
}

function write(rows: readonly Row[], { html, svg }: Given): void {
  if (html !== undefined) writeFileSync(html, page(rows, process.argv.slice(2)));
  if (svg !== undefined) writeFileSync(svg, picture(rows));
}

async function main(ids: readonly string[], given: Given): Promise<number> {
  const wanted = wantedRows(ids, given);
  const runner = new Runner(given);
  const rows: Row[] = [];
  let baseline: Row[] | null = null;
  try {
    if (given.check !== undefined) baseline = readRows(given.check);
    const measured = given.browser ? browserRows(wanted, given) : runner.all(wanted);
    for await (const row of measured) {
      rows.push(row);
      if (given.json) console.log(JSON.stringify(row));
    }
  } catch (error) {
    if (!(error instanceof LoopgradError)) throw error;
    console.error(`bench: ${error.message}`);
    return 1;
  } finally {
    runner.close();
  }
  if (!given.json) {
    console.log(text(rows));
    for (const { workload, profile } of rows)
      if (profile !== undefined) console.log(`\n${workload}\n${profiled(profile)}`);
  }
  write(rows, given);
  const failed = rows.filter(({ error }) => error !== undefined);
  for (const { workload, subject, error } of failed) console.error(`${workload}, ${subject}: ${error}`);
  // A peer that fails is a result; loopgrad on one device that differs from another is a fault.
  if (failed.some(({ subject }) => subject === "loopgrad")) return 1;
  if (baseline === null) return 0;
  const worse = differences(rows, baseline);
  for (const line of worse) console.error(line);
  console.error(`${rows.length} rows checked against ${given.check}: ${worse.length} differences`);
  return worse.length === 0 ? 0 : 1;
}
