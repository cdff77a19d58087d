/**
 * Second groups and second buffers: what holds for the first of a kind holds for the others, in every mode and with checkpoints, and
 * still after detach, reset and commit. And what a loop's steps leave behind when they run again: nothing.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, isGradEnabled, noGrad } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  Buffer,
  Dropout,
  functional as F,
  Linear,
  Module,
  Parameter,
  Sequential,
  Tanh,
} from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { getRngState, init, manualSeed, rand, randn, scope, Tensor, tensor, zeros } from "@loopgrad/tensor";
import { type Checkpoint, type InnerLoop, type InnerLoopOptions, innerLoop, perParameter } from "./index.ts";
import { type Make, OPTION_SETS } from "./testing/optimizers.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const read = async (x: Tensor | null): Promise<number[]> =>
  x === null ? [] : Array.from(await x.data(), (v) => v + 0);
const readAll = (xs: readonly (Tensor | null)[]): Promise<number[][]> => Promise.all(xs.map(read));
const near = (got: number[][], wanted: number[][], digits = 10): void => {
  expect(got).toEqual(wanted.map((row) => row.map((v) => expect.closeTo(v, digits))));
};

// ---- groups -----------------------------------------------------------------------------------------------------

type Net = Sequential;
const STEPS = 4;
let xs: Tensor[];
let ys: Tensor[];
beforeAll(() => {
  manualSeed(21);
  [xs, ys] = [2, 1].map((width) => Array.from({ length: STEPS + 4 }, () => randn([5, width])));
});

/** [2, 3], [3], [3, 1], [1]. */
function net(): Net {
  manualSeed(22);
  return new Sequential(new Linear(2, 3), new Tanh(), new Linear(3, 1));
}

/** Groups of several sizes, in another order than the module's: the last weight alone, then the others from the end. */
const grouped = (model: Module): Tensor[][] => {
  const params = model.parameters();
  return [[params[3]], [params[2], params[0]], [params[1]]];
};
const RATES = [0.05, 0.02, 0.1];
const optimizerOf = (make: Make, model: Module): ReturnType<Make> =>
  make(grouped(model).map((params, g) => ({ params, lr: RATES[g] })));

/** Plain training. */
function train(model: Net, opt: ReturnType<Make>, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    scope(() => {
      opt.zeroGrad();
      F.mseLoss(model.forward(xs[i]), ys[i]).backward();
      opt.step();
    });
  }
}

type Stateful = { stateOf(param: Tensor): Readonly<Record<string, Tensor | number>> };

/** Weights, and what an optimizer remembers of each, with its shape. */
async function outcome(model: Module, opt: Stateful): Promise<unknown[]> {
  return Promise.all(
    model.parameters().map(async (param) => {
      const state = Object.entries(opt.stateOf(param)).map(async ([name, value]) =>
        value instanceof Tensor ? [name, value.shape, await near12(value)] : [name, value],
      );
      return [await near12(param), await Promise.all(state)];
    }),
  );
}
const near12 = async (x: Tensor): Promise<string[]> => (await read(x)).map((v) => v.toPrecision(9));

const LOOPS: Record<string, InnerLoopOptions> = {
  "second order": {},
  "first order": { mode: "first-order" },
  "no graph": { mode: "none" },
  "checkpoints of two steps": { checkpoint: 2 },
  "checkpoints, the ends of the history": { checkpoint: "step", history: "ends", initial: "detached" },
};

/** Two of the loops for each set of options in turn, so that every optimizer meets several; all in a full run. */
const SETS = OPTION_SETS.map(([name, make], i) => {
  const all = Object.keys(LOOPS);
  const some = process.env.LOOPGRAD_FULL === undefined ? [0, 2].map((k) => all[(i + k) % all.length]) : all;
  return [name, make, some] as const;
});

