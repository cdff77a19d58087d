/** The numbers that errors over many waves are summed up in. */
import { expect, test } from "@jest/globals";
import { score } from "./evaluate.ts";

const before = [3, 3, 3, 3, 3];

test("mean, median, and the share that is worse than before", () => {
  const { mean, median, diverged } = score(1, [1, 5, 2, 0, 2], before);
  expect([mean, median, diverged]).toEqual([2, 2, 0.2]);
});

test("a wave that diverges beyond all numbers has no mean, counts as diverged, and leaves the median of the others", () => {
  const { mean, median, diverged } = score(10, [1, Number.NaN, 2, 0.5, Number.POSITIVE_INFINITY], before);
  expect([mean, median, diverged]).toEqual([Number.NaN, 2, 0.4]);
});
