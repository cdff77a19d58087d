/** Packs: pieces where they belong without a kernel of their own, and pieces of results without a copy. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import "../ops/methods.ts";
import { matmul } from "../ops/contraction.ts";
import { pack, unpack } from "../ops/pack.ts";
import { packLayout } from "../primitives.ts";
import { scope } from "../scope.ts";
import { numel } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

const devices: Record<string, Device> = {};
beforeAll(async () => {
  devices.webgpu = new Device(await createWebGPUBackend({ tuning: { maxBuffers: 8 } }));
  devices.cpu = new Device(new CpuBackend());
  devices.interpreter = new Device(new InterpreterBackend());
});
afterAll(() => devices.webgpu.destroy());

function ramp(device: Device, shape: number[], first = 1): Tensor {
  const data = Float32Array.from({ length: numel(shape) }, (_, i) => first + i / 8);
  return new Tensor(device.fromHost(data, shape, "float32"));
}

const SHAPES = [[3], [5, 30], [64], [2, 2, 2], [1], [0], [130]];

/** What a program returns, read on every device, has to be what the interpreter says. */
async function agree(program: (device: Device) => Tensor[]): Promise<number[][]> {
  const results = await Promise.all(
    Object.values(devices).map(async (device) => {
      const tensors = program(device);
      return Promise.all(tensors.map(async (x) => Array.from(await x.data())));
    }),
  );
  expect(results[0]).toEqual(results[2]);
  expect(results[1]).toEqual(results[2]);
  return results[2];
}

test("the layout starts every piece at a multiple of 256 bytes", () => {
  expect(packLayout([3, 64, 65, 0, 1], "float32")).toEqual({ starts: [0, 64, 128, 256, 256], length: 320 });
  expect(packLayout([3, 129, 1], "float16")).toEqual({ starts: [0, 128, 384], length: 512 });
});

describe("packs agree with the interpreter", () => {
  test("of stored tensors, with zeros between them", async () => {
    const [packed] = await agree((device) => [pack(SHAPES.map((shape, i) => ramp(device, shape, 10 * i + 1)))]);
    expect(packed.slice(0, 5)).toEqual([1, 1.125, 1.25, 0, 0]);
    expect(packed.length).toBe(64 * (1 + 3 + 1 + 1 + 1 + 0 + 3));
  });

  test("of what kernels of the same plan make, of views, and of one tensor twice", async () => {
    await agree((device) => {
      const [a, b] = [ramp(device, [6, 20]), ramp(device, [20, 40], -3)];
      const product = matmul(a, b);
      const column = product.sum(0);
      const packed = pack([product, column, a.t(), b.slice(0, 4, 12), product, column.mul(2), product.slice(1, 1, 7)]);
      return [packed.mul(3), product.amax(1), packed];
    });
  });

  test("of constants, running sums, and sums at indices", async () => {
    await agree((device) => {
      const x = ramp(device, [4, 10]);
      const index = new Tensor(device.fromHost(Int32Array.of(3, 0, 3), [3], "int32"));
      return [pack([x.cumsum(1), x.indexAdd(0, index, ramp(device, [3, 10])), x.sub(x), x.sum().expand([7])]).add(1)];
    });
  });

  test("of packs", async () => {
    await agree((device) => {
      const inner = pack([ramp(device, [5]), ramp(device, [70])]);
      return [pack([inner, inner.mul(2), ramp(device, [3])])];
    });
  });

  test("pieces of a result, some of them read by what comes later", async () => {
    await agree((device) => {
      const packed = pack(SHAPES.map((shape, i) => ramp(device, shape, i))).square();
      const pieces = unpack(packed, SHAPES);
      device.flush();
      return [packed, ...pieces, pieces[1].mul(2), pack(pieces), pack([pieces[2], pieces[1]])];
    });
  });
});

