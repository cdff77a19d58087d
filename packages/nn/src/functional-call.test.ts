/** Functional calls: any entry point sees the given tensors, and the module stays as it was. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  ArgumentError,
  init,
  LoopgradError,
  manualSeed,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import { BatchNorm1d, Buffer, functionalCall, Linear, Module, Parameter, Sequential, substitute } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(2);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

class Counter extends Module {
  readonly #scale = this.register("scale", new Parameter(tensor([2])));
  readonly count = new Buffer(tensor([0]));

  override forward(x: Tensor): Tensor {
    this.count.assign(this.count.add(1));
    return x.mul(this.#scale).add(this.count);
  }

  twice(x: Tensor): Tensor {
    return this.forward(this.forward(x));
  }
}

describe("functionalCall", () => {
  test("uses the given tensors, by name and by order, also for #private fields", async () => {
    const module = new Counter();
    const given = tensor([10]);
    expect(await read(functionalCall(module, { params: { scale: given } }, tensor([1])))).toEqual([11]);
    expect(await read(functionalCall(module, { params: [given] }, tensor([1])))).toEqual([11]);
  });

  test("gradients flow to the given tensors, not to the parameters", async () => {
    const layer = new Linear(2, 1, { bias: false });
    const w = tensor([[3, 4]], { requiresGrad: true });
    const y = functionalCall(layer, { params: { weight: w } }, tensor([[5, 6]]));
    const [given, own] = grad(y.sum(), [w, layer.weight], { allowUnused: true });
    expect(await read(given)).toEqual([5, 6]);
    expect(own).toBeNull();
  });

  test("the module is not changed: buffers assigned meanwhile come back from substitute", async () => {
    const module = new Counter();
    const { output, buffers } = substitute(module, {}, (m) => m.twice(tensor([1])));
    // ((1 · 2 + 1) · 2) + 2
    expect(await read(output)).toEqual([8]);
    expect(await read(buffers.count)).toEqual([2]);
    expect(await read(module.count)).toEqual([0]);
    const next = substitute(module, { buffers }, (m) => m.forward(tensor([1])));
    expect(await read(next.buffers.count)).toEqual([3]);
  });

  test("running statistics stay in a functional call", async () => {
    const norm = new BatchNorm1d(2);
    const x = randn([5, 2]);
    const { buffers } = substitute(norm, {}, (m) => m.forward(x));
    expect(await read(norm.runningMean)).toEqual([0, 0]);
    norm.forward(x);
    expect(await read(buffers.running_mean)).toEqual(await read(norm.runningMean));
    expect(await read(buffers.num_batches_tracked)).toEqual([1]);
  });

  test("a submodule called inside sees the given tensors, a shared one too", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const model = new Sequential(layer, layer);
    const params = { "0.weight": tensor([[3]]) };
    expect(await read(functionalCall(model, { params }, tensor([[1]])))).toEqual([9]);
    const { output } = substitute(model, { params }, (m) => m.at(1).forward(tensor([[1]])));
    expect(await read(output)).toEqual([3]);
  });

  test("calls nest, and a parameter given as itself means its present stand-in", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const call = (w: number, then: () => Tensor): Tensor =>
      substitute(layer, { params: [tensor([[w]])] }, () => then()).output;
    const forward = (): Tensor => layer.forward(tensor([[1]]));
    const inner = call(2, () => call(3, forward).mul(10).add(forward()));
    expect(await read(inner)).toEqual([32]);
    const same = call(5, () => functionalCall(layer, { params: [layer.weight] }, tensor([[1]])));
    expect(await read(same)).toEqual([5]);
  });

  test("an error restores the module", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const own = await read(layer.weight);
    const fail = () => substitute(layer, { params: [tensor([[9]])] }, () => layer.forward(zeros([1, 2])));
    expect(fail).toThrow(ShapeError);
    expect(await read(layer.forward(tensor([[1]])))).toEqual(own);
  });

  test("an async function finds the stand-ins after it has waited; other code finds the module as it is", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const own = await read(layer.weight);
    const [one, two] = [tensor([[9]]), tensor([[7]])];
    const running = substitute(layer, { params: [one] }, async (m) => {
      const before = await read(m.forward(tensor([[1]])));
      const inside = functionalCall(m, { params: [two] }, tensor([[1]]));
      return [before, await read(inside), await read(m.forward(tensor([[1]]))), m.weight.shape];
    });
    expect(await read(layer.forward(tensor([[1]])))).toEqual(own);
    expect((await running).output).toEqual([[9], [7], [9], [1, 1]]);
    expect(await read(layer.forward(tensor([[1]])))).toEqual(own);
  });

  test("an async function leaves its buffers, the module keeps its own", async () => {
    const norm = new BatchNorm1d(1);
    const { buffers } = await substitute(norm, {}, async (m) => {
      await m
        .forward(tensor([[1], [3]]))
        .sum()
        .item();
      return m.forward(tensor([[5], [7]]));
    });
    // 0 + 0.1 (2 − 0), then + 0.1 (6 − 0.2).
    expect((await read(buffers.running_mean))[0]).toBeCloseTo(0.78, 6);
    expect(await read(norm.runningMean as Tensor)).toEqual([0]);
  });

  test("an async function that fails leaves nothing behind", async () => {
    const layer = new Linear(1, 1, { bias: false });
    const own = await read(layer.weight);
    const failing = substitute(layer, { params: [tensor([[9]])] }, async (m) => {
      await m.weight.data();
      throw new RangeError("in the middle");
    });
    await expect(failing).rejects.toThrow("in the middle");
    expect(await read(layer.weight)).toEqual(own);
    expect(layer.weight._standIn).toBeNull();
    layer.weight.assign(tensor([[1]]));
  });

  test("refuses to assign a parameter meanwhile", () => {
    const layer = new Linear(1, 1, { bias: false });
    const assign = () => substitute(layer, { params: [tensor([[9]])] }, (m) => m.weight.assign(tensor([[1]])));
    expect(assign).toThrow(LoopgradError);
  });

  test("missing and unknown names, wrong counts and shapes are errors", () => {
    const layer = new Linear(1, 1);
    const x = tensor([[1]]);
    const weight = tensor([[1]]);
    expect(() => functionalCall(layer, { params: { weight } }, x)).toThrow(/missing: bias; unknown: none/);
    expect(() => functionalCall(layer, { params: { weight, bias: tensor([1]), b: weight } }, x)).toThrow(/unknown: b/);
    expect(() => functionalCall(layer, { params: [weight] }, x)).toThrow(ArgumentError);
    expect(() => functionalCall(layer, { params: [weight, weight] }, x)).toThrow(ShapeError);
    expect(() => functionalCall(layer, { buffers: [weight] }, x)).toThrow(ArgumentError);
  });
});
