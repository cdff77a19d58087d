/** Slots: rebinding a value, and what keeps the old one. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Device,
  DTypeError,
  init,
  ReleasedError,
  ShapeError,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import { Buffer, Parameter } from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

describe("a parameter", () => {
  test("requires a gradient, and keeps doing so after assign", async () => {
    const p = new Parameter(tensor([1, 2]));
    p.assign(tensor([3, 4]));
    expect(p.requiresGrad).toBe(true);
    p.square().sum().backward();
    expect(await read(p.grad)).toEqual([6, 8]);
    expect(new Parameter(tensor([1]), { requiresGrad: false }).requiresGrad).toBe(false);
  });

  test("outlives the scope it was made and assigned in", async () => {
    const p = scope(() => new Parameter(tensor([1])));
    {
      using _ = scope();
      p.assign(p.mul(5).detach());
    }
    expect(await read(p)).toEqual([5]);
  });

  test("a graph recorded before an assign means the old value", async () => {
    const p = new Parameter(tensor([3]));
    const y = p.mul(p);
    p.assign(tensor([100]));
    expect(await read(y)).toEqual([9]);
    y.sum().backward();
    expect(await read(p.grad)).toEqual([6]);
  });

  test("assign is off the tape", async () => {
    const p = new Parameter(tensor([2]));
    p.assign(p.mul(p));
    expect(p.isLeaf).toBe(true);
    p.mul(3).sum().backward();
    expect(await read(p.grad)).toEqual([3]);
  });

  test("assign checks shape and dtype", () => {
    const p = new Parameter(zeros([2]));
    expect(() => p.assign(zeros([3]))).toThrow(ShapeError);
    expect(() => p.assign(zeros([2], { dtype: "float32" }))).toThrow(DTypeError);
  });

  test("assigning a thousand times holds one value, and disposing none", async () => {
    device.flush();
    const before = device.stats().usedBytes;
    const p = scope(() => new Parameter(zeros([1000])));
    device.flush();
    const one = device.stats().usedBytes - before;
    expect(one).toBeGreaterThanOrEqual(8000);
    for (let i = 0; i < 1000; i++) {
      using _ = scope();
      p.assign(p.detach().add(1));
      if (i % 10 === 0) device.flush();
    }
    expect((await read(p))[0]).toBe(1000);
    // Beside it lives the value before: what was computed from that can still be asked for.
    expect(device.stats().usedBytes - before).toBeLessThanOrEqual(2 * one);
    p.dispose();
    expect(device.stats().usedBytes).toBeLessThanOrEqual(before);
    expect(() => p.add(1)).toThrow(ReleasedError);
    expect(() => p.assign(zeros([1000]))).toThrow(ReleasedError);
  });
});

test("a buffer is no leaf, and is assigned like a parameter", async () => {
  const b = new Buffer(tensor([1]));
  expect(b.requiresGrad).toBe(false);
  b.assign(tensor([2]));
  expect(await read(b)).toEqual([2]);
});

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  beforeAll(async () => {
    device = await init({ device: name });
  });

  test("a value that is being read does not lapse, though its slot moves on twice", async () => {
    // No one but the slot has a handle.
    const p = scope(() => new Parameter(tensor([1, 2]).mul(5)));
    const before = p.mul(3);
    // Something reads it, so that no flush stores it.
    const after = before.sum();
    const reading = p.data();
    p.assign(p.add(1).detach());
    p.assign(p.add(1).detach());
    expect(Array.from(await reading)).toEqual([5, 10]);
    expect(await after.item()).toBe(45);
    // What was computed from it is to be had as well. WebGPU settles the assignments later, when it is read by no one.
    if (name === "cpu") expect(Array.from(await before.data())).toEqual([15, 30]);
    expect(Array.from(await p.data())).toEqual([7, 12]);
    device.audit();
  });

  test("data that was a slot's value for a while is there when it is idle", async () => {
    const data = Float32Array.from({ length: 1000 }, (_, i) => i);
    const x = tensor(data);
    const sum = x.sum();
    device.flush();
    // The elements on the host go when the device is known to have them, because a slot's value will be replaced.
    const p = new Parameter(x);
    expect(await sum.item()).toBe(499_500);
    await device.synchronize();
    p.assign(zeros([1000]));
    for (let i = 0; i < 12; i++) await tensor([i]).add(1).data();
    expect(Array.from(await x.add(1).data())).toEqual(Array.from(data, (y) => y + 1));
    expect(Array.from(await x.data())).toEqual(Array.from(data));
    device.audit();
  });
});
