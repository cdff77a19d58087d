/** A GPU that is lost, or given back, at any moment: whoever waits is told so, and what is used afterwards says so. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Device } from "../device.ts";
import { DeviceError } from "../errors.ts";
import { ones, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { findDevice } from "./adapter.ts";
import { WebGPUBackend } from "./backend.ts";

const unhandled: unknown[] = [];
const note = (reason: unknown): void => {
  unhandled.push(reason);
};
beforeAll(() => {
  process.on("unhandledRejection", note);
});
afterAll(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

interface Found {
  device: Device;
  gpu: GPUDevice;
}

async function fresh(): Promise<Found> {
  const found = await findDevice({});
  const device = setDevice(new Device(new WebGPUBackend(found)));
  return { device, gpu: found.device };
}

/** A device that has done some work, none of which is unconfirmed. */
async function steady(): Promise<Found & { x: Tensor }> {
  const made = await fresh();
  const x = tensor([1, 2, 3, 4]);
  expect(Array.from(await x.add(1).data())).toEqual([2, 3, 4, 5]);
  await made.device.synchronize();
  return { ...made, x };
}

const ENDS = {
  lost: { end: ({ gpu }: Found) => gpu.destroy(), says: /the GPU device was lost .* make a new device with init\(\)/ },
  destroyed: { end: ({ device }: Found) => device.destroy(), says: /it was destroyed; make another with init\(\)/ },
};

/** Rejects, with an error of the library's own. */
async function expectSaid(promise: Promise<unknown>, says: RegExp): Promise<void> {
  await expect(promise).rejects.toThrow(DeviceError);
  await expect(promise).rejects.toThrow(says);
}

describe.each(Object.entries(ENDS))("a device that is %s", (_, { end, says }) => {
  test("while a read is being mapped", async () => {
    const made = await steady();
    const read = made.x.add(1).data();
    // The flush of the reads is a microtask.
    await Promise.resolve();
    end(made);
    await expectSaid(read, says);
  });

  test("while reads are asked for and not submitted", async () => {
    const made = await steady();
    const reads = [made.x.add(1).data(), made.x.mul(2).sum().item()];
    end(made);
    for (const read of reads) await expectSaid(read, says);
  });

  test("while its first kernels are compiled, and its first buffers are not known to be there", async () => {
    const made = await fresh();
    const reads = [tensor([1, 2]).exp().data(), ones([100]).sum().item()];
    await Promise.resolve();
    end(made);
    for (const read of reads) await expectSaid(read, says);
  });

  test("while it is synchronized", async () => {
    const made = await steady();
    made.x.exp();
    const done = made.device.synchronize();
    end(made);
    await expectSaid(done, says);
    await expectSaid(made.device.synchronize(), says);
  });

  test("while the first synchronization waits", async () => {
    const made = await fresh();
    const x = tensor([1, 2]).exp();
    const done = made.device.synchronize();
    end(made);
    await expectSaid(done, says);
    x.dispose();
  });

  test("while a loop awaits its results", async () => {
    const made = await steady();
    const loop = async (): Promise<void> => {
      let h = made.x;
      for (let i = 0; ; i++) {
        h = h.mul(0.5).add(1);
        await h.sum().item();
        if (i === 3) queueMicrotask(() => end(made));
      }
    };
    await expectSaid(loop(), says);
  });

  test("and used afterwards", async () => {
    const made = await steady();
    const { device, x } = made;
    const outer = scope();
    const y = x.add(1);
    const z = x.mul(2);
    end(made);
    await made.gpu.lost;
    await Promise.resolve();
    for (const use of [() => x.add(1), () => y.sum(), () => tensor([1]), () => ones([2]), () => device.flush()]) {
      expect(use).toThrow(DeviceError);
      expect(use).toThrow(says);
    }
    for (const read of [x.data(), y.data(), z.data(), device.synchronize()]) await expectSaid(read, says);
    expect(device.stats().flushes).toBeGreaterThan(0);
    expect(() => {
      x.dispose();
      y.dispose();
      outer.end();
      device.destroy();
      device.destroy();
    }).not.toThrow();
  });
});

test("a device that was lost is given back, so that Node can end", async () => {
  const { device, gpu } = await steady();
  let destroyed = 0;
  const destroy = gpu.destroy.bind(gpu);
  gpu.destroy = () => {
    destroyed++;
    return destroy();
  };
  destroy();
  await gpu.lost;
  await Promise.resolve();
  expect(destroyed).toBe(1);
  device.destroy();
});

test("a device that is lost without a word is told by the mapping that it aborts", async () => {
  const found = await findDevice({});
  const silent = new Proxy(found.device, {
    get(target, name) {
      if (name === "lost") return new Promise(() => {});
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const device = setDevice(new Device(new WebGPUBackend({ ...found, device: silent })));
  const x = tensor([1, 2, 3, 4]);
  expect(await x.add(1).toArray()).toEqual([2, 3, 4, 5]);
  await device.synchronize();
  const reads = [x.add(1).data(), x.mul(2).data()];
  await Promise.resolve();
  found.device.destroy();
  for (const read of reads) await expectSaid(read, ENDS.lost.says);
  expect(() => x.add(1)).toThrow(ENDS.lost.says);
  await expectSaid(device.synchronize(), ENDS.lost.says);
  device.destroy();
});
