/** What devices hold beside values is bounded by recent use, and all that they hold by a budget. */
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Device } from "./device.ts";
import { ArgumentError, DeviceError, init, ones, scope, type Tensor, tensor } from "./index.ts";

const MIB = 2 ** 20;

const DEVICES = [
  ["cpu", { device: "cpu" }],
  ["webgpu", { device: "webgpu", adapter: "null" }],
] as const;

let device: Device;
afterEach(() => device?.destroy());

const floats = (mib: number): Tensor => tensor(new Float32Array((mib * MIB) / 4));
const big = (mib: number, value = 1): Tensor => scope(() => ones([(mib * MIB) / 4]).mul(value));

describe.each(DEVICES)("%s: recent use", (_, options) => {
  test("free memory is at most twice what was in use", async () => {
    device = await init(options);
    for (let i = 0; i < 40; i++) {
      using _ = scope();
      big(1 + (i % 20) / 4).add(i);
      device.flush();
      await device.synchronize();
    }
    const { bytes, peakUsedBytes } = device.stats();
    expect(peakUsedBytes).toBeLessThan(16 * MIB);
    expect(bytes).toBeLessThanOrEqual(3 * peakUsedBytes + MIB);
  });

  test("what one large step used goes when the steps are small", async () => {
    device = await init(options);
    const large = async (): Promise<void> => {
      using _ = scope();
      // Intermediate values that must be stored: scratch of the plan.
      const x = big(8, 2);
      await x.cumsum(0).cumsum(0).cumsum(0).sum().item();
    };
    await large();
    const { bytes, peakUsedBytes } = device.stats();
    expect(peakUsedBytes).toBeGreaterThan(15 * MIB);
    expect(bytes).toBeGreaterThan(15 * MIB);
    const x = tensor([1, 2, 3]);
    for (let i = 0; i < 200; i++) {
      using _ = scope();
      await x.mul(i).sum().item();
    }
    expect(device.stats().bytes).toBeLessThan(4 * MIB);
    expect(device.stats().usedBytes).toBeLessThan(MIB);
    await large();
    expect(device.stats().peakUsedBytes).toBeLessThanOrEqual(peakUsedBytes + MIB);
  });

  test("steady steps create nothing, however many epochs they go on", async () => {
    device = await init(options);
    const step = async (i: number): Promise<void> => {
      using _ = scope();
      const x = tensor(new Float32Array(3000).fill(i));
      const y = x.cumsum(0).exp();
      device.flush();
      await y.cumsum(0).sum().item();
    };
    for (let i = 0; i < 10; i++) await step(i);
    const before = device.stats();
    for (let i = 0; i < 150; i++) await step(i);
    const after = device.stats();
    expect(after.bindGroupsCreated).toBe(before.bindGroupsCreated);
    expect(after.bytes).toBe(before.bytes);
    // The cpu device takes over arrays of the host.
    if (device.name === "webgpu") expect(after.buffersCreated).toBe(before.buffersCreated);
  });
});

describe.each(DEVICES)("%s: a budget", (_, options) => {
  test("is kept by steps of changing sizes, which would hold more without it", async () => {
    const run = async (memory?: number): Promise<number> => {
      device = await init({ ...options, memory });
      for (let i = 0; i < 28; i++) {
        using _ = scope();
        await big((4 + (i % 7)) / 8)
          .cumsum(0)
          .add(i)
          .cumsum(0)
          .sum()
          .item();
      }
      return device.stats().peakBytes;
    };
    const free = await run();
    device.destroy();
    const budget = 4 * MIB;
    expect(free).toBeGreaterThan(budget);
    expect(await run(budget)).toBeLessThanOrEqual(budget);
  });

  test("idle values that the host has give their storage up, and come back", async () => {
    device = await init({ ...options, memory: 20 * MIB });
    const batches = [1, 2, 3, 4].map(() => floats(4));
    for (const batch of [...batches, ...batches]) {
      using _ = scope();
      await batch.add(1).sum().item();
    }
    expect(device.stats().peakBytes).toBeLessThanOrEqual(20 * MIB);
    expect((await batches[0].data()).length).toBe(MIB);
  });

  test("values that do not fit are an error that says the budget, and work goes on", async () => {
    device = await init({ ...options, memory: 24 * MIB });
    const held = [big(8, 2), big(6, 3)];
    device.flush();
    await device.synchronize();
    const more = big(16, 4);
    let error: unknown = null;
    try {
      device.flush();
    } catch (reason) {
      error = reason;
    }
    expect(error).toBeInstanceOf(DeviceError);
    expect(String(error)).toMatch(/out of memory: \d+ bytes were wanted beside the \d+ held/);
    expect(String(error)).toMatch(/the budget is 25165824 bytes \(init\(\{ memory: 25165824 \}\)\)/);
    expect(device.stats().peakBytes).toBeLessThanOrEqual(24 * MIB);
    for (const x of held) x.dispose();
    // What was asked for again is stored, and a part of it holds all of it.
    const part = more.slice(0, 0, 2);
    expect(await part.data()).toHaveLength(2);
    for (const x of [part, more]) x.dispose();
    const again = big(16, 5);
    device.flush();
    expect(await again.slice(0, 0, 2).data()).toHaveLength(2);
    expect(device.stats().peakBytes).toBeLessThanOrEqual(24 * MIB);
  });

  test.each([0, -1, Number.NaN, "1GB", null])("is a positive number, not %p", async (memory) => {
    await expect(init({ ...options, memory: memory as number })).rejects.toThrow(ArgumentError);
    await expect(init({ ...options, memory: memory as number })).rejects.toThrow(/memory .*: wanted a budget in bytes/);
  });
});
