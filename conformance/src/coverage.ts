/**
 * What loopgrad covers of the golden cases: all, except what `not-covered.json` lists.
 *
 * The list names subjects (an operation, a module, an optimizer) by device and suite, and it is exact: a listed subject
 * whose cases all pass is an error too, so the list can only shrink honestly.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type GoldenCase, readGoldenFile } from "./format.ts";
import { type DeviceName, type Result, type RunOptions, runFile, subjectOf } from "./run.ts";

type NotCovered = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A golden file of this repository, by its name without `.json`. */
export const goldenFile = (name: string): string => here(`../golden/${name}.json`);

const notCovered = JSON.parse(readFileSync(here("../not-covered.json"), "utf8")) as NotCovered;

/** What is wrong with a file's coverage; both lists are empty when nothing is. */
export interface CoverageReport {
  /** Cases that fail although their subject is not listed, each with the reason. */
  readonly failures: string[];
  /** Listed subjects whose cases all pass. */
  readonly listedButCovered: string[];
}

/** Runs a golden file and holds the results against the list. */
export async function checkCoverage(
  name: string,
  device: DeviceName,
  options: Pick<RunOptions, "around" | "every" | "secondOrderEvery"> = {},
): Promise<CoverageReport> {
  const results = await runFile(goldenFile(name), { ...options, device });
  const listed = ({ suite, subject }: Result): boolean => notCovered[device]?.[suite]?.includes(subject) ?? false;
  const failed = results.filter(({ passed }) => !passed);
  const failing = new Set(failed.map(identity));
  return {
    failures: failed.filter((result) => !listed(result)).map(line),
    listedButCovered: [...new Set(results.filter(listed).map(identity))].filter((subject) => !failing.has(subject)),
  };
}

/** Listed subjects that no golden case is about. */
export async function unknownSubjects(files: readonly string[]): Promise<string[]> {
  const cases = (await Promise.all(files.map((name) => readGoldenFile(goldenFile(name))))).flat();
  const known = new Set(cases.map((golden: GoldenCase) => `${golden.suite}: ${subjectOf(golden)}`));
  const listed = Object.values(notCovered).flatMap((suites) =>
    Object.entries(suites).flatMap(([suite, subjects]) => subjects.map((subject) => `${suite}: ${subject}`)),
  );
  return listed.filter((subject) => !known.has(subject));
}

const identity = ({ suite, subject }: Result): string => `${suite}: ${subject}`;

/** "conv2d/basic: grads[0] at [0, 1]: got …" */
const line = ({ name, error, mismatches }: Result): string =>
  `${name}: ${error ?? `${mismatches[0].what} ${mismatches[0].reason}`}`;
