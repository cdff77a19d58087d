/** Inner loops: modes, callbacks, truncation, and that memory is flat. */
import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import { grad, makeDot } from "@loopgrad/autograd";
import { BatchNorm1d, functional as F, Linear, Sequential, Tanh } from "@loopgrad/nn";
import { Adam, clippedByNorm, SGD } from "@loopgrad/optim";
import {
  ArgumentError,
  type Device,
  init,
  manualSeed,
  ReleasedError,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { createDifferentiable, type InnerLoop, innerLoop, type Mode } from "./index.ts";
import { read, readAll } from "./testing/differences.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

function near(got: number[][], wanted: number[][]): void {
  expect(got.map((list) => list.length)).toEqual(wanted.map((list) => list.length));
  for (const [i, list] of got.entries()) for (const [j, x] of list.entries()) expect(x).toBeCloseTo(wanted[i][j], 12);
}
const make = (): Sequential => new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2));
const batch = (): readonly [Tensor, Tensor] => [randn([5, 3]), randn([5, 2])];
const MODES: readonly Mode[] = ["second-order", "first-order", "none"];

describe("modes", () => {
  test("an outer backward fills the model's grad as grad by time 0 does", async () => {
    const model = make();
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
    const { fmodel, diffopt } = loop;
    for (let k = 0; k < 3; k++) diffopt.step(F.mseLoss(fmodel.forward(x), y));
    const query = F.mseLoss(fmodel.forward(x), y);
    const byTime0 = grad(query, fmodel.initialParams, { retainGraph: true });
    query.backward();
    expect(await readAll(model.parameters().map((p) => p.grad))).toEqual(await readAll(byTime0));
  });

  test("first order: the meta-gradient of plain SGD is the last gradient", async () => {
    const model = make();
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), { mode: "first-order" });
    const { fmodel, diffopt } = loop;
    for (let k = 0; k < 3; k++) diffopt.step(F.mseLoss(fmodel.forward(x), y));
    const query = F.mseLoss(fmodel.forward(x), y);
    const last = grad(query, fmodel.parameters(), { retainGraph: true });
    query.backward();
    expect(await readAll(model.parameters().map((p) => p.grad))).toEqual(await readAll(last));
  });

  test("none: nothing reaches time 0, the latest weights are leaves", () => {
    const model = make();
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters()), { mode: "none" });
    const { fmodel, diffopt } = loop;
    diffopt.step(F.mseLoss(fmodel.forward(x), y));
    const query = F.mseLoss(fmodel.forward(x), y);
    const gs = grad(query, [...fmodel.initialParams, ...model.parameters()], { allowUnused: true, retainGraph: true });
    expect(gs.every((g) => g === null)).toBe(true);
    expect(fmodel.parameters().every((p) => p.isLeaf && p.requiresGrad)).toBe(true);
    expect(() => grad(query, fmodel.parameters())).not.toThrow();
  });

  test("an unknown option or mode is an error, and leaves no scope open", () => {
    const model = make();
    const opt = new SGD(model.parameters());
    expect(() => innerLoop(model, opt, { trackHigherGrads: true } as object)).toThrow(
      /unknown option trackHigherGrads/,
    );
    expect(() => innerLoop(model, opt, { mode: "third" as Mode })).toThrow(ArgumentError);
    const other = new Linear(1, 1);
    expect(() => innerLoop(other, opt)).toThrow(/parameter 0 of the optimizer's group 0 is not among those given/);
  });
});

