/** The WebGPU backend: replay counts, limits, errors that come late, and the kernels that only a GPU picks. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bind, bindConstant } from "../bind.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { Device } from "../device.ts";
import { DeviceError, DTypeError } from "../errors.ts";
import * as p from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { findDevice } from "./adapter.ts";
import { createWebGPUBackend, WebGPUBackend } from "./backend.ts";

/** Integers between −3 and 3, the same every time. */
function integers(device: Device, shape: number[], seed = 1): Tensor {
  let state = seed;
  const data = Float32Array.from({ length: numel(shape) }, () => {
    state = (state * 48271) % 2147483647;
    return (state % 7) - 3;
  });
  return new Tensor(device.fromHost(data, shape, "float32"));
}

const scalar = (device: Device, x: number) => bindConstant(device, p.scalarP, [p.dtypeAttr("float32")], x);

describe("the WebGPU backend", () => {
  let gpu: Device;
  let cpu: Device;
  beforeAll(async () => {
    gpu = new Device(await createWebGPUBackend({}));
    cpu = new Device(new CpuBackend());
  });
  afterAll(() => gpu.destroy());

  test("a second flush of one structure makes no pipeline, bind group or buffer, and one submit", async () => {
    const w = integers(gpu, [8, 8]);
    const step = async (lr: number) => {
      using _ = scope();
      const x = integers(gpu, [4, 8], Math.round(lr * 100));
      const y = bind(p.mulP, [bind(p.tanhP, [bind(p.matmulP, [x, w])]), scalar(gpu, lr)]);
      return bind(p.sumP, [y], [0, 1]).data();
    };
    for (let i = 1; i < 4; i++) await step(i);
    const before = gpu.stats();
    await step(7);
    const after = gpu.stats();
    expect(after.plansMade - before.plansMade).toBe(0);
    expect(after.plansReplayed - before.plansReplayed).toBe(1);
    expect(after.pipelinesCreated - before.pipelinesCreated).toBe(0);
    expect(after.bindGroupsCreated - before.bindGroupsCreated).toBe(0);
    expect(after.buffersCreated - before.buffersCreated).toBe(0);
    expect(after.submits - before.submits).toBe(1);
    expect(after.dispatches - before.dispatches).toBe(2);
    expect(after.usedBytes).toBe(before.usedBytes);
  });

  test("reads of one turn share a submit", async () => {
    const x = integers(gpu, [16]);
    const before = gpu.stats().submits;
    await Promise.all([bind(p.negP, [x]).data(), bind(p.expP, [x]).data(), x.data()]);
    expect(gpu.stats().submits - before).toBe(1);
  });

  test("more workgroups than a dimension holds are folded", async () => {
    using _ = scope();
    const n = 65535 * 64 + 1000;
    const ramp = bindConstant(gpu, p.iotaP, [p.dtypeAttr("float32"), n]);
    const data = await bind(p.negP, [ramp]).data();
    expect([data[1], data[65535 * 64 - 1], data[65535 * 64 + 7], data[n - 1]]).toEqual(
      [-1, -(65535 * 64 - 1), -(65535 * 64 + 7), -(n - 1)].map(Math.fround),
    );
  });

  test("a tensor of more than 128 MiB is computed where the adapter binds it", async () => {
    using _ = scope();
    const n = 36 * 2 ** 20;
    const ramp = bindConstant(gpu, p.iotaP, [p.dtypeAttr("int32"), n]);
    const big = bind(p.addP, [ramp, bindConstant(gpu, p.literalP, [p.dtypeAttr("int32"), 1])]);
    gpu.flush();
    expect(gpu.stats().usedBytes).toBeGreaterThan(128 * 2 ** 20);
    const last = bind(p.sliceP, [big], [n - 2, 2, 1]);
    expect([...(await last.data())]).toEqual([n - 1, n]);
  });

  test("a tensor larger than any binding is refused by its size", async () => {
    using _ = scope();
    const zero = bindConstant(gpu, p.literalP, [p.dtypeAttr("float32"), 0]);
    const huge = bind(p.expandP, [bind(p.reshapeP, [zero], [1])], [2 ** 30]);
    const small = bind(p.addP, [integers(gpu, [4]), scalar(gpu, 1)]);
    const used = gpu.stats().usedBytes;
    await expect(huge.data()).rejects.toThrow(/buffer of 4294967296 bytes was wanted/);
    // Nothing is lost: what was recorded with it can still be had, and nothing stays allocated.
    expect(gpu.stats().usedBytes - used).toBeLessThanOrEqual(512);
    expect([...(await small.data())]).toEqual([...(await integers(gpu, [4]).data())].map((x) => x + 1));
  });

  test("empty and 0-d tensors", async () => {
    using _ = scope();
    const empty = integers(gpu, [0, 3]);
    expect([...(await empty.data())]).toEqual([]);
    expect([...(await bind(p.sumP, [empty], [0]).data())]).toEqual([0, 0, 0]);
    expect([...(await bind(p.maxP, [empty], [0]).data())]).toEqual([-Infinity, -Infinity, -Infinity]);
    expect([...(await bind(p.padP, [empty], [1, 0, 0, 0]).data())]).toEqual([0, 0, 0]);
    expect([...(await bind(p.matmulP, [bind(p.permuteP, [empty], [1, 0]), empty]).data())]).toEqual(
      new Array(9).fill(0),
    );
    const [x] = await bind(p.expP, [scalar(gpu, 1)]).data();
    expect(x).toBeCloseTo(Math.E, 6);
  });

  test("sums of a million terms keep their digits", async () => {
    using _ = scope();
    const n = 1_000_003;
    const tenth = bind(p.expandP, [bind(p.reshapeP, [scalar(gpu, 0.1)], [1])], [n]);
    const sum = (await bind(p.sumP, [tenth], [0]).data())[0];
    expect(Math.abs(sum / (n * Math.fround(0.1)) - 1)).toBeLessThan(2e-6);
  });

  test("float64 is refused with what to do", () => {
    expect(() => gpu.fromHost(new Float64Array(1), [1], "float64")).toThrow(DTypeError);
    expect(() => gpu.fromHost(new Float64Array(1), [1], "float64")).toThrow(/device: "cpu"/);
  });

  test("the kernels for GPUs agree with cpu", async () => {
    const tiled = new Device(await createWebGPUBackend({ tuning: { workgroupMemory: true, maxBuffers: 8 } }));
    const program = (device: Device) => {
      const a = integers(device, [1, 130, 20], 3);
      const b = integers(device, [1, 20, 130], 5);
      const product = bind(p.maximumP, [bind(p.matmulP, [a, b]), scalar(device, 0)]);
      const transposed = bind(p.matmulP, [bind(p.permuteP, [b], [0, 2, 1]), bind(p.permuteP, [a], [0, 2, 1])]);
      const image = integers(device, [1, 3, 32, 32], 7);
      const weight = integers(device, [17, 3, 3, 3], 9);
      const geometry = { n: 2, groups: 1, stride: [1, 1], padding: [1, 1], dilation: [1, 1], extra: [] };
      const conv = bind(p.convP, [image, weight], p.convAttrs(geometry));
      return Promise.all([product, transposed, conv].map((x) => x.data()));
    };
    expect(await program(tiled)).toEqual(await program(cpu));
    tiled.destroy();
  }, 120_000);

  test("a lost device is reported with what to do", async () => {
    const found = await findDevice({});
    const device = new Device(new WebGPUBackend(found));
    const x = integers(device, [4]);
    await bind(p.negP, [x]).data();
    found.device.destroy();
    await found.device.lost;
    await Promise.resolve();
    expect(() => bind(p.expP, [x]) && device.flush()).toThrow(DeviceError);
    expect(() => bind(p.expP, [x]) && device.flush()).toThrow(/device was lost .* make a new device with init/);
  });

  test("a destroyed device says so", async () => {
    const device = new Device(await createWebGPUBackend({}));
    const x = integers(device, [4]);
    device.destroy();
    expect(() => bind(p.expP, [x])).toThrow(/it was destroyed; make another/);
  });
});
