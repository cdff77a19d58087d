/** The check of plans accepts what the planner makes, and refuses each way in which a plan can be wrong. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Instruction } from "@loopgrad/kernels";
import { bind } from "../bind.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { type CpuPlan, checkProgram } from "../cpu/check-program.ts";
import { audit } from "../debug/audit.ts";
import { Holders, Ledger } from "../debug/ledger.ts";
import { watch } from "../debug/watch.ts";
import { Device } from "../device.ts";
import "../ops/methods.ts";
import { pack, unpack } from "../ops/pack.ts";
import { flipP, gatherP, padP } from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";
import type { Place } from "./allocate.ts";
import { checkPlan, type GpuPlan } from "./check-plan.ts";

const ramp = (device: Device, shape: Shape): Tensor =>
  new Tensor(
    device.fromHost(
      Float32Array.from({ length: numel(shape) }, (_, i) => i % 7),
      shape,
      "float32",
    ),
  );

/** The last plan that a program makes. */
async function planOf(device: Device, program: (device: Device) => Tensor[]): Promise<{ gpu: GpuPlan; cpu: CpuPlan }> {
  const seen: { gpu?: GpuPlan; cpu?: CpuPlan } = {};
  const holders = new Holders();
  const before = watch({
    gpuPlan: (plan) => {
      seen.gpu = plan;
    },
    cpuPlan: (plan) => {
      seen.cpu = plan;
    },
    deviceMade: () => {},
    deviceEnds: () => {},
    deviceLost: () => {},
    holders,
    audit,
    ledger: () => new Ledger(holders),
  });
  try {
    using _ = scope();
    await Promise.all(program(device).map((x) => x.data()));
  } finally {
    watch(before);
  }
  return seen as { gpu: GpuPlan; cpu: CpuPlan };
}

/** A chain of products, a padded view of one that is added to it, and a pack that is made late and read. */
function program(device: Device): Tensor[] {
  const w = ramp(device, [8, 8]);
  let h = ramp(device, [8, 8]);
  for (let i = 0; i < 4; i++) h = h.matmul(w);
  const shifted = bind(padP, [h.slice(1, 0, 7)], [0, 1, 0, 0]);
  const late = shifted.add(w).matmul(w);
  const packed = pack([ramp(device, [5]), late, late.sum(0)]).mul(2);
  return [h, packed.sum(), bind(flipP, [late], [0])];
}

