/** Gradients that a program takes from `.grad` stay what they were when the parameter gets others. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Linear, Parameter } from "@loopgrad/nn";
import {
  ArgumentError,
  type Device,
  init,
  keep,
  ReleasedError,
  ShapeError,
  scope,
  setDevice,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { clipGradNorm, clipGradValue, SGD } from "./index.ts";

const values = async (t: Tensor | null): Promise<number[]> => Array.from(await (t as Tensor).data());

describe.each(["cpu", "webgpu"] as const)("on %s", (name) => {
  let device: Device;
  let w: Parameter;
  let opt: SGD;
  beforeAll(async () => {
    device = await init({ device: name });
  });
  const start = (): void => {
    setDevice(device);
    w = new Parameter(tensor([1, 2]));
    opt = new SGD([w], { lr: 0.5 });
  };
  /** Its gradient is 2 · factor · w. */
  const backward = (factor: number): void => w.square().sum().mul(factor).backward();

  const WAYS: Record<string, () => void> = {
    "opt.zeroGrad()": () => opt.zeroGrad(),
    "grad = null": () => {
      w.grad = null;
    },
    "grad = another": () => {
      w.grad = tensor([7, 7]);
      w.grad = null;
    },
    "zeroGrad() of a module": () => {
      const model = new Linear(1, 1);
      (model as unknown as { extra: Parameter }).extra = w;
      model.zeroGrad();
      expect(w.grad).toBeNull();
    },
  };

  test.each(Object.entries(WAYS))("after %s, the next backward and the step", async (_, zero) => {
    for (const flushed of [false, true]) {
      start();
      backward(1);
      const g = w.grad as Tensor;
      if (flushed) device.flush();
      zero();
      backward(10);
      expect(w.grad).not.toBe(g);
      const sum = g.add(w.grad as Tensor);
      opt.step();
      expect(await values(g)).toEqual([2, 4]);
      expect(await values(w.grad)).toEqual([20, 40]);
      expect(await values(sum)).toEqual([22, 44]);
      for (let i = 0; i < 8; i++) {
        opt.zeroGrad();
        backward(0.01);
        opt.step();
      }
      expect(await values(g.mul(2))).toEqual([4, 8]);
    }
  });

  test("two tasks' gradients, projected where they conflict (PCGrad)", async () => {
    start();
    const losses = [(): Tensor => w.mul(tensor([3, 1])).sum(), (): Tensor => w.mul(tensor([-1, 2])).sum()];
    const grads = losses.map((loss) => {
      opt.zeroGrad();
      loss().backward();
      return w.grad as Tensor;
    });
    const project = (g: Tensor, other: Tensor): Tensor => {
      const dot = g.mul(other).sum().minimum(0);
      return g.sub(other.mul(dot.div(other.square().sum())));
    };
    opt.zeroGrad();
    w.grad = project(grads[0], grads[1]).add(project(grads[1], grads[0]));
    opt.step();
    // g1·g2 = −1: g1 + g2/5 = (2.8, 1.4), g2 + g1/10 = (−0.7, 2.1).
    const [a, b] = await values(w);
    expect(a).toBeCloseTo(1 - 0.5 * 2.1, 5);
    expect(b).toBeCloseTo(2 - 0.5 * 3.5, 5);
  });

  test("a memory of gradients over many steps (GEM)", async () => {
    start();
    const memory: Tensor[] = [];
    for (let i = 0; i < 12; i++) {
      opt.zeroGrad();
      w.mul(tensor([i, 2 * i]))
        .sum()
        .backward();
      memory.push(w.grad as Tensor);
      opt.step();
      if (i % 3 === 0) await w.data();
    }
    for (const [i, g] of memory.entries()) expect(await values(g)).toEqual([i, 2 * i]);
  });

  test("without zeroGrad the handle is the gradient, to which backward adds", async () => {
    start();
    backward(1);
    const g = w.grad;
    const before = (g as Tensor).mul(1);
    backward(10);
    expect(w.grad).toBe(g);
    expect(await values(g)).toEqual([22, 44]);
    expect(await values(before)).toEqual([2, 4]);
  });

  test("clipping is in place, as in torch", async () => {
    start();
    backward(1);
    const g = w.grad;
    const norm = clipGradNorm([w], 1);
    expect(w.grad).toBe(g);
    expect(await norm.item()).toBeCloseTo(Math.sqrt(20), 5);
    expect((await values(g))[0]).toBeCloseTo(2 / Math.sqrt(20), 4);
    clipGradValue([w], 0.1);
    expect((await values(g))[1]).toBeCloseTo(0.1, 6);
    opt.zeroGrad();
    expect((await values(g))[1]).toBeCloseTo(0.1, 6);
  });

  test("a gradient that is set is held, whatever becomes of the tensor given", async () => {
    start();
    scope(() => {
      w.grad = tensor([1, 1]).add(1);
    });
    opt.step();
    expect(await values(w)).toEqual([0, 1]);
    expect(() => {
      w.grad = 3 as never;
    }).toThrow(ArgumentError);
    expect(() => {
      w.grad = tensor([1, 2, 3]);
    }).toThrow(ShapeError);
    w.grad = tensor([5, 6]);
    const g = w.grad;
    w.grad = g;
    expect(await values(g)).toEqual([5, 6]);
  });

  test("one taken in a scope ends with it; kept or returned, it lives on", async () => {
    start();
    backward(1);
    const [ended, kept] = [1, 2].map((factor) => {
      using _ = scope();
      opt.zeroGrad();
      backward(factor);
      const g = w.grad as Tensor;
      if (factor === 2) keep(g);
      opt.zeroGrad();
      expect(g.isReleased).toBe(false);
      return g;
    });
    expect(() => ended.add(1)).toThrow(ReleasedError);
    expect(await values(kept)).toEqual([4, 8]);
    const returned = scope(() => {
      const leaf = tensor([3, 4], { requiresGrad: true });
      leaf.square().sum().backward();
      return leaf.grad as Tensor;
    });
    const keptInside = scope(() => {
      const middle = tensor([3, 4], { requiresGrad: true }).mul(2).retainGrad();
      middle.square().sum().backward();
      keep(middle.grad);
      return [middle.grad as Tensor];
    })[0];
    expect(await values(returned)).toEqual([6, 8]);
    expect(await values(keptInside)).toEqual([12, 16]);
  });

  test("a large one can be used until the parameter was assigned twice, kept for ever", async () => {
    setDevice(device);
    const n = 20_000;
    const big = new Parameter(tensor(new Float32Array(n).fill(3)));
    const sgd = new SGD([big], { lr: 0.1 });
    const step = (): Tensor => {
      sgd.zeroGrad();
      big.square().sum().backward();
      const g = big.grad as Tensor;
      sgd.step();
      return g;
    };
    const [first, kept] = [step(), keep(step())];
    expect((await values(first))[n - 1]).toBe(6);
    const third = step();
    for (let i = 0; i < 5; i++) step();
    expect(() => third.add(1)).toThrow(/a gradient, its parameter was assigned twice since zeroGrad; keep\(tensor\)/);
    expect((await values(kept))[0]).toBeCloseTo(6 * 0.8, 5);
    const { usedBytes } = device.stats();
    for (let i = 0; i < 20; i++) {
      step();
      // Else a GPU does not hear whether it had the memory, and holds what it may have to go back to.
      await device.synchronize();
    }
    expect(device.stats().usedBytes).toBeLessThanOrEqual(usedBytes + 4 * n);
  });

  test("a loop that never looks holds no gradient after zeroGrad", () => {
    start();
    const x = tensor(new Float32Array(400).fill(0.1));
    const large = new Parameter(x);
    const sgd = new SGD([large], { lr: 0.1 });
    const bytes: number[] = [];
    for (let i = 0; i < 60; i++) {
      large.square().sum().backward();
      sgd.step();
      sgd.zeroGrad();
      device.flush();
      bytes.push(device.stats().usedBytes);
    }
    // Losses that no one read are in the bank, in chunks of 4,096 elements; the gradients would be twice as much.
    expect(Math.max(...bytes.slice(40))).toBeLessThanOrEqual(Math.max(...bytes.slice(0, 20)) + 8 * 4096);
  });
});
