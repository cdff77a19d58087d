/**
 * Golden cases of modules, optimizers and schedules, on both devices. A software adapter has every second module here, and all in
 * a full run.
 */
import { expect, test } from "@jest/globals";
import { checkCoverage } from "./coverage.ts";
import { DEVICES } from "./run.ts";

test.each(["nn", "optim"].flatMap((file) => DEVICES.map((device) => [file, device] as const)))(
  "%s.json on %s",
  async (file, device) => {
    const isShort = file === "nn" && device === "webgpu" && process.env.LOOPGRAD_FULL === undefined;
    expect(await checkCoverage(file, device, { every: isShort ? 2 : 1 })).toEqual({
      failures: [],
      listedButCovered: [],
    });
  },
  600_000,
);
