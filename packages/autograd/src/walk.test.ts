/** How far a walk goes, and what it leaves behind: counted in nodes and bytes. */
import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import {
  add,
  type Device,
  exp,
  GradError,
  init,
  mul,
  scope,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "@loopgrad/tensor";
import { customFunction, grad, image, noGrad } from "./index.ts";
import { beginUpdate, type StepLoop } from "./tape.ts";
import { walkCounts } from "./walk.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

/** Nodes visited and rules applied while `fn` runs. */
function counted(fn: () => void): [visited: number, applied: number] {
  const { visited, applied } = walkCounts;
  fn();
  return [walkCounts.visited - visited, walkCounts.applied - applied];
}

describe("a step of an unrolled loop costs the same however many came before", () => {
  /** Unrolls 1000 steps of gradient descent on the tape; returns what each step's walk visited and applied. */
  function unroll(start: (x: Tensor) => Tensor): string[] {
    using _ = scope();
    const [used, unused, frozen] = [leaf(0.5, 0.1), leaf(1, 2), leaf(3, 4)];
    const rate = leaf(0.01);
    let fast = [start(used), start(unused)];
    const still = start(frozen);
    const costs: string[] = [];
    for (let step = 0; step < 1000; step++) {
      const loss = sum(tanh(mul(mul(fast[0], fast[0]), still)));
      let gs: (Tensor | null)[] = [];
      const cost = counted(() => {
        gs = grad(loss, fast, { createGraph: true, allowUnused: true });
      });
      costs.push(cost.join());
      fast = fast.map((p, i) => (gs[i] === null ? p : sub(p, mul(rate, gs[i] as Tensor))));
    }
    return costs;
  }

  test("with images of an unused and a frozen parameter", () => {
    const costs = unroll(image);
    expect(new Set(costs.slice(1)).size).toBe(1);
  });

  test("with leaves themselves", () => {
    const costs = unroll((x) => x);
    expect(new Set(costs.slice(1)).size).toBe(1);
  });

  test("with an unused parameter that is carried on", () => {
    using _ = scope();
    const [used, unused] = [leaf(0.5), leaf(1)];
    let fast = [image(used), image(unused)];
    const costs: string[] = [];
    for (let step = 0; step < 200; step++) {
      const loss = exp(fast[0]);
      let gs: (Tensor | null)[] = [];
      const cost = counted(() => {
        gs = grad(loss, fast, { createGraph: true, allowUnused: true });
      });
      costs.push(cost.join());
      expect(gs[1]).toBeNull();
      fast = [sub(fast[0], mul(gs[0] as Tensor, 0.01)), mul(fast[1], 0.99)];
    }
    expect(new Set(costs.slice(1)).size).toBe(1);
  });

  test("and only rules on the way to an input run", () => {
    const [a, b] = [leaf(1), leaf(2)];
    const deep = exp(exp(exp(b)));
    const loss = mul(exp(a), deep);
    expect(counted(() => grad(loss, [a], { retainGraph: true }))).toEqual([3, 2]);
    expect(counted(() => grad(loss, [deep]))[1]).toBe(1);
  });
});

test("gradients of the whole unrolled loop are right", async () => {
  // w' = w − r · 2w, k times: w (1 − 2r)ᵏ. With respect to r: −2 k w (1 − 2r)ᵏ⁻¹.
  const [w, r] = [leaf(3), leaf(0.1)];
  let fast = image(w);
  for (let step = 0; step < 20; step++) {
    const [g] = grad(mul(fast, fast), [fast], { createGraph: true });
    fast = sub(fast, mul(r, g as Tensor));
  }
  const [gw, gr] = grad(fast, [w, r]);
  expect((await read(gw))[0]).toBeCloseTo(0.8 ** 20, 12);
  expect((await read(gr))[0]).toBeCloseTo(-2 * 20 * 3 * 0.8 ** 19, 12);
});

describe("a graph of 100,000 nodes", () => {
  test("is walked and given back without recursion", async () => {
    using _ = scope();
    const x = leaf(1);
    let y = x;
    for (let i = 0; i < 100_000; i++) {
      const next = add(y, x);
      if (y !== x) y.dispose();
      y = next;
    }
    const [g] = grad(y, [x]);
    y.dispose();
    expect(await read(g)).toEqual([100_001]);
  });
});

describe("memory", () => {
  const n = 1000;
  const used = (): number => {
    device.flush();
    return device.stats().usedBytes;
  };

  test("of a graph is given back with its last handle", () => {
    const x = tensor(new Float64Array(n).fill(0.5), { requiresGrad: true });
    const before = used() + n * 8;
    for (let i = 0; i < 5; i++) {
      const y = scope(() => sum(exp(exp(exp(x)))));
      // The tape keeps three results; the loss is a sink.
      expect(used()).toBeGreaterThanOrEqual(before - n * 8 + 3 * n * 8);
      y.dispose();
      expect(used()).toBeLessThanOrEqual(before);
    }
  });

  test("of a graph is freed by backward while handles live on", () => {
    const x = tensor(new Float64Array(n).fill(0.5), { requiresGrad: true });
    const y = scope(() => sum(exp(exp(exp(x)))));
    const held = used();
    y.backward();
    expect(used()).toBeLessThanOrEqual(held - 3 * n * 8 + n * 8);
  });

  test("of a training loop is flat", () => {
    const w = tensor(new Float64Array(n).fill(0.5), { requiresGrad: true });
    const levels: number[] = [];
    for (let step = 0; step < 6; step++) {
      using _ = scope();
      sum(tanh(mul(w, w))).backward();
      const next = noGrad(() => sub(w, mul(w.grad as Tensor, 0.1)));
      w._rebind(next._value);
      w.grad?.dispose();
      w.grad = null;
      levels.push(used());
    }
    expect(Math.max(...levels.slice(2))).toBeLessThanOrEqual(levels[1]);
  });

  test("of an unrolled loop is given back as a whole, second order included", () => {
    const w = tensor(new Float64Array(n).fill(0.5), { requiresGrad: true });
    const levels: number[] = [];
    for (let outer = 0; outer < 4; outer++) {
      {
        using _ = scope();
        let fast = image(w);
        for (let step = 0; step < 3; step++) {
          const [g] = grad(sum(tanh(mul(fast, fast))), [fast], { createGraph: true });
          fast = sub(fast, mul(g as Tensor, 0.1));
        }
        sum(fast).backward();
        device.flush();
      }
      levels.push(used());
    }
    expect(Math.max(...levels.slice(2))).toBeLessThanOrEqual(levels[1]);
  });

  test("a walk that throws gives back what it held", () => {
    const failing = customFunction({
      forward: (_, x: Tensor) => [x.mul(2), x.mul(3)],
      backward: () => {
        throw new Error("on purpose");
      },
    });
    const used = device.stats().usedBytes;
    {
      using _ = scope();
      const x = leaf(1, 2, 3);
      const y = leaf(4, 5, 6);
      const [first, second] = failing(x);
      expect(() => sum(add(first, mul(second, y))).backward()).toThrow("on purpose");
      const z = exp(x);
      z.registerHook(() => {
        throw new Error("on purpose");
      });
      expect(() => grad(sum(mul(z, y)), [y, x])).toThrow("on purpose");
      const loss = sum(mul(exp(x), y));
      loss.backward();
      expect(() => loss.backward()).toThrow(GradError);
      device.flush();
    }
    expect(device.stats().usedBytes).toBe(used);
    expect(() => device.audit()).not.toThrow();
  });

  test("outside every scope a gradient has the handles that were asked for, and no more", () => {
    const w = tensor(new Float64Array(n).fill(0.5), { requiresGrad: true });
    const y = sum(mul(w, w));
    const gs = grad(y, [w, w]) as Tensor[];
    expect(gs[0]).not.toBe(gs[1]);
    expect(gs[0]._value.handles).toBe(2);
    for (const g of gs) g.dispose();
    expect(gs[0]._value.handles).toBe(0);
  });
});

describe("a walk back through a loop of updates", () => {
  const loopOf = (isLong = false): StepLoop => ({ updates: 0, isLong });
  /** One step of descent on w². */
  const step = (w: Tensor, loop: StepLoop): Tensor => {
    const [g] = grad(mul(w, w), [w], { createGraph: true });
    beginUpdate(loop);
    return sub(w, mul(g as Tensor, 0.1));
  };
  /** Seams and flushes of the gradient of what the steps lead to, by where they began. */
  const marked = (steps: readonly StepLoop[]): [seams: number, flushes: number] => {
    using _ = scope();
    const w0 = leaf(1);
    const w = steps.reduce((w, loop) => step(image(w), loop), w0);
    device.flush();
    const seam = jest.spyOn(device, "seam");
    const { flushes } = device.stats();
    grad(w, [w0]);
    const seams = seam.mock.calls.length;
    seam.mockRestore();
    return [seams, device.stats().flushes - flushes];
  };

  test("has a seam before every update but none for a loop of one", () => {
    const [a, b, one] = [loopOf(), loopOf(), loopOf()];
    expect(marked([])).toEqual([0, 0]);
    expect(marked([one])).toEqual([0, 0]);
    expect(marked([a, a, a])).toEqual([3, 0]);
    expect(marked([b, b, loopOf(), b])).toEqual([3, 0]);
  });

  test("begins a long loop with nothing pending", () => {
    const [a, b, c, short] = [loopOf(true), loopOf(true), loopOf(true), loopOf()];
    expect(marked([a, a, a])).toEqual([2, 1]);
    expect(marked([b, b, c, c, c])).toEqual([3, 2]);
    expect(marked([short, short])).toEqual([2, 0]);
    const [d, e] = [loopOf(true), loopOf()];
    expect(marked([d, d, e, e])).toEqual([3, 1]);
  });
});

test("walks are counted, for what looks at a walk's extent", () => {
  const x = leaf(1);
  const before = walkCounts.walks;
  for (let i = 1; i < 4; i++) {
    const cost = counted(() => mul(x, 2).sum().backward());
    expect(walkCounts.walks - before).toBe(i);
    // A product, a sum, and the reshape that drops its dimension; the leaf has no rule.
    expect(cost).toEqual([4, 3]);
  }
  // A call is one rule, however many results it has. These are nodes too, and so is the argument's place, whose rule passes on.
  const pair = customFunction({ forward: (_, a: Tensor) => [a.mul(2), a.mul(3)], backward: (_, g, h) => g.add(h) });
  const [a, b] = pair(x);
  expect(counted(() => grad([a, b], [x]))).toEqual([5, 2]);
});