describe("of WebGPU", () => {
  let device: Device;
  let plan: GpuPlan;
  beforeAll(async () => {
    device = new Device(await createWebGPUBackend({}));
    plan = (await planOf(device, program)).gpu;
  });
  afterAll(() => device.destroy());

  const placed = (changes: Iterable<[number, Place]>): GpuPlan => ({
    ...plan,
    places: new Map([...plan.places, ...changes]),
  });
  const kernelsOf = (role: string) => plan.kernels.filter(({ description }) => description.role === role);
  const written = ({ description, operands }: GpuPlan["kernels"][number]): number[] =>
    operands.filter((_, i) => description.operands[i].access === "write");
  const isScratch = (value: number): boolean => plan.places.get(value)?.kind === "scratch";

  test("what the planner makes is accepted", () => {
    expect(() => checkPlan(plan)).not.toThrow();
    expect(plan.packs).toHaveLength(1);
    expect([...plan.places.values()].filter(({ kind }) => kind === "scratch").length).toBeGreaterThan(3);
  });

  test("a slot that is read after it was given away", () => {
    // The second product of the chain lies where the first one does, and is made of it.
    const [first, second] = kernelsOf("contract").map((kernel) => written(kernel)[0]);
    expect(() => checkPlan(placed([[second, plan.places.get(first) as Place]]))).toThrow(
      /reads value \d+ in scratch .*, where it writes/,
    );
    // Any two values may share a slot if one is read for the last time before the other is written, and only then.
    const lives = plan.kernels.flatMap((kernel, from) =>
      written(kernel)
        .filter(isScratch)
        .map((value) => ({ value, from, to: plan.kernels.findLastIndex(({ operands }) => operands.includes(value)) })),
    );
    expect(lives.length).toBeGreaterThan(4);
    const slot: Place = { kind: "scratch", bytes: 4096, index: 40 };
    for (const a of lives) {
      for (const b of lives) {
        if (a === b) continue;
        const shared = () =>
          checkPlan(
            placed([
              [a.value, slot],
              [b.value, slot],
            ]),
          );
        if (a.to < b.from || b.to < a.from) expect(shared).not.toThrow();
        else expect(shared).toThrow(/wants value|where it writes|in the same bytes/);
      }
    }
  });

  test("a pack whose slot something else takes before its last piece is written", () => {
    const [{ value: pack }] = plan.packs;
    const [early] = kernelsOf("contract").map((kernel) => written(kernel)[0]);
    expect(() => checkPlan(placed([[early, plan.places.get(pack) as Place]]))).toThrow(
      /wants piece 0 of pack .*: there is/,
    );
    const late = plan.packs[0].pieces
      .map(({ ref }) => ref.node)
      .filter((node) => plan.places.get(node)?.kind === "part");
    expect(late.length).toBeGreaterThan(0);
    const alone: Place = { kind: "scratch", bytes: 4096, index: 50 };
    expect(() => checkPlan(placed([[late[0], alone]]))).toThrow(/wants piece \d of pack \d+ .*: there is zeros/);
  });

  test("a pack that is not cleared, and copies that are not those of its pieces", () => {
    const [pack] = plan.packs;
    const withPack = (change: object): GpuPlan => ({ ...plan, packs: [{ ...pack, ...change }] });
    expect(() => checkPlan(withPack({ cleared: false }))).toThrow(/has gaps and is not cleared/);
    expect(() => checkPlan(withPack({ copies: [] }))).toThrow(/has 0 copies/);
    for (const change of [{ from: 4 }, { to: 4 }, { bytes: 16 }, { leaf: 0 }]) {
      const copies = [{ ...pack.copies[0], ...change }];
      expect(() => checkPlan(withPack({ copies }))).toThrow(/copy 0 of pack \d+ is not that of a piece/);
    }
  });

  test("kernels in another order, or one that is missing", () => {
    const { kernels } = plan;
    expect(() => checkPlan({ ...plan, kernels: [kernels[1], kernels[0], ...kernels.slice(2)] })).toThrow(
      /: there is nothing/,
    );
    for (let k = 0; k < kernels.length; k++) {
      expect(() => checkPlan({ ...plan, kernels: kernels.toSpliced(k, 1) })).toThrow(/there is/);
      expect(() => checkPlan({ ...plan, kernels: kernels.toSpliced(k, 0, kernels[k]) })).toThrow(/was written before/);
    }
  });

  test("a leaf that is written, an output that is not one, and one at a byte that cannot be bound", () => {
    const [first] = kernelsOf("contract").map((kernel) => written(kernel)[0]);
    expect(() => checkPlan(placed([[first, { kind: "leaf", index: 0 }]]))).toThrow(/writes leaf 0/);
    const { outputs } = plan;
    const [output] = outputs;
    expect(() => checkPlan(placed([[output.value, { kind: "scratch", bytes: 256, index: 60 }]]))).toThrow(
      /lies in scratch/,
    );
    const moved = (change: object): GpuPlan => ({ ...plan, outputs: [{ ...output, ...change }, ...outputs.slice(1)] });
    expect(() => checkPlan(moved({ offset: 64, bytes: 4 }))).toThrow(/begins at byte 64/);
    expect(() => checkPlan(moved({ offset: 256 }))).toThrow(/is more than value/);
  });

  test("more buffers, and smaller slots, than there may be", () => {
    const limited = (limits: object): GpuPlan => ({ ...plan, limits: { ...plan.limits, ...limits } });
    expect(() => checkPlan(limited({ maxBuffers: 2 }))).toThrow(/binds 3 buffers/);
    const [first] = kernelsOf("contract").map((kernel) => written(kernel)[0]);
    expect(() => checkPlan(placed([[first, { kind: "scratch", bytes: 128, index: 70 }]]))).toThrow(
      /has 256 bytes, and its place/,
    );
    const whole: Place = { kind: "scratch", bytes: 1024, index: 70 };
    const part: Place = { kind: "part", of: whole, offset: 100, bytes: 256 };
    expect(() => checkPlan(placed([[first, part]]))).toThrow(/binds byte 100 of value/);
  });

  test("an index that no mask keeps from leaving its buffer", () => {
    const edited = (change: (instruction: Instruction) => Instruction): GpuPlan => ({
      ...plan,
      kernels: plan.kernels.map((kernel) => {
        const { description } = kernel;
        if (description.role !== "map") return kernel;
        const code = description.output.code.map(change);
        return { ...kernel, description: { ...description, output: { ...description.output, code } } };
      }),
    });
    expect(() => checkPlan(edited((instruction) => instruction))).not.toThrow();
    // The mask lets one element more through; then there is none.
    for (const by of [1, 8]) {
      const wider = edited((instruction) => {
        if (instruction.kind !== "load" || instruction.chain[0].valid === null) return instruction;
        const { lo, hi } = instruction.chain[0].valid;
        const valid = { lo: lo.map((x) => x - by), hi };
        return { ...instruction, chain: [{ ...instruction.chain[0], valid }, ...instruction.chain.slice(1)] };
      });
      expect(() => checkPlan(wider)).toThrow(/load: a view reaches elements -1 to/);
    }
  });
});

