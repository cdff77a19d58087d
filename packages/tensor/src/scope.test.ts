/** Scopes: what they release, whom they adopt, and what becomes of one that never ends. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import {
  currentScope,
  type Device,
  init,
  keep,
  scope,
  setDevice,
  type Tensor,
  tensor,
  withDevice,
  zeros,
} from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu" });
});

afterEach(() => {
  expect(currentScope()).toBeNull();
});

const make = (): Tensor => tensor([1, 2]);

test("a scope ends itself only", () => {
  const outer = scope();
  const inner = scope();
  const x = make();
  outer.end();
  expect(x.isReleased).toBe(false);
  expect(currentScope()).toBe(inner);
  const y = make();
  inner.end();
  expect([x.isReleased, y.isReleased]).toEqual([true, true]);
});

test("what a function returns belongs to the scope around it, however deep", () => {
  const outer = scope();
  const [x, dropped] = scope(() => scope(() => [make(), 1])) as [Tensor, number];
  expect([x.isReleased, dropped]).toEqual([false, 1]);
  outer.end();
  expect(x.isReleased).toBe(true);
});

test.each<[string, (x: Tensor) => unknown]>([
  ["a tensor", (x) => x],
  ["an array", (x) => [1, [x]]],
  ["an object", (x) => ({ a: { b: x }, c: null })],
  ["an object without prototype", (x) => Object.assign(Object.create(null), { x })],
  ["a map", (x) => new Map([["a", x]])],
  ["a map in an object in a map", (x) => new Map([[0, { deep: new Map([["a", [x]]]) }]])],
])("what lives on is found in %s: returned, or kept", async (_, wrapped) => {
  const one = tensor([1, 2]);
  let returned: Tensor | null = null;
  let kept: Tensor | null = null;
  let outer: Tensor | null = null;
  {
    using _outer = scope();
    scope(() => {
      returned = one.add(1);
      kept = one.add(2);
      keep(wrapped(kept));
      return wrapped(returned);
    });
    outer = returned as Tensor | null;
    expect(Array.from(await (outer as Tensor).data())).toEqual([2, 3]);
  }
  expect((outer as Tensor).isReleased).toBe(true);
  expect(Array.from(await (kept as unknown as Tensor).data())).toEqual([3, 4]);
});

test("a function that throws releases what it made", () => {
  let x: Tensor | null = null;
  expect(() =>
    scope(() => {
      x = make();
      throw new RangeError("inside");
    }),
  ).toThrow("inside");
  expect((x as Tensor | null)?.isReleased).toBe(true);
});

test("an async function is in its scope from beginning to end; its caller is not", async () => {
  const made: Tensor[] = [];
  const running = scope(async () => {
    made.push(make());
    await null;
    made.push(make());
    await made[0].data();
    made.push(make());
    return made[1];
  });
  const outside = make();
  const returned = await running;
  expect(made.map((t) => t.isReleased)).toEqual([true, false, true]);
  expect([returned.isReleased, outside.isReleased]).toEqual([false, false]);
});

test("an async function's result belongs to the scope that waits for it", async () => {
  const outer = scope();
  const x = await scope(async () => {
    await make().data();
    return make();
  });
  expect(x.isReleased).toBe(false);
  outer.end();
  expect(x.isReleased).toBe(true);
});

test("an async function that throws releases what it made", async () => {
  let x: Tensor | null = null;
  const running = scope(async () => {
    x = make();
    await x.data();
    throw new RangeError("inside");
  });
  await expect(running).rejects.toThrow("inside");
  expect((x as Tensor | null)?.isReleased).toBe(true);
});

test("a block that waits does not adopt what its caller makes meanwhile", async () => {
  const block = async (): Promise<Tensor> => {
    using _ = scope();
    const before = make();
    await before.data();
    const after = make();
    expect(currentScope()).not.toBeNull();
    return keep(after);
  };
  const running = block();
  const mine = make();
  const after = await running;
  expect([mine.isReleased, after.isReleased]).toEqual([false, false]);
});

test("a scope that is open while another one of the same chain was closed early goes on", () => {
  const scopes = Array.from({ length: 5 }, () => scope());
  for (const at of [1, 3, 0, 4, 2]) scopes[at].end();
  expect(currentScope()).toBeNull();
});

test("a default device for a block or a function, sync or async", async () => {
  const other = await init({ device: "cpu", dtype: "float64" });
  withDevice(device, () => expect(zeros([1]).dtype).toBe("float32"));
  expect(zeros([1]).device).toBe(other);
  const running = withDevice(device, async () => {
    await null;
    return zeros([1]).device;
  });
  expect(zeros([1]).device).toBe(other);
  expect(await running).toBe(device);
  {
    using _ = withDevice(device);
    expect(zeros([1]).device).toBe(device);
  }
  expect(zeros([1]).device).toBe(other);
  expect(() => withDevice("cpu" as never)).toThrow(/wanted a device/);
  setDevice(device);
});

test("of many scopes not all are noted, but those that are dropped are named", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
  for (let i = 0; i < 400; i++) scope().end();
  const forgetful = async (): Promise<void> => {
    scope();
    await make().data();
  };
  const told = (): string[] => warn.mock.calls.map(([message]) => String(message));
  const isNamed = (): boolean => told().some((message) => message.includes("It was opened"));
  // The first that is found asks for the next one's place. When the collector finds one is its own affair.
  for (let round = 0; round < 20 && !isNamed(); round++) {
    await forgetful();
    for (let i = 0; i < 20 && told().length <= Math.min(round, 1); i++) {
      collect();
      await new Promise((done) => setTimeout(done, 5));
    }
  }
  expect(currentScope()).toBeNull();
  const messages = told();
  warn.mockRestore();
  expect(messages.length).toBeLessThanOrEqual(2);
  expect(messages.at(-1)).toMatch(/It was opened[\s\S]*forgetful .*scope\.test\.ts/);
});

test("a scope that is dropped is left to the collector, and says where it was opened", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const warn = jest.spyOn(console, "warn").mockImplementation(() => {});
  const before = device.stats().usedBytes;
  // Out of the collector's reach until it is measured what is held.
  const reachable: unknown[] = [];
  const leakOne = (): void => {
    reachable.push(scope(), tensor(new Float32Array(20_000)).mul(2));
  };
  const leak = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      leakOne();
      const x = tensor(new Float32Array(20_000).fill(i)).add(1);
      reachable.push(x);
      await x.data();
    }
  };
  await leak();
  const held = device.stats().usedBytes - before;
  reachable.length = 0;
  // Finalizers run between turns of the event loop, after a collection.
  for (let i = 0; i < 50 && (device.stats().usedBytes - before >= held / 4 || warn.mock.calls.length === 0); i++) {
    collect();
    await new Promise((done) => setTimeout(done, 5));
  }
  expect(currentScope()).toBeNull();
  expect(held).toBeGreaterThanOrEqual(20 * 80_000);
  expect(device.stats().usedBytes - before).toBeLessThan(held / 4);
  const messages = warn.mock.calls.map(([message]) => String(message));
  warn.mockRestore();
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(/dropped without having ended[\s\S]*leakOne .*scope\.test\.ts/);
});
