/** Functions with a backward of the user's: values, second derivatives, and what is refused. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, exp, getDevice, init, mul, scope, sigmoid, sum, type Tensor, tensor } from "@loopgrad/tensor";
import {
  checkpoint,
  customFunction,
  enableGrad,
  type FunctionContext,
  grad,
  gradcheck,
  gradgradcheck,
  isGradEnabled,
  noGrad,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const values = async (x: Tensor | null | undefined): Promise<number[]> => Array.from(await (x as Tensor).data());

const cube = customFunction({
  name: "cube",
  forward(ctx, x: Tensor) {
    ctx.save(x);
    return x.pow(3);
  },
  backward(ctx, g) {
    const [x] = ctx.saved;
    return g.mul(x.square().mul(3));
  },
});

/** Of one argument, with the given backward. */
const withBackward = (backward: (ctx: FunctionContext, g: Tensor) => unknown): ((x: Tensor) => Tensor) =>
  customFunction({
    name: "mine",
    forward(ctx, x: Tensor) {
      ctx.save(x);
      return x.square();
    },
    backward: backward as (ctx: FunctionContext, g: Tensor) => Tensor,
  });

describe("derivatives", () => {
  test("of the first to the fourth order", async () => {
    const x = leaf(2);
    let y: Tensor = cube(x);
    expect(await values(y)).toEqual([8]);
    for (const expected of [12, 12, 6]) {
      [y] = grad(y, [x], { createGraph: true }) as [Tensor];
      expect(await values(y)).toEqual([expected]);
    }
    const [none] = grad(y, [x], { allowUnused: true });
    expect(none === null ? [0] : await values(none)).toEqual([0]);
  });

  test("are the user's, not those of forward's operations", async () => {
    const straightThrough = customFunction({ forward: (_, x: Tensor) => x.round(), backward: (_, g) => g });
    const x = leaf(1.4, 2.6);
    const y = straightThrough(x);
    expect(await values(y)).toEqual([1, 3]);
    expect(await values(grad(y.square().sum(), [x])[0])).toEqual([2, 6]);
  });

  test("by a saved result are again the user's", async () => {
    const doubled = customFunction({
      forward(ctx, x: Tensor) {
        const y = exp(x);
        ctx.save(y);
        return y;
      },
      backward: (ctx, g) => mul(g, ctx.saved[0]).mul(2),
    });
    const x = leaf(0.3);
    const [g] = grad(doubled(x), [x], { createGraph: true }) as [Tensor];
    const [h] = grad(g, [x]) as [Tensor];
    expect((await values(h))[0]).toBeCloseTo(4 * Math.exp(0.3), 12);
  });

  test("by a saved result that everybody let go of", async () => {
    const e = customFunction({
      forward(ctx, x: Tensor) {
        const y = exp(x);
        ctx.save(y);
        return [y, x.mul(2)];
      },
      backward: (ctx, g, k) => mul(g, ctx.saved[0]).add(k.mul(2)).add(k.mul(ctx.saved[0])),
    });
    const x = leaf(0.3);
    const [y, z] = e(x);
    y.dispose();
    const [g] = grad(z, [x], { createGraph: true }) as [Tensor]; // 2 + eˣ, by its backward
    expect((await values(grad(g, [x])[0]))[0]).toBeCloseTo(Math.exp(0.3), 12);
  });

  test("at a saved result are at the result's one place, with its hooks", async () => {
    const e = customFunction({
      forward(ctx, x: Tensor) {
        const [y, z] = [exp(x), x.mul(2)];
        ctx.save(y, z);
        return [y, z];
      },
      backward: (ctx, g, k) => mul(g, ctx.saved[0]).add(k.mul(2)),
    });
    const x = leaf(0.3);
    const [y] = e(x);
    const seen: number[] = [];
    y.registerHook((g) => {
      seen.push(g.size);
    });
    const [g] = grad(y.mul(3), [x], { createGraph: true }) as [Tensor];
    expect(seen).toHaveLength(1);
    // 3 y, by y and on by x
    const [byY, byX] = grad(g, [y, x]);
    expect(await values(byY)).toEqual([3]);
    expect((await values(byX))[0]).toBeCloseTo(3 * Math.exp(0.3), 12);
    expect(seen).toHaveLength(2);
  });

  test("read saved constants, of which there is no place", async () => {
    for (const others of [[], [tensor([5])], [2]] as never[][]) {
      const fn = customFunction({
        forward(ctx, x: Tensor, ..._: unknown[]) {
          ctx.save(x.detach().exp(), x);
          return x.exp();
        },
        backward: (ctx, g) => [g.mul(ctx.saved[0]), ...others.map(() => null)],
      });
      const x = leaf(0.5);
      const saves = (): number => x._value.saves;
      expect(await values(grad(fn(x, ...others), [x])[0])).toEqual([Math.exp(0.5)]);
      expect(saves()).toBe(0);
      const y = fn(x, ...others);
      expect(saves()).toBe(1);
      y.dispose();
      expect(saves()).toBe(0);
    }
  });

  test("flow through saved intermediate values", async () => {
    const swish = customFunction({
      forward(ctx, x: Tensor) {
        const s = sigmoid(x);
        ctx.save(x, s);
        return x.mul(s);
      },
      backward(ctx, g) {
        const [x, s] = ctx.saved;
        return g.mul(s.add(x.mul(s).mul(s.neg().add(1))));
      },
    });
    const inputs = [leaf(-1, 0.5, 2)];
    await gradcheck(swish, inputs);
    await gradgradcheck(swish, inputs);
  });

  test("with several arguments and results, some of them not tensors or not used", async () => {
    const seen: boolean[][] = [];
    const pair = customFunction({
      name: "pair",
      forward(ctx, a: Tensor, times: number, b: Tensor) {
        ctx.save(a, b);
        ctx.notes.times = times;
        return [a.mul(b), a.mul(times), a.gt(0)];
      },
      backward(ctx, g, h, bool) {
        seen.push([...ctx.needsInputGrad]);
        expect(bool.dtype).toBe("bool");
        const [a, b] = ctx.saved;
        return [g.mul(b).add(h.mul(ctx.notes.times as number)), null, ctx.needsInputGrad[2] ? g.mul(a) : null];
      },
    });
    const inputs = [leaf(1, 2), leaf(3, -1)];
    const fn = (a: Tensor, b: Tensor): Tensor[] => pair(a, 5, b).slice(0, 2);
    await gradcheck(fn, inputs);
    await gradgradcheck(fn, inputs);
    const [a] = inputs;
    const [, h, positive] = pair(a, 5, tensor([1, 1]));
    expect(positive.requiresGrad).toBe(false);
    expect(await values(grad(h.sum(), [a])[0])).toEqual([5, 5]);
    expect(seen[0]).toEqual([true, false, true]);
    expect(seen.at(-1)).toEqual([true, false, false]);
  });

  test("work under backward(), hooks and retainGrad", async () => {
    const x = leaf(1, 2);
    const y = cube(x).retainGrad();
    const shown: Tensor[] = [];
    y.registerHook((g) => {
      shown.push(g);
      return g.mul(10);
    });
    y.sum().backward();
    expect(shown.length).toBe(1);
    expect(await values(x.grad)).toEqual([30, 120]);
    expect(await values(y.grad)).toEqual([10, 10]);
  });
});