describe.each(SETS)("%s over three groups", (_, make, loops) => {
  test.each(loops)("%s: steps and commits what plain training does, which goes on from there", async (how) => {
    const [plain, model] = [net(), net()];
    const [plainOpt, opt] = [plain, model].map((m) => optimizerOf(make, m));
    // From a state that is not empty.
    for (const [m, o] of [
      [plain, plainOpt],
      [model, opt],
    ] as const)
      train(m, o, 0, 1);
    const before = await outcome(model, opt);
    await innerLoop(model, opt, LOOPS[how], async (loop) => {
      for (let i = 1; i < STEPS; i++) loop.step(() => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]));
      train(plain, plainOpt, 1, STEPS);
      expect(await outcome(model, opt)).toEqual(before);
      near(await readAll(loop.fmodel.parameters()), await readAll(plain.parameters()));
      loop.fmodel.commitTo(model);
      loop.diffopt.commitTo(opt);
    });
    expect(await outcome(model, opt)).toEqual(await outcome(plain, plainOpt));
    train(model, opt, STEPS, STEPS + 2);
    train(plain, plainOpt, STEPS, STEPS + 2);
    expect(await outcome(model, opt)).toEqual(await outcome(plain, plainOpt));
  });

  test("reset goes back to the optimizer's present state, group by group", async () => {
    const model = net();
    const opt = optimizerOf(make, model);
    const loop = innerLoop(model, opt);
    const steps = (from: number): Promise<number[][]> => {
      for (let i = from; i < from + 2; i++) loop.step(() => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]));
      return readAll(loop.fmodel.parameters());
    };
    const first = await steps(0);
    train(model, opt, 2, 3);
    loop.reset();
    expect(loop.fmodel.time).toBe(0);
    const second = await steps(0);
    expect(second).not.toEqual(first);
    loop.dispose();
    using anew = innerLoop(model, opt);
    for (let i = 0; i < 2; i++) anew.step(() => F.mseLoss(anew.fmodel.forward(xs[i]), ys[i]));
    near(second, await readAll(anew.fmodel.parameters()));
  });

  test("each number can be overridden in one group, for one parameter, and for one step", async () => {
    const model = net();
    const params = model.parameters();
    const groups = grouped(model);
    const groupOf = params.map((param) => groups.findIndex((group) => group.includes(param)));
    const defaults = (make(params) as unknown as { paramGroups: Record<string, unknown>[] }).paramGroups[0];
    const names = Object.keys(defaults).filter(
      (name) => ["number", "object"].includes(typeof defaults[name]) && name !== "params",
    );
    expect(names).toContain("lr");
    for (const name of names) {
      const standard = defaults[name] as number | number[];
      const other = Array.isArray(standard) ? OTHER_PAIRS[name] : name === "t0" ? 2 : name === "lr" ? 0.03 : standard === 0 ? 0.2 : standard * 0.7; // biome-ignore format: a choice
      const steps = async (options: InnerLoopOptions, opt: ReturnType<Make>, step = {}): Promise<number[][]> =>
        innerLoop(model, opt, { mode: "none", ...options }, async (loop) => {
          for (let i = 0; i < STEPS; i++) {
            loop.diffopt.step(F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]), step);
          }
          const states = params.map((_, i) => Object.values(loop.diffopt.stateOf(i)));
          const numbers = states.map((state) => state.filter((value) => typeof value === "number") as number[]);
          const tensors = states.flatMap((state) => state.filter((value) => value instanceof Tensor) as Tensor[]);
          return [...(await readAll([...loop.fmodel.parameters(), ...tensors])), ...numbers];
        });
      const withGroup = make(
        groups.map((group) => ({ params: group })),
        {},
      );
      Object.assign(withGroup.paramGroups[1], { [name]: other });
      const wanted = await steps({}, withGroup);
      const plain = (): ReturnType<Make> => make(groups.map((group) => ({ params: group })));
      const perGroup = { [name]: groups.map((_, g) => (g === 1 ? other : standard)) } as never;
      const each = { [name]: perParameter(groupOf.map((g) => (g === 1 ? other : standard))) };
      const untouched = await steps({}, plain());
      // What an option does alone is the optimizers' matter: without momentum nothing is dampened.
      if (!["dampening", "eps"].includes(name)) expect([name, wanted]).not.toEqual([name, untouched]);
      for (const [options, step] of [
        [{ override: perGroup }, {}],
        [{ override: each }, {}],
        [{}, { override: perGroup }],
        [{ override: { [name]: standard } }, { override: each }],
      ] as [InnerLoopOptions, object][]) {
        expect([name, await steps(options, plain(), step)]).toEqual([name, wanted]);
      }
    }
  });
});
const OTHER_PAIRS: Record<string, number[]> = { betas: [0.6, 0.7], etas: [0.4, 1.4], stepSizes: [1e-3, 0.04] };

// ---- buffers ----------------------------------------------------------------------------------------------------

