/** Slots whose new value cannot be computed, which is known at once: they go back, and the next flush is not disturbed. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { type Device, DeviceError, init, ones, scope, type Tensor, tensor } from "@loopgrad/tensor";
import { Buffer, Parameter } from "./index.ts";

const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name });
  });

  /** A number for which more memory is wanted than there can be. */
  const impossible = (): Tensor => {
    const n = name === "cpu" ? 2 ** 20 : 2 ** 15;
    const sums = ones([1, 1]).mul(2).expand([n, n]).cumsum(0);
    return sums
      .slice(0, n - 1, n)
      .slice(1, n - 1, n)
      .sum();
  };

  test("a slot goes back, can be read, and can be assigned again", async () => {
    const p = new Parameter(tensor([1, 2]));
    const before = p.mul(10);
    p.assign(p.add(impossible()));
    expect(() => device.flush()).toThrow(DeviceError);
    expect(await read(p)).toEqual([1, 2]);
    expect(await read(before)).toEqual([10, 20]);
    p.assign(p.add(1));
    device.flush();
    expect(await read(p)).toEqual([2, 3]);
    p.dispose();
  });

  test("of several assignments it goes back to the one that was computed last", async () => {
    const b = new Buffer(tensor([1]));
    b.assign(b.add(1));
    device.flush();
    b.assign(b.mul(10));
    b.assign(b.add(impossible()));
    b.assign(b.mul(3));
    expect(() => device.flush()).toThrow(DeviceError);
    expect(await read(b)).toEqual([2]);
    b.dispose();
  });

  test("what was assigned in the same flush and can be computed is", async () => {
    const b = new Buffer(tensor([1]));
    const p = new Parameter(tensor([5]));
    b.assign(b.add(1));
    await expect(impossible().data()).rejects.toThrow(DeviceError);
    expect(await read(b)).toEqual([2]);
    expect(await read(p)).toEqual([5]);
  });

  test("a value that was never computed is what a new slot says", async () => {
    const p = new Parameter(impossible());
    expect(() => device.flush()).toThrow(DeviceError);
    await expect(p.data()).rejects.toThrow(DeviceError);
    p.assign(tensor(4));
    expect(await read(p)).toEqual([4]);
  });

  test("memory is what it was before", async () => {
    const p = new Parameter(tensor(new Float32Array(1000)));
    scope(() => p.assign(p.add(1)));
    device.flush();
    const { usedBytes } = device.stats();
    for (let i = 0; i < 5; i++) {
      using _ = scope();
      p.assign(p.add(impossible()));
      expect(() => device.flush()).toThrow(DeviceError);
    }
    expect(device.stats().usedBytes).toBeLessThanOrEqual(usedBytes);
    p.dispose();
    expect(device.stats().usedBytes).toBeLessThan(usedBytes);
  });

  test("other tensors are not touched", async () => {
    const x = tensor([1, 2, 3]);
    const y = x.add(1);
    await expect(impossible().data()).rejects.toThrow(DeviceError);
    expect(await read(y.mul(2))).toEqual([4, 6, 8]);
    expect(await read(x)).toEqual([1, 2, 3]);
  });
});