test("a gather that reaches beyond what it is of is refused; all that is wrong is listed, in order", async () => {
  const device = new Device(await createWebGPUBackend({}));
  const { gpu } = await planOf(device, (device) => {
    const table = ramp(device, [6, 4]);
    const places = new Tensor(device.fromHost(Int32Array.of(1, 5, 0, 2), [1, 4], "int32"));
    return [bind(gatherP, [table.exp(), places], [0]).mul(2)];
  });
  device.destroy();
  checkPlan(gpu);
  let gathers = 0;
  /** Every gather of so many rows more. */
  const edited = (more: number): GpuPlan => ({
    ...gpu,
    kernels: gpu.kernels.map((kernel) => {
      const { description } = kernel;
      if (description.role !== "map") return kernel;
      const code = description.output.code.map((instruction) => {
        if (instruction.kind !== "gather") return instruction;
        gathers++;
        return { ...instruction, size: instruction.size + more };
      });
      return { ...kernel, description: { ...description, output: { ...description.output, code } } };
    }),
  });
  expect(() => checkPlan(edited(0))).not.toThrow();
  expect(gathers).toBeGreaterThan(0);
  expect(() => checkPlan(edited(1))).toThrow(/gather: a view reaches elements/);
});

describe("of the cpu device", () => {
  let plan: CpuPlan;
  beforeAll(async () => {
    plan = (
      await planOf(new Device(new CpuBackend()), (device) => {
        const [x, w] = [ramp(device, [40, 40]), ramp(device, [40, 40])];
        const h = x.matmul(w).exp();
        const y = h.add(1).matmul(w.t()).tanh();
        return [
          h,
          y,
          y.sum(0).add(y.matmul(w).sum(1)),
          ...unpack(pack([y, w]).mul(2), [
            [40, 40],
            [40, 40],
          ]).slice(0, 1),
        ];
      })
    ).cpu;
  });

  const stepped = (k: number, change: object): CpuPlan => ({
    ...plan,
    steps: plan.steps.map((step, i) => (i === k ? { ...step, ...change } : step)),
  });

  test("what the compiler makes is accepted", () => {
    expect(() => checkProgram(plan)).not.toThrow();
    expect(plan.steps.some(({ takes }) => takes >= 0)).toBe(true);
    expect(plan.steps.some(({ frees }) => frees.length > 0)).toBe(true);
  });

  test("blocks that are given back too early, twice, or never", () => {
    for (const [k, { frees }] of plan.steps.entries()) {
      if (frees.length === 0) continue;
      expect(() => checkProgram(stepped(k, { frees: [] }))).toThrow(/is never given back/);
      expect(() => checkProgram(stepped(k, { frees: [...frees, ...frees] }))).toThrow(/which has none/);
    }
    for (const [k, { slot }] of plan.steps.entries()) {
      const message = plan.outputSlots.includes(slot) ? /an output/ : /which is not there|which has none/;
      expect(() => checkProgram(stepped(k, { frees: [...plan.steps[k].frees, slot] }))).toThrow(message);
    }
  });

  test("blocks that are overwritten although they are read elsewhere, or later", () => {
    for (const [k, step] of plan.steps.entries()) {
      for (const { slot } of plan.reads[k]) {
        if (step.takes === slot) continue;
        const frees = step.frees.filter((freed) => freed !== slot);
        expect(() => checkProgram(stepped(k, { takes: slot, frees }))).toThrow(/cannot be right/);
      }
    }
    const k = plan.steps.findIndex(({ takes }) => takes >= 0);
    const elementwise = plan.elementwise.with(k, false);
    expect(() => checkProgram({ ...plan, elementwise })).toThrow(/which it reads elsewhere too/);
    const moved = plan.reads[k].map((read) => ({ ...read, strides: read.strides.toReversed() }));
    expect(() => checkProgram({ ...plan, reads: plan.reads.with(k, moved) })).toThrow(/which it reads elsewhere too/);
  });

  test("steps in another order, a layout outside its slot, and an output that is more than its slot", () => {
    const [first, second] = plan.steps;
    const swapped = {
      ...plan,
      steps: [second, first, ...plan.steps.slice(2)],
      reads: [plan.reads[1], plan.reads[0], ...plan.reads.slice(2)],
    };
    expect(() => checkProgram(swapped)).toThrow(/which is not there/);
    const far = plan.reads.map((reads) => reads.map((read) => ({ ...read, offset: read.offset + 1 })));
    expect(() => checkProgram({ ...plan, reads: far })).toThrow(/reads slot \d+: elements 1 to 1600 of 1600/);
    expect(() => checkProgram({ ...plan, outputSizes: plan.outputSizes.map((n) => n + 1) })).toThrow(
      /is more than slot/,
    );
  });
});
