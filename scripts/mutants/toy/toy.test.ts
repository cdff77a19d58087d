/** Tests of the toy, with gaps that the mutants find. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { count, positive, sumTo } from "./toy.ts";

describe("sums", () => {
  let wanted: number;
  beforeAll(() => {
    wanted = 10;
  });

  test.each([
    [4, 10],
    [0, 0],
  ])("to %i", (n, sum) => {
    expect(sumTo(n)).toBe(sum);
  });

  test("with what a hook made", async () => {
    expect(await Promise.resolve(sumTo(4))).toBe(wanted);
  });
});

test("positive", () => {
  expect([positive(1), positive(-1)]).toEqual([1, 0]);
});

test("a module is new for every mutant", () => {
  expect(count()).toBe(1);
});
