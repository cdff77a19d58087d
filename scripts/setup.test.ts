/**
 * What every other test stands on: the transform lowers `using` and reads `.wgsl`, and Dawn finds the adapter
 * that `jest.mjs` set up and computes on it.
 */
import { expect, test } from "@jest/globals";
import { create, globals } from "webgpu";
import double from "./setup.wgsl";

test("`using` disposes at the end of its block, last first", () => {
  const disposed: string[] = [];
  const resource = (name: string) => ({ [Symbol.dispose]: () => void disposed.push(name) });
  {
    using _first = resource("first");
    using _second = resource("second");
    expect(disposed).toEqual([]);
  }
  expect(disposed).toEqual(["second", "first"]);
});

test("a .wgsl file is imported as its text", () => {
  expect(double).toContain("@compute @workgroup_size(4)");
});

test("Dawn computes on the adapter", async () => {
  Object.assign(globalThis, globals);
  // Held until the device is gone: Dawn must not lose its instance while events are pending.
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("no adapter: start Jest with `node scripts/jest.mjs`");
  const device = await adapter.requestDevice();
  const values = device.createBuffer({
    size: 16,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  const staging = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(values, 0, new Float32Array([1, 2, 3, 4]));
  const compute = { module: device.createShaderModule({ code: double }), entryPoint: "main" };
  const pipeline = device.createComputePipeline({ layout: "auto", compute });
  const layout = pipeline.getBindGroupLayout(0);
  const bindGroup = device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: values } }] });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(values, 0, staging, 0, 16);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  expect([...new Float32Array(staging.getMappedRange())]).toEqual([2, 4, 6, 8]);
  device.destroy();
  expect((await device.lost).reason).toBe("destroyed");
  expect(gpu).toBeDefined();
});
