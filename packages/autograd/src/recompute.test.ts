/**
 * A second run leaves no trace: random state, modes, device, what is held for backward and the tape's other circumstances are what
 * they were, whether it ran well or not; and it does not depend on what they are by then.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  bernoulli,
  type Device,
  fullLike,
  getDevice,
  getRngState,
  init,
  manualSeed,
  rand,
  randn,
  randperm,
  scope,
  setDevice,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { CheckpointChain, checkpoint, customFunction, enableGrad, grad, isGradEnabled, noGrad } from "./index.ts";
import { disposeRecalled, recall, runsAround } from "./surroundings.ts";
import { type nodeOf, timeMark } from "./tape.ts";

let device: Device;
let other: Device;
beforeAll(async () => {
  other = await init({ device: "cpu" });
  device = await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const values = async (x: Tensor | null | undefined): Promise<number[]> => Array.from(await (x as Tensor).data());

/** All of a program's state that a second run could change, and what is held of these tensors. */
const circumstances = (tensors: readonly Tensor[]): unknown => ({
  random: getRngState(),
  gradients: isGradEnabled(),
  device: [device, other].indexOf(getDevice()),
  recalled: runsAround(Number.NEGATIVE_INFINITY),
  held: tensors.map(({ _standIn, _link, _value: { pins, saves, recipes, handles } }) => ({
    standIn: _standIn,
    hooks: (_link as ReturnType<typeof nodeOf>)?.hooks?.length,
    refs: (_link as ReturnType<typeof nodeOf>)?.refs,
    ...{ pins, saves, recipes, handles },
  })),
});

const dropped = (h: Tensor): Tensor => h.mul(bernoulli(fullLike(h, 0.5)));

/** Ways to run a function f(h, w) with random numbers in it, twice, or plainly; the results are the same. */
type Step = (h: Tensor) => Tensor;
const WAYS: Record<string, (step: Step, x: Tensor) => Tensor> = {
  "a checkpoint": (step, x) => checkpoint(step)(step(x)),
  "one checkpoint in another": (step, x) => checkpoint((h: Tensor) => checkpoint(step)(step(h)))(x),
  "one after the other": (step, x) => checkpoint(step)(checkpoint(step)(x)),
  "stages of one call": (step, x) => {
    const chain = new CheckpointChain(() => x.device.flush());
    const stage = (h: Tensor): Tensor[] => [step(h)];
    const [y] = chain.extend(stage, chain.extend(stage, [x]));
    chain.cut();
    return y;
  },
};

