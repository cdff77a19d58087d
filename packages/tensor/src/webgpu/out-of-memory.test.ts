/**
 * GPU memory that ends: Dawn's null backend has 512 MiB. It computes nothing, so what is checked is which reads resolve, which
 * errors come, and what is counted.
 */
import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Device } from "../device.ts";
import { DeviceError } from "../errors.ts";
import { init, keep, ones, scope, type Tensor, tensor } from "../index.ts";

const MIB = 2 ** 20;
const OUT =
  /^DeviceError: out of GPU memory: \d+ bytes were wanted beside the \d+ held \(\d+ by values, \d+ by scratch/;

const unhandled: unknown[] = [];
const note = (reason: unknown): void => {
  unhandled.push(reason);
};
process.on("unhandledRejection", note);
afterAll(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

let device: Device;
let small: Tensor;
beforeEach(async () => {
  device = await init({ device: "webgpu", adapter: "null" });
  small = tensor([1, 2, 3]).add(1);
  await small.data();
});
afterEach(() => device.destroy());

/** A tensor of so many MiB, which the next flush stores. */
const big = (mib: number, value = 1): Tensor => ones([(mib * MIB) / 4]).mul(value);

/** One that is stored, if there is room. */
function stored(mib: number, value = 1): Tensor {
  const x = big(mib, value);
  device.flush();
  return x;
}

const outOfMemory = async (promise: Promise<unknown>): Promise<void> => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeviceError);
  expect(String(error)).toMatch(OUT);
};

/** Tensors of 128 MiB for which there is room. */
async function fill(): Promise<Tensor[]> {
  const held = [big(128, 2), big(128, 3), big(128, 4)];
  await device.synchronize();
  return held;
}

test("the first error says what was wanted and held, and what to do", async () => {
  await fill();
  const { usedBytes } = device.stats();
  const sum = stored(128, 5);
  const read = sum.slice(0, 0, 4).data();
  await outOfMemory(read);
  await expect(read).rejects.toThrow(/134217728 bytes were wanted/);
  await expect(read).rejects.toThrow(new RegExp(`\\(${usedBytes} by values, `));
  await expect(read).rejects.toThrow(/smaller batches.*scope\(\), dispose\(\).*checkpoint\(\)/);
});

test("what could not be computed carries the error, what was stored before is read, and work goes on", async () => {
  const held = await fill();
  const lost = stored(128, 5);
  const alsoLost = lost.slice(0, 0, 8);
  await outOfMemory(alsoLost.data());
  await outOfMemory(lost.data());
  expect(() => lost.add(1)).toThrow(/out of GPU memory/);
  expect(() => alsoLost.sum()).toThrow(/out of GPU memory/);
  expect((await small.mul(2).data()).length).toBe(3);
  expect((await small.data()).length).toBe(3);
  expect((await held[0].slice(0, 0, 2).data()).length).toBe(2);
  await outOfMemory(
    stored(128, 6)
      .slice(0, 0, 2)
      .data()
      .then(() => device.synchronize())
      .then(() => big(128, 7).data()),
  );
  held[1].dispose();
  held[2].dispose();
  expect((await stored(128, 8).slice(0, 0, 2).data()).length).toBe(2);
});

test("work that was recorded beside lost values is done, and what depends on them is refused", async () => {
  await fill();
  const lost = stored(128, 5);
  const dependent = lost.slice(0, 0, 4).add(1);
  const independent = small.add(10);
  const both = dependent.sum().add(independent.sum());
  await outOfMemory(device.synchronize());
  await outOfMemory(dependent.data());
  await outOfMemory(both.data());
  expect((await independent.data()).length).toBe(3);
});

test("all that was submitted after the failed flush, before it was known, has failed as well", async () => {
  await fill();
  const first = stored(128, 5);
  const second = first.slice(0, 0, 4).add(1);
  device.flush();
  const third = second.mul(2);
  const reads = [first.slice(0, 0, 2).data(), second.data(), third.data()];
  for (const read of reads) await outOfMemory(read);
  for (const x of [first, second, third]) await outOfMemory(x.data());
});

