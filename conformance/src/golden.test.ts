/**
 * Every golden case, on both devices.
 *
 * `not-covered.json` lists, by device and suite, what loopgrad does not have yet. The list is exact: a subject (an
 * operation, a module, an optimizer) on it whose cases all pass fails the test, so it can only shrink honestly.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { DEVICES, type Result, runFile } from "./run.ts";

type NotCovered = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const notCovered = JSON.parse(readFileSync(here("../not-covered.json"), "utf8")) as NotCovered;

/** "conv2d/basic: grads[0] at [0, 1]: got …", for a case that should have passed. */
const line = ({ name, error, mismatches }: Result): string =>
  `${name}: ${error ?? `${mismatches[0].what} ${mismatches[0].reason}`}`;

describe.each(DEVICES)("on %s", (device) => {
  test.each(["ops", "third", "nn", "optim", "higher"])(
    "%s.json",
    async (file) => {
      const listed = notCovered[device];
      const isListed = ({ suite, subject }: Result): boolean => listed[suite]?.includes(subject) ?? false;
      const results = await runFile(here(`../golden/${file}.json`), { device });

      const failed = results.filter(({ passed }) => !passed);
      expect(failed.filter((result) => !isListed(result)).map(line)).toEqual([]);

      const failing = new Set(failed.map(({ suite, subject }) => `${suite}: ${subject}`));
      const covered = results
        .filter(isListed)
        .map(({ suite, subject }) => `${suite}: ${subject}`)
        .filter((subject) => !failing.has(subject));
      expect(covered).toEqual([]);
    },
    600_000,
  );
});

test("what is not covered names subjects of golden cases", async () => {
  const { readGoldenFile } = await import("./format.ts");
  const { subjectOf } = await import("./run.ts");
  const files = ["ops", "third", "nn", "optim", "higher"].map((name) => readGoldenFile(here(`../golden/${name}.json`)));
  const known = new Set((await Promise.all(files)).flat().map((golden) => `${golden.suite}: ${subjectOf(golden)}`));
  const listed = Object.values(notCovered).flatMap((suites) =>
    Object.entries(suites).flatMap(([suite, subjects]) => subjects.map((subject) => `${suite}: ${subject}`)),
  );
  expect(listed.filter((subject) => !known.has(subject))).toEqual([]);
});
