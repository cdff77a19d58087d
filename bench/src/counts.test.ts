/**
 * What a steady meta-step costs in calls of the GPU's interface. Counts, not times: they are the same on every machine.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Device, init } from "loopgrad";
import { measure } from "./measure.ts";
import { sinusoid } from "./workloads.ts";

let device: Device;

beforeAll(async () => {
  device = await init({ device: "webgpu" });
});

afterAll(() => device?.destroy());

test("w0, one inner step: one submit, at most 60 dispatches, and nothing is created", async () => {
  const step = sinusoid(device, { steps: 1, tasks: 1 });
  const steady = await measure(device, step, { calls: 5, warmup: { calls: 8, ms: 0 } });
  expect(steady).toMatchObject({
    submits: 1,
    pipelinesCreated: 0,
    bindGroupsCreated: 0,
    buffersCreated: 0,
    plansMade: 0,
  });
  expect(steady.dispatches).toBeLessThanOrEqual(60);
}, 120_000);
