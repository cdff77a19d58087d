/** Random programs agree to the last bit: the cpu device, and WebGPU planned and fused, with each kind of tuning. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import type { HostArray } from "../dtype.ts";
import type { Tuning } from "../webgpu/adapter.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import { runProgram, runTasks } from "./random-programs.ts";

const PROGRAMS = Number(process.env.LOOPGRAD_RANDOM_PROGRAMS ?? 30);
const SEED = Number(process.env.LOOPGRAD_RANDOM_SEED ?? 20261);
const isFull = process.env.LOOPGRAD_FULL !== undefined;
const TIMEOUT_MS = 60_000 + PROGRAMS * 1000;

const TUNINGS: Record<string, Partial<Tuning>> = {
  "of the adapter": {},
  "for a GPU at the specification's minimum": { workgroupMemory: true, maxBuffers: 8 },
  "for five buffers a kernel": { maxBuffers: 5 },
};

/** A zero has no sign here: WGSL lets it get lost. */
const withoutSign = (values: HostArray): HostArray => values.map((x) => (x === 0 ? 0 : x));

describe("planned with each kind of tuning", () => {
  const cpu = new Device(new CpuBackend());
  const gpus: [string, Device][] = [];
  beforeAll(async () => {
    for (const [name, tuning] of Object.entries(TUNINGS)) {
      gpus.push([name, new Device(await createWebGPUBackend({ tuning }))]);
    }
  });
  afterAll(() => {
    for (const [, gpu] of gpus) gpu.destroy();
  });

  test(
    "random programs give the same bits as on cpu",
    async () => {
      const numbers = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength: 200, size: "max" });
      await fc.assert(
        fc.asyncProperty(numbers, async (program) => {
          const wanted = await runProgram(cpu, program);
          // Kernels take a software adapter longest: here each program has two of the tunings, in a full run all.
          const tried = isFull ? gpus : [gpus[0], gpus[1 + (program.length % (gpus.length - 1))]];
          for (const [name, gpu] of tried) {
            const got = await runProgram(gpu, program);
            expect([name, ...got.values.map(withoutSign)]).toEqual([name, ...wanted.values.map(withoutSign)]);
          }
        }),
        { numRuns: PROGRAMS, seed: SEED, endOnFailure: process.env.CI !== undefined },
      );
    },
    3 * TIMEOUT_MS,
  );
});

describe("inside vmap, for tasks that share a leaf and have another of their own", () => {
  const devices: [string, () => Promise<Device>, number][] = [
    ["the interpreter", async () => new Device(new InterpreterBackend()), PROGRAMS],
    ["the cpu device", async () => new Device(new CpuBackend()), 2 * PROGRAMS],
    ["WebGPU", async () => new Device(await createWebGPUBackend({})), Math.ceil(PROGRAMS / 3)],
  ];

  test.each(devices)(
    "%s: what a loop gives on cpu",
    async (_, make, numRuns) => {
      const cpu = new Device(new CpuBackend());
      const device = await make();
      const numbers = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength: 120, size: "max" });
      try {
        await fc.assert(
          fc.asyncProperty(numbers, async (program) => {
            const wanted = await runTasks(cpu, program, false);
            const got = await runTasks(device, program, true);
            expect(got.map(withoutSign)).toEqual(wanted.map(withoutSign));
          }),
          { numRuns, seed: SEED, endOnFailure: process.env.CI !== undefined },
        );
      } finally {
        device.destroy();
      }
    },
    TIMEOUT_MS,
  );
});
