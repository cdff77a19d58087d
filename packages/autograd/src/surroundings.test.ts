/** Recalling: a second run of a function finds what the first one found. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { init, tensor } from "@loopgrad/tensor";
import { disposeRecalled, firstRun, recall, runsAround, secondRun } from "./surroundings.ts";

beforeAll(async () => {
  await init({ device: "cpu" });
});

/** Values that change with each look. */
function counter() {
  let looks = 0;
  return () => ++looks;
}

describe("recall", () => {
  test("outside of functions looks each time", () => {
    const find = counter();
    expect([recall(0, find), recall(0, find)]).toEqual([1, 2]);
  });

  test("gives a second run what the first one found, in its order", () => {
    const find = counter();
    const notes: unknown[] = [];
    const run = () => [recall(3, find), recall(3, find)];
    expect(firstRun(5, notes, [], run)).toEqual([1, 2]);
    expect(recall(3, find)).toBe(3);
    expect(secondRun(5, notes, run)).toEqual([1, 2]);
    expect(secondRun(5, notes, run)).toEqual([1, 2]);
    expect(recall(3, find)).toBe(4);
  });

  test("looks again for what the function itself made", () => {
    const find = counter();
    const notes: unknown[] = [];
    const run = () => [recall(6, find), recall(5, find)];
    expect(firstRun(5, notes, [], run)).toEqual([1, 2]);
    expect(notes).toEqual([2]);
    expect(secondRun(5, notes, run)).toEqual([3, 2]);
  });

  test("inside another function, is noted for both", () => {
    const find = counter();
    const [outer, inner]: unknown[][] = [[], []];
    const run = () => firstRun(7, inner, [], () => recall(3, find));
    expect(firstRun(5, outer, [], run)).toBe(1);
    expect([outer, inner]).toEqual([[1], [1]]);
    // The outer one a second time: the inner one runs for the first time, and notes what it is given.
    inner.length = 0;
    expect(secondRun(5, outer, run)).toBe(1);
    expect(inner).toEqual([1]);
    expect(secondRun(7, inner, () => recall(3, find))).toBe(1);
    // Made between the two beginnings: the outer one makes it itself.
    expect(firstRun(5, outer, [], () => firstRun(7, inner, [], () => recall(6, find)))).toBe(2);
    expect([outer, inner]).toEqual([[1], [1, 2]]);
  });

  test("is back to what was before when a function throws", () => {
    const find = counter();
    const notes: unknown[] = [];
    expect(() =>
      firstRun(5, notes, [], () => {
        recall(3, find);
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(recall(3, find)).toBe(2);
    expect(notes).toEqual([1]);
    expect(runsAround(0)).toBeNull();
  });
});

test("which runs go on around an object, by when it was born", () => {
  const asked = () => [0, 4, 5, 6, 7].map(runsAround);
  expect(asked()).toEqual([null, null, null, null, null]);
  expect(firstRun(5, [], [], asked)).toEqual(["first", "first", null, null, null]);
  expect(secondRun(5, [], asked)).toEqual(["again", "again", null, null, null]);
  expect(firstRun(5, [], [], () => secondRun(7, [], asked))).toEqual(["again", "again", "again", "again", null]);
  expect(secondRun(5, [], () => firstRun(7, [], [], asked))).toEqual(["again", "again", "first", "first", null]);
});

test("what a first run may recall is disposed of at the end of the outermost", () => {
  const [outer, inner]: ReturnType<typeof tensor>[][] = [[], []];
  const drop = (born: number) => {
    const x = tensor([1]);
    disposeRecalled(born, x);
    return x;
  };
  expect(drop(3).isReleased).toBe(true);
  firstRun(5, [], outer, () => {
    expect(drop(6).isReleased).toBe(true);
    firstRun(7, [], inner, () => {
      const [old, young, own] = [drop(3), drop(6), drop(8)];
      expect([old.isReleased, young.isReleased, own.isReleased]).toEqual([false, false, true]);
      expect([outer, inner]).toEqual([[old], [young]]);
    });
  });
  expect(secondRun(5, [], () => drop(3)).isReleased).toBe(true);
});
