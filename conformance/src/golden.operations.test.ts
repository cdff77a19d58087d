/**
 * Golden cases of operations and programs, on both devices.
 *
 * A software adapter spends its time on compiling kernels of second derivatives: on it every third operation has them here, and
 * all in a full run.
 */
import { expect, test } from "@jest/globals";
import { checkCoverage } from "./coverage.ts";
import { DEVICES } from "./run.ts";

test.each(["ops", "third"].flatMap((file) => DEVICES.map((device) => [file, device] as const)))(
  "%s.json on %s",
  async (file, device) => {
    const secondOrderEvery = device === "cpu" || process.env.LOOPGRAD_FULL !== undefined ? 1 : 3;
    expect(await checkCoverage(file, device, { secondOrderEvery })).toEqual({ failures: [], listedButCovered: [] });
  },
  600_000,
);
