/** Checkpoints: the same gradients as without, and nothing kept in between. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  bernoulli,
  fullLike,
  getDevice,
  getRngState,
  init,
  manualSeed,
  ones,
  scope,
  type Tensor,
  tanh,
  tensor,
  withStandIns,
} from "@loopgrad/tensor";
import { CheckpointChain, checkpoint, customFunction, grad, gradcheck, gradgradcheck, noGrad } from "./index.ts";
import { nodeOf } from "./tape.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const values = async (x: Tensor | null | undefined): Promise<number[]> => Array.from(await (x as Tensor).data());

describe("gradients", () => {
  test("of arguments and captured tensors, first and second order", async () => {
    const fn = (x: Tensor, w: Tensor): Tensor =>
      checkpoint((h: Tensor, times: number) => h.mul(w).tanh().mul(times).add(h.square()))(x, 2).mul(w);
    const inputs = [leaf(0.3, -0.5), leaf(1.2, 0.7)];
    await gradcheck(fn, inputs);
    await gradgradcheck(fn, inputs);
  });

  test("of lists of results, one of them unused, one an argument, one a constant", async () => {
    const parts = checkpoint((a: Tensor, b: Tensor) => [a.mul(b), b, a.exp(), ones([2])]);
    const fn = (a: Tensor, b: Tensor): Tensor[] => {
      const [p, q, , r] = parts(a, b);
      return [p.mul(r), q.sin()];
    };
    const inputs = [leaf(0.3, -0.5), leaf(1.2, 0.7)];
    expect(parts(...(inputs as [Tensor, Tensor])).map((y) => y.requiresGrad)).toEqual([true, true, true, false]);
    await gradcheck(fn, inputs);
    await gradgradcheck(fn, inputs);
  });

  test("no result is on the tape that was not: a constant, an integer, what came of detached arguments", () => {
    const x = leaf(0.5, 2);
    const fn = (h: Tensor): Tensor[] => [h.mul(2), ones([2]), h.gt(1), h.detach().exp(), noGrad(() => h.sin()), h];
    const wanted = fn(x).map((y) => y.requiresGrad);
    expect(wanted).toEqual([true, false, false, false, false, true]);
    expect(checkpoint(fn)(x).map((y) => y.requiresGrad)).toEqual(wanted);
    const custom = customFunction({ forward: (_, h: Tensor) => fn(h), backward: (_, g) => g });
    expect(custom(x).map((y) => y.requiresGrad)).toEqual(wanted);
  });

  test("when an argument was computed from what is captured too", async () => {
    const fn = (w: Tensor): Tensor => checkpoint((h: Tensor) => h.mul(w))(w.square()); // w³
    const w = leaf(2);
    const [g] = grad(fn(w), [w], { createGraph: true }) as [Tensor];
    const [h] = grad(g, [w], { createGraph: true }) as [Tensor];
    expect([await values(g), await values(h), await values(grad(h, [w])[0])]).toEqual([[12], [12], [6]]);
  });

  test("of checkpoints in checkpoints and in a row", async () => {
    const w = leaf(0.8);
    const layer = checkpoint((h: Tensor) => tanh(h.mul(w)).add(h));
    const block = checkpoint((h: Tensor) => layer(layer(h)));
    const plain = (h: Tensor): Tensor => tanh(h.mul(w)).add(h);
    const x = leaf(0.2, 0.4);
    const both = [block(block(x)), [0, 0, 0, 0].reduce(plain, x)].map((y) => {
      const [g] = grad(y.sum(), [w], { createGraph: true }) as [Tensor];
      const [h] = grad(g, [w]) as [Tensor];
      return Promise.all([values(g), values(h)]);
    });
    const [actual, expected] = (await Promise.all(both)).map((pair) => pair.flat());
    actual.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i], 12);
    });
  });

  test("of an inner step that takes gradients itself", async () => {
    const step = (w: Tensor, lr: Tensor): Tensor => {
      const [g] = grad(w.sub(3).square().sum(), [w], { createGraph: true }) as [Tensor];
      return w.sub(g.mul(lr));
    };
    const unroll = (one: typeof step) => (w: Tensor, lr: Tensor) => one(one(one(w, lr), lr), lr);
    const inputs = [leaf(1, -1), leaf(0.1)];
    await gradcheck(unroll(checkpoint(step)), inputs);
    await gradgradcheck(unroll(checkpoint(step)), inputs);
  });

  test("add up in .grad of captured leaves", async () => {
    const w = leaf(2, 3);
    const y = checkpoint((x: Tensor) => x.mul(w).square())(tensor([1, 2]));
    y.sum().backward();
    expect(await values(w.grad)).toEqual([4, 24]);
  });
});

describe("the second run means what the first did", () => {
  test("random numbers are the same, and the stream goes on as if it had not happened", async () => {
    manualSeed(7);
    const x = leaf(...Array.from({ length: 40 }, () => 1));
    const dropped = checkpoint((h: Tensor) => h.mul(bernoulli(fullLike(h, 0.5))))(x);
    const state = getRngState();
    const [g] = grad(dropped.sum(), [x]);
    expect(getRngState()).toEqual(state);
    const mask = await values(dropped);
    expect(await values(g)).toEqual(mask);
    expect(new Set(mask).size).toBe(2);
  });

  test("a captured leaf that was assigned meanwhile has its old value", async () => {
    const w = leaf(2);
    const y = checkpoint((x: Tensor) => x.mul(w.square()))(leaf(5));
    w._rebind(tensor([100])._value);
    y.backward();
    expect(await values(w.grad)).toEqual([20]);
    expect(await values(w)).toEqual([100]);
  });

  test("a slot stands for what it stood for", async () => {
    const slot = leaf(1);
    const fast = leaf(3);
    const y = withStandIns([slot], [fast], () => checkpoint((x: Tensor) => x.mul(slot.square()))(tensor([5])));
    const [g] = grad(y, [fast], { createGraph: true }) as [Tensor];
    expect(await values(g)).toEqual([30]);
    expect(await values(grad(g, [fast])[0])).toEqual([10]);
    expect(slot._standIn).toBeNull();
  });

  test("a captured tensor may have been released", async () => {
    const x = leaf(5);
    const y = scope(() => {
      const scale = tensor([3]).add(1);
      return checkpoint((h: Tensor) => h.square().mul(scale))(x);
    });
    expect(await values(grad(y, [x])[0])).toEqual([40]);
  });

  test("differentiating a graph that was made before is an error that says so; one made inside is not", async () => {
    const [x, w] = [leaf(2, 3), leaf(5, 7)];
    const before = x.mul(w).square();
    const derivative = (y: Tensor): Tensor => grad(y.sum(), [x], { createGraph: true })[0] as Tensor;
    expect(() => checkpoint((h: Tensor) => h.mul(derivative(before)))(w)).toThrow(
      /checkpoint: fn differentiates a graph that was made before it \(.*\): compute that inside fn, or take its gradient/,
    );
    const inside = checkpoint((h: Tensor) => h.mul(derivative(x.mul(w).square())))(w);
    // w · 2 x w² → by w: 6 x w²
    expect(await values(grad(inside.sum(), [w])[0])).toEqual([6 * 2 * 25, 6 * 3 * 49]);
    const outside = derivative(x.mul(w).square());
    const passed = checkpoint((h: Tensor) => h.mul(outside))(w);
    expect(await values(grad(passed.sum(), [w])[0])).toEqual([6 * 2 * 25, 6 * 3 * 49]);
  });

  test("reading another tensor of the tape, or giving another result, is an error", () => {
    const ws = [leaf(2), leaf(3)];
    let calls = 0;
    const wanders = checkpoint((x: Tensor) => x.mul(ws[calls++]));
    const x = leaf(1);
    expect(() => grad(wanders(x), [x])).toThrow(/checkpoint: run again, fn read a tensor of the tape \(leaf \[1\]\)/);
    let size = 1;
    const grows = checkpoint((h: Tensor) => h.expand([size++]));
    const y = grows(x);
    expect(() => grad(y.sum(), [x])).toThrow(/fn's result 0 was .*\[1\].*, and run again .*\[2\]/);
  });
});

describe("memory", () => {
  // Bytes are counted on a device of its own: what other tests have left to the collector does not count.
  beforeAll(async () => {
    await init({ device: "cpu", dtype: "float64" });
  });

  test("between forward and backward only arguments, captured tensors and results are stored", async () => {
    const device = getDevice();
    const n = 1024;
    const [x, w] = [0.5, 0.7].map((v) => tensor(new Float64Array(n).fill(v), { shape: [n], requiresGrad: true }));
    const body = (h: Tensor): Tensor => h.mul(w).tanh().sin().exp().sigmoid().square();
    const grown = (fn: (h: Tensor) => Tensor): [number, Tensor] => {
      device.flush();
      const before = device.stats().usedBytes;
      const y = scope(() => fn(x));
      device.flush();
      return [device.stats().usedBytes - before, y];
    };
    await x.mul(w).data(); // uploads both
    const [plain, y] = grown(body);
    const [checkpointed, z] = grown(checkpoint(body));
    expect(plain).toBe(3 * n * 8); // what tanh read, the result of exp, and the last
    expect(checkpointed).toBe(n * 8);
    const [g, h] = [y, z].map((t) => grad(t.sum(), [x, w]) as Tensor[]);
    expect(await values(h[0])).toEqual(await values(g[0]));
    expect(await values(h[1])).toEqual(await values(g[1]));
  });

  test("what no result depends on keeps no graph: arguments, captured tensors", () => {
    const [x, w] = [leaf(1, 2), leaf(3, 4)];
    for (const captures of [false, true]) {
      const used = w.exp();
      const unused = w.exp();
      const nodes = [used, unused].map(nodeOf);
      const fn = (h: Tensor, a: Tensor, b: Tensor): Tensor[] => [h.mul(a), b.mul(2).detach()];
      const [y, z] = captures ? checkpoint((h: Tensor) => fn(h, used, unused))(x) : checkpoint(fn)(x, used, unused);
      expect([y.requiresGrad, z.requiresGrad]).toEqual([true, false]);
      for (const t of [used, unused]) t.dispose();
      expect(nodes.map((node) => [node?.refs, node?.saved === null])).toEqual([
        [1, false],
        [0, true],
      ]);
      expect(grad(y.sum(), [x, w])).toHaveLength(2);
    }
  });

  test("after backward nothing is saved", () => {
    const [x, w] = [leaf(1), leaf(2)];
    const saves = (): number[] => [x._value.saves, w._value.saves];
    const y = checkpoint((h: Tensor) => h.mul(w).exp())(x);
    expect(saves()).toEqual([1, 1]);
    scope(() => grad(y, [x]));
    expect(saves()).toEqual([0, 0]);
    expect(() => grad(y, [x])).toThrow(/a second walk through checkpoint/);
  });
});

test("off the tape it is the function itself", () => {
  const x = leaf(1);
  expect(noGrad(() => checkpoint((h: Tensor) => h.mul(2))(x)).requiresGrad).toBe(false);
  expect(checkpoint((h: Tensor) => h.mul(2))(tensor([1])).requiresGrad).toBe(false);
  expect(() => checkpoint((async (h: Tensor) => h) as unknown as (h: Tensor) => Tensor)(x)).toThrow(/async/);
});

describe("chains", () => {
  /** w ← w − lr · tanh(w)², with a loss on the way, some stages to a call. */
  function chained(length: number, w0: Tensor, lr: Tensor): { w: Tensor; losses: Tensor[] } {
    const losses: Tensor[] = [];
    const chain = new CheckpointChain(
      () => getDevice().flush(),
      1,
      (emitted) => losses.push(...emitted),
    );
    let w = w0;
    for (let i = 0; i < 5; i++) {
      if (chain.length === length) chain.cut();
      [, w] = chain.extend((at) => [at.square().sum(), at.sub(at.tanh().square().mul(lr))], [w]);
    }
    chain.cut();
    return { w, losses };
  }

  test.each([1, 2, 5])(
    "of %s stages have the gradients of plain functions, through results and what they emit",
    async (length) => {
      const fn = (w0: Tensor, lr: Tensor): Tensor => {
        const { w, losses } = chained(length, w0, lr);
        expect(losses).toHaveLength(5);
        return losses.reduce((a, b, i) => a.add(b.mul(i + 1)), w.sin().sum());
      };
      const inputs = [leaf(0.3, -0.5), leaf(0.7)];
      await gradcheck(fn, inputs);
      await gradgradcheck(fn, inputs);
    },
  );

  test.each([1, 2, 5])("of %s stages hand over what they emit, and keep no handle of it", (length) => {
    const [w0, lr] = [leaf(0.3, -0.5), leaf(0.7)];
    const { w, losses } = scope(() => chained(length, w0, lr));
    const handles = (): number[] => [...losses, w].map((t) => t._value.handles);
    expect(handles()).toEqual([1, 1, 1, 1, 1, 1]);
    for (const t of [...losses, w]) t.dispose();
    expect(handles()).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("hold nothing between the stages of a call", async () => {
    const [n, device] = [1024, await init({ device: "cpu", dtype: "float64" })];
    const [w0, lr] = [new Float64Array(n).fill(0.5), [0.1]].map((v) => tensor(v, { requiresGrad: true }));
    const held = (length: number): number => {
      device.flush();
      const before = device.stats().usedBytes;
      const { w, losses } = scope(() => chained(length, w0, lr));
      for (const loss of losses) loss.dispose();
      device.flush();
      const bytes = device.stats().usedBytes - before;
      w.dispose();
      return Math.round(bytes / (8 * n));
    };
    held(1);
    expect([held(1), held(5)]).toEqual([5, 1]); // the results of all stages, of the last
  });
});
