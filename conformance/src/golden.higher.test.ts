/**
 * Golden cases of inner loops, on both devices. A software adapter has every third of them here, and all in a full run.
 */
import { expect, test } from "@jest/globals";
import { checkCoverage } from "./coverage.ts";
import { DEVICES } from "./run.ts";

test.each(["higher"].flatMap((file) => DEVICES.map((device) => [file, device] as const)))(
  "%s.json on %s",
  async (file, device) => {
    const every = device === "cpu" || process.env.LOOPGRAD_FULL !== undefined ? 1 : 3;
    expect(await checkCoverage(file, device, { every })).toEqual({ failures: [], listedButCovered: [] });
  },
  600_000,
);
