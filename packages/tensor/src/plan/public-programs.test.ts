/**
 * Random programs of public operations: the interpreter, which computes what was recorded node by node, the cpu
 * device, and WebGPU, planned and fused, agree.
 *
 * LOOPGRAD_RANDOM_PROGRAMS sets how many programs run, LOOPGRAD_RANDOM_SEED which. Most make kernels that no other
 * program has, which a software adapter takes some 0.1 s a program to compile, and up to a minute where dozens of
 * movements end up in one kernel's index: so they are shorter on WebGPU.
 */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import { differences, runPublicProgram } from "./public-programs.ts";

const PROGRAMS = Number(process.env.LOOPGRAD_RANDOM_PROGRAMS ?? 200);
const SEED = Number(process.env.LOOPGRAD_RANDOM_SEED ?? 20262);

const TIMEOUT_MS = 60_000 + PROGRAMS * 1000;

const interpreter = new Device(new InterpreterBackend());
const cpu = new Device(new CpuBackend());
let gpu: Device;
beforeAll(async () => {
  gpu = new Device(await createWebGPUBackend({}));
});
afterAll(() => gpu.destroy());

async function agree(device: Device, numRuns: number, maxLength: number): Promise<void> {
  const programs = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength, size: "max" });
  await fc.assert(
    fc.asyncProperty(programs, async (program) => {
      const wanted = await runPublicProgram(interpreter, program);
      expect(differences(await runPublicProgram(device, program), wanted)).toEqual([]);
    }),
    { numRuns, seed: SEED, endOnFailure: process.env.CI !== undefined },
  );
}

test("the cpu device computes what the interpreter does", () => agree(cpu, PROGRAMS, 120), TIMEOUT_MS);

test("WebGPU computes what the interpreter does", () => agree(gpu, PROGRAMS, 70), TIMEOUT_MS);
