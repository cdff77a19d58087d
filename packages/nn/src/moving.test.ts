/** Module.to: other dtypes and devices under the same parameters. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Device,
  DTypeError,
  init,
  LoopgradError,
  manualSeed,
  setDevice,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { BatchNorm1d, Linear, Module, Parameter, Sequential, substitute } from "./index.ts";

let cpu: Device;
beforeAll(async () => {
  cpu = await init({ device: "cpu" });
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

function model(): Sequential {
  manualSeed(1);
  return new Sequential(new Linear(2, 3), new BatchNorm1d(3));
}

describe("to a dtype", () => {
  test("converts float parameters, buffers and gradients; the parameters stay the same objects", async () => {
    const net = model();
    const before = net.parameters();
    const values = await read(before[0]);
    net.forward(tensor([[1, 2], [3, 5]])).square().sum().backward(); // biome-ignore format: a matrix
    const gradient = await read(before[1].grad);
    expect(net.to("float64")).toBe(net);
    expect(net.parameters().every((p, i) => p === before[i] && p.dtype === "float64" && p.requiresGrad)).toBe(true);
    expect(net.buffers().map((b) => b.dtype)).toEqual(["float64", "float64", "int32"]);
    expect(await read(before[0])).toEqual(values);
    expect(before[1].grad?.dtype).toBe("float64");
    expect(await read(before[1].grad)).toEqual(gradient);
  });

  test("trains on: new graphs and gradients have the new dtype, hooks on gradients stay", async () => {
    const layer = new Linear(1, 1, { bias: false });
    layer.weight.registerHook((g) => g.mul(10));
    layer.to("float64");
    layer
      .forward(tensor([[3]], { dtype: "float64" }))
      .sum()
      .backward();
    expect(layer.weight.grad?.dtype).toBe("float64");
    expect(await read(layer.weight.grad)).toEqual([30]);
    layer.weight.assign(tensor([[0.1]], { dtype: "float64" }));
    expect(await read(layer.weight)).toEqual([0.1]);
  });

  test("leaves frozen parameters frozen", () => {
    const layer = new Linear(1, 1).requiresGrad_(false).to("float64");
    expect(layer.weight.requiresGrad).toBe(false);
  });

  test("refuses dtypes that are no floats, words that are no dtype, and functional calls", () => {
    const layer = new Linear(1, 1);
    expect(() => layer.to("int32")).toThrow(DTypeError);
    expect(() => layer.to("cuda" as "float32")).toThrow(/"cuda" is no dtype/);
    expect(() => layer.to({ dtyp: "float64" } as unknown as "float64")).toThrow(/unknown option dtyp/);
    expect(() => substitute(layer, { params: layer.parameters() }, (m) => m.to("float64"))).toThrow(LoopgradError);
  });
});

describe("to a device", () => {
  let gpu: Device;
  beforeAll(async () => {
    gpu = await init({ device: "webgpu" });
    setDevice(cpu);
  });
  afterAll(() => gpu.destroy());

  test("moves values, and the outputs agree", async () => {
    const net = model().eval();
    const x = tensor([[1, -2]]);
    const wanted = await read(net.forward(x));
    const [weight] = net.parameters();
    expect(await net.to(gpu)).toBe(net);
    expect([...net.parameters(), ...net.buffers()].every((slot) => slot.device === gpu)).toBe(true);
    expect(net.parameters()[0]).toBe(weight);
    const got = await read(net.forward(await x.to(gpu)));
    for (const [i, y] of got.entries()) expect(y).toBeCloseTo(wanted[i], 5);
    await net.to({ device: cpu, dtype: "float64" });
    expect(weight.dtype).toBe("float64");
    expect(weight.device).toBe(cpu);
  });

  test("to a dtype that the device does not have is refused, and nothing moves", async () => {
    const net = model();
    await expect(net.to({ device: gpu, dtype: "float64" })).rejects.toThrow(DTypeError);
    expect(net.parameters().every((p) => p.device === cpu && p.dtype === "float32")).toBe(true);
    await net.to(gpu);
    expect(() => net.to("float64")).toThrow(DTypeError);
    expect(net.parameters().every((p) => p.dtype === "float32")).toBe(true);
  });

  test("a parameter that is assigned meanwhile is an error", async () => {
    class One extends Module {
      readonly w = new Parameter(tensor([1]));
    }
    const module = new One();
    const moving = module.to(gpu);
    module.w.assign(tensor([2]));
    await expect(moving).rejects.toThrow(/assigned while it moved/);
    expect(await read(module.w)).toEqual([2]);
  });

  test("gives back what it no longer needs", async () => {
    const before = gpu.stats().usedBytes;
    const layer = new Linear(64, 64);
    await layer.to(gpu);
    const copy = layer.weight.add(0);
    await copy.data();
    copy.dispose();
    expect(gpu.stats().usedBytes - before).toBeGreaterThanOrEqual(4 * 64 * 64);
    await layer.to(cpu);
    expect(gpu.stats().usedBytes - before).toBeLessThan(4 * 64 * 64);
  });
});
