/**
 * The order of examples is the one that bench/peers/lcg.py draws.
 */
import { expect, test } from "@jest/globals";
import { batches, Lcg } from "./lcg.ts";

test("numbers are those of the recurrence, computed in whole numbers of any size", () => {
  const random = new Lcg(7);
  let state = 7n;
  for (const n of [10, 1000, 60_000, 2 ** 21]) {
    state = (1664525n * state + 1013904223n) % 2n ** 32n;
    expect(random.below(n)).toBe(Number((state * BigInt(n)) / 2n ** 32n));
  }
});

test("an epoch has every example once, in another order than the next", () => {
  const order = batches(12, 4, new Lcg(1));
  const epoch = (): number[] => [1, 2, 3].flatMap(() => order.next().value);
  const [first, second] = [epoch(), epoch()];
  expect(first).not.toEqual(second);
  for (const rows of [first, second]) {
    expect([...rows].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  }
});

test("what is left over at an epoch's end is dropped, and too large batches are refused", () => {
  const order = batches(5, 3, new Lcg(1));
  expect([order.next().value, order.next().value].map((rows) => rows.length)).toEqual([3, 3]);
  expect(() => batches(5, 6, new Lcg(1)).next()).toThrow("batches of 6 cannot be had from 5 examples");
});