describe.each(Object.keys(WAYS))("%s", (way) => {
  /** Whatever the program does between forward and backward. */
  const MEANWHILE: Record<string, () => void> = {
    nothing: () => {},
    "numbers are drawn": () => {
      for (const draw of [rand, randn]) draw([3]);
      randperm(4);
      bernoulli(tensor([0.5]));
    },
    "another seed is set": () => manualSeed(2 ** 40 + 7),
    "another device is chosen": () => setDevice(other),
  };

  test.each(Object.keys(MEANWHILE))("meanwhile: %s", async (meanwhile) => {
    for (const createGraph of [false, true]) {
      for (const within of [enableGrad, noGrad]) {
        const [x, w] = [leaf(...Array.from({ length: 12 }, (_, i) => 0.1 * i)), leaf(1.5)];
        const seen: number[] = [];
        w.registerHook((g) => {
          seen.push(g.size);
        });
        const step: Step = (h) => dropped(h.mul(w).sin()).add(h);
        const derivatives = (loss: Tensor): (Tensor | null)[] => grad(loss, [x, w], { createGraph });
        const empty = circumstances([x, w]);
        await scope(async () => {
          manualSeed(3);
          const plain = await Promise.all(derivatives(step(step(x)).square().sum()).map(values));
          seen.length = 0;
          manualSeed(3);
          const loss = WAYS[way](step, x).square().sum();
          MEANWHILE[meanwhile]();
          const before = circumstances([]);
          const again = within(() => derivatives(loss));
          const after = circumstances([]);
          setDevice(device);
          expect(after).toEqual(before);
          expect(seen).toEqual([1]);
          expect(await Promise.all(again.map(values))).toEqual(plain);
          if (createGraph) grad((again[0] as Tensor).square().sum(), [x, w]);
        });
        manualSeed(0);
        expect({ ...(circumstances([x, w]) as object), random: 0 }).toEqual({ ...(empty as object), random: 0 });
      }
    }
  });

  test("bytes are what they were, after the walk and after all that was made has gone", async () => {
    // A device of its own: what other tests have left to the collector does not count.
    const own = await init({ device: "cpu", dtype: "float64" });
    const [x, w] = [1, 2].map((v) => tensor(new Float64Array(512).fill(v), { requiresGrad: true }));
    for (const t of [x, w]) await scope(() => t.add(1).data());
    const step: Step = (h) => dropped(h.mul(w).exp().sigmoid());
    const used = (): number => {
      // What may be idle goes after a few.
      for (let i = 0; i < 8; i++) own.flush();
      return own.stats().usedBytes;
    };
    const round = (): number[] => {
      const start = used();
      const y = scope(() => WAYS[way](step, x));
      const held = used();
      scope(() => void grad(y.sum(), [x, w]));
      const walked = used();
      y.dispose();
      return [held, walked, used()].map((bytes) => bytes - start);
    };
    round();
    const [held, walked, end] = round();
    own.destroy();
    setDevice(device);
    expect([held > 0, walked, end]).toEqual([true, 512 * 8, 0]);
  });

  /** Second runs that go wrong. */
  const WRONG: Record<string, [(h: Tensor, w: Tensor) => Tensor, RegExp]> = {
    "that throws": [
      () => {
        throw new Error("not again");
      },
      /not again/,
    ],
    "that does something else": [(h, w) => dropped(h.mul(w)).exp(), /did something else|run again/],
    "that draws fewer numbers": [(h, w) => h.mul(w), /did something else|run again/],
    "with another result": [(h, w) => dropped(h.mul(w)).sum(), /run again/],
    "that reads another tensor": [(h) => dropped(h.mul(leaf(9))), /run again|did something else/],
  };
  test.each(Object.keys(WRONG))("a second run %s leaves everything as it was", async (wrong) => {
    const [x, w] = [leaf(1, 2, 3, 4), leaf(1.5)];
    const [instead, message] = WRONG[wrong];
    let fails = false;
    let runs = 0;
    const step: Step = (h) => {
      // The last function that runs again is the one that goes wrong: what went well before it is put back too.
      if (fails && ++runs === (way === "stages of one call" ? 2 : 1)) return instead(h, w);
      return dropped(h.mul(w));
    };
    const y = scope(() => WAYS[way](step, x));
    rand([2]);
    const before = circumstances([x, w]);
    fails = true;
    scope(() => expect(() => grad(y.sum(), [x, w])).toThrow(message));
    expect(circumstances([x, w])).toEqual(before);
    // The tape watches no more: what is computed next is nobody's second run.
    fails = false;
    const g = scope(() => grad(w.mul(x).sum(), [w])[0]);
    expect(await values(g)).toEqual([10]);
    y.dispose();
    expect([x, w].map(({ _value: { pins, saves, recipes } }) => [pins, saves, recipes])).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});

test("an object older than second runs finds itself in and out of them, also after one within another", () => {
  const x = leaf(2);
  const born = timeMark();
  const runs: unknown[] = [];
  const recalled: number[] = [];
  let now = 0;
  const note = (): void => {
    runs.push(runsAround(born));
    recalled.push(recall(born, () => now++));
  };
  const inner = checkpoint((h: Tensor) => {
    note();
    return h.square();
  });
  const outer = checkpoint((h: Tensor) => {
    note();
    const y = inner(h).sin();
    note();
    return y;
  });
  const y = outer(x);
  note();
  expect([runs, recalled]).toEqual([
    ["first", "first", "first", null],
    [0, 1, 2, 3],
  ]);
  runs.length = recalled.length = 0;
  grad(y, [x]);
  note();
  // The outer function runs again, then the inner one of that run for its own backward.
  expect([runs, recalled]).toEqual([
    ["again", "again", "again", "again", null],
    [0, 1, 2, 1, 4],
  ]);
});

test("what an object lets go of in a first run is there until the run is over, and then it is not", () => {
  const x = leaf(2);
  const born = timeMark();
  const [old, older] = [tensor([1]), tensor([2])];
  const seen: boolean[] = [];
  const inner = checkpoint((h: Tensor) => {
    if (runsAround(born) === "first") disposeRecalled(born, old);
    seen.push(old.isReleased);
    return h.square();
  });
  const y = checkpoint((h: Tensor) => inner(h).add(inner(h)))(x);
  // It is the outermost run that may still recall it.
  expect([...seen, old.isReleased]).toEqual([false, false, true]);
  disposeRecalled(born, older);
  expect(older.isReleased).toBe(true);
  y.dispose();
});

describe("a chain begins a new call", () => {
  const step = (h: Tensor): Tensor[] => [h.square().mul(0.5), h.sin()];

  /** What else uses what the first stage made; its share of the loss, if it is on the tape. */
  const OTHERS: Record<string, (h: Tensor) => Tensor | null> = {
    "an operation reads it": (h) => h.exp().sum(),
    "an operation moves it": (h) => h.reshape([2, 1]).sum(),
    "a checkpoint takes it": (h) => checkpoint((a: Tensor) => a.exp())(h).sum(),
    "a function of one's own takes it": (h) =>
      customFunction({ forward: (_: unknown, a: Tensor) => a.mul(2), backward: (_: unknown, g: Tensor) => g.mul(2) })(
        h,
      ).sum(),
    "it has another handle": (h) => h._share().mul(2).sum(),
  };

  test.each(Object.keys(OTHERS))("where %s", async (what) => {
    const derivatives = async (chained: boolean): Promise<[number[][], number]> => {
      const x = leaf(0.3, -0.5);
      const chain = new CheckpointChain(() => device.flush());
      const extend = (h: Tensor): Tensor[] => (chained ? chain.extend(step, [h]) : step(h));
      const [a, h] = extend(x);
      const used = OTHERS[what](h);
      const [b, end] = extend(h);
      const { length } = chain;
      const loss = [a, b, end].reduce((sum, t, i) => sum.add(t.mul(i + 1).sum()), used ?? tensor(0));
      const [g] = grad(loss, [x], { createGraph: true });
      const [gg] = grad((g as Tensor).square().sum(), [x]);
      return [await Promise.all([g, gg].map(values)), length];
    };
    const [plain] = await derivatives(false);
    const [again, length] = await derivatives(true);
    for (const [i, row] of plain.entries()) {
      for (const [j, v] of row.entries()) expect(again[i][j]).toBeCloseTo(v, 12);
    }
    expect(length).toBe(1);
  });

  test.each([
    [[], 2],
    [[0], 1],
    [[1], 1],
    [[0, 1], 1],
  ])("where of several things that it takes others use %j: %s stages", async (used, stages) => {
    const both = (a: Tensor, b: Tensor): Tensor[] => [a.mul(b), a.add(b.sin())];
    const run = async (extend: (args: Tensor[]) => Tensor[]): Promise<number[]> => {
      const [x, y] = [leaf(0.3, -0.5), leaf(0.7, 0.2)];
      const first = extend([x, y]);
      const others = used.map((i) => first[i].exp().sum());
      const [p, q] = extend(first);
      const loss = others.reduce((sum, t) => sum.add(t), p.mul(q).sum());
      return (await Promise.all(grad(loss, [x, y]).map(values))).flat();
    };
    const chain = new CheckpointChain(() => device.flush());
    const again = await run((args) => chain.extend(both as (...args: Tensor[]) => Tensor[], args));
    expect(again).toEqual((await run(([a, b]) => both(a, b))).map((v) => expect.closeTo(v, 12)));
    expect(chain.length).toBe(stages);
  });

  test("where a walk has gone through, and where the tape was off; else it goes on", () => {
    const lengths = (between: (h: Tensor, a: Tensor) => void): number => {
      const chain = new CheckpointChain(() => device.flush());
      const [a, h] = chain.extend(step, [leaf(0.3, -0.5)]);
      between(h, a);
      chain.extend(step, [h]);
      return chain.length;
    };
    expect(lengths(() => {})).toBe(2);
    expect(lengths((h) => void h.detach().exp())).toBe(2);
    expect(lengths((h) => noGrad(() => void h.exp()))).toBe(2);
    // What others use is let go of before the chain goes on.
    expect(lengths((h) => scope(() => void h.exp()))).toBe(2);
    expect(lengths((_, a) => void a.backward({ gradient: tensor([1, 1]) }))).toBe(1);
  });

  test("a stage off the tape ends the call before it, whose results are still of their call", async () => {
    const emitted: Tensor[] = [];
    const chain = new CheckpointChain(
      () => device.flush(),
      1,
      (tensors) => emitted.push(...tensors),
    );
    const x = leaf(0.3, -0.5);
    const [, h] = chain.extend(step, [x]);
    const [, end] = noGrad(() => chain.extend(step, [h]));
    const [, more] = chain.extend(step, [end.detach().requiresGrad_()]);
    chain.cut();
    expect([...emitted, h, end, more].map((t) => t.requiresGrad)).toEqual([true, false, true, true, false, true]);
    expect(await values(grad(emitted[0].sum(), [x])[0])).toEqual([0.3, -0.5]);
  });
});

describe("one value at several places of the tape", () => {
  /** Pairs of tensors of one value, made from x. */
  const PAIRS: Record<string, (x: Tensor) => [Tensor, Tensor]> = {
    "a tensor, and itself": (x) => [x, x],
    "a tensor, and a second handle": (x) => [x, x._share()],
    "a tensor, and detached": (x) => [x, x.detach()],
    "detached, and the tensor": (x) => [x.detach(), x],
    "a tensor, and a leaf of its own": (x) => [x, x.detach().requiresGrad_()],
    "a result, and detached": (x) => ((y: Tensor): [Tensor, Tensor] => [y, y.detach()])(x.exp()),
  };
  /** How f(a, b) = a² sin b is recomputed: both as arguments, one or both captured, as stages. */
  const f = (a: Tensor, b: Tensor): Tensor => a.square().mul(b.sin());
  const USES: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
    "both are arguments": (a, b) => checkpoint(f)(a, b),
    "the second is captured": (a, b) => checkpoint((h: Tensor) => f(h, b))(a),
    "the first is captured": (a, b) => checkpoint((h: Tensor) => f(a, h))(b),
    "both are captured": (a, b) => checkpoint(() => f(a, b))(),
    "stages take and capture them": (a, b) => {
      const chain = new CheckpointChain(() => device.flush());
      const [s] = chain.extend((h) => [h.square()], [a]);
      const [y] = chain.extend((h) => [h.mul(b.sin())], [s]);
      chain.cut();
      return y;
    },
  };
  test.each(Object.keys(PAIRS).flatMap((pair) => Object.keys(USES).map((use) => [pair, use])))(
    "%s: %s",
    async (pair, use) => {
      const derivatives = async (fn: (a: Tensor, b: Tensor) => Tensor): Promise<(number[] | null)[]> => {
        const x = leaf(0.5, -2);
        const [a, b] = PAIRS[pair](x);
        const inputs = [x, ...[a, b].filter((t) => t !== x && t.requiresGrad)];
        const first = grad(fn(a, b).sum(), inputs, { createGraph: true, allowUnused: true });
        const squares = first.flatMap((g) => (g === null || !g.requiresGrad ? [] : [g.square().sum()]));
        const second = grad(
          squares.reduce((p, q) => p.add(q)),
          inputs,
          { allowUnused: true },
        );
        return Promise.all([...first, ...second].map((g) => (g === null ? null : values(g))));
      };
      const [plain, again] = [await derivatives(f), await derivatives(USES[use])];
      expect(again).toEqual(plain.map((g) => g?.map((v) => expect.closeTo(v, 10)) ?? null));
    },
  );
});
