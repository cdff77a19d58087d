/**
 * Golden cases of inner loops, on both devices.
 */
import { expect, test } from "@jest/globals";
import { checkCoverage } from "./coverage.ts";
import { DEVICES } from "./run.ts";

test.each(["higher"].flatMap((file) => DEVICES.map((device) => [file, device] as const)))(
  "%s.json on %s",
  async (file, device) => {
    expect(await checkCoverage(file, device)).toEqual({ failures: [], listedButCovered: [] });
  },
  600_000,
);
