/** Taking back: which values fail, which can be had again, and what changes go back to. */
import { beforeEach, describe, expect, test } from "@jest/globals";
import { InterpreterBackend } from "../cpu/interpreter-backend.ts";
import { Device } from "../device.ts";
import { DeviceError, LoopgradError } from "../errors.ts";
import { addP, expP, type Primitive } from "../primitives.ts";
import type { Storage } from "./backend.ts";
import { Segment } from "./segment.ts";
import { asLoopgradError, fail, type Holder, takeBack, undo } from "./take-back.ts";
import { type Change, UnconfirmedFlushes } from "./unconfirmed.ts";
import { Value } from "./value.ts";

const device = new Device(new InterpreterBackend());
const error = new DeviceError("no memory");

/** A holder that notes what it is asked to do. */
class Noted implements Holder {
  open = new Segment();
  asked: Value[] = [];
  /** Values that were looked at, whether somebody needs them. */
  readonly looked: string[] = [];
  readonly log: string[] = [];
  readonly names = new Map<unknown, string>();

  name<T>(name: string, of: T): T {
    this.names.set(of, name);
    return of;
  }
  #note(what: string, of: unknown): void {
    this.log.push(`${what} ${this.names.get(of) ?? "?"}`);
  }
  store(value: Value, storage: Storage): void {
    this.#note("store", value);
    value.storage = storage;
  }
  unstore(value: Value): void {
    this.#note("unstore", value);
    value.storage = null;
  }
  release(storage: Storage): void {
    this.#note("release", storage);
  }
  dropRecord(value: Value): void {
    value.primitive = null;
    value.inputs = [];
  }
  freeIfUnneeded(value: Value): void {
    this.looked.push(this.names.get(value) ?? "?");
  }
  reopen(): Segment {
    const before = this.open;
    this.open = new Segment();
    return before;
  }
  segment(): Segment {
    return this.open;
  }
  reads(): Iterable<Value> {
    return this.asked;
  }
  confirm({ through }: { through: number }): void {
    this.log.push(`confirm ${through}`);
  }
}

let holder: Noted;
let flushes: UnconfirmedFlushes;
beforeEach(() => {
  holder = new Noted();
  flushes = new UnconfirmedFlushes();
});

function value(name: string, stored = true): Value {
  const made = holder.name(name, new Value(device, [3], "float32"));
  made.handles = 1;
  made.place = holder.names.size; // so that no two are equal
  if (stored) made.storage = { bytes: 12 };
  return made;
}

/** A value recorded in the open segment. */
function pending(name: string, primitive: Primitive, ...inputs: Value[]): Value {
  const made = value(name, false);
  made.primitive = primitive;
  made.inputs = inputs;
  for (const input of inputs) {
    holder.open.indexOf(input);
    input.uses++;
  }
  holder.open.append(made);
  return made;
}

const flush = (through: number, values: Value[], uploaded: Value[] = []) =>
  flushes.add(through, { values, uploaded, fetched: [] }, true);
const back = (from: number) => takeBack(holder, flushes, from, error);

describe("a value that was stored by a flush that failed", () => {
  test("carries the error", () => {
    const a = value("a");
    flush(5, [a]);
    back(5);
    expect([a.failure, a.storage]).toEqual([error, null]);
  });

  test("does not, if the host has its elements or it has a record", () => {
    const [given, again] = [value("given"), value("again")];
    given.host = new Float32Array(3);
    again.primitive = expP;
    again.inputs = [value("x")];
    flush(5, [again], [given]);
    back(5);
    expect([given.failure, again.failure]).toEqual([null, null]);
    expect([given.storage, again.storage]).toEqual([null, null]);
  });

  test("but those of flushes before stay, and are confirmed", () => {
    const [early, late] = [value("early"), value("late")];
    flush(4, [early]);
    flush(5, [late]);
    back(5);
    expect([early.failure, late.failure]).toEqual([null, error]);
    expect(holder.log).toEqual(["unstore late", "confirm 4"]);
  });

  test("not if it has no storage any more", () => {
    const gone = value("gone", false);
    flush(5, [gone]);
    back(5);
    expect([gone.failure, holder.log]).toEqual([null, []]);
  });
});

