/** What may wait: twice the peak of this epoch and the one before. */
import { expect, test } from "@jest/globals";
import { overBudget, RecentUse } from "./recent.ts";

const MIB = 2 ** 20;

test("a mebibyte may always wait", () => {
  const recent = new RecentUse();
  expect([recent.idleLimit, recent.limit]).toEqual([MIB, 2 * MIB]);
  recent.used(5);
  expect([recent.idleLimit, recent.limit]).toEqual([MIB, 2 * MIB]);
});

test("the peak of an epoch of 64 flushes counts in the next as well, and then no more", () => {
  const recent = new RecentUse();
  recent.used(8 * MIB);
  recent.used(3 * MIB);
  expect(recent.limit).toBe(16 * MIB);
  const ends: number[] = [];
  const limits: number[] = [];
  for (let i = 1; i <= 200; i++) {
    if (recent.flushed(2 * MIB)) ends.push(i);
    if (i % 64 === 0 || i % 64 === 63) limits.push(recent.idleLimit / MIB);
  }
  expect(ends).toEqual([64, 128, 192]);
  expect(recent.epoch).toBe(3);
  expect(limits).toEqual([8, 8, 8, 2, 2, 2]);
});

test("a flush's own bytes are a peak", () => {
  const recent = new RecentUse();
  expect(recent.flushed(4 * MIB)).toBe(false);
  expect(recent.flushed(MIB)).toBe(false);
  expect(recent.idleLimit).toBe(4 * MIB);
});

test("the error of a budget says what was wanted, held and allowed", () => {
  expect(overBudget(1, 2, 3, 4).message).toMatch(/1 bytes were wanted beside the 2 held \(3 in use.*budget is 4 bytes/);
});
