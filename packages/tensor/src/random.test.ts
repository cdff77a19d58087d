import { beforeAll, describe, expect, test } from "@jest/globals";
import type { Device } from "./device.ts";
import { ArgumentError, DTypeError } from "./errors.ts";
import {
  bernoulli,
  fullLike,
  getRngState,
  init,
  manualSeed,
  rand,
  randint,
  randLike,
  randn,
  randnLike,
  randperm,
  setDevice,
  setRngState,
  type Tensor,
  zeros,
} from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const moments = async (x: Tensor): Promise<[number, number]> => [await x.mean().item(), await x.var().item()];

test("the same seed gives the same numbers, and every call others", async () => {
  manualSeed(7);
  const [a, b] = [await rand([4]).data(), await rand([4]).data()];
  manualSeed(7);
  const [c, d] = [await rand([4]).data(), await rand([4]).data()];
  expect([c, d]).toEqual([a, b]);
  expect(b).not.toEqual(a);
  manualSeed(8);
  expect(await rand([4]).data()).not.toEqual(a);
});

test("a state can be kept and set again", async () => {
  manualSeed(1);
  await rand([2]).data();
  const state = getRngState();
  const a = await randn([3]).data();
  setRngState(state);
  expect(await randn([3]).data()).toEqual(a);
  expect(() => manualSeed(-1)).toThrow(ArgumentError);
  expect(() => manualSeed(0.5)).toThrow("manualSeed: seed is 0.5: wanted an integer >= 0");
});

test("a shape's first numbers do not depend on what follows: element i is a function of key and i", async () => {
  manualSeed(3);
  const few = await rand([4]).data();
  manualSeed(3);
  const many = await rand([100]).data();
  expect([...many.slice(0, 4)]).toEqual([...few]);
});

describe("rand", () => {
  test("is uniform in [0, 1), in multiples of 2^-24, alike in float32 and float64", async () => {
    manualSeed(11);
    const x = rand([20000]);
    const data = await x.data();
    expect(data.every((v: number) => v >= 0 && v < 1 && Number.isInteger(v * 2 ** 24))).toBe(true);
    const [mean, variance] = await moments(x);
    // Four standard errors.
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 20000));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / 20000));
    manualSeed(11);
    const single = await rand([20000], { dtype: "float32" }).data();
    expect([...single]).toEqual([...data]);
  });

  test("wants a float dtype", () => {
    expect(() => rand([2], { dtype: "int32" })).toThrow(DTypeError);
  });
});

test("randn has mean 0, variance 1 and kurtosis 3, and no infinities", async () => {
  manualSeed(5);
  const x = randn([20000]);
  const [mean, variance] = await moments(x);
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(20000));
  expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / 20000));
  expect(Math.abs((await x.pow(4).mean().item()) - 3)).toBeLessThan(4 * Math.sqrt(96 / 20000));
  expect(await x.isfinite().all().item()).toBe(1);
});

test("randint reaches all of [low, high) and nothing else", async () => {
  manualSeed(2);
  const x = randint(-2, 3, [2000]);
  expect(x.dtype).toBe("int32");
  const counts = new Map<number, number>();
  for (const v of await x.data()) counts.set(v, (counts.get(v) ?? 0) + 1);
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  for (const n of counts.values()) expect(Math.abs(n - 400)).toBeLessThan(4 * Math.sqrt(2000 * 0.2 * 0.8));
  expect(() => randint(3, 3, [1])).toThrow("randint: [3, 3): wanted integers with 0 < high - low < 2^31");
});