describe("memory", () => {
  test("a saved tensor goes when the result does, or with the walk", () => {
    const x = leaf(1, 2, 3);
    expect(x._value.saves).toBe(0);
    const y = cube(x);
    expect(x._value.saves).toBe(1);
    y.dispose();
    expect(x._value.saves).toBe(0);
    sum(cube(x)).backward();
    expect(x._value.saves).toBe(0);
  });

  test("an intermediate value's graph goes with the walk", async () => {
    const device = getDevice();
    const fn = customFunction({
      forward(ctx, x: Tensor) {
        const s = exp(exp(x));
        ctx.save(s);
        return s.mul(2);
      },
      backward: (ctx, g) => g.mul(ctx.saved[0]),
    });
    const x = leaf(...Array.from({ length: 100 }, (_, i) => i / 100));
    await x.mul(2).data(); // uploads it
    const used = () => device.stats().usedBytes;
    const before = used();
    const y = scope(() => fn(x).sum());
    await y.data();
    expect(used() - before).toBeGreaterThan(2 * 100 * 8); // exp(x) and s
    const [g] = grad(y, [x]) as [Tensor];
    await g.data();
    g.dispose();
    y.dispose();
    expect(used()).toBeLessThanOrEqual(before);
  });

  test("a long chain of calls needs no deep stack, walked or dropped", () => {
    const half = customFunction({
      forward(ctx, x: Tensor) {
        const h = x.mul(0.5);
        ctx.save(h);
        return h.add(0);
      },
      backward: (ctx, g) => g.mul(ctx.saved[0]),
    });
    for (const fn of [half, checkpoint((x: Tensor) => x.mul(0.5))]) {
      const x = leaf(1);
      for (const use of [(y: Tensor) => grad(y, [x]), (y: Tensor) => y.dispose()]) {
        scope(() => {
          let y: Tensor = x;
          for (let i = 0; i < 3000; i++) y = fn(y);
          use(y);
        });
      }
      expect(x._value.pins).toBe(0);
    }
  });

  test("off the tape nothing is kept, and backward never runs", async () => {
    const never = withBackward(() => expect(true).toBe(false));
    const x = leaf(3);
    const y = noGrad(() => never(x));
    expect(y.requiresGrad).toBe(false);
    expect(await values(y)).toEqual([9]);
    expect(never(tensor([3])).requiresGrad).toBe(false);
  });
});

