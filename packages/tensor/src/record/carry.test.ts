/** Carried values: how far their records reach back, and when these are dropped. */
import { describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { addP, expP } from "../primitives.ts";
import { Carry, carried, GRACE, Reach, recordHoldsReleased } from "./carry.ts";
import { Segment } from "./segment.ts";
import { Value } from "./value.ts";

const device = new Device(new InterpreterBackend());
const MIB = 2 ** 20;

function value(inputs: Value[] = [], size = 17): Value {
  const made = new Value(device, [size], "float32");
  made.handles = 1;
  if (inputs.length > 0) {
    made.primitive = inputs.length === 1 ? expP : addP;
    made.inputs = inputs;
  }
  return made;
}

/** A segment in which such values were asked for. */
function reach(newBytes: number, ...chains: [depth: number, held: number][]): Reach {
  const segment = new Segment();
  segment.newBytes = newBytes;
  segment.carried.push(value());
  for (const [depth, held] of chains) {
    const before = value();
    before.carry = new Carry();
    before.carry.depth = depth;
    before.carry.held = held;
    segment.carried.push(before);
  }
  return new Reach(segment);
}

test("a chain is one longer than its longest, and holds what is new and the most of what was held", () => {
  expect(reach(100)).toMatchObject({ depth: 1, held: 100 });
  expect(reach(100, [3, 50], [2, 80], [1, 0])).toMatchObject({ depth: 4, held: 180 });
});

describe("a record stays beside its storage", () => {
  const keeps = (of: Value, at: Reach): boolean => {
    const kept = carried(of, at);
    expect(of.carry).toMatchObject({ depth: kept ? at.depth : 0, held: kept ? at.held : 0, grace: GRACE });
    return kept;
  };

  test("unless the value is small", () => {
    expect(keeps(value([value()], 16), reach(1))).toBe(false);
    expect(keeps(value([value()], 17), reach(1))).toBe(true);
  });

  test("until the chain is 512 long", () => {
    expect(keeps(value([value()]), reach(1, [510, 0]))).toBe(true);
    expect(keeps(value([value()]), reach(1, [511, 0]))).toBe(false);
  });

  test("until it holds 32 MiB", () => {
    expect(keeps(value([value()]), reach(MIB, [1, 31 * MIB - 1]))).toBe(true);
    expect(keeps(value([value()]), reach(MIB, [1, 31 * MIB]))).toBe(false);
  });

  test("while the program holds what it is computed from", () => {
    const x = value();
    expect(keeps(value([x]), reach(1))).toBe(true);
    x.handles = 0;
    expect(keeps(value([x]), reach(1))).toBe(false);
  });

  test("with a grace that was earned", () => {
    const one = value([value()]);
    one.carry = new Carry();
    one.carry.grace = 64;
    carried(one, reach(1));
    expect(one.carry.grace).toBe(64);
  });
});

describe("what a record holds is released", () => {
  const released = (change: (x: Value) => void): boolean => {
    const x = value();
    x.handles = 0;
    change(x);
    const own = value();
    return recordHoldsReleased(value([own, value([own, value([x])])]));
  };

  test.each<[string, (x: Value) => void, boolean]>([
    ["nothing holds it", () => {}, true],
    ["a handle holds it", (x) => void x.handles++, false],
    ["a pin holds it", (x) => void x.pins++, false],
    ["the tape holds it", (x) => void x.saves++, false],
    ["a slot held it", (x) => void (x.slotted = true), false],
    ["it lapsed", (x) => void (x.lapsed = true), false],
    ["it was carried", (x) => Object.assign(x, { primitive: expP, inputs: [value()], carry: new Carry() }), true],
    ["it has a record itself", (x) => Object.assign(x, { primitive: expP, inputs: [value()] }), false],
  ])("where %s", (_, change, wanted) => {
    expect(released(change)).toBe(wanted);
  });

  test("but not a small one", () => {
    const x = value([], 16);
    x.handles = 0;
    expect(recordHoldsReleased(value([x]))).toBe(false);
  });
});