describe("memory", () => {
  test.each(MODES)("many inner loops in mode %s hold what one holds", async (mode) => {
    const model = make();
    const opt = new Adam(model.parameters());
    const task = async (): Promise<void> => {
      using _ = scope();
      const [x, y] = batch();
      using loop = innerLoop(model, opt, { mode });
      for (let k = 0; k < 4; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
      const query = F.mseLoss(loop.fmodel.forward(x), y);
      if (mode !== "none") query.backward();
      await query.item();
    };
    for (let i = 0; i < 3; i++) await task();
    const { usedBytes, plansMade } = device.stats();
    for (let i = 0; i < 10; i++) await task();
    expect(device.stats().usedBytes).toBe(usedBytes);
    expect(device.stats().plansMade).toBe(plansMade);
    model.zeroGrad();
  });

  test("in mode none a long unroll holds one step", () => {
    const model = make();
    using loop = innerLoop(model, new Adam(model.parameters()), { mode: "none" });
    const used = Array.from({ length: 50 }, () => {
      using _ = scope();
      const [x, y] = batch();
      loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
      device.flush();
      return device.stats().usedBytes;
    });
    expect(new Set(used.slice(3)).size).toBe(1);
  });

  test("truncation bounds an unroll by its window", () => {
    const model = make();
    using loop = innerLoop(model, new Adam(model.parameters()), { history: "ends" });
    const used: number[] = [];
    for (let k = 0; k < 40; k++) {
      using _ = scope();
      const [x, y] = batch();
      loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
      if (k % 4 === 3) {
        loop.detach();
        device.flush();
        used.push(device.stats().usedBytes);
      }
    }
    expect(new Set(used.slice(2)).size).toBe(1);
  });

  test("the sum of several loops' query losses can be differentiated after they ended", async () => {
    const model = make();
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const tasks = [batch(), batch()];
    let total: Tensor | null = null;
    for (const [x, y] of tasks) {
      const loss = innerLoop(model, opt, {}, ({ fmodel, diffopt }) => {
        diffopt.step(F.mseLoss(fmodel.forward(x), y));
        return F.mseLoss(fmodel.forward(x), y);
      });
      total = total === null ? loss : (total as Tensor).add(loss);
    }
    (total as Tensor | null)?.backward();
    const together = await readAll(model.parameters().map((p) => p.grad));
    model.zeroGrad();
    for (const [x, y] of tasks) {
      using loop = innerLoop(model, opt);
      loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
      F.mseLoss(loop.fmodel.forward(x), y).backward();
    }
    const oneByOne = await readAll(model.parameters().map((p) => p.grad));
    near(together, oneByOne);
  });

  test("weights returned from the callback live on, others do not", async () => {
    const model = make();
    const [x, y] = batch();
    let leaked: Tensor | null = null;
    const weights = innerLoop(model, new SGD(model.parameters()), { mode: "none" }, ({ fmodel, diffopt }) => {
      leaked = fmodel.forward(x);
      diffopt.step(F.mseLoss(leaked, y));
      return fmodel.parameters();
    });
    expect((await readAll(weights)).flat().every(Number.isFinite)).toBe(true);
    expect((leaked as Tensor | null)?.isReleased).toBe(true);
  });

  test("what is returned, in whatever collection, belongs to who began the loop; what he had before stays his", async () => {
    const model = new Sequential(new Linear(3, 2), new BatchNorm1d(2));
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const [x, y] = batch();
    const run = (): { returned: Tensor[]; left: Tensor } => {
      let left: Tensor | null = null;
      const { a, b, c, d } = innerLoop(model, opt, {}, ({ fmodel, diffopt }) => {
        for (let k = 0; k < 2; k++) diffopt.step(F.mseLoss(fmodel.forward(x), y));
        left = fmodel.forward(x);
        const all = {
          a: [fmodel.parameters(), fmodel.parameters({ time: 1 })],
          b: new Map([["loss", left.square().sum()]]),
        };
        return { ...all, c: { buffers: fmodel.buffers, start: fmodel.initialParams }, d: [x, y] };
      });
      expect(d).toEqual([x, y]);
      return {
        returned: [...a.flat(), ...b.values(), ...Object.values(c.buffers), ...c.start],
        left: left as unknown as Tensor,
      };
    };
    const { returned, left } = run();
    expect([returned.length, left.isReleased, returned.some((t) => t.isReleased)]).toEqual([16, true, false]);
    expect((await readAll(returned)).flat().every(Number.isFinite)).toBe(true);
    const inner = scope(() => {
      const { returned } = run();
      expect(returned.some((t) => t.isReleased)).toBe(false);
      return { kept: [returned] };
    }).kept[0];
    // A scope keeps what its function returns as well.
    expect(inner.some((t) => t.isReleased)).toBe(false);
    let gone: Tensor[] = [];
    scope(() => {
      gone = run().returned;
    });
    expect(gone.map((t) => t.isReleased)).toEqual(gone.map(() => true));
    expect([x, y].map((t) => t.isReleased)).toEqual([false, false]);
    for (const t of [...returned, ...inner]) t.dispose();
  });

  test("a loop that fails to begin holds nothing", () => {
    const model = make();
    for (const p of model.parameters()) p.requiresGrad_(false);
    const pins = (): number[] => model.parameters().map((p) => p._value.pins);
    const before = pins();
    const opt = new SGD(model.parameters());
    const WRONG: object[] = [
      { override: { rate: 1 } },
      { mode: "third" },
      { checkpoint: -1 },
      { history: "some" },
      { initial: "copied" },
    ];
    for (const options of WRONG) expect(() => innerLoop(model, opt, options)).toThrow(ArgumentError);
    expect(() => innerLoop(model, new SGD(make().parameters()))).toThrow(ArgumentError);
    expect(pins()).toEqual(before);
    const loop = innerLoop(model, opt);
    expect(pins()).toEqual(before.map((n) => n + 1));
    loop.dispose();
    expect(pins()).toEqual(before);
  });

  test("after its end a loop cannot be used", () => {
    const model = make();
    const loop = innerLoop(model, new SGD(model.parameters()));
    const x = randn([5, 3]);
    loop.dispose();
    loop.dispose();
    expect(() => loop.fmodel.forward(x)).toThrow(ReleasedError);
    expect(() => loop.diffopt.step(x.sum())).toThrow(ReleasedError);
  });
});

describe("seams: where kernels of one step end and those of the next begin", () => {
  /** Seams, and flushes, of a function. */
  const marked = (fn: () => void): [seams: number, flushes: number] => {
    const seam = jest.spyOn(device, "seam");
    const { flushes } = device.stats();
    fn();
    const seams = seam.mock.calls.length;
    seam.mockRestore();
    return [seams, device.stats().flushes - flushes];
  };

  test.each([1, 2, 5])("a loop of %s steps has one between two steps, there and back", (steps) => {
    const model = make();
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
    const forward = marked(() => {
      for (let k = 0; k < steps; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    });
    expect(forward).toEqual([steps - 1, 0]);
    const query = F.mseLoss(loop.fmodel.forward(x), y);
    // Of one step alone nothing repeats.
    expect(marked(() => query.backward())).toEqual([steps === 1 ? 0 : steps, 0]);
    model.zeroGrad();
  });

  test("a loop submits its steps after each 8192 operations, and then the walk back begins with nothing pending", () => {
    const model = make();
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const [x, y] = batch();
    const step = (loop: InnerLoop<Sequential>, operations: number): void => {
      loop.step(() => {
        // They are recorded, and nobody needs them.
        for (let i = 0; i < operations; i++) scope(() => void x.neg());
        return F.mseLoss(loop.fmodel.forward(x), y);
      });
    };
    /** Operations of the first step, and of another. */
    const own = (): number[] => {
      device.flush();
      using loop = innerLoop(model, opt);
      return [0, 1].map(() => {
        const before = device.recorded;
        step(loop, 0);
        return device.recorded - before;
      });
    };
    own(); // What is made once for a device is there from now on.
    const [first, other] = own();
    /** For steps of so many operations: which of them submit; seams and flushes of the walk back. */
    const run = (...steps: number[]): unknown => {
      using _ = scope();
      device.flush();
      using loop = innerLoop(model, opt);
      const flushes = steps.map((count, i) => marked(() => step(loop, count - (i === 0 ? first : other)))[1]);
      const query = F.mseLoss(loop.fmodel.forward(x), y);
      return [flushes, marked(() => void grad(query, loop.fmodel.initialParams))];
    };
    expect(run(8192, 100)).toEqual([[0, 1], [1, 1]]); // biome-ignore format: a pair
    expect(run(8193, 100)).toEqual([[1, 0], [1, 1]]); // biome-ignore format: a pair
    expect(run(3000, 3000, 3000, 3000, 3000, 3000)).toEqual([[0, 0, 1, 0, 0, 1], [5, 1]]); // biome-ignore format: a pair
  });
});

describe("gradCallback", () => {
  const scaled =
    (factor: number) =>
    (grads: readonly { grad: Tensor | null }[]): (Tensor | null)[] =>
      grads.map(({ grad: g }) => g?.mul(factor) ?? null);

  test("scales like the rate, at construction and per step; per step it replaces the other", async () => {
    const tenth = await weightsAfter({ override: { lr: 0.05 } });
    const fifth = await weightsAfter({ override: { lr: 0.1 } });
    near(await weightsAfter({ gradCallback: scaled(0.1) }), tenth);
    near(await weightsAfter({}, { gradCallback: scaled(0.1) }), tenth);
    near(await weightsAfter({ gradCallback: scaled(0.1) }, { gradCallback: scaled(0.2) }), fifth);
  });

  /** Weights after one step of the same model on the same batch. */
  async function weightsAfter(options: object, stepOptions: object = {}): Promise<number[][]> {
    manualSeed(3);
    const model = make();
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.5 }), options);
    loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y), stepOptions);
    return readAll(loop.fmodel.parameters());
  }

  test("sees names and null gradients, and must return one for each", () => {
    const model = make();
    model.at(0).requiresGrad_(false);
    const [x, y] = batch();
    using loop = innerLoop(model, new SGD(model.parameters()));
    const seen: [string, boolean][] = [];
    const loss = F.mseLoss(loop.fmodel.forward(x), y);
    loop.diffopt.step(loss, {
      gradCallback: (grads) => {
        for (const { name, grad: g } of grads) seen.push([name, g === null]);
        return grads.map(({ grad: g }) => g);
      },
    });
    expect(seen).toEqual([
      ["0.weight", true],
      ["0.bias", true],
      ["2.weight", false],
      ["2.bias", false],
    ]);
    const step = (gradCallback: () => (Tensor | null)[]) => () =>
      loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y), { gradCallback });
    expect(step(() => [])).toThrow(/returned 0 gradients for 4 parameters/);
    expect(step(() => [x, null, null, null])).toThrow(ArgumentError);
  });

  test("clipping is differentiated", async () => {
    const w = tensor([3, 4], { requiresGrad: true });
    const diffopt = createDifferentiable(SGD, { lr: 1 }, { params: [w] });
    const [next] = diffopt.step(w.square().sum().mul(0.5), {
      gradCallback: (grads) =>
        clippedByNorm(
          grads.map(({ grad: g }) => g),
          1,
        ),
    });
    // next = w − w/‖w‖; d next₀/dw = (1 − 16/125, 12/125)
    const [d] = grad(next.select(0, 0), w);
    (await read(d)).forEach((v, i) => {
      expect(v).toBeCloseTo([0.872, 0.096][i], 6);
    });
  });
});

test("a drawn graph shows each inner step as one node", () => {
  using _ = scope();
  const model = make();
  const [x, y] = batch();
  using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
  for (let k = 0; k < 2; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
  const loss = F.mseLoss(loop.fmodel.forward(x), y);
  const folded = makeDot(loss, model.namedParameters());
  expect(folded.match(/step 1/g)).toHaveLength(1);
  expect(folded.match(/step 2/g)).toHaveLength(1);
  expect(folded).toContain("0.weight");
  const lines = (dot: string) => dot.split("\n").length;
  expect(lines(makeDot(loss, model.namedParameters(), { groups: "none" }))).toBeGreaterThan(1.5 * lines(folded));
});