describe("refuses", () => {
  const run = (backward: (ctx: FunctionContext, g: Tensor) => unknown, createGraph = false) => {
    const x = leaf(1, 2);
    return grad(withBackward(backward)(x).sum(), [x], { createGraph });
  };

  test.each<[string, (ctx: FunctionContext, g: Tensor) => unknown, RegExp]>([
    [
      "the wrong number of gradients",
      (_, g) => [g, g],
      /mine: backward returned 2 gradients, forward takes 1 argument:/,
    ],
    ["the wrong shape", (_, g) => g.sum(), /gradient of argument 0 is float64 \[\] on cpu: .* float64 \[2\] on cpu/],
    ["the wrong dtype", (_, g) => g.to("float32"), /is float32 \[2\] on cpu: wanted the argument's float64/],
    ["what is no tensor", () => 1, /gradient of argument 0 is 1: wanted a tensor or null/],
    ["nothing at all", () => undefined, /is undefined: wanted a tensor or null/],
  ])("%s", (_, backward, message) => {
    expect(() => run(backward)).toThrow(message);
  });

  test.each<[string, (ctx: FunctionContext, g: Tensor) => unknown]>([
    ["runs under noGrad", (ctx, g) => noGrad(() => g.mul(ctx.saved[0]).mul(2))],
    ["detaches the cotangent", (ctx, g) => g.detach().mul(ctx.saved[0]).mul(2)],
    ["returns a constant", () => tensor([2, 4])],
  ])("under createGraph, a backward that %s", (_, backward) => {
    expect(run(backward).length).toBe(1);
    expect(() => run(backward, true)).toThrow(/mine: under createGraph, .* argument 0 does not depend on/);
  });

  test("a second derivative of a backward that says it has none", async () => {
    const x = leaf(1, 2);
    const fn = customFunction({
      name: "mine",
      once: true,
      forward: (ctx, x: Tensor) => {
        ctx.save(x);
        return x.square();
      },
      backward: (ctx, g) => g.mul(ctx.saved[0]).mul(2),
    });
    const [g] = grad(fn(x).sum(), [x], { createGraph: true }) as [Tensor];
    expect(await values(g)).toEqual([2, 4]);
    expect(() => grad(g.sum(), [x])).toThrow(/mine: its backward is declared not differentiable/);
  });

  test("a tensor read around the arguments", () => {
    const w = leaf(1);
    const fn = customFunction({ name: "mine", forward: (_, x: Tensor) => x.mul(w), backward: (_, g) => g });
    expect(() => fn(leaf(2))).toThrow(/mine: forward read a tensor \(leaf \[1\]\) .* not one of its arguments/);
    expect(() => fn(tensor([2]))).not.toThrow();
  });

  test("a gradient for what is no tensor, a second walk, misuse of the context", () => {
    const x = leaf(1);
    const times = customFunction({
      name: "times",
      forward: (_, x: Tensor, n: number) => x.mul(n),
      backward: (_, g) => [g, g],
    });
    expect(() => grad(times(x, 2), [x])).toThrow(
      /times: backward's gradient of argument 1: the argument is not a tensor/,
    );
    const y = cube(x);
    grad(y, [x]);
    expect(() => grad(y, [x])).toThrow(/a second walk through cube/);
    const late = withBackward((ctx, g) => {
      ctx.save(g);
      return g;
    });
    expect(() => grad(late(x), [x])).toThrow(/mine: save\(\) was called after forward/);
    const early = customFunction({ forward: (ctx, x: Tensor) => ctx.saved[0] ?? x, backward: (_, g) => g });
    expect(() => early(x)).toThrow(/custom: saved was read outside backward/);
  });

  test("what was saved is there while backward runs, and at no other time", () => {
    for (const fails of [false, true]) {
      let context: FunctionContext | undefined;
      const fn = withBackward((ctx, g) => {
        context = ctx;
        expect(ctx.saved).toHaveLength(1);
        if (fails) throw new Error("on purpose");
        return g;
      });
      const x = leaf(1);
      const run = (): Tensor[] => grad(fn(x), [x]);
      if (fails) expect(run).toThrow("on purpose");
      else run();
      expect(() => context?.saved).toThrow(/mine: saved was read outside backward/);
      expect(() => context?.save(x)).toThrow(/mine: save\(\) was called after forward/);
    }
  });

  test("results that are no tensors, async functions, unknown entries", () => {
    const giving = (result: unknown) =>
      customFunction({ name: "mine", forward: (_, _x: Tensor) => result as Tensor, backward: (_, g) => g });
    expect(() => giving(3)(leaf(1))).toThrow(/mine: the function returned 3 \(result 0\): wanted a tensor/);
    expect(() => giving([])(tensor([1]))).toThrow(/mine: the function returned an empty list/);
    expect(() => giving(Promise.resolve(1))(leaf(1))).toThrow(/mine: the function is async/);
    const unknown = { forward: (_: unknown, x: Tensor) => x, backward: (_: unknown, g: Tensor) => g, nmae: "x" };
    expect(() => customFunction(unknown)).toThrow(/unknown entry nmae; known: forward, backward, name, once/);
    const right = { forward: (_: unknown, x: Tensor) => x, backward: (_: unknown, g: Tensor) => g };
    for (const key of ["forward", "backward"] as const) {
      for (const wrong of [undefined, null, 1, {}]) {
        const define = () => customFunction({ ...right, [key]: wrong } as never);
        expect(define).toThrow(ArgumentError);
        expect(define).toThrow(`customFunction: ${key} is not a function`);
      }
    }
  });
});

test.each([
  [false, false, [false]],
  [false, true, [true]],
  [true, false, [false]],
  [true, true, [false]],
])("once: %s, createGraph: %s: backward runs on the tape: %s", (once, createGraph, wanted) => {
  const seen: boolean[] = [];
  const fn = customFunction({
    once,
    forward(ctx, x: Tensor) {
      ctx.save(x);
      return x.square();
    },
    backward(ctx, g) {
      const share = g.mul(ctx.saved[0]).mul(2);
      seen.push(isGradEnabled());
      expect(share.requiresGrad).toBe(isGradEnabled());
      return share;
    },
  });
  const x = leaf(3);
  for (const around of [noGrad, enableGrad]) {
    seen.length = 0;
    const y = fn(x);
    around(() => grad(y, [x], { createGraph }));
    expect(seen).toEqual(wanted);
  }
});

test("stands inside a checkpoint, and a checkpoint inside it", async () => {
  const outer = checkpoint((x: Tensor) => cube(x).exp());
  const inner = customFunction({
    forward(ctx, x: Tensor) {
      const y = checkpoint((t: Tensor) => t.sin())(x);
      ctx.save(x);
      return y;
    },
    backward: (ctx, g) => g.mul(ctx.saved[0].cos()),
  });
  for (const fn of [outer, inner]) {
    await gradcheck(fn, [leaf(0.4, -0.3)]);
    await gradgradcheck(fn, [leaf(0.4, -0.3)]);
  }
});