test("free buffers of other sizes make room", async () => {
  for (const x of await fill()) x.dispose();
  expect(device.stats().bytes).toBeGreaterThan(384 * MIB);
  expect((await stored(96).slice(0, 0, 2).data()).length).toBe(2);
  expect((await stored(64).slice(0, 0, 2).data()).length).toBe(2);
  expect(device.stats().bytes).toBeLessThan(300 * MIB);
});

test("what was released meanwhile is still there for the second try", async () => {
  const held = await fill();
  for (const x of held.slice(0, 2)) x.dispose();
  const read = ((): Promise<unknown> => {
    using _ = scope();
    const x = tensor(new Float32Array((24 * MIB) / 4).fill(1));
    const y = x.add(1);
    const z = big(96, 3).add(2).slice(0, 0, 2);
    device.flush();
    return Promise.all([y.slice(0, 0, 2).data(), z.data()]);
  })();
  expect(await read).toHaveLength(2);
});

test("data of the host stay readable, and are uploaded when there is room", async () => {
  const held = await fill();
  const data = new Float32Array((120 * MIB) / 4);
  data[1] = 7;
  const x = tensor(data);
  await outOfMemory(x.slice(0, 0, 2).data());
  expect((await x.data())[1]).toBe(7);
  held[0].dispose();
  expect((await x.slice(0, 0, 2).data()).length).toBe(2);
});

test("buffers that were never there are not counted", async () => {
  await fill();
  const before = device.stats();
  await outOfMemory(
    stored(128, 5)
      .slice(0, 0, 4)
      .add(1)
      .data()
      .then(() => big(128, 6).data()),
  );
  const lost = big(128, 5);
  await outOfMemory(lost.data());
  const after = device.stats();
  expect(after.usedBytes).toBeLessThanOrEqual(before.usedBytes);
  // The parameters of a few programs, and what results are read through.
  expect(after.bytes).toBeLessThanOrEqual(before.bytes + 4096);
  expect(after.buffers).toBeLessThanOrEqual(before.buffers + 4);
  expect(after.peakBytes).toBeLessThan(512 * MIB);
  expect(after.peakUsedBytes).toBeLessThan(512 * MIB);
});

test("synchronize() says so, and so does a loop at the read of its step", async () => {
  await fill();
  const lost = big(128, 5);
  await outOfMemory(device.synchronize());
  await device.synchronize();
  lost.dispose();
  await device.synchronize();
});

test("lost values are disposed of like others, in scopes and after", async () => {
  await fill();
  {
    using _ = scope();
    big(128, 5);
    device.flush();
    big(128, 6);
  }
  await device.synchronize().catch(() => {});
  const kept = scope(() => big(128, 5));
  await outOfMemory(device.synchronize());
  kept.dispose();
  expect(kept.isReleased).toBe(true);
  expect((await small.data()).length).toBe(3);
});

test("a device that is destroyed while memory has run out says that it was destroyed", async () => {
  await fill();
  const lost = stored(128, 5);
  const read = lost.slice(0, 0, 2).data();
  await Promise.resolve();
  device.destroy();
  await expect(read).rejects.toThrow(/it was destroyed/);
});

test("steady flushes open no error scopes, and ask for no buffers", async () => {
  let x = small;
  const step = async (): Promise<void> => {
    const before = x;
    using _ = scope();
    x = keep(x.mul(0.5).add(1));
    await x.sum().item();
    before.dispose();
  };
  for (let i = 0; i < 12; i++) await step();
  const { prototype } = GPUDevice;
  const { pushErrorScope } = prototype;
  let scopes = 0;
  prototype.pushErrorScope = function (this: GPUDevice, filter) {
    scopes++;
    return pushErrorScope.call(this, filter);
  };
  const before = device.stats();
  for (let i = 0; i < 12; i++) await step();
  prototype.pushErrorScope = pushErrorScope;
  expect(device.stats().buffersCreated - before.buffersCreated).toBe(0);
  expect(scopes).toBe(0);
});