/** Three buffers: a count, which no gradient reaches, and two that are made from the weights and from each other. */
class Traced extends Module {
  readonly count = new Buffer(tensor([0]));
  readonly trace = new Buffer(tensor([0.1, 0.2, 0.3]));
  readonly level = new Buffer(tensor(0.5));
  readonly first = new Parameter(tensor([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6]])); // biome-ignore format: a matrix
  readonly second = new Parameter(tensor([[0.7], [-0.3], [0.2]]));

  override forward(x: Tensor): Tensor {
    this.count.assign(this.count.add(1));
    this.trace.assign(this.trace.mul(0.5).add(this.first.sum(0).tanh()));
    this.level.assign(this.level.mul(0.9).add(this.trace.mul(this.second.flatten()).sum()));
    return x.matmul(this.first).add(this.trace).tanh().matmul(this.second).add(this.level);
  }
}

const NAMES = ["count", "trace", "level"];
const lossAt = (loop: InnerLoop<Traced>, i: number): Tensor => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]);

describe("buffers made from the weights", () => {
  const WAYS: [string, Checkpoint][] = [["plain", "none"], ["a checkpoint for each step", "step"], ["segments", 2]]; // biome-ignore format: a list

  test.each(WAYS)("carry gradients, all of them: %s", async (_, checkpoint) => {
    // The loop written down by hand.
    const model = new Traced();
    const [w0, v0] = model.parameters().map((p) => p.detach().requiresGrad_());
    let [w, v, trace, level] = [w0, v0, model.trace.detach(), model.level.detach()];
    const forward = (x: Tensor): Tensor => {
      trace = trace.mul(0.5).add(w.sum(0).tanh());
      level = level.mul(0.9).add(trace.mul(v.flatten()).sum());
      return x.matmul(w).add(trace).tanh().matmul(v).add(level);
    };
    for (let i = 0; i < STEPS; i++) {
      const [gw, gv] = grad(F.mseLoss(forward(xs[i]), ys[i]), [w, v], { createGraph: true }) as [Tensor, Tensor];
      [w, v] = [w.sub(gw.mul(0.2)), v.sub(gv.mul(0.2))];
    }
    const wanted = await readAll([trace, level, ...grad(F.mseLoss(forward(xs[STEPS]), ys[STEPS]), [w0, v0])]);

    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.2 }), { initial: "detached", checkpoint });
    for (let i = 0; i < STEPS; i++) loop.step(() => lossAt(loop, i));
    const { buffers } = loop.fmodel;
    expect(Object.keys(buffers)).toEqual(NAMES);
    const [count, ...traces] = await readAll(Object.values(buffers));
    near([...traces, ...(await readAll(grad(lossAt(loop, STEPS), loop.fmodel.initialParams)))], wanted);
    expect([count, await readAll(model.buffers())]).toEqual([[STEPS], [[0], [0.1, 0.2, 0.3], [0.5]]]);
  });

  test.each<[string, InnerLoopOptions]>([
    ["loop.detach", {}],
    ["loop.detach, checkpoints", { checkpoint: "step", history: "all" }],
    ["every step of mode none", { mode: "none" }],
  ])("are all cut by %s", async (_, options) => {
    const model = new Traced();
    const opt = new SGD(model.parameters(), { lr: 0.2, momentum: 0.5 });
    using loop = innerLoop(model, opt, options);
    for (let i = 0; i < 2; i++) loop.step(() => lossAt(loop, i));
    const values = await readAll(Object.values(loop.fmodel.buffers));
    if (options.mode !== "none") {
      expect(Object.values(loop.fmodel.buffers).map((b) => b.requiresGrad)).toEqual([false, true, true]);
      loop.detach();
    }
    expect(Object.values(loop.fmodel.buffers).map((b) => b.requiresGrad)).toEqual([false, false, false]);
    expect(await readAll(Object.values(loop.fmodel.buffers))).toEqual(values);
    expect(loop.fmodel.time).toBe(2);
    // Nothing flows to what was before.
    const cut = loop.fmodel.parameters();
    loop.step(() => lossAt(loop, 2));
    const outer = lossAt(loop, 3);
    const start = model.parameters();
    expect(grad(outer, start, { allowUnused: true, retainGraph: true })).toEqual([null, null]);
    if (options.mode !== "none") expect(grad(outer, cut, { allowUnused: true })).not.toContain(null);
  });

  test("go back with reset, to what the module has by then", async () => {
    const model = new Traced();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.2 }));
    for (let i = 0; i < 2; i++) loop.step(() => lossAt(loop, i));
    model.trace.assign(tensor([7, 8, 9]));
    model.level.assign(tensor(-1));
    loop.reset();
    expect(await readAll(Object.values(loop.fmodel.buffers))).toEqual([[0], [7, 8, 9], [-1]]);
    loop.step(() => lossAt(loop, 0));
    expect(await read(loop.fmodel.buffers.count)).toEqual([1]);
  });

  test("are committed, all of them, to the module and to another; which stay when the loop goes on", async () => {
    const [model, other] = [new Traced(), new Traced()];
    const loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.2 }));
    for (let i = 0; i < 2; i++) loop.step(() => lossAt(loop, i));
    const wanted = await readAll([...loop.fmodel.parameters(), ...Object.values(loop.fmodel.buffers)]);
    for (const target of [other, model]) loop.fmodel.commitTo(target);
    loop.step(() => lossAt(loop, 2));
    loop.dispose();
    for (const target of [other, model]) {
      expect(await readAll([...target.parameters(), ...target.buffers()])).toEqual(wanted);
      expect(target.buffers().map((b) => b.requiresGrad)).toEqual([false, false, false]);
    }
  });

  test("with a history of the ends each is held once", async () => {
    for (const history of ["all", "ends"] as const) {
      const model = new Traced();
      const opt = new SGD([{ params: [model.second] }, { params: [model.first] }], { lr: 0.2 });
      using loop = innerLoop(model, opt, { history, mode: "first-order" });
      for (let i = 0; i < 3; i++) loop.step(() => lossAt(loop, i));
      const at = (time: number): unknown => {
        try {
          return loop.fmodel.parameters({ time }).map(({ shape }) => shape);
        } catch (error) {
          return (error as Error).name;
        }
      };
      const all = [
        [2, 3],
        [3, 1],
      ];
      const inner = history === "all" ? all : "RangeError";
      expect([0, 1, 2, 3, -1].map(at)).toEqual([all, inner, inner, all, all]);
      near(await readAll(loop.fmodel.parameters({ time: 0 })), await readAll(model.parameters()));
    }
  });
});

