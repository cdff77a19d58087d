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
  randn,
  randperm,
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
