/** `chunkSize: "auto"`: as many tasks together as the device has memory for, with gradients added up. */
import { describe, expect, test } from "@jest/globals";
import { type Device, init, ones, randn, scope, type Tensor, tensor, vmap } from "@loopgrad/tensor";
import { grad } from "./index.ts";

const MIB = 2 ** 20;

/** A device that binds so many bytes in one value. */
async function binding(largest: number): Promise<Device> {
  const device = await init({ device: "cpu", dtype: "float64" });
  Object.defineProperty(device.backend, "limits", { value: { largest, budget: Number.POSITIVE_INFINITY } });
  return device;
}

/** How many tasks ran together, one number for each time that the function ran. */
const counted = (runs: number[], fn: (x: Tensor) => Tensor): ((x: Tensor) => Tensor) => {
  return (x) => {
    runs.push(Number(/of each of (\d+) tasks/.exec(String(x))?.[1]));
    return fn(x);
  };
};

const values = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

describe("the largest binding", () => {
  // [10] becomes [10, 10]: 800 bytes a task.
  const square = (x: Tensor): Tensor => x.unsqueeze(1).mul(x).sum();

  test("is kept by fewer tasks, which later calls begin with", async () => {
    await binding(5000);
    const runs: number[] = [];
    const x = randn([13, 10]);
    const fn = vmap(counted(runs, square), { chunkSize: "auto" });
    const y = fn(x);
    expect(runs).toEqual([13, 7, 4, 4, 4, 1]);
    runs.length = 0;
    const again = fn(x);
    expect(runs).toEqual([4, 4, 4, 1]);
    expect(await values(again)).toEqual(await values(y));
    expect(await values(y)).toEqual(await values(vmap(square)(x)));
  });

  test("tasks that fit run together", async () => {
    await binding(13 * 800);
    const runs: number[] = [];
    vmap(counted(runs, square), { chunkSize: "auto" })(randn([13, 10]));
    expect(runs).toEqual([13]);
  });

  test("a task that does not fit by itself is an error", async () => {
    await binding(700);
    expect(() => vmap(square, { chunkSize: "auto" })(randn([4, 10]))).toThrow(
      /a single task does not fit: mul of 1 tasks: 800 bytes/,
    );
  });

  test("what a trial added to gradients is taken back, those from before stay", async () => {
    await binding(5000);
    const w = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { requiresGrad: true });
    const fresh = tensor(1, { requiresGrad: true });
    w.square().sum().backward();
    const before = await values(w.grad);
    const runs: number[] = [];
    const fn = counted(runs, (x) => {
      x.mul(w).mul(fresh).sum().backward();
      return square(x);
    });
    const x = randn([13, 10]);
    vmap(fn, { chunkSize: "auto" })(x);
    expect(runs).toEqual([13, 7, 4, 4, 4, 1]);
    const sums = await values(x.sum(0));
    (await values(w.grad)).forEach((g, i) => void expect(g).toBeCloseTo(before[i] + sums[i], 10));
    const total = (await values(w)).reduce((sum, v, i) => sum + v * sums[i], 0);
    expect(await fresh.grad?.item()).toBeCloseTo(total, 9);
  });

  test("gradients inside count too", async () => {
    await binding(5000);
    const runs: number[] = [];
    // Linear forward, an outer product in the gradient.
    const fn = counted(runs, (x) => {
      const own = x.detach().requiresGrad_();
      const y = own.sum().mul(x);
      return grad(grad(y.sum(), own, { createGraph: true })[0].unsqueeze(1).mul(own).sum(), own)[0].sum();
    });
    vmap(fn, { chunkSize: "auto" })(randn([13, 10]));
    expect(runs[0]).toBe(13);
    expect(Math.max(...runs.slice(-2))).toBe(4);
  });
});

describe("a budget", () => {
  // Each task saves [64, 64] five times: 160 KB of float64.
  const deep = (x: Tensor): Tensor => {
    let y = x.unsqueeze(1).mul(x);
    for (let i = 0; i < 5; i++) y = y.matmul(y).tanh();
    return y.sum();
  };

  test("is kept by fewer tasks, gradients being taken inside", async () => {
    const x = randn([48, 64], { device: await init({ device: "cpu", dtype: "float64" }) }).mul(0.1);
    const data = await x.data();
    const run = async (options: object, chunkSize: "auto" | null): Promise<{ grads: number[]; runs: number[] }> => {
      const device = await init({ device: "cpu", dtype: "float64", ...options });
      const w = tensor(data.slice(0, 64), { device, requiresGrad: true });
      const runs: number[] = [];
      const fn = counted(runs, (row) => {
        const loss = deep(row.add(w));
        loss.backward();
        return loss.detach();
      });
      scope(() => void vmap(fn, { chunkSize })(tensor(data, { device, shape: [48, 64] })));
      const grads = await values(w.grad);
      return { grads, runs };
    };
    const wanted = await run({}, null);
    expect(wanted.runs).toEqual([48]);
    const { grads, runs } = await run({ memory: 6 * MIB }, "auto");
    expect(runs[0]).toBe(48);
    expect(Math.max(...runs.slice(-3))).toBeLessThan(48);
    grads.forEach((g, i) => void expect(g).toBeCloseTo(wanted.grads[i], 9));
  });
});

test("an error of the function's own is its own", async () => {
  await binding(5000);
  const fn = (x: Tensor): Tensor => x.matmul(ones([3, 3]));
  expect(() => vmap(fn, { chunkSize: "auto" })(randn([13, 10]))).toThrow(/matmul/);
});
