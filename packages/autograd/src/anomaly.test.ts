/** Anomaly mode: the operation, the call, forward and backward; and what is none. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  exp,
  getDevice,
  init,
  log,
  mul,
  scope,
  setDevice,
  softmax,
  sqrt,
  std,
  sub,
  type Tensor,
  tensor,
  where,
} from "@loopgrad/tensor";
import { type Anomaly, AnomalyError, customFunction, detectAnomaly, enableGrad, grad } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });

async function found(fn: () => unknown): Promise<Anomaly | null> {
  using anomaly = detectAnomaly();
  fn();
  return anomaly.find();
}

function logOfNothing(x: Tensor): Tensor {
  return log(sub(x, x));
}

describe("finds", () => {
  test("the first operation that made an infinity or a NaN, and where it was called", async () => {
    const anomaly = await found(() => {
      const y = logOfNothing(leaf(1, 2));
      return mul(sub(y, y), 0); // NaN, but later
    });
    expect(anomaly).toMatchObject({
      operation: "log",
      origin: "made",
      value: "Infinity",
      shape: [2],
      backwardOf: null,
    });
    // The operations that were composed, then the program: names of functions, without files.
    const names = (anomaly?.stack ?? "").split("\n").map((line) => /^ +at ([\w.<>]+)/.exec(line)?.[1] ?? "");
    expect(
      names.slice(0, names.indexOf("logOfNothing")).filter((name) => /bind|note|Anomaly|Error/.test(name)),
    ).toEqual([]);
    expect(names.indexOf("logOfNothing")).toBeGreaterThan(0);
    expect(anomaly?.stack).toMatch(/logOfNothing .*anomaly\.test\./);
  });

  test("NaN made of infinities", async () => {
    const x = tensor([Number.POSITIVE_INFINITY]);
    expect(await found(() => sub(x, x))).toMatchObject({ operation: "sub", value: "NaN", origin: "made" });
  });

  test("and leaves the program's own stack traces as long as they were", async () => {
    const { stackTraceLimit } = Error;
    try {
      Error.stackTraceLimit = 7;
      await found(() => sub(tensor([Number.POSITIVE_INFINITY]), tensor([Number.POSITIVE_INFINITY])));
      expect(Error.stackTraceLimit).toBe(7);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  });

  test("what a backward makes, with the forward operation that it belongs to", async () => {
    function rootOf(x: Tensor): Tensor {
      return sqrt(x);
    }
    const anomaly = await found(() => {
      const x = leaf(0, 4);
      const y = mul(rootOf(x), x.detach()).sum(); // 0 / 0 in the backward of sqrt
      y.backward();
    });
    expect(anomaly).toMatchObject({ operation: "div", value: "NaN", backwardOf: { operation: "sqrt" } });
    expect(anomaly?.backwardOf?.stack).toMatch(/rootOf/);
    expect(anomaly?.stack).toMatch(/backward/);
  });

  test("a NaN that was there before, in any operand", async () => {
    const [x, y] = [tensor([Number.NaN, 1]), tensor([2, 3])];
    expect(await found(() => exp(x))).toMatchObject({ operation: "exp", origin: "given", value: "NaN" });
    for (const fn of [() => mul(x, y), () => mul(y, x), () => where(y.gt(0), y, x)]) {
      expect(await found(fn)).toMatchObject({ origin: "given", value: "NaN" });
    }
    // An infinity that was there is none, but the NaN that is made of it is.
    const infinite = tensor([Number.POSITIVE_INFINITY, 1]);
    for (const fn of [() => mul(infinite, y), () => sub(y, infinite), () => exp(infinite)]) {
      expect(await found(fn)).toBeNull();
    }
    expect(await found(() => mul(infinite, tensor([0, 0])))).toMatchObject({
      operation: "mul",
      origin: "made",
      value: "NaN",
    });
  });

  test("what a long chain of calls made: fifty frames of it, and the program's limit stays", async () => {
    const deep = (depth: number): Tensor => (depth === 0 ? logOfNothing(leaf(1)) : deep(depth - 1));
    const frames = async (depth: number): Promise<number> => {
      const anomaly = await found(() => deep(depth));
      return (anomaly?.stack ?? "").split("\n").length;
    };
    const [few, many, more] = [await frames(0), await frames(60), await frames(70)];
    expect(many).toBe(more);
    expect(many).toBeGreaterThan(few);
    expect(many).toBeLessThan(50);
  });
});

describe("is not alarmed by", () => {
  test("infinities and NaN that are numbers in the program, whatever is computed from them", async () => {
    for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await found(() => leaf(1, 2).mul(number).add(1).exp().sum().backward())).toBeNull();
    }
  });

  test("finite numbers, and derivatives that are safe where others are not", async () => {
    expect(await found(() => std(leaf(0, 0, 0)).backward())).toBeNull();
  });

  test("a mask of −∞ that the program asks for", async () => {
    const x = leaf(1, 2, 3);
    const masked = () => {
      const scores = where(tensor([true, false, true]), x, Number.NEGATIVE_INFINITY);
      return grad(softmax(scores, 0).square().sum(), [x]);
    };
    expect(await found(masked)).toBeNull();
  });

  test("integers and empty tensors", async () => {
    expect(await found(() => tensor([1, 2], { dtype: "int32" }).sum())).toBeNull();
    expect(await found(() => exp(tensor([], { shape: [0] })))).toBeNull();
    expect(await found(() => tensor([], { shape: [0] }).sum())).toBeNull();
    expect(await found(() => tensor([1, 2], { dtype: "int32" }).to("float64").exp())).toBeNull();
  });
});

describe("detectAnomaly", () => {
  test("around a function gives its result, or throws", async () => {
    expect(await detectAnomaly(() => exp(leaf(0)).data())).toEqual(Float64Array.of(1));
    const failing = detectAnomaly(() => logOfNothing(leaf(1)));
    await expect(failing).rejects.toThrow(AnomalyError);
    await expect(failing).rejects.toThrow(
      /log, with a result of float64 \[1\], made the first Infinity; called at\n +at/,
    );
  });

  test("looks at each value once, however often it is read", async () => {
    const device = getDevice();
    const recorded = (fn: (x: Tensor) => void): number => {
      const x = leaf(1, 2);
      const before = device.stats().recorded;
      fn(x);
      return device.stats().recorded - before;
    };
    const looks = async (fn: (x: Tensor) => void): Promise<number> => {
      const plain = recorded(fn);
      using anomaly = detectAnomaly();
      const extra = recorded(fn) - plain;
      await anomaly.check();
      return extra;
    };
    const [two, three] = [await looks((x) => x.exp()), await looks((x) => x.exp().exp())];
    expect(three).toBeGreaterThan(two);
    expect(await looks((x) => x.mul(x))).toBe(two);
    // At floats only.
    const places = tensor([1, 0], { dtype: "int32" });
    expect(await looks((x) => x.gather(0, places))).toBe(two);
    expect(await looks(() => places.add(places))).toBe(0);
    expect(await looks((x) => x.mul(x).exp().mul(x))).toBe(two + 2 * (three - two));
  });

  test("names a backward's node as long as its rule runs: not in hooks, not in what follows", async () => {
    const x = leaf(0, 1);
    const made = async (fn: () => unknown): Promise<unknown> => (await found(fn))?.backwardOf?.operation ?? null;
    expect(await made(() => [exp(x).sum().backward(), log(x)])).toBeNull();
    const y = exp(x);
    y.registerHook((g) => void log(g.sub(g)));
    expect(await made(() => y.sum().backward())).toBeNull();
    const within = (backward: (g: Tensor) => Tensor): Tensor =>
      customFunction({ name: "mine", forward: (_, t: Tensor) => t.mul(2), backward: (_, g) => backward(g) })(x);
    const inner = (g: Tensor): Tensor => {
      const z = leaf(1, 2);
      enableGrad(() => grad(z.square().sum(), [z]));
      return log(g.sub(g));
    };
    expect(await made(() => within(inner).sum().backward())).toBe("mine");
    const failing = within(() => {
      throw new Error("on purpose");
    });
    expect(() => failing.sum().backward()).toThrow("on purpose");
    expect(await made(() => log(x))).toBeNull();
  });

  test("names both calls in a message about a backward", async () => {
    const failing = detectAnomaly(() => sqrt(leaf(0)).backward());
    await expect(failing).rejects.toThrow(
      /div, .* made the first Infinity, in the backward of sqrt\nsqrt was called at\n[\s\S]*\nand its backward at\n/,
    );
  });

  test("checks again and again, each time what is new; also across flushes", async () => {
    using anomaly = detectAnomaly();
    const x = leaf(1);
    const y = exp(x);
    getDevice().flush();
    await anomaly.check();
    const z = log(sub(y, y));
    await expect(anomaly.check()).rejects.toThrow(/log/);
    exp(z);
    await anomaly.check(); // z was reported
    sub(z, z);
    await expect(anomaly.check()).rejects.toThrow(/sub/);
  });

  test("works inside scopes that end before the check, and costs nothing once it is over", async () => {
    const device = getDevice();
    const anomaly = detectAnomaly();
    scope(() => {
      logOfNothing(leaf(1));
    });
    anomaly.end();
    await expect(anomaly.check()).rejects.toThrow(/log/);
    device.flush();
    const x = leaf(1);
    const { recorded } = device.stats();
    log(sub(x, x));
    expect(device.stats().recorded).toBe(recorded + 2);
    await anomaly.check();
  });

  test("holds nothing once it was read", async () => {
    const before = getDevice();
    // What other tests have left to the collector does not count.
    const own = await init({ device: "cpu", dtype: "float64" });
    const x = leaf(...new Array<number>(64).fill(1));
    await x.add(0).data();
    const round = async (): Promise<number> => {
      using anomaly = detectAnomaly();
      scope(() => void x.exp().mul(2).add(1));
      await anomaly.check();
      for (let i = 0; i < 8; i++) own.flush();
      return own.stats().usedBytes;
    };
    const bytes = [await round(), await round(), await round()];
    own.destroy();
    setDevice(before);
    expect(new Set(bytes).size).toBe(1);
  });

  test("around an async function does not see what others do meanwhile; of two, each sees its own", async () => {
    const running = detectAnomaly(async () => {
      await null;
      return exp(leaf(0)).data();
    });
    const other = detectAnomaly(async () => {
      await null;
      return logOfNothing(leaf(1)).data();
    });
    logOfNothing(leaf(1, 2));
    expect(await running).toEqual(Float64Array.of(1));
    await expect(other).rejects.toThrow(/log, with a result of float64 \[1\]/);
  });

  test("of blocks one in another all see what the inner one does, and the inner one nothing else", async () => {
    const outer = detectAnomaly();
    logOfNothing(leaf(1));
    const inner = detectAnomaly();
    expect([(await inner.find())?.operation, (await outer.find())?.operation]).toEqual([undefined, "log"]);
    logOfNothing(leaf(1));
    inner.end();
    expect([(await inner.find())?.operation, (await outer.find())?.operation]).toEqual(["log", "log"]);
    logOfNothing(leaf(1));
    outer.end();
    logOfNothing(leaf(1));
    expect([(await inner.find())?.operation, (await outer.find())?.operation]).toEqual([undefined, "log"]);
    expect(await outer.find()).toBeNull();
  });

  test("may be nested, and ended in any order", async () => {
    const [outer, inner] = [detectAnomaly(), detectAnomaly()];
    outer.end();
    logOfNothing(leaf(1));
    expect(await inner.find()).toMatchObject({ operation: "log" });
    inner.end();
    expect(await outer.find()).toBeNull();
  });
});

test("on a GPU too, where arithmetic may assume that there is no NaN", async () => {
  const cpu = getDevice();
  const device = await init({ device: "webgpu" });
  const x = tensor([0, 1], { requiresGrad: true });
  expect(await found(() => sqrt(x).sum().backward())).toMatchObject({ operation: "div", value: "Infinity" });
  expect(await found(() => sub(log(x), log(x)))).toMatchObject({ operation: "log", value: "Infinity" });
  expect(await found(() => exp(x))).toBeNull();
  device.destroy();
  setDevice(cpu);
});