// ---- options ----------------------------------------------------------------------------------------------------

describe("every option of a loop holds after a reset as before it", () => {
  const rates = [0.3, 0.05];
  const OPTIONS: Record<string, InnerLoopOptions> = {
    "no option": {},
    "initial: detached": { initial: "detached" },
    "mode: first-order": { mode: "first-order" },
    "mode: none": { mode: "none" },
    "override, by group": { override: { lr: rates, momentum: [0, 0.5] } },
    "override, by parameter": { override: { weightDecay: perParameter([0.1, 0.2]) } },
    gradCallback: {
      gradCallback: (grads) =>
        grads.map(({ name, grad: g }) => g && (name === "second" ? g.mul(3) : g.clamp(-0.01, 0.01))),
    },
    "history: ends": { history: "ends" },
    "checkpoint: step": { checkpoint: "step" },
    "checkpoint: 2, history: all": { checkpoint: 2, history: "all" },
    "several of them": {
      ...{ initial: "detached", mode: "first-order", checkpoint: 2, history: "all", override: { lr: rates } },
      gradCallback: (grads) => grads.map(({ grad: g }) => g?.mul(0.5) ?? null),
    },
  };

  /** All that a loop shows after three steps. */
  async function course(loop: InnerLoop<Traced>, model: Traced): Promise<unknown> {
    for (let i = 0; i < 3; i++) loop.step(() => lossAt(loop, i));
    const { fmodel, diffopt } = loop;
    const times = await Promise.all(
      [0, 1, 2, 3].map(async (time) => {
        try {
          return await readAll(fmodel.parameters({ time }));
        } catch (error) {
          return (error as Error).name;
        }
      }),
    );
    const states = [0, 1].map((i) => Object.values(diffopt.stateOf(i)).filter((value) => value instanceof Tensor));
    const buffers = await readAll(Object.values(fmodel.buffers));
    const outer = lossAt(loop, 3);
    const sources = [...model.parameters(), ...fmodel.initialParams];
    const wanted = sources.filter((t) => t.requiresGrad);
    // A first-order step frees its loss's graph, through which these buffers were made.
    const gs = outer.requiresGrad && diffopt.mode !== "first-order" ? grad(outer, wanted, { allowUnused: true }) : [];
    return {
      ...{ times, buffers, states: await readAll(states.flat()), steps: loop.stats().steps, outer: await read(outer) },
      ...{
        required: sources.map((t) => t.requiresGrad),
        gs: await Promise.all(gs.map((g) => (g === null ? null : read(g)))),
      },
    };
  }

  test.each(Object.keys(OPTIONS))("%s", async (what) => {
    const courses: unknown[] = [];
    for (const isReset of [false, true]) {
      const model = new Traced();
      const groups = [{ params: [model.second] }, { params: [model.first], momentum: 0.7 }];
      const opt = new SGD(groups, { lr: 0.2, momentum: 0.5 });
      using loop = innerLoop(model, opt, OPTIONS[what]);
      if (isReset) {
        await course(loop, model);
        loop.reset();
      }
      courses.push(await course(loop, model));
      if (isReset) continue;
      // And the option does something.
      using plain = innerLoop(model, opt, {});
      const without = await course(plain, model);
      if (what !== "no option" && !what.startsWith("checkpoint: 2")) expect(courses[0]).not.toEqual(without);
    }
    expect(courses[1]).toEqual(courses[0]);
  });
});