test("a value that was fetched from the bank is there again; the copy of one that is gone is given back", () => {
  const [a, gone] = [value("a"), value("gone", false)];
  const [place, other] = [holder.name("place", { bytes: 1 }), holder.name("other", { bytes: 2 })];
  flushes.add(
    5,
    {
      values: [],
      uploaded: [],
      fetched: [
        { value: a, stowed: place },
        { value: gone, stowed: other },
      ],
    },
    true,
  );
  back(5);
  expect(a.storage).toBe(place);
  expect(holder.log).toEqual(["release other", "unstore a", "store a"]);
});

describe("the open segment", () => {
  test("loses what depends on failed values, and keeps the rest", () => {
    const [lost, kept] = [value("lost"), value("kept")];
    flush(5, [lost]);
    const a = pending("a", expP, lost);
    const b = pending("b", expP, kept);
    const c = pending("c", addP, a, b);
    const d = pending("d", expP, b);
    const e = pending("e", addP, b, a);
    back(5);
    expect([a, b, c, d, e].map(({ failure }) => failure)).toEqual([error, null, error, null, error]);
    expect([a.primitive, c.primitive]).toEqual([null, null]);
    expect(holder.looked).toEqual(["lost", "a", "kept", "b", "c", "d", "e"]);
    // b is read by d alone now, and nobody asked to have it stored.
    expect(holder.open.values).toEqual([kept, b, d]);
  });

  test.each<[string, (x: Value) => void]>([
    ["pinned", (x) => void x.pins++],
    ["saved", (x) => void x.saves++],
    ["detached", (x) => void (x.wanted = true)],
    ["asked for again", (x) => void (x.again = true)],
    ["used by nothing", (x) => void (x.uses = 0)],
  ])("keeps a value that is %s, and no other that something reads", (_, need) => {
    const x = value("x");
    const [a, b] = [pending("a", expP, x), pending("b", expP, x)];
    for (const one of [a, b]) one.uses = 1;
    need(a);
    back(5);
    expect(holder.open.values).toEqual([x, a]);
  });

  test("keeps nothing without a handle, however it is wanted", () => {
    const a = pending("a", expP, value("x"));
    a.wanted = true;
    a.handles = 0;
    back(5);
    expect(holder.open.values).toEqual([]);
  });

  test("gets the values whose reads are asked for, if they have neither storage nor copy nor error", () => {
    const x = value("x");
    const [virtual, copied, failed] = ["virtual", "copied", "failed"].map((name) => value(name, false));
    virtual.primitive = expP;
    virtual.inputs = [x];
    copied.host = new Float32Array(3);
    failed.failure = error;
    holder.asked = [x, virtual, copied, failed];
    back(5);
    expect(holder.open.values).toEqual([x, virtual]);
  });
});

describe("changes", () => {
  const changes: string[] = [];
  beforeEach(() => {
    changes.length = 0;
  });
  const change = (name: string, of: object, hasFailed: boolean): Change => ({
    of,
    hasFailed: () => hasFailed,
    settled: () => void changes.push(`settled ${name}`),
    undone: () => void changes.push(`undone ${name}`),
  });

  test("that failed are undone, the latest first; the others are settled", () => {
    const [p, q, r] = [{}, {}, {}];
    flushes.changed(change("p before", p, true));
    flush(4, []);
    flushes.changed(change("p", p, true));
    flushes.changed(change("q", q, false));
    flush(5, []);
    flushes.changed(change("r", r, true));
    flushes.changed(change("open q", q, false));
    back(5);
    expect(changes).toEqual(["undone r", "undone p", "undone p before", "settled q"]);
    expect([...flushes.open.keys()]).toEqual([q]);
  });

  test("are taken out when they are undone, and stay where they did not fail", () => {
    const [p, q] = [{}, {}];
    const all = new Map([
      [p, change("p", p, true)],
      [q, change("q", q, false)],
    ]);
    undo(all);
    expect([[...all.keys()], changes]).toEqual([[q], ["undone p"]]);
  });
});

test("failing ends every wish for a value; an error of another kind is wrapped", () => {
  const a = value("a", false);
  Object.assign(a, { primitive: expP, inputs: [value("x")], wanted: true, again: true });
  fail(holder, a, error);
  expect(a).toMatchObject({ failure: error, wanted: false, again: false, primitive: null });
  expect(asLoopgradError(error)).toBe(error);
  const wrapped = asLoopgradError(new TypeError("odd"));
  expect(wrapped).toBeInstanceOf(LoopgradError);
  expect([wrapped.message, (wrapped.cause as Error).message]).toEqual(["TypeError: odd", "odd"]);
});
