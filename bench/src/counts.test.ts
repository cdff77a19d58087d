/**
 * What the main workloads cost in calls of the GPU's interface, in programs and in memory. Counts, not times: they are the same
 * on every machine, and taken on Dawn's null backend, which computes nothing.
 *
 * A number here is what it is today, as the most that it may be. Each row names the target that it holds for. Who makes one
 * smaller writes the smaller number.
 */
import { expect, test } from "@jest/globals";
import { type Device, init } from "loopgrad";
import { WORKLOADS } from "./catalog/index.ts";
import type { Settings } from "./catalog/workload.ts";
import { type Measurement, measure } from "./measure.ts";
import { memory } from "./unrolls.ts";
import { sinusoid } from "./workloads.ts";

const KIB = 1024;

async function withDevice<T>(use: (device: Device) => T | Promise<T>): Promise<T> {
  const device = await init({ device: "webgpu", adapter: "null" });
  try {
    return await use(device);
  } finally {
    device.destroy();
  }
}

test("w0, one inner step, on an adapter that computes: one submit, at most 60 dispatches, and nothing is created", async () => {
  const device = await init({ device: "webgpu" });
  try {
    const step = sinusoid(device, { steps: 1, tasks: 1 });
    const steady = await measure(device, step, { calls: 5, warmup: { calls: 12, ms: 0 } });
    expect(steady).toMatchObject({ submits: 1, ...NOTHING_CREATED });
    expect(steady.dispatches).toBeLessThanOrEqual(60);
  } finally {
    device.destroy();
  }
}, 120_000);

/** Of a steady call. */
const NOTHING_CREATED = { pipelinesCreated: 0, bindGroupsCreated: 0, buffersCreated: 0, plansMade: 0 };

type Limits = Pick<Measurement, "dispatches" | "submits" | "pipelines" | "plans" | "wgslBytes" | "peakBytes">;

/** The workload and its settings, the target, and the counts. */
const ROWS: readonly [id: string, settings: Partial<Settings>, target: string, limits: Limits][] = [
  [
    "w0",
    { steps: 1, tasks: 1 },
    "a meta-step is one submit and at most 60 dispatches, where jax-js needs 93 and 101 submits",
    { dispatches: 38, submits: 1, pipelines: 35, plans: 2, wgslBytes: 58_000, peakBytes: 108 * KIB },
  ],
  [
    "w0",
    { steps: 5, tasks: 1 },
    "a longer inner loop has the same kernels: five steps need no five times the pipelines, and one submit",
    { dispatches: 150, submits: 1, pipelines: 51, plans: 2, wgslBytes: 83_000, peakBytes: 230 * KIB },
  ],
  [
    "w1",
    { steps: 1, tasks: 25, batched: true },
    "25 tasks at once are at most 60 dispatches, where one after another takes 937",
    { dispatches: 43, submits: 1, pipelines: 39, plans: 2, wgslBytes: 65_400, peakBytes: 1_064 * KIB },
  ],
  [
    "w1",
    { steps: 5, tasks: 25, batched: true },
    "a longer inner loop has the same kernels",
    { dispatches: 162, submits: 1, pipelines: 64, plans: 2, wgslBytes: 104_500, peakBytes: 2_640 * KIB },
  ],
  [
    "w1",
    { steps: 1, tasks: 25 },
    "25 tasks have the kernels of one, and less than a megabyte",
    { dispatches: 937, submits: 1, pipelines: 40, plans: 2, wgslBytes: 65_000, peakBytes: 640 * KIB },
  ],
  [
    "w2",
    { steps: 1, tasks: 1, size: 8 },
    "a meta-step through convolutions and batch norm is one submit",
    { dispatches: 231, submits: 1, pipelines: 123, plans: 2, wgslBytes: 182_000, peakBytes: 27_300 * KIB },
  ],
  [
    "mlp",
    { size: 64 },
    "a training step is a submit, and another for the loss; Adam is one dispatch",
    { dispatches: 20, submits: 2, pipelines: 15, plans: 2, wgslBytes: 27_000, peakBytes: 3_760 * KIB },
  ],
  [
    "resnet8",
    { size: 2 },
    "forward, both gradients and update of 7 convolutions and 7 norms: under 20 dispatches each",
    { dispatches: 136, submits: 2, pipelines: 72, plans: 2, wgslBytes: 117_000, peakBytes: 16_400 * KIB },
  ],
  [
    "transformer",
    { size: 32 },
    "layers of one shape share their kernels",
    { dispatches: 145, submits: 2, pipelines: 58, plans: 2, wgslBytes: 94_000, peakBytes: 6_300 * KIB },
  ],
  [
    "lstm",
    { size: 8 },
    "64 steps of a recurrence: 8 dispatches a step, and no more kernels than a few steps need",
    { dispatches: 514, submits: 2, pipelines: 45, plans: 2, wgslBytes: 74_000, peakBytes: 2_000 * KIB },
  ],
  [
    "adam200",
    { part: "update" },
    "any number of tensors is updated in one dispatch",
    { dispatches: 1, submits: 2, pipelines: 2, plans: 2, wgslBytes: 2_500, peakBytes: 2_000 * KIB },
  ],
  [
    "softmax",
    { size: 64, shape: "square" },
    "softmax is at most three kernels (64 times in a call)",
    { dispatches: 192, submits: 64, pipelines: 3, plans: 1, wgslBytes: 4_800, peakBytes: 70 * KIB },
  ],
];

/** 25 tasks upload so much that their buffers take longer to come round than a step remembers bind groups for. */
const makesBindGroups = (id: string, { batched = false }: Partial<Settings>): boolean => id === "w1" && !batched;

test.each(ROWS)(
  "%s %j: %s",
  async (id, settings, _, limits) => {
    const steady = await withDevice(async (device) => {
      const { call } = (await WORKLOADS.get(id)?.make?.(device, { dtype: "float32", ...settings } as Settings)) ?? {};
      if (call === undefined) throw new Error(`${id} makes no task`);
      return measure(device, call, { calls: 3, warmup: { calls: 12, ms: 0 } });
    });
    const { bindGroupsCreated, ...created } = NOTHING_CREATED;
    expect(steady).toMatchObject(makesBindGroups(id, settings) ? created : { bindGroupsCreated, ...created });
    const above = (Object.keys(limits) as (keyof Limits)[])
      .filter((name) => steady[name] > limits[name])
      .map((name) => `${name}: ${steady[name]}, and at most ${limits[name]}`);
    expect(above).toEqual([]);
  },
  120_000,
);

test("w3: a plain step of an unroll holds 1.8 MiB, where PyTorch with higher holds 2.8; a checkpointed one what it carries", async () => {
  const held = (checkpoint: "none" | "step") =>
    withDevice((device) => memory(device, { steps: 10, optimizer: "sgd", checkpoint }));
  expect((await held("none")).bytesPerStep).toBeLessThanOrEqual(1.8 * KIB * KIB);
  expect((await held("step")).bytesPerStep).toBeLessThanOrEqual(0.5 * KIB * KIB);
}, 120_000);