// ---- steps that run again ----------------------------------------------------------------------------------------

describe.each<[Checkpoint]>([["step"], [2], ["sqrt"]])("steps that run again, checkpoint %p,", (checkpoint) => {
  const build = (): Sequential => {
    manualSeed(31);
    return new Sequential(
      new Linear(2, 4),
      new BatchNorm1d(4),
      new Dropout({ p: 0.3 }),
      new Tanh(),
      new Sequential(new Dropout({ p: 0.4 }), new Linear(4, 1)),
    );
  };
  /** Modes of all modules, mixed: one in evaluation among the others, another inside. */
  const MODES: ((model: Sequential) => void)[] = [
    (model) => void model.train(),
    (model) => void model.eval(),
    (model) => {
      model.train();
      model.modules()[2].eval();
      model.modules()[6].eval();
    },
    (model) => {
      model.eval();
      model.modules()[3].train();
    },
  ];
  const modesOf = (model: Module): boolean[] => model.modules().map((m) => m.training);
  const surroundings = (model: Module): unknown => ({
    modes: modesOf(model),
    random: getRngState(),
    gradients: isGradEnabled(),
    slots: [...model.parameters(), ...model.buffers()].map((slot) => [
      slot._standIn,
      slot._value.pins,
      slot.requiresGrad,
    ]),
  });

  test("have the modes of their time, and leave those of later", async () => {
    const run = async (how: Checkpoint): Promise<number[][]> => {
      const model = build();
      using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1, momentum: 0.5 }), {
        initial: "detached",
        checkpoint: how,
      });
      manualSeed(32);
      for (let i = 0; i < STEPS; i++) {
        // Another set of modes in every step.
        MODES[i % MODES.length](model);
        loop.step(() => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]));
      }
      const outer = F.mseLoss(loop.fmodel.forward(xs[STEPS]), ys[STEPS]);
      const buffers = await readAll(Object.values(loop.fmodel.buffers));
      const { fmodel } = loop;
      for (const later of MODES) {
        later(model);
        rand([3]);
        const before = surroundings(model);
        const held = [fmodel.time, fmodel.parameters(), Object.values(fmodel.buffers)];
        const isLast = later === MODES[MODES.length - 1];
        const gs = noGrad(() => grad(outer, fmodel.initialParams, { retainGraph: !isLast }));
        expect(surroundings(model)).toEqual(before);
        expect([fmodel.time, fmodel.parameters(), Object.values(fmodel.buffers)]).toEqual(held);
        expect(await readAll(Object.values(fmodel.buffers))).toEqual(buffers);
        if (isLast) return [...buffers, ...(await readAll(gs))];
      }
      return [];
    };
    near(await run(checkpoint), await run("none"));
  });

  test("leave everything as it was when the second run fails", async () => {
    const model = build();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), { checkpoint });
    let fails = false;
    for (let i = 0; i < STEPS; i++) {
      loop.step(() => {
        if (fails && i === 1) throw new Error("not again");
        return F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]);
      });
    }
    const outer = F.mseLoss(loop.fmodel.forward(xs[STEPS]), ys[STEPS]);
    MODES[3](model);
    rand([2]);
    const { fmodel } = loop;
    const before = [surroundings(model), fmodel.time, fmodel.parameters(), await readAll(fmodel.parameters())];
    fails = true;
    expect(() => outer.backward()).toThrow("not again");
    fails = false;
    expect([surroundings(model), fmodel.time, fmodel.parameters(), await readAll(fmodel.parameters())]).toEqual(before);
    // The loop goes on.
    loop.step(() => F.mseLoss(fmodel.forward(xs[0]), ys[0]));
    expect(fmodel.time).toBe(STEPS + 1);
    expect((await read(zeros([1]).add(F.mseLoss(fmodel.forward(xs[1]), ys[1])))).every(Number.isFinite)).toBe(true);
  });
});
