/**
 * `--check BASELINE.json`: this run beside an earlier one's rows.
 *
 * A *baseline* is what `--json` printed: an object on a line for each row (a list of rows will do too). Counts must be the same,
 * to the byte. Times of two runs say more of the machine than of the program, so those of one run are compared among themselves:
 * a row's *ratios* (to the first subject, to the machine's ceiling, late by early) may be worse than the baseline's by a factor.
 */
import { readFileSync } from "node:fs";
import { LoopgradError } from "loopgrad";
import type { Row } from "./rows.ts";

/** What names a row. */
const KEYS = [
  "workload",
  "subject",
  "device",
  "adapter",
  "steps",
  "tasks",
  "size",
  "shape",
  "part",
  "dtype",
  "optimizer",
  "checkpoint",
] as const;

const EXACT = [
  "recorded",
  "dispatches",
  "submits",
  "pipelinesCreated",
  "bindGroupsCreated",
  "buffersCreated",
  "plansMade",
  "plans",
  "pipelines",
  "wgslBytes",
  "peakBytes",
  "heldBytes",
  "bytesPerStep",
  "bytes",
  "gzipBytes",
] as const;

/** Ratios within a run, and whether more is better: a peer's time by ours is, and loopgrad's on another device is not. */
const RATIOS = {
  ratio: ({ subject }: Row) => subject !== "loopgrad",
  share: () => true,
  lateOverEarly: () => false,
} as const;

/** How much worse a ratio may be. */
const FACTOR = 1.5;

const keyOf = (row: Row): string =>
  KEYS.filter((name) => row[name] !== undefined && row[name] !== null)
    .map((name) => String(row[name]))
    .join(" ");

/** Reads what `--json` printed. */
export function readRows(file: string): Row[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new LoopgradError(`${file} cannot be read: wanted what \`pnpm bench … --json\` printed`, {
      cause,
    });
  }
  try {
    return text.startsWith("[") ? JSON.parse(text) : text.split("\n").map((line) => JSON.parse(line));
  } catch (cause) {
    throw new LoopgradError(`${file}: wanted JSON, an object on a line for each row`, { cause });
  }
}

/**
 * What differs from the baseline, in words; empty if all is as it was.
 *
 * @param baseline  its rows; those that this run does not have are left alone
 */
export function differences(rows: readonly Row[], baseline: readonly Row[]): string[] {
  const known = new Map(baseline.map((row) => [keyOf(row), row]));
  return rows.flatMap((row) => {
    const key = keyOf(row);
    const before = known.get(key);
    if (before === undefined) return [`${key}: the baseline has no such row`];
    const counts = EXACT.filter((name) => row[name] !== before[name]);
    const ratios = (Object.keys(RATIOS) as (keyof typeof RATIOS)[]).filter((name) => {
      const [now, then] = [row[name], before[name]];
      if (typeof then !== "number") return false;
      return typeof now !== "number" || (RATIOS[name](row) ? now * FACTOR < then : now > FACTOR * then);
    });
    return [
      ...counts.map((name) => `${key}: ${name} is ${row[name]}, and was ${before[name]}`),
      ...ratios.map((name) => `${key}: ${name} is ${row[name]}, and was ${before[name]}: worse by more than ${FACTOR}`),
    ];
  });
}