test("randperm is a permutation", async () => {
  manualSeed(4);
  const order = [...(await randperm(50).data())];
  expect(order).not.toEqual([...order].sort((a, b) => a - b));
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

test("bernoulli gives ones with the asked probability", async () => {
  manualSeed(6);
  const mean = await bernoulli(fullLike(zeros([10000]), 0.3))
    .mean()
    .item();
  expect(Math.abs(mean - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / 10000));
});

test("a new key makes no new plan", async () => {
  device.flush();
  await randn([5]).data();
  const { plansMade } = device.stats();
  await randn([5]).data();
  expect(device.stats().plansMade).toBe(plansMade);
});

/** Every generator, and its results as numbers. */
const GENERATORS: Record<string, () => Tensor> = {
  rand: () => rand([6]),
  randn: () => randn([6]),
  randint: () => randint(-9, 900, [6]),
  randperm: () => randperm(6),
  bernoulli: () => bernoulli(fullLike(zeros([40]), 0.5)),
  randLike: () => randLike(zeros([6])),
  randnLike: () => randnLike(zeros([6])),
};

describe.each(Object.keys(GENERATORS))("%s", (name) => {
  const draw = async (): Promise<number[]> => Array.from(await GENERATORS[name]().data());

  test("depends on all of a seed: beyond 32 bits too", async () => {
    const seeds = [1, 2, 2 ** 32 + 1, 2 ** 33 + 1, 2 ** 32, 2 ** 33, 2 ** 52 + 1, 2 ** 53 - 1];
    const drawn: string[] = [];
    for (const seed of seeds) {
      manualSeed(seed);
      expect(getRngState()).toEqual({ seed, calls: 0 });
      const first = await draw();
      manualSeed(seed);
      expect(await draw()).toEqual(first);
      drawn.push(JSON.stringify([first, await draw()]));
    }
    expect(new Set(drawn).size).toBe(seeds.length);
  });

  test("depends on all of the count of calls: beyond 32 bits too", async () => {
    const counts = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 52];
    const drawn = new Set<string>();
    for (const calls of counts) {
      setRngState({ seed: 5, calls });
      const numbers = JSON.stringify([await draw(), await draw()]);
      expect(getRngState()).toEqual({ seed: 5, calls: calls + 2 });
      drawn.add(numbers);
    }
    expect(drawn.size).toBe(counts.length);
  });

  test("a call moves the stream on by one, and a state that was kept brings its numbers back", async () => {
    manualSeed(9);
    await rand([3]).data();
    const state = getRngState();
    const first = await draw();
    expect(getRngState()).toEqual({ seed: 9, calls: 2 });
    const second = await draw();
    const after = await randn([4]).data();
    // Elsewhere in between, with another seed.
    manualSeed(10);
    await draw();
    setRngState(state);
    expect(getRngState()).toEqual(state);
    expect([await draw(), await draw(), await randn([4]).data()]).toEqual([first, second, after]);
    // What was kept does not move.
    expect(state).toEqual({ seed: 9, calls: 1 });
  });

  test("two calls before either is read differ", async () => {
    manualSeed(11);
    const [a, b] = [GENERATORS[name](), GENERATORS[name]()];
    const [x, y] = await Promise.all([a.data(), b.data()]);
    expect(Array.from(x)).not.toEqual(Array.from(y));
  });
});

test("a generator that refuses its arguments does not move the stream", () => {
  manualSeed(3);
  expect(() => rand([2], { dtype: "int32" })).toThrow(DTypeError);
  expect(() => randn([-1])).toThrow();
  expect(() => randint(3, 3, [1])).toThrow(ArgumentError);
  expect(() => randperm(-1)).toThrow();
  expect(getRngState()).toEqual({ seed: 3, calls: 0 });
  for (const [seed, calls] of [
    [2 ** 53, 0],
    [-1, 0],
    [1.5, 0],
    [Number.NaN, 0],
    [1, -1],
    [1, 0.5],
    [1, 2 ** 53],
  ]) {
    expect(() => setRngState({ seed, calls })).toThrow(/wanted an integer >= 0/);
  }
  expect(getRngState()).toEqual({ seed: 3, calls: 0 });
});

test("devices draw the same numbers for seeds and counts of any size", async () => {
  const gpu = await init({ device: "webgpu" });
  try {
    for (const state of [
      { seed: 7, calls: 0 },
      { seed: 2 ** 45 + 3, calls: 2 ** 33 + 1 },
      { seed: 2 ** 53 - 1, calls: 2 ** 32 },
    ]) {
      const drawn = async (on: Device): Promise<unknown[]> => {
        setRngState(state);
        const options = { device: on, dtype: "float32" } as const;
        const [u, n, p] = [rand([9], options), randint(0, 1000, [9], { device: on }), randperm(9, { device: on })];
        return Promise.all([u, n, p].map(async (x) => Array.from(await x.data())));
      };
      expect(await drawn(gpu)).toEqual(await drawn(device));
    }
  } finally {
    gpu.destroy();
    setDevice(device);
  }
});
