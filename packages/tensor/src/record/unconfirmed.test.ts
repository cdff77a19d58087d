/** Unconfirmed flushes: which fail together, and what their changes go back to. */
import { describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { type Change, type FlushEffects, UnconfirmedFlushes } from "./unconfirmed.ts";
import { Value } from "./value.ts";

const device = new Device(new InterpreterBackend());

let count = 0;

function value(stored = true): Value {
  const made = new Value(device, [1], "float32");
  made.place = ++count; // so that no two are equal
  if (stored) made.storage = { bytes: 4 };
  return made;
}

const effects = (of: Partial<FlushEffects> = {}): FlushEffects => ({ values: [], uploaded: [], fetched: [], ...of });

/** A change of something, with a name; settled ones are noted. */
function changes() {
  const settled: string[] = [];
  const make = (of: object, name: string): Change & { name: string } => ({
    of,
    name,
    settled: () => void settled.push(name),
    hasFailed: () => false,
    undone: () => {},
  });
  return { settled, make };
}

describe("groups", () => {
  test("a flush that asked for buffers begins one; those that asked for none join it", () => {
    const flushes = new UnconfirmedFlushes();
    const [a, b, c, d] = [value(), value(), value(), value()];
    flushes.add(3, effects({ values: [a] }), true);
    flushes.add(3, effects({ values: [b], uploaded: [c] }), true);
    flushes.add(5, effects({ fetched: [{ value: d, stowed: { bytes: 4 } }] }), true);
    const groups = flushes.takeAll();
    expect(groups.map(({ through }) => through)).toEqual([3, 5]);
    expect(groups[0].values).toEqual([a, b]);
    expect(groups[0].uploaded).toEqual([c]);
    expect(groups[0].fetched).toEqual([]);
    expect(groups[1].fetched.map((one) => one.value)).toEqual([d]);
    expect(flushes.takeAll()).toEqual([]);
  });

  test("up to a buffer they are confirmed", () => {
    const flushes = new UnconfirmedFlushes();
    for (const through of [2, 4, 6]) flushes.add(through, effects(), true);
    const through = (groups: readonly { through: number }[]) => groups.map((group) => group.through);
    expect(through(flushes.takeConfirmed(1))).toEqual([]);
    expect(through(flushes.takeConfirmed(4))).toEqual([2, 4]);
    expect(through(flushes.takeConfirmed(4))).toEqual([]);
    expect(through(flushes.takeConfirmed(9))).toEqual([6]);
  });

  test("of more than 1024 values those that are stored no longer are dropped", () => {
    const flushes = new UnconfirmedFlushes();
    const add = (count: number, stored: boolean) =>
      flushes.add(1, effects({ values: Array.from({ length: count }, () => value(stored)) }), true);
    add(1000, false);
    add(24, true);
    const [group] = flushes.takeConfirmed(1);
    expect(group.values).toHaveLength(1024);
    add(1000, false);
    add(25, true);
    add(999, false);
    // 25 were left, and up to 1024 nobody looks.
    expect(flushes.takeAll()[0].values).toHaveLength(1024);
    add(1500, true);
    add(1500, false);
    // 1500 were left: nobody looks before there are twice as many.
    expect(flushes.takeAll()[0].values).toHaveLength(3000);
    add(1500, true);
    add(1501, false);
    expect(flushes.takeAll()[0].values).toHaveLength(1500);
  });
});

describe("changes", () => {
  test("of one thing, the first says what to go back to; the others are settled", () => {
    const flushes = new UnconfirmedFlushes();
    const { settled, make } = changes();
    const [p, q] = [{}, {}];
    const first = make(p, "first");
    flushes.changed(first);
    flushes.changed(make(p, "second"));
    flushes.changed(make(q, "other"));
    expect(settled).toEqual(["second"]);
    expect([...flushes.open.keys()]).toEqual([p, q]);
    flushes.add(1, effects(), true);
    expect(flushes.open.size).toBe(0);
    flushes.changed(make(p, "of the next flush"));
    flushes.add(1, effects(), true);
    expect(settled).toEqual(["second", "of the next flush"]);
    const [group] = flushes.takeAll();
    expect(group.changes.get(p)).toBe(first);
    expect(group.changes.size).toBe(2);
  });

  test("stay open past a flush that leaves work behind", () => {
    const flushes = new UnconfirmedFlushes();
    const { settled, make } = changes();
    flushes.changed(make({}, "open"));
    flushes.add(1, effects(), false);
    expect(flushes.open.size).toBe(1);
    flushes.add(1, effects(), true);
    expect([flushes.open.size, settled]).toEqual([0, []]);
    expect(flushes.takeAll()[0].changes.size).toBe(1);
  });

  test("are forgotten one by one, and taken together", () => {
    const flushes = new UnconfirmedFlushes();
    const { settled, make } = changes();
    const [p, q] = [{}, {}];
    flushes.changed(make(p, "p"));
    flushes.changed(make(q, "q"));
    flushes.forget({});
    flushes.forget(p);
    flushes.forget(p);
    expect(settled).toEqual(["p"]);
    expect([...flushes.takeOpen()].map(({ of }) => of)).toEqual([q]);
    expect([...flushes.takeOpen()]).toEqual([]);
    expect(settled).toEqual(["p"]);
  });

  test("of the third group on join the second's: what they replaced is not kept", () => {
    const flushes = new UnconfirmedFlushes();
    const { settled, make } = changes();
    const [p, q] = [{}, {}];
    for (const [through, name] of ["one", "two", "three", "four"].entries()) {
      flushes.changed(make(p, name));
      if (name === "four") flushes.changed(make(q, "q"));
      flushes.add(through, effects(), true);
    }
    expect(settled).toEqual(["three", "four"]);
    const held = flushes
      .takeAll()
      .map((group) => [...group.changes.values()].map((change) => (change as never as { name: string }).name));
    expect(held).toEqual([["one"], ["two", "q"], [], []]);
  });
});
