/**
 * Flushes that fail: a plan that cannot be made, or not run. Who does not need what failed notices nothing; every read
 * settles; nothing is held afterwards.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "./cpu/backend.ts";
import {
  ArgumentError,
  add,
  Device,
  DeviceError,
  erf,
  literal,
  setDevice,
  type Tensor,
  tensor,
  zeros,
} from "./index.ts";
import type { Backend, Graph, ReadRequest, Storage } from "./record/backend.ts";
import { createWebGPUBackend } from "./webgpu/backend.ts";

/** A backend that fails where a graph has an erf, at the named call. */
function faulty(backend: Backend, at: "compile" | "execute"): Backend {
  const bad = new WeakSet<object>();
  const has = (graph: Graph): boolean => graph.nodes.some(({ primitive }) => primitive?.name === "erf");
  const own: Partial<Backend> = {
    compile(graph) {
      if (at === "compile" && has(graph)) throw new DeviceError("no erf today");
      const program = backend.compile(graph);
      if (has(graph)) bad.add(program);
      return program;
    },
    execute(program, leaves: readonly Storage[], scalars: readonly number[], reads: readonly ReadRequest[]) {
      if (program !== null && bad.has(program)) throw new DeviceError("no erf today");
      return backend.execute(program, leaves, scalars, reads);
    },
  };
  return new Proxy(backend, {
    get(target, name) {
      const value = own[name as keyof Backend] ?? target[name as keyof Backend];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const outcome = (read: Promise<unknown>): Promise<unknown> =>
  read.catch((error: unknown) => (error instanceof Error ? error.message : error));

describe.each([
  ["cpu", "compile"],
  ["cpu", "execute"],
  ["webgpu", "compile"],
  ["webgpu", "execute"],
] as const)("on %s, failing in %s", (name, at) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(new Device(faulty(name === "cpu" ? new CpuBackend() : await createWebGPUBackend({}), at)));
  });
  afterAll(() => device.destroy());

  test("reads of one flush settle each for itself", async () => {
    const x = tensor([1, 2]);
    const stored = x.mul(2);
    device.flush();
    const pending = x.add(1);
    const bad = erf(x);
    const reads = [pending.toArray(), bad.toArray(), bad.add(1).toArray(), stored.toArray(), x.neg().toArray()];
    expect(await Promise.all(reads.map(outcome))).toEqual([[2, 3], "no erf today", "no erf today", [2, 4], [-1, -2]]);
  });

  test("a result that fails and is not read leaves other reads, and later work, alone", async () => {
    const x = tensor([1, 2]);
    const bad = erf(x);
    expect(await x.add(1).toArray()).toEqual([2, 3]);
    expect(await x.add(2).toArray()).toEqual([3, 4]);
    expect(await outcome(bad.toArray())).toBe("no erf today");
    expect(await outcome(bad.mul(2).toArray())).toBe("no erf today");
    expect(await x.mul(x).toArray()).toEqual([1, 4]);
  });

  test("flush throws; what else was pending is computed when it is asked for", async () => {
    const x = tensor([3]);
    const pending = x.square();
    erf(x);
    expect(() => device.flush()).toThrow("no erf today");
    expect(await pending.toArray()).toEqual([9]);
    expect(await pending.add(1).toArray()).toEqual([10]);
  });

  test("nothing is held for what failed", async () => {
    const once = async (): Promise<void> => {
      const x = tensor([1, 2, 3]);
      const a = x.add(1);
      const b = erf(a);
      const c = b.log();
      await Promise.all([outcome(a.data()), outcome(c.data())]);
      for (const t of [x, a, b, c]) t.dispose();
    };
    await once();
    const { usedBytes, buffers } = device.stats();
    for (let i = 0; i < 5; i++) await once();
    expect(device.stats().usedBytes).toBeLessThanOrEqual(usedBytes);
    expect(device.stats().buffers).toBeLessThanOrEqual(buffers);
  });
});

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(new Device(name === "cpu" ? new CpuBackend() : await createWebGPUBackend({})));
  });
  afterAll(() => device.destroy());

  test("a tensor too large for the device fails alone, with words", async () => {
    const x = tensor([1, 2]);
    const huge = zeros([2 ** 17, 2 ** 17]).add(1);
    const [sum, error] = await Promise.all([x.sum().item(), huge.data().catch((cause: unknown) => cause)]);
    expect(sum).toBe(3);
    expect(error).toBeInstanceOf(DeviceError);
    expect(await x.add(1).toArray()).toEqual([2, 3]);
  });

  test("an operation that fails leaves the record as it was", async () => {
    const x = tensor([1, 2]);
    const virtual = x.add(1);
    const kept = virtual.mul(2);
    await kept.data();
    const pending = x.neg();
    const { usedBytes } = device.stats();
    // Broadcasts, casts, and only then fails.
    const failing: (() => Tensor)[] = [
      () => virtual.lerp(tensor([1, 2]), zeros([3])),
      () => virtual.div(tensor([1, 2, 3]), { roundingMode: "floor" }),
    ];
    for (const call of failing) expect(call).toThrow();
    expect(await pending.toArray()).toEqual([-1, -2]);
    const { dispatches, usedBytes: after } = device.stats();
    expect(after - usedBytes).toBeLessThanOrEqual(1024);
    device.flush();
    expect(device.stats().dispatches).toBe(dispatches);
    expect(await virtual.toArray()).toEqual([2, 3]);
  });

  test("numbers that a record cannot hold are refused, not cut to 32 bits", () => {
    expect(() => zeros([2 ** 32])).toThrow(ArgumentError);
    expect(() => zeros([2 ** 16, 2 ** 16, 2 ** 31])).toThrow("2147483648: wanted an integer of 32 bits");
    expect(() => literal(device, "float32", 0.5)).toThrow("literal: got 0.5");
    expect(() => add(tensor([1]), literal(device, "int32", Number.NaN))).toThrow(ArgumentError);
  });
});
