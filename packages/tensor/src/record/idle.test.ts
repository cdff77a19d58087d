/** Idle values: which are taken, after how many flushes, and which stay. */
import { describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { Carry, GRACE } from "./carry.ts";
import { IdleValues, MAX_HOST_COPY } from "./idle.ts";
import { Value } from "./value.ts";

const device = new Device(new InterpreterBackend());

let count = 0;

function stored(size: number): Value {
  const value = new Value(device, [size], "float32");
  value.place = ++count; // so that no two are equal
  value.storage = { bytes: 4 * size };
  return value;
}

/** A stored value that the host has as well. */
function copied(size = 100): Value {
  const value = stored(size);
  value.host = new Float32Array(size);
  return value;
}

describe("values that can be had again", () => {
  test("are idle four flushes after their last use", () => {
    const idle = new IdleValues();
    const [a, b] = [copied(), copied()];
    idle.used(a, 1);
    idle.used(b, 2);
    expect(a.watched && b.watched).toBe(true);
    expect(idle.takeRestorable(GRACE)).toEqual([]);
    expect(idle.takeRestorable(1 + GRACE)).toEqual([a]);
    expect([a.watched, b.watched]).toEqual([false, true]);
    expect(idle.takeRestorable(1 + GRACE)).toEqual([]);
    expect(idle.takeRestorable(9 + GRACE)).toEqual([b]);
  });

  test("used again, they are idle later, and stand behind the others", () => {
    const idle = new IdleValues();
    const [a, b] = [copied(), copied()];
    idle.used(a, 1);
    idle.used(b, 1);
    idle.used(a, 3);
    expect(idle.takeRestorable(2 + GRACE)).toEqual([b]);
    expect(idle.takeRestorable(3 + GRACE)).toEqual([a]);
  });

  test("those with a longer grace wait longer", () => {
    const idle = new IdleValues();
    const carried = stored(100);
    carried.cached = true;
    carried.carry = new Carry();
    carried.carry.grace = 16;
    idle.used(carried, 1);
    expect(idle.takeRestorable(16)).toEqual([]);
    expect(idle.takeRestorable(17)).toEqual([carried]);
  });

  test("pinned, saved, forgotten or without storage, none is taken", () => {
    const idle = new IdleValues();
    const values = [copied(), copied(), copied(), copied(), copied()];
    const [pinned, pinnedSince, saved, forgotten, gone] = values;
    pinned.pins = 1;
    for (const value of values) idle.used(value, 1);
    pinnedSince.pins = 1;
    saved.saves = 1;
    idle.forget(forgotten);
    gone.storage = null;
    expect([pinned.watched, forgotten.watched]).toEqual([false, false]);
    expect(idle.takeRestorable(100)).toEqual([]);
    pinned.pins = 0;
    expect(idle.takeRestorable(100)).toEqual([]);
  });

  test("that lost their copy on the host meanwhile stay", () => {
    const idle = new IdleValues();
    const value = copied();
    idle.used(value, 1);
    value.host = null;
    expect(idle.takeRestorable(100)).toEqual([]);
  });

  test("for room, all are taken but those in use", () => {
    const idle = new IdleValues();
    const values = Array.from({ length: 7 }, () => copied());
    const [free, now, leaf, pinned, saved, gone, lost] = values;
    for (const value of values) idle.used(value, value === now ? 5 : 4);
    leaf.segment = 8;
    pinned.pins = 1;
    saved.saves = 1;
    gone.storage = null;
    lost.host = null;
    expect(idle.takeUnused(5, [7, 8])).toEqual([free]);
    expect(free.watched).toBe(false);
    expect(idle.takeUnused(6, [7])).toEqual([now, leaf]);
    expect(idle.takeUnused(6, [7])).toEqual([]);
  });
});

describe("values that cannot", () => {
  test("are copied when they are idle, if they are not large, 64 at a time", () => {
    const idle = new IdleValues();
    const large = stored(MAX_HOST_COPY + 1);
    const values = Array.from({ length: 70 }, () => stored(MAX_HOST_COPY));
    for (const value of [large, ...values]) idle.used(value, 1);
    expect(large.watched).toBe(false);
    expect(idle.takeRestorable(100)).toEqual([]);
    expect(idle.takeUnused(100, [])).toEqual([]);
    expect(idle.takeUncopied(GRACE)).toEqual([]);
    expect(idle.takeUncopied(1 + GRACE)).toEqual(values.slice(0, 64));
    expect(idle.takeUncopied(1 + GRACE)).toEqual(values.slice(64));
  });

  test("small ones are copied if there are 36 or more", () => {
    const idle = new IdleValues();
    const values = Array.from({ length: 36 }, () => stored(16));
    for (const value of values.slice(1)) idle.used(value, 1);
    expect(idle.takeUncopied(100)).toEqual([]);
    idle.used(values[0], 1);
    expect(idle.takeUncopied(1 + GRACE)).toEqual([...values.slice(1), values[0]]);
    expect(idle.takeUncopied(1 + GRACE)).toEqual([]);
  });

  test("small ones move together: 68 or more, at every fourth flush", () => {
    const idle = new IdleValues();
    const values = Array.from({ length: 68 }, () => stored(1));
    for (const value of values.slice(1)) idle.used(value, 1);
    expect(idle.takeSmalls(8)).toEqual([]);
    idle.used(values[0], 5);
    expect([9, 10, 11].flatMap((flush) => idle.takeSmalls(flush))).toEqual([]);
    expect(idle.takeSmalls(8)).toEqual(values.slice(1));
    expect(values.map(({ watched }) => watched)).toEqual(values.map((_, i) => i === 0));
    for (const value of values) idle.used(value, 8);
    expect(idle.takeSmalls(12)).toHaveLength(68);
  });
});
