/** Profiles by kernel, on both devices and on an adapter without a clock. */
import { expect, test } from "@jest/globals";
import type { Device } from "../device.ts";
import { ArgumentError } from "../errors.ts";
import { matmul, ones, scope, type Tensor, tensor } from "../index.ts";
import { type InitOptions, init } from "../init.ts";
import { profile } from "./profile.ts";

async function withDevice(options: InitOptions, use: (device: Device) => Promise<void>): Promise<void> {
  const device = await init(options);
  try {
    await use(device);
  } finally {
    device.destroy();
  }
}

/** Work with a product and a sum. */
const work = (device: Device): Tensor =>
  matmul(ones([8, 16], { device }), ones([16, 4], { device }))
    .add(1)
    .sum(1);

test.each<[string, InitOptions, RegExp]>([
  ["cpu", { device: "cpu" }, /^matmul/],
  ["webgpu", { device: "webgpu", adapter: "software" }, /^contract 8×4×16|^contract 4×8×16/],
])("on %s each kernel is counted, named and timed", async (_, options, product) => {
  await withDevice(options, async (device) => {
    const before = device.stats().dispatches;
    const { result, rows, wallMs } = await profile(device, async () => {
      using _ = scope();
      work(device);
      const [first] = await work(device).data();
      return first;
    });
    expect(result).toBe(4 * 17);
    expect(wallMs).toBeGreaterThan(0);
    const calls = rows.reduce((sum, row) => sum + row.calls, 0);
    expect(calls).toBe(device.stats().dispatches - before);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(rows.map(({ kernel }) => kernel)).toContainEqual(expect.stringMatching(product));
    for (const { us, bytes } of rows) {
      expect(us).toBeGreaterThanOrEqual(0);
      expect(bytes).toBeGreaterThan(0);
    }
  });
});

test("what was pending before belongs to nobody's profile, and what the function leaves pending to its own", async () => {
  await withDevice({ device: "cpu" }, async (device) => {
    const x = tensor([1, 2, 3], { device });
    const before = x.mul(2);
    const { rows, result } = await profile(device, () => x.add(1));
    expect(rows).toHaveLength(1);
    expect(rows[0].kernel).toMatch(/^add/);
    expect([...(await before.data()), ...(await result.data())]).toEqual([2, 4, 6, 2, 3, 4]);
  });
});

test("an adapter without a clock has counts and bytes, and shares of the bytes", async () => {
  await withDevice({ device: "webgpu", adapter: "software" }, async (device) => {
    const { logKernels } = device.backend;
    device.backend.logKernels = () => {
      const log = logKernels?.call(device.backend);
      return log && { end: async () => (await log.end()).map((run) => ({ ...run, clock: null })) };
    };
    const profiled = await profile(device, () => work(device));
    expect(profiled.rows.every(({ us, share }) => us === null && share > 0)).toBe(true);
    expect(String(profiled)).toContain("no clock on this adapter");
  });
});

test("the table and the trace tell all runs", async () => {
  await withDevice({ device: "cpu" }, async (device) => {
    const profiled = await profile(device, () => work(device));
    const lines = String(profiled).split("\n");
    expect(lines[0]).toMatch(/^kernel +calls +µs +bytes +GB\/s +share$/);
    expect(lines).toHaveLength(profiled.rows.length + 2);
    const { traceEvents } = JSON.parse(JSON.stringify(profiled.chromeTrace()));
    const kernels = traceEvents.filter(({ tid, ph }: { tid: number; ph: string }) => tid === 1 && ph === "X");
    expect(kernels).toHaveLength(profiled.rows.reduce((sum, { calls }) => sum + calls, 0));
    for (const { ts, dur } of kernels) expect(ts + dur).toBeGreaterThanOrEqual(0);
  });
});

test("a profile in a profile is an error, and one that failed leaves the device as it was", async () => {
  await withDevice({ device: "cpu" }, async (device) => {
    const nested = profile(device, () => profile(device, () => work(device)));
    await expect(nested).rejects.toThrow(ArgumentError);
    const failing = profile(device, () => {
      throw new RangeError("mine");
    });
    await expect(failing).rejects.toThrow("mine");
    expect((await profile(device, () => work(device))).rows.length).toBeGreaterThan(0);
  });
});