describe("what makes a piece writes it in its place", () => {
  const dispatches = async (program: (device: Device) => Tensor[]): Promise<number> => {
    const before = devices.webgpu.stats().dispatches;
    await Promise.all(program(devices.webgpu).map((x) => x.data()));
    return devices.webgpu.stats().dispatches - before;
  };

  test("a product, its sum, and running sums: a kernel each, and one for the vector", async () => {
    const program = (device: Device) => {
      const product = matmul(ramp(device, [6, 20]), ramp(device, [20, 40], -3));
      return [pack([product, product.sum(0), ramp(device, [2, 10]).cumsum(1).reshape([20])]).mul(3)];
    };
    expect(await dispatches(program)).toBe(4);
    await agree(program);
  });

  test("pieces of work on a pack, packed in another way, are made by the same kernels", async () => {
    const program = (device: Device) => {
      const x = ramp(device, [5, 20]);
      const grads = [x.exp().sum(0), x.square().sum(1), matmul(x, x.t())];
      const packed = pack(grads);
      const scaled = packed.mul(packed.square().sum().rsqrt()).clamp(-0.5, 0.5);
      const [a, b, c] = unpack(
        scaled,
        grads.map(({ shape }) => shape),
      );
      return [pack([c]).add(1), pack([b, a]).add(1)];
    };
    // Three gradients, the sum of squares, and two vectors.
    expect(await dispatches(program)).toBe(6);
    const near = await Promise.all(
      Object.values(devices).map((device) => Promise.all(program(device).map(async (x) => Array.from(await x.data())))),
    );
    for (const [k, vector] of near[2].entries()) {
      // Between the pieces lie what the work makes of zeros, or zeros: nobody asks.
      for (const [i, y] of vector.entries()) expect(Math.abs(near[0][k][i] - y)).toBeLessThan(1e-5);
    }
  });

  test("pieces that are all asked for are parts of one result that nobody asked for", async () => {
    const shapes = [[3], [40, 2], [64], [5]];
    const program = (device: Device) => unpack(pack(shapes.map((shape) => ramp(device, shape))).square(), shapes);
    expect(await dispatches(program)).toBe(1);
    await agree(program);
    // One of them is copied out, so that it does not hold the others' memory.
    expect(await dispatches((device) => program(device).slice(0, 1))).toBe(1);
    await agree((device) => program(device).slice(0, 1));
  });
});

test("steps over a pack are one dispatch, memory is flat, and pieces outlive the whole", async () => {
  const device = devices.webgpu;
  const shapes = Array.from({ length: 40 }, (_, i) => [1 + (i % 7), 3 + i]);
  let params = shapes.map((shape, i) => ramp(device, shape, i));
  const grads = shapes.map((shape) => ramp(device, shape));
  let whole: Tensor | null = null;
  const step = () => {
    const next = scope(() => {
      const vector = (whole ?? pack(params)).sub(pack(grads).mul(0.5));
      return { vector, pieces: unpack(vector, shapes) };
    });
    for (const { _value } of [next.vector, ...next.pieces]) _value.pins++;
    device.flush();
    const before = [whole, ...params];
    [whole, params] = [next.vector, next.pieces];
    return before;
  };
  const first = device.stats();
  const initial = step();
  expect(device.stats().dispatches - first.dispatches).toBe(1);
  expect(device.stats().copies - first.copies).toBe(82);
  const release = (tensors: (Tensor | null)[]) => {
    for (const tensor of tensors) {
      if (tensor === null) continue;
      if (tensor._value.pins > 0) device.unpinned(tensor._value);
      tensor.dispose();
    }
  };
  release(initial);
  for (let i = 0; i < 3; i++) release(step());
  const before = device.stats();
  for (let i = 0; i < 4; i++) release(step());
  const after = device.stats();
  expect(after.dispatches - before.dispatches).toBe(4);
  expect(after.copies - before.copies).toBe(4 * 41);
  for (const name of ["bytes", "usedBytes", "buffers", "buffersCreated", "bindGroupsCreated", "plansMade"] as const) {
    expect([name, after[name]]).toEqual([name, before[name]]);
  }
  release([whole]);
  const [last] = await params[39].data();
  expect(last).toBeCloseTo(39 - 8 * 0.5, 4);
  release([...params, ...grads]);
});
