/**
 * Random programs of public operations: the interpreter, which computes what was recorded node by node, the cpu
 * device, and WebGPU, planned and fused, agree.
 *
 * LOOPGRAD_RANDOM_PROGRAMS sets how many programs run, LOOPGRAD_RANDOM_SEED which. Most make kernels that no other
 * program has, which a software adapter takes some 0.1 s a program to compile, and up to a minute where dozens of
 * movements end up in one kernel's index: so they are shorter on WebGPU.
 */
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import { differences, runPublicProgram } from "./public-programs.ts";

const PROGRAMS = Number(process.env.LOOPGRAD_RANDOM_PROGRAMS ?? 120);
const SEED = Number(process.env.LOOPGRAD_RANDOM_SEED ?? 20262);

const TIMEOUT_MS = 60_000 + PROGRAMS * 1000;

/** Programs for which a device is kept: a software adapter keeps every kernel it ever compiled in memory. */
const PROGRAMS_A_DEVICE = 50;

async function agree(make: () => Promise<Device>, numRuns: number, maxLength: number): Promise<void> {
  const programs = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength, size: "max" });
  let interpreter = new Device(new InterpreterBackend());
  let device = await make();
  let count = 0;
  const check = async (program: number[]) => {
    if (++count % PROGRAMS_A_DEVICE === 0) {
      device.destroy();
      device = await make();
      interpreter = new Device(new InterpreterBackend());
    }
    const wanted = await runPublicProgram(interpreter, program);
    expect(differences(await runPublicProgram(device, program), wanted)).toEqual([]);
  };
  try {
    const endOnFailure = process.env.CI !== undefined;
    await fc.assert(fc.asyncProperty(programs, check), { numRuns, seed: SEED, endOnFailure });
  } finally {
    device.destroy();
  }
}

const cpu = async () => new Device(new CpuBackend());
const gpu = async () => new Device(await createWebGPUBackend({}));

test("the cpu device computes what the interpreter does", () => agree(cpu, PROGRAMS, 120), TIMEOUT_MS);

test("WebGPU computes what the interpreter does", () => agree(gpu, PROGRAMS, 70), TIMEOUT_MS);
