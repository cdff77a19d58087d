/**
 * float16: conversions on the host, a clear error where an adapter has no shader-f16, and kernels that compile where it has.
 *
 * The bundled software adapter has none; Dawn's null backend has, and validates WGSL without computing.
 */
import { describe, expect, test } from "@jest/globals";
import { contiguous, printKernel } from "@loopgrad/kernels";
import { CpuBackend } from "../cpu/backend.ts";
import { Device } from "../device.ts";
import { DTypeError } from "../errors.ts";
import { fromHalf, toHalf } from "../half.ts";
import * as lg from "../index.ts";
import { findDevice } from "./adapter.ts";
import { createWebGPUBackend } from "./backend.ts";

describe("halves on the host", () => {
  test("known bits", () => {
    const numbers = [0, -0, 1, -2, 65504, 2 ** -14, 2 ** -24, 1 / 3, Infinity, -Infinity];
    const bits = [0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x3555, 0x7c00, 0xfc00];
    expect([...toHalf(Float32Array.from(numbers))]).toEqual(bits);
    expect([...fromHalf(Uint16Array.from(bits))]).toEqual(numbers.map((x) => (x === 1 / 3 ? 0x555 / 4096 : x)));
    expect(fromHalf(toHalf(Float32Array.of(NaN)))[0]).toBeNaN();
  });

  test("every half survives the way to float32 and back", () => {
    const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const finite = all.filter((half) => ((half >>> 10) & 31) !== 31 || (half & 0x3ff) === 0);
    expect([...toHalf(fromHalf(finite))]).toEqual([...finite]);
  });

  test("rounding is to the nearest, half to even", () => {
    const ulp = 2 ** -10;
    const cases = [
      1 + ulp / 2,
      1 + (3 * ulp) / 2,
      1 + ulp * 0.51,
      65519,
      65520,
      2 ** -25,
      2 ** -25 * 1.01,
      2 ** -24 * 1.5,
    ];
    const wanted = [1, 1 + 2 * ulp, 1 + ulp, 65504, Infinity, 0, 2 ** -24, 2 ** -23];
    expect([...fromHalf(toHalf(Float32Array.from(cases)))]).toEqual(wanted);
  });
});

describe("float16 tensors", () => {
  test("are refused by the cpu and by adapters without shader-f16, with what to do", async () => {
    const cpu = new Device(new CpuBackend());
    expect(() => lg.ones([2], { device: cpu }).to("float16")).toThrow(DTypeError);
    expect(() => lg.ones([2], { device: cpu }).to("float16")).toThrow(/use float32/);
    const software = new Device(await createWebGPUBackend({}));
    expect(() => lg.ones([2], { device: software }).to("float16")).toThrow(/shader-f16, and .* has none: use float32/);
    expect(() => lg.zeros([2], { device: software, dtype: "float16" })).toThrow(DTypeError);
    software.destroy();
  });

  test("every role compiles with halves", async () => {
    const device = new Device(await createWebGPUBackend({ adapter: "null" }));
    const x = lg
      .tensor(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        { device },
      )
      .to("float16");
    expect(x.dtype).toBe("float16");
    const index = lg.tensor([[0, 1, 0]], { device, dtype: "int32" });
    const results = [
      x.add(1).exp(),
      x.sum(0),
      x.matmul(x.transpose(0, 1)),
      lg.cumsum(x, 1),
      lg.argsort(x, 1),
      lg.scatterAdd(x, 0, index, x.slice(0, 0, 1)),
      lg.gather(x, 0, index),
      lg.conv1d(x.reshape([1, 2, 3]), lg.ones([2, 2, 2], { device, dtype: "float16" })),
      x.to("float32").mul(3).to("float16").to("float32"),
      x.to("bool"),
    ];
    expect(results.map((t) => t.dtype)).toEqual([
      ...["float16", "float16", "float16", "float16", "int32", "float16", "float16", "float16", "float32", "bool"],
    ]);
    for (const data of await Promise.all(results.map((t) => t.data()))) expect(data.length).toBeGreaterThan(0);
    // Halves meet float32 in float32.
    expect(x.add(lg.ones([3], { device })).dtype).toBe("float32");
    expect((await x.data()).constructor).toBe(Float32Array);
    const given = lg.tensor([1, 70000, 1 + 2 ** -12], { device, dtype: "float16" });
    expect([...(await given.data())]).toEqual([1, Infinity, 1]);
    device.destroy();
  });

  test("a cast rounds, though nothing is stored in between", async () => {
    // The rounding itself needs no shader-f16: its kernel runs on the software adapter, beside the host's conversion.
    const numbers = [
      6.0004 / 3,
      -1 / 3,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65519,
      -65520,
      1e-5,
      2 ** -25,
      2 ** -25 * 1.01,
      Infinity,
    ];
    const kernel = printKernel(
      {
        role: "map",
        operands: [
          { type: "f32", access: "read" },
          { type: "f32", access: "write" },
        ],
        output: {
          space: [numbers.length],
          code: [
            { kind: "load", type: "f32", operand: 0, chain: [contiguous([numbers.length])] },
            { kind: "op", type: "f32", op: "round16", from: "f32", args: [0] },
          ],
          stores: [{ operand: 1, value: 1 }],
        },
      },
      { workgroupMemory: false },
    );
    const { device } = await findDevice({});
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const [x, y, p] = [usage, usage, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST].map((u) =>
      device.createBuffer({ size: 64, usage: u }),
    );
    const staging = device.createBuffer({ size: 64, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(x, 0, Float32Array.from(numbers));
    device.queue.writeBuffer(p, 0, Int32Array.of(numbers.length, 0, 0, 0));
    const compute = { module: device.createShaderModule({ code: kernel.source }), entryPoint: "main" };
    const pipeline = device.createComputePipeline({ layout: "auto", compute });
    const entries = [p, x, y].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(y, 0, staging, 0, 64);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const got = [...new Float32Array(staging.getMappedRange(), 0, numbers.length)];
    expect(got).toEqual([...fromHalf(toHalf(Float32Array.from(numbers)))]);
    device.destroy();
  });
});
