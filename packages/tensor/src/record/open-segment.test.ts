/** The open segment: what is taken back leaves it as it was; what is recorded again; sections; what its graph says. */
import { describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { type DType, dtypeCode } from "../dtype.ts";
import { DeviceError, ReleasedError } from "../errors.ts";
import { addP, expP, literalP, type Primitive, scalarP, sinP, sumP } from "../primitives.ts";
import { Carry } from "./carry.ts";
import { Segment } from "./segment.ts";
import { Value } from "./value.ts";

const device = new Device(new InterpreterBackend());

let count = 0;

function stored(shape: number[] = [3], dtype: DType = "float32"): Value {
  const value = new Value(device, shape, dtype);
  value.place = ++count; // so that no two are equal
  value.storage = { bytes: 12 };
  return value;
}

/** A value with a record and nothing else. */
function virtual(primitive: Primitive, inputs: Value[], attrs: number[] = []): Value {
  const spec = primitive.infer(inputs, attrs);
  const value = new Value(device, spec.shape, spec.dtype);
  value.place = ++count;
  value.primitive = primitive;
  value.inputs = inputs;
  value.attrs = attrs;
  return value;
}

/** Records an operation, and its leaves before it. */
function record(segment: Segment, primitive: Primitive, inputs: Value[], attrs: number[] = [], scalar = 0): Value {
  for (const input of inputs) segment.indexOf(input);
  const value = virtual(primitive, inputs, attrs);
  value.scalar = scalar;
  segment.append(value);
  return value;
}

const FLOAT = dtypeCode("float32");

/** All that a segment holds, as plain data. */
const snapshot = (segment: Segment) => ({
  words: [...segment.words.subarray(0, segment.length)],
  values: [...segment.values],
  leaves: [...segment.leaves],
  scalars: [...segment.scalars],
  literals: [...segment.literals.keys()],
  carried: [...segment.carried],
  structure: segment.structure(),
});

describe("taking back", () => {
  test("leaves the segment as it was, node by node", () => {
    const segment = new Segment();
    const states: ReturnType<typeof snapshot>[] = [];
    const push = (fn: () => void): void => {
      states.push(snapshot(segment));
      fn();
    };
    const x = stored([3]);
    const y = stored([2, 3], "float32");
    const made: Value[] = [];
    push(() => segment.indexOf(x));
    push(() => made.push(record(segment, expP, [x])));
    push(() => made.push(record(segment, scalarP, [], [FLOAT], 2.5)));
    push(() => made.push(record(segment, addP, [made[0], made[1]])));
    push(() => made.push(record(segment, literalP, [], [dtypeCode("int32"), 7])));
    push(() => made.push(record(segment, literalP, [], [FLOAT, 1])));
    push(() => segment.indexOf(y));
    // Its axes, read as a number and a dtype, are those of the literal.
    push(() => record(segment, sumP, [y], [0, 1]));
    segment.seam();
    push(() => made.push(record(segment, addP, [made[2], y])));
    push(() => made.push(record(segment, scalarP, [], [FLOAT], 4)));
    expect([...segment.literals.keys()]).toEqual([7 * 8 + dtypeCode("int32"), 8]);
    while (states.length > 0) {
      const last = segment.values[segment.values.length - 1];
      expect(segment.pop()).toBe(last);
      expect([last.segment, last.index]).toEqual([-1, -1]);
      expect(snapshot(segment)).toEqual(states.pop());
    }
    expect(segment.pop()).toBeNull();
  });

  test("a section that began with what is taken back begins with what comes next", () => {
    const sections = (takeBack: boolean): (number | undefined)[] => {
      const segment = new Segment();
      const x = stored();
      const a = record(segment, expP, [x]);
      segment.seam();
      if (takeBack) {
        record(segment, sinP, [a]);
        segment.pop();
      }
      const b = record(segment, sinP, [a]);
      record(segment, sinP, [b]);
      return segment.graph([2]).nodes.map((node) => node.section);
    };
    expect(sections(true)).toEqual([undefined, 0, 1, 1]);
    expect(sections(true)).toEqual(sections(false));
  });

  test("a section goes on where its second operation is taken back", () => {
    const segment = new Segment();
    const a = record(segment, expP, [stored()]);
    segment.seam();
    const b = record(segment, sinP, [a]);
    record(segment, sinP, [b]);
    segment.pop();
    record(segment, expP, [b]);
    expect(segment.graph([3]).nodes.map((node) => node.section)).toEqual([undefined, 0, 1, 1]);
    expect(segment.words[segment.length - 2]).toBe(expP.code | (1 << 8));
  });

  test.each<[string, (value: Value) => void]>([
    ["is pinned", (value) => void value.pins++],
    ["is saved", (value) => void value.saves++],
    ["is wanted", (value) => void (value.wanted = true)],
    ["has a handle", (value) => void value.handles++],
  ])("a value that %s stays", (_, need) => {
    const segment = new Segment();
    const value = record(segment, expP, [stored()]);
    need(value);
    const before = snapshot(segment);
    expect(segment.pop()).toBeNull();
    expect(snapshot(segment)).toEqual(before);
    expect([value.segment, value.index]).toEqual([segment.id, 1]);
  });

  test("a value that was recorded again goes although it has a handle: its record stays", () => {
    const segment = new Segment();
    const x = stored();
    const inner = virtual(expP, [x]);
    const outer = virtual(sinP, [inner]);
    for (const value of [inner, outer]) value.handles++;
    segment.indexOf(outer);
    expect(segment.values).toEqual([x, inner, outer]);
    expect([outer.again, inner.again, inner.pulled]).toEqual([true, false, true]);
    expect(segment.carried).toEqual([outer]);
    expect(segment.pop()).toBe(outer);
    expect(segment.pop()).toBe(inner);
    expect(segment.carried).toEqual([]);
    for (const value of [inner, outer])
      expect([value.again, value.pulled, value.primitive !== null]).toEqual([false, false, true]);
  });
});

describe("positions", () => {
  test("a leaf is recorded once, with dtype and shape; its bytes count the first time it is a leaf anywhere", () => {
    const segment = new Segment();
    const [x, y, pinned] = [stored([3]), stored([2, 2], "int32"), stored()];
    pinned.pins++;
    const hosted = new Value(device, [5], "float32");
    hosted.host = new Float32Array(5);
    expect([x, y, x, pinned, hosted].map((value) => segment.indexOf(value))).toEqual([0, 1, 0, 2, 3]);
    expect(segment.newBytes).toBe(12 + 12 + 20);
    expect([...segment.words.subarray(0, segment.length)]).toEqual([
      0xff | (1 << 8),
      FLOAT,
      3,
      0xff | (2 << 8),
      dtypeCode("int32"),
      2,
      2,
      0xff | (1 << 8),
      FLOAT,
      3,
      0xff | (1 << 8),
      FLOAT,
      5,
    ]);
    const next = new Segment();
    next.indexOf(x);
    expect(next.newBytes).toBe(0);
    expect(next.id).toBe(segment.id + 1);
  });

  test("a virtual value is recorded with what it needs, deepest first, each once", () => {
    const segment = new Segment();
    const x = stored();
    const a = virtual(expP, [x]);
    const b = virtual(sinP, [a]);
    const c = virtual(addP, [a, b]);
    expect(segment.indexOf(c)).toBe(3);
    expect(segment.values).toEqual([x, a, b, c]);
    expect([segment.crosses, c.again, a.again]).toEqual([true, true, false]);
    // Asked for itself now: it is to be stored too.
    expect([segment.indexOf(a), segment.indexOf(a)]).toEqual([1, 1]);
    expect(a.again).toBe(true);
    expect(segment.carried).toEqual([c, a]);
    expect(new Segment().crosses).toBe(false);
  });

  test("one that went for idleness stays four times as long, and is stored again with what needs it", () => {
    const segment = new Segment();
    const inner = virtual(expP, [stored()]);
    inner.carry = new Carry();
    const { grace } = inner.carry;
    const outer = virtual(sinP, [inner]);
    segment.indexOf(outer);
    expect(inner.carry.grace).toBe(4 * grace);
    expect([inner.again, outer.again]).toEqual([true, true]);
    expect(segment.carried).toEqual([inner, outer]);
  });

  test("one that went for idleness and is asked for itself is carried once", () => {
    const segment = new Segment();
    const value = virtual(expP, [stored()]);
    value.carry = new Carry();
    segment.indexOf(value);
    segment.indexOf(value);
    expect(segment.carried).toEqual([value]);
  });

  test("a stored value that was carried before is carried", () => {
    const segment = new Segment();
    const x = stored();
    x.carry = new Carry();
    segment.indexOf(x);
    segment.indexOf(x);
    expect(segment.carried).toEqual([x]);
    expect(segment.pop()).toBe(x);
    expect(segment.carried).toEqual([]);
  });

  test("what has neither storage nor record is an error: its own, or that it was not stored", () => {
    const gone = new Value(device, [3], "float32");
    expect(() => new Segment().indexOf(gone)).toThrow(ReleasedError);
    expect(() => new Segment().indexOf(virtual(expP, [gone]))).toThrow(/\[3\] was not stored/);
    const failed = new Value(device, [3], "float32");
    failed.failure = new DeviceError("no memory");
    expect(() => new Segment().indexOf(failed)).toThrow("no memory");
    expect(() => new Segment().indexOf(virtual(expP, [failed]))).toThrow("no memory");
  });
});

test("a seam at the beginning is none; elsewhere it says how many nodes the section had", () => {
  const segment = new Segment();
  expect(segment.seam()).toBe(0);
  const a = record(segment, expP, [stored()]);
  expect(segment.seam()).toBe(2);
  const b = record(segment, sinP, [a]);
  record(segment, sinP, [b]);
  // It began with the third node.
  expect(segment.seam()).toBe(2);
  record(segment, addP, [a, b]);
  expect(segment.graph([4]).nodes.map((node) => node.section)).toEqual([undefined, 0, 1, 1, 2]);
});

test("words have room for any number of operations", () => {
  const segment = new Segment();
  let value = stored();
  for (let i = 0; i < 1500; i++) value = record(segment, expP, [value]);
  expect(segment.values).toHaveLength(1501);
  const graph = segment.graph([1500]);
  expect(graph.nodes.every(({ inputs }, i) => i === 0 || inputs[0] === i - 1)).toBe(true);
  expect([graph.leafCount, graph.scalarCount, graph.outputs]).toEqual([1, 0, [1500]]);
  const words = [...segment.words.subarray(0, segment.length)];
  const operations = Array.from({ length: 1500 }, (_, i) => [expP.code | (1 << 8), i]);
  expect(words).toEqual([0xff | (1 << 8), FLOAT, 3, ...operations.flat()]);
  const { words: key } = segment.key([1500], segment.structure());
  expect([...key]).toEqual([...words, 1500, -2]);
});

test("structures that differ have different hashes", () => {
  const hashes = new Set<number>();
  const key = new Set<number>();
  for (let i = 0; i < 200; i++) {
    const segment = new Segment();
    const x = stored([1 + (i % 10)]);
    let value = record(segment, i % 2 === 0 ? expP : sinP, [x]);
    for (let k = 0; k < i / 20; k++) value = record(segment, addP, [value, x]);
    record(segment, literalP, [], [FLOAT, i]);
    hashes.add(segment.structure());
    key.add(segment.key([1], segment.structure()).hash);
  }
  expect([hashes.size, key.size]).toEqual([200, 200]);
});

test("a graph has the slots of leaves and scalars in their order", () => {
  const segment = new Segment();
  const [x, y] = [stored(), stored([1])];
  record(segment, addP, [x, record(segment, scalarP, [], [FLOAT], 5)]);
  record(segment, addP, [y, record(segment, scalarP, [], [FLOAT], 6)]);
  const { nodes, leafCount, scalarCount } = segment.graph([]);
  expect(nodes.map(({ primitive, slot }) => `${primitive?.name ?? "leaf"} ${slot}`)).toEqual([
    "scalar 0",
    "leaf 0",
    "add -1",
    "scalar 1",
    "leaf 1",
    "add -1",
  ]);
  expect([leafCount, scalarCount, segment.scalars]).toEqual([2, 2, [5, 6]]);
});
