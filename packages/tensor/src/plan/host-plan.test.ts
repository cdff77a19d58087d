/** Plans on the host: random programs give what the interpreter says, with every number of buffers. */
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import type { HostArray } from "../dtype.ts";
import type { Graph, Program, ReadRequest, Storage } from "../record/backend.ts";
import { runPlan } from "./host-plan.ts";
import { runProgram } from "./random-programs.ts";

const PROGRAMS = Number(process.env.LOOPGRAD_RANDOM_PROGRAMS ?? 40);
const SEED = Number(process.env.LOOPGRAD_RANDOM_SEED ?? 20263);

interface Stored extends Storage {
  readonly data: HostArray;
}

/** The interpreter's backend, with plans in the interpreter's place. */
class PlanningBackend extends InterpreterBackend {
  constructor(readonly maxBuffers: number) {
    super();
  }

  override execute(
    program: Program | null,
    leaves: readonly Storage[],
    scalars: readonly number[],
    reads: readonly ReadRequest[],
  ) {
    const given = leaves.map((leaf) => (leaf as Stored).data);
    const run =
      program === null
        ? []
        : runPlan((program as Program & { graph: Graph }).graph, given, scalars, this.maxBuffers).outputs;
    const outputs = run.map((data): Stored => ({ bytes: data.byteLength, data }));
    const read = (request: ReadRequest): HostArray =>
      ("output" in request ? outputs[request.output] : (request.storage as Stored)).data.slice();
    return { outputs, data: reads.length === 0 ? null : Promise.resolve(reads.map(read)) };
  }
}

/** A zero has no sign here. */
const withoutSign = (values: HostArray): HostArray => values.map((x) => (x === 0 ? 0 : x));

/** Storage buffers that a kernel may bind: the fewest that plans are made for, and so on. */
const MAX_BUFFERS = [4, 5, 6, 8];

test("random programs give what the interpreter says, with every number of buffers a kernel", async () => {
  const interpreter = new Device(new InterpreterBackend());
  const devices = MAX_BUFFERS.map((maxBuffers) => new Device(new PlanningBackend(maxBuffers)));
  const numbers = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength: 200, size: "max" });
  await fc.assert(
    fc.asyncProperty(numbers, async (program) => {
      const wanted = await runProgram(interpreter, program);
      for (const [i, device] of devices.entries()) {
        const got = await runProgram(device, program);
        expect([MAX_BUFFERS[i], ...got.values.map(withoutSign)]).toEqual([
          MAX_BUFFERS[i],
          ...wanted.values.map(withoutSign),
        ]);
      }
    }),
    { numRuns: PROGRAMS, seed: SEED, endOnFailure: process.env.CI !== undefined },
  );
});
