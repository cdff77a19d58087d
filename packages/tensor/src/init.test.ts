import { expect, test } from "@jest/globals";
import { bind, bindConstant } from "./bind.ts";
import { ones } from "./creation.ts";
import { ArgumentError, DeviceError, DTypeError } from "./errors.ts";
import { getDevice, type InitOptions, init, setDevice } from "./init.ts";
import "./ops/methods.ts";
import { addP, scalarP } from "./primitives.ts";
import { wrap } from "./tensor.ts";

test("before the first init there is no device", () => {
  expect(() => getDevice()).toThrow(DeviceError);
  expect(() => getDevice()).toThrow("call `await init()` first");
});

test("init makes a device and makes it the default", async () => {
  const cpu = await init({ device: "cpu" });
  expect(getDevice()).toBe(cpu);
  expect([cpu.name, cpu.defaultDType]).toEqual(["cpu", "float32"]);
  const double = await init({ device: "cpu", dtype: "float64" });
  expect(getDevice()).toBe(double);
  expect(double.defaultDType).toBe("float64");
  expect(setDevice(cpu)).toBe(cpu);
  expect(getDevice()).toBe(cpu);
});

test("float64 is found on the cpu", async () => {
  const device = await init({ dtype: "float64" });
  expect(device.name).toBe("cpu");
});

test.each<[Record<string, unknown>, string]>([
  [{ device: "gpu" }, 'init: unknown device "gpu"; wanted one of "auto", "webgpu", "cpu"'],
  [{ device: "webgpu", adapter: "fast" }, 'init: unknown adapter "fast"; wanted one of "hardware", "software", "null"'],
  [{ powerPreference: "high" }, 'init: unknown powerPreference "high"; wanted one of "low-power", "high-performance"'],
  [{ backend: "cpu" }, "init: unknown option backend: wanted one of device, powerPreference, adapter, dtype, memory"],
  [{ device: "cpu", adapter: "hardware" }, "powerPreference and adapter are for WebGPU"],
])("init(%j) is rejected", async (options, message) => {
  await expect(init(options as InitOptions)).rejects.toThrow(ArgumentError);
  await expect(init(options as InitOptions)).rejects.toThrow(message);
});

test("a dtype that is not a float is rejected", async () => {
  await expect(init({ device: "cpu", dtype: "int32" as "float32" })).rejects.toThrow(DTypeError);
});

test("a device computes", async () => {
  const device = await init({ device: "cpu" });
  const x = wrap(device.fromHost(new Float32Array([1, 2]), [2], "float32"));
  const y = bind(addP, [x, bindConstant(device, scalarP, [0], 0.5)]);
  expect(await y.toArray()).toEqual([1.5, 2.5]);
});

test("tensors of two devices say so, also where the devices are of one kind", async () => {
  const [single, double] = [await init({ device: "cpu" }), await init({ device: "cpu", dtype: "float64" })];
  const [a, b] = [single, double].map((device) => ones([2], { device }));
  const message =
    /inputs are on cpu \(.*\), float32 and on another device, cpu \(.*\), float64: each init\(\) makes one/;
  for (const call of [() => a.add(b), () => a.matmul(b), () => a.eq(b), () => a.atan2(b)]) {
    expect(call).toThrow(DeviceError);
    expect(call).toThrow(message);
  }
});
