/**
 * Steps as torch writes them: with a closure that computes the loss anew, and for leaves that are plain tensors.
 */

import { beforeAll, describe, expect, test } from "@jest/globals";
import { noGrad } from "@loopgrad/autograd";
import { Parameter } from "@loopgrad/nn";
import { ArgumentError, getDevice, init, LoopgradError, tensor } from "@loopgrad/tensor";
import { Adam, AdamW, RMSprop, SGD } from "./index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

test("step calls the closure with gradients on, and returns the loss", async () => {
  const w = new Parameter(tensor([1, 2]));
  const opt = new SGD([w], { lr: 0.1 });
  const closure = () => {
    opt.zeroGrad();
    const loss = w.square().sum();
    loss.backward();
    return loss;
  };
  const loss = noGrad(() => opt.step(closure));
  expect(await loss.item()).toBe(5);
  expect(await w.toArray()).toEqual([0.8, 1.6]);
  expect(opt.step()).toBeUndefined();
});

test("a closure that is async, or none, changes nothing", async () => {
  const w = new Parameter(tensor([1]));
  w.grad = tensor([1]);
  const opt = new SGD([w], { lr: 1 });
  expect(() => opt.step(async () => {})).toThrow(
    new ArgumentError("SGD.step: the closure is async: wanted one that returns the loss"),
  );
  expect(() => opt.step(3 as never)).toThrow(ArgumentError);
  expect(await w.toArray()).toEqual([1]);
});

describe.each([SGD, Adam, AdamW, RMSprop])("%p", (Opt) => {
  test("steps a leaf as it steps a parameter", async () => {
    const leaf = tensor([1, -2, 3], { requiresGrad: true });
    const parameter = new Parameter(tensor([1, -2, 3]));
    for (const w of [leaf, parameter]) {
      const opt = new Opt([w], { lr: 0.1 });
      for (let i = 1; i <= 5; i++) {
        opt.zeroGrad();
        w.square().mul(i).sum().backward();
        opt.step();
      }
    }
    expect(await leaf.toArray()).toEqual(await parameter.toArray());
    expect([leaf.requiresGrad, leaf.isLeaf]).toEqual([true, true]);
  });
});

test("a loop over a leaf holds no more from step to step, though it opens no scope and reads nothing", () => {
  const device = getDevice();
  const leaf = tensor(new Float64Array(2000).fill(1), { requiresGrad: true });
  const opt = new Adam([leaf], { lr: 0.01 });
  const bytes = Array.from({ length: 60 }, () => {
    opt.zeroGrad();
    leaf.square().mean().backward();
    opt.step();
    return device.stats().usedBytes;
  });
  expect(Math.max(...bytes.slice(40))).toBeLessThan(Math.max(...bytes.slice(10, 30)) + 4 * 8 * 2000); // a copy a step: 20 and more
});

test("a result of the tape cannot be stepped", () => {
  const result = tensor([1], { requiresGrad: true }).mul(2).retainGrad();
  result.sum().backward();
  expect(() => new SGD([result], { lr: 1 }).step()).toThrow(LoopgradError);
});
