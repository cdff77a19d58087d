/** Sets of sources are sets of numbers: compared with the language's own. */
import { expect, test } from "@jest/globals";
import { type Sources, sourcesOf } from "./sources.ts";

/** The set of some numbers, put together in their order. */
const setOf = (ids: readonly number[]): Sources =>
  ids.slice(1).reduce((set, id) => set.union(sourcesOf(id)), sourcesOf(ids[0]));

/** All sets of numbers from 1 to 5, but the empty one. */
const SUBSETS = Array.from({ length: 31 }, (_, i) => [1, 2, 3, 4, 5].filter((_, bit) => ((i + 1) >> bit) & 1));

test("a set holds its numbers, ascending, and no others", () => {
  for (const ids of SUBSETS) {
    for (const order of [ids, [...ids].reverse()]) {
      const set = setOf(order);
      expect([...set.ids]).toEqual(ids);
      expect([0, 1, 2, 3, 4, 5, 6].filter((id) => set.has(id))).toEqual(ids);
    }
  }
});

test("equal sets are one object, however they came about", () => {
  for (const ids of SUBSETS) {
    expect(setOf([...ids].reverse())).toBe(setOf(ids));
    expect(setOf([...ids, ...ids])).toBe(setOf(ids));
  }
  expect(setOf([1, 2])).not.toBe(setOf([1, 3]));
  expect(setOf([1, 2])).not.toBe(setOf([1, 2, 3]));
});

test("unions and inclusion", () => {
  for (const a of SUBSETS) {
    for (const b of SUBSETS) {
      const [x, y] = [setOf(a), setOf(b)];
      const wanted = setOf([...new Set([...a, ...b])].sort());
      expect(x.union(y)).toBe(wanted);
      // From the note of the last union, and of unions before.
      expect(x.union(y)).toBe(wanted);
      x.union(sourcesOf(1));
      x.union(sourcesOf(5));
      expect(x.union(y)).toBe(wanted);
      expect([a, b, x.includes(y)]).toEqual([a, b, b.every((id) => a.includes(id))]);
    }
  }
});
