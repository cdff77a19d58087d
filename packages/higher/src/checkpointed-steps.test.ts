/** Checkpointed loops: the gradients of the plain unroll, whatever happens in the loop. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { checkpoint, grad } from "@loopgrad/autograd";
import { BatchNorm1d, Dropout, functional as F, Linear, Module, Parameter, Sequential, Tanh } from "@loopgrad/nn";
import { Adam, ASGD, clippedByNorm, RMSprop, SGD } from "@loopgrad/optim";
import {
  ArgumentError,
  full,
  GradError,
  init,
  LoopgradError,
  manualSeed,
  ones,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import {
  type AnyOptimizer,
  type Checkpoint,
  functionalize,
  type InnerLoop,
  type InnerLoopOptions,
  innerLoop,
  type LoopStepOptions,
  type Mode,
  perParameter,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

type Net = Module & { forward(x: Tensor): Tensor };

const read = async (x: Tensor | null): Promise<number[]> => (x === null ? [] : Array.from(await x.data()));
const readAll = (xs: readonly (Tensor | null)[]): Promise<number[][]> => Promise.all(xs.map(read));
/** Equal to a relative 1e-10. */
function near(got: number[][], wanted: number[][]): void {
  expect(got.map((list) => list.length)).toEqual(wanted.map((list) => list.length));
  const error = got.flatMap((list, i) => list.map((x, j) => Math.abs(x - wanted[i][j]) / Math.max(1, Math.abs(x))));
  expect(Math.max(...error)).toBeLessThan(1e-10);
}

const CHECKPOINTS: readonly Checkpoint[] = ["step", "sqrt", 3, 100];
const MODES: readonly Mode[] = ["second-order", "first-order"];
/** Where segments end does not depend on the mode: those of a first-order loop are tried once, and all in a full run. */
const checkpointsOf = (mode: Mode): readonly Checkpoint[] =>
  mode === "second-order" || process.env.LOOPGRAD_FULL !== undefined ? CHECKPOINTS : ["sqrt"];
const STEPS = 7;

/** What a case is made of; everything left out is the simplest there is. */
interface Case {
  model?: () => Net;
  optimizer?: (params: Tensor[]) => AnyOptimizer;
  options?: InnerLoopOptions;
  /** Leaves for which gradients are wanted, besides the weights at time 0. */
  leaves?: readonly Tensor[];
  loss?: (loop: InnerLoop<Net>, i: number) => Tensor;
  stepOptions?: (i: number) => LoopStepOptions;
  /** Between steps. */
  between?: (loop: InnerLoop<Net>, i: number) => void;
  outer?: (loop: InnerLoop<Net>, losses: Tensor[]) => Tensor;
}

const mlp = (): Net => new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2)) as unknown as Net;
const [xs, ys]: Tensor[][] = [[], []];
beforeAll(() => {
  manualSeed(5);
  for (let i = 0; i <= STEPS; i++) {
    xs.push(randn([6, 3]));
    ys.push(randn([6, 2]));
  }
});

/** The meta-gradients of a case, and the weights and buffers it ends with. */
async function run(one: Case, how: "plain" | "step" | "run", checkpoint: Checkpoint): Promise<number[][]> {
  const { options, leaves = [], between, stepOptions } = one;
  manualSeed(11);
  using _ = scope();
  const model = one.model?.() ?? mlp();
  const params = model.parameters();
  const optimizer = one.optimizer?.(params) ?? new SGD(params, { lr: 0.1 });
  const lossAt = one.loss ?? ((loop, i) => F.mseLoss(loop.fmodel.forward(xs[i]), ys[i]));
  using loop = innerLoop(model, optimizer, { ...options, checkpoint });
  let losses: Tensor[] = [];
  if (how === "run") losses = loop.run(STEPS, (i) => lossAt(loop, i));
  for (let i = 0; how !== "run" && i < STEPS; i++) {
    if (how === "step") losses.push(loop.step(() => lossAt(loop, i), stepOptions?.(i)));
    else {
      const loss = lossAt(loop, i);
      loop.diffopt.step(loss, { ...stepOptions?.(i), retainGraph: true });
      losses.push(loss);
    }
    between?.(loop, i);
  }
  model.eval();
  const outer = one.outer?.(loop, losses) ?? F.mseLoss(loop.fmodel.forward(xs[STEPS]), ys[STEPS]);
  const wanted = [...leaves, ...loop.fmodel.initialParams.filter((p) => p.requiresGrad)];
  const grads = grad(outer, wanted, { createGraph: true, allowUnused: true });
  // Second order: the gradient of the gradients' squares.
  const squares = grads.flatMap((g) => (g?.requiresGrad ? [g.square().sum()] : [])).reduce((a, b) => a.add(b));
  const second = grad(squares, wanted, { allowUnused: true, retainGraph: true });
  return readAll([
    outer,
    ...losses,
    ...grads,
    ...second,
    ...loop.fmodel.parameters(),
    ...Object.values(loop.fmodel.buffers),
  ]);
}

/** Compares a case in all modes, at all checkpoints, by `step` and, where nothing happens in between, by `run`. */
function same(name: string, make: () => Case, modes: readonly Mode[] = MODES): void {
  describe(name, () => {
    for (const mode of modes) {
      const inMode = (): Case => {
        const one = make();
        return { ...one, options: { ...one.options, mode } };
      };
      let wanted: Promise<number[][]> | null = null;
      test.each(checkpointsOf(mode))(`${mode}, checkpoint %s`, async (checkpoint) => {
        wanted ??= run(inMode(), "plain", "none");
        const [one, plain] = [inMode(), await wanted];
        expect(plain.flat().every(Number.isFinite)).toBe(true);
        near(await run(one, "step", checkpoint), plain);
        if (one.between === undefined && one.stepOptions === undefined) near(await run(one, "run", checkpoint), plain);
      });
    }
  });
}

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });
const scalar = (x: number): Tensor => tensor(x, { requiresGrad: true });

describe("meta-gradients of every order are the plain unroll's", () => {
  same("SGD with momentum, a learned rate", () => {
    const lr = scalar(0.1);
    const optimizer = (params: Tensor[]): AnyOptimizer => new SGD(params, { lr, momentum: 0.9, nesterov: true });
    return { optimizer, leaves: [lr] };
  });
  same("Adam with learned betas", () => {
    const betas = [scalar(0.9), scalar(0.99)];
    const optimizer = (params: Tensor[]): AnyOptimizer => new Adam(params, { lr: 0.05, amsgrad: true });
    return { optimizer, options: { override: { betas } }, leaves: betas };
  });
  same("optimizers that keep much", () => ({
    optimizer: (params) => new RMSprop(params, { lr: 0.01, centered: true, momentum: 0.5 }),
  }));
  same("optimizers whose state is a weight", () => ({ optimizer: (params) => new ASGD(params, { lr: 0.05, t0: 2 }) }));

  same("batch norm and dropout, with another training mode by then", () => ({
    model: () =>
      new Sequential(
        new Linear(3, 4, { bias: false }), // batch norm takes a bias away again: its gradient is rounding
        new BatchNorm1d(4),
        new Tanh(),
        new Dropout({ p: 0.5 }),
        new Linear(4, 2),
      ) as unknown as Net,
    optimizer: (params) => new Adam(params, { lr: 0.05 }),
  }));

  same("a frozen parameter and an unused one", () => {
    class Odd extends Module {
      readonly linear = new Linear(3, 2);
      readonly unused = new Parameter(ones([2]));
      constructor() {
        super();
        this.linear.weight.requiresGrad_(false);
      }
      override forward(x: Tensor): Tensor {
        return this.linear.forward(x);
      }
    }
    return { model: () => new Odd() };
  });

  same("overrides of a step: a tensor, elementwise, per parameter", () => {
    const rates = [scalar(0.1), full([4, 3], 0.05).requiresGrad_(), scalar(0.07)];
    return {
      leaves: rates,
      stepOptions: (i) => ({
        override: { lr: [rates[0], perParameter([rates[1], rates[2], 0.1, rates[0]]), 0.02 * i][i % 3] },
      }),
    };
  });

  same("callbacks for gradients", () => {
    const scale = scalar(0.5);
    return {
      leaves: [scale],
      options: {
        gradCallback: (grads) =>
          clippedByNorm(
            grads.map((g) => g.grad?.mul(scale) ?? null),
            0.3,
          ),
      },
    };
  });

  same("a schedule between steps", () => {
    const decay = scalar(0.8);
    return {
      leaves: [decay],
      between: ({ diffopt }, i) => {
        diffopt.paramGroups[0].lr = i % 2 === 0 ? decay.mul(0.1).div(i + 1) : 0.1 / (i + 2);
      },
    };
  });

  same("what the losses read from around them", () => {
    const [theta, shift] = [leaf(0.1, -0.2, 0.3, 0.4, -0.5, 0.6), leaf(0.1, 0.2)];
    const weights = theta.sigmoid(); // once, for all steps
    return {
      leaves: [theta, shift],
      loss: ({ fmodel }, i) => {
        const errors = fmodel
          .forward(xs[i])
          .sub(ys[i].add(shift.mul(2)))
          .square()
          .mean(1);
        const near0 = fmodel.initialParams.map((p, k) => fmodel.parameters()[k].sub(p).square().sum());
        return errors
          .mul(weights)
          .mean()
          .add(near0.reduce((a, b) => a.add(b)).mul(0.01));
      },
    };
  }, ["second-order"]);

  same("a loss along the way", () => ({ outer: (_, losses) => losses.reduce((a, b) => a.add(b)) }), ["second-order"]);

  same("query losses between the steps", () => {
    let total = tensor(0);
    return {
      between: ({ fmodel }, i) => {
        const query = F.mseLoss(fmodel.forward(xs[STEPS]), ys[STEPS]);
        total = i === 0 ? query : total.add(query.mul(i));
      },
      outer: () => total,
    };
  });

  same("truncation", () => {
    const lr = scalar(0.1);
    return { options: { override: { lr } }, leaves: [lr], between: (loop, i) => void (i === 3 && loop.detach()) };
  });
});

describe("the loop", () => {
  const checkpointed = (options: InnerLoopOptions = {}): InnerLoop<Net> => {
    const model = mlp();
    return innerLoop(model, new Adam(model.parameters(), { lr: 0.1 }), { checkpoint: 2, ...options });
  };
  const lossOf = (loop: InnerLoop<Net>): Tensor => F.mseLoss(loop.fmodel.forward(xs[0]), ys[0]);

  test("may have ended when the outer backward runs, and fills the model's grad", async () => {
    const model = mlp();
    const opt = new Adam(model.parameters(), { lr: 0.1 });
    const filled = async (checkpoint: Checkpoint): Promise<number[][]> => {
      model.zeroGrad();
      const loss = innerLoop(model, opt, { checkpoint }, (loop) => {
        loop.run(5, () => lossOf(loop));
        return lossOf(loop);
      });
      loss.backward();
      return readAll(model.parameters().map((p) => p.grad));
    };
    near(await filled("sqrt"), await filled("none"));
  });

  test("commits weights, buffers and state as a plain one does", async () => {
    const end = async (checkpoint: Checkpoint): Promise<number[][]> => {
      manualSeed(2);
      const model = new Sequential(new Linear(3, 2), new BatchNorm1d(2)) as unknown as Net;
      const opt = new Adam(model.parameters());
      using loop = innerLoop(model, opt, { checkpoint });
      loop.run(4, () => lossOf(loop));
      loop.fmodel.commitTo(model);
      loop.diffopt.commitTo(opt);
      const state = model.parameters().flatMap((p) => Object.values(opt.stateOf(p)));
      const steps = state.flatMap((value) => (typeof value === "number" ? [value] : []));
      const moments = state.flatMap((value) => (typeof value === "number" ? [] : [value]));
      return [steps, ...(await readAll([...model.parameters(), ...model.buffers(), ...moments]))];
    };
    near(await end("sqrt"), await end("none"));
  });

  test("in mode none computes as ever, and takes losses too", async () => {
    using loop = checkpointed({ mode: "none" });
    loop.diffopt.step(lossOf(loop));
    const [loss] = loop.run(1, () => lossOf(loop));
    expect(loop.fmodel.time).toBe(2);
    expect(loss.requiresGrad).toBe(false);
    expect(loop.fmodel.parameters().every((p) => p.isLeaf)).toBe(true);
  });

  test("begins anew after reset", async () => {
    const model = mlp();
    using loop = innerLoop(model, new Adam(model.parameters(), { lr: 0.1 }), { checkpoint: "sqrt" });
    const once = async (): Promise<number[][]> => {
      loop.run(3, () => lossOf(loop));
      return readAll(grad(lossOf(loop), loop.fmodel.initialParams));
    };
    const first = await once();
    loop.reset();
    expect(loop.fmodel.time).toBe(0);
    near(await once(), first);
  });

  test("of no steps is no step", () => {
    using loop = checkpointed();
    expect(loop.run(0, () => lossOf(loop))).toEqual([]);
    expect(loop.fmodel.time).toBe(0);
  });

  test("wants functions, of a loss, that change nothing", () => {
    using loop = checkpointed();
    expect(() => loop.diffopt.step(lossOf(loop))).toThrow(/wants a function: loop\.step\(\(\) => loss\)/);
    expect(() => loop.step((() => 1) as never)).toThrow(/returned 1, wanted the loss: a tensor/);
    expect(() => loop.step((async () => lossOf(loop)) as never)).toThrow(/the function is async/);
    expect(() => loop.step(() => lossOf(loop), { params: [] } as object)).toThrow(/unknown option params/);
    expect(() => loop.run(-1, () => lossOf(loop))).toThrow(ArgumentError);
    const update = (): Tensor => {
      loop.fmodel.update(loop.fmodel.parameters());
      return lossOf(loop);
    };
    expect(() => loop.step(update)).toThrow(LoopgradError);
    expect(() => checkpointed({ checkpoint: 0 })).toThrow(/checkpoint is 0, wanted "none"/);
    expect(() => checkpointed({ checkpoint: "all" as Checkpoint })).toThrow(ArgumentError);
    expect(loop.fmodel.time).toBe(0);
  });

  test("says so when a function reads other tensors of the tape the second time", () => {
    using loop = checkpointed();
    const scales = [scalar(1), scalar(2)];
    let calls = 0;
    loop.step(() => lossOf(loop).mul(scales[calls++]));
    expect(() => lossOf(loop).backward()).toThrow(GradError);
  });

  test.each(CHECKPOINTS)("refuses other data than the first time: %s", (checkpoint) => {
    const batches = [0, 1, 2].map((k) => tensor([1 + k, 2, 3 - k]));
    const run = (body: (loop: InnerLoop<Net>, i: number) => Tensor): void => {
      using loop = checkpointed({ checkpoint });
      loop.run(4, (i) => lossOf(loop).mul(body(loop, i).sum()));
      lossOf(loop).backward();
    };
    let draws = 0;
    expect(() => run(() => batches[draws++ % 3])).toThrow(
      /checkpoint: run again in backward, fn did something else: it read another tensor or other data/,
    );
    expect(() => run(() => tensor([draws++]))).toThrow(
      /other data than the first time.*passed as an argument.*\(i\) =>/,
    );
    expect(() => run(() => batches[0].mul(draws++))).toThrow(/it used the number \d+, and \d+ the first time/);
    expect(() => run((_, i) => batches[i % 3])).not.toThrow();
    expect(() => run((_, i) => tensor([i, i + 1]).mul(i))).not.toThrow();
  });

  test("keeps the ends of its history, unless asked", () => {
    using ends = checkpointed();
    using all = checkpointed({ history: "all" });
    for (const loop of [ends, all]) loop.run(3, () => lossOf(loop));
    expect(ends.fmodel.parameters({ time: 3 })).toEqual(ends.fmodel.fastParams);
    expect(() => ends.fmodel.parameters({ time: 2 })).toThrow(/time 2 were not kept.*history: "all"/);
    expect(all.fmodel.parameters({ time: 2 })).toHaveLength(4);
  });
});

describe("segments", () => {
  /** Takes steps, and says how the outer backward runs them again: one segment after another, the last first. */
  function segments(
    checkpoint: Checkpoint,
    take: (loop: InnerLoop<Net>, loss: (i: number) => Tensor) => void,
  ): number[] {
    const model = new Linear(3, 2);
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), { checkpoint }) as InnerLoop<Net>;
    const order: number[] = [];
    const loss = (i: number): Tensor => {
      order.push(i);
      return F.mseLoss(loop.fmodel.forward(xs[0]), ys[0]);
    };
    take(loop, loss);
    order.length = 0;
    F.mseLoss(loop.fmodel.forward(xs[0]), ys[0]).backward();
    return order;
  }
  const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);
  /** From these borders. */
  const backwards = (...borders: number[]): number[] =>
    borders
      .slice(1)
      .map((to, k) => count(borders[k], to))
      .reverse()
      .flat();

  const single =
    (from: number, to: number) =>
    (loop: InnerLoop<Net>, loss: (i: number) => Tensor): void => {
      for (const i of count(from, to)) loop.step(() => loss(i));
    };
  const together =
    (length: number) =>
    (loop: InnerLoop<Net>, loss: (i: number) => Tensor): void =>
      void loop.run(length, loss);

  test.each<[Checkpoint, number, number[]]>([
    ["step", 4, [0, 1, 2, 3, 4]],
    [3, 7, [0, 3, 6, 7]],
    [100, 7, [0, 7]],
    ["sqrt", 9, [0, 3, 6, 9]],
    ["sqrt", 10, [0, 4, 8, 10]],
  ])("of run(): %s, %s steps, borders %j", (checkpoint, length, borders) => {
    expect(segments(checkpoint, together(length))).toEqual(backwards(...borders));
  });

  test.each<[Checkpoint, number, number[]]>([
    ["step", 4, [0, 1, 2, 3, 4]],
    [3, 7, [0, 3, 6, 7]],
    // By the number of steps so far up to 2 (before the 4th), 4 (before the 16th), then 8.
    ["sqrt", 20, [0, 2, 6, 10, 14, 20]],
  ])("of single steps: %s, %s steps, borders %j", (checkpoint, length, borders) => {
    expect(segments(checkpoint, single(0, length))).toEqual(backwards(...borders));
  });

  test("begin anew with run(), detach() and reset(), and have the lengths of a beginning", () => {
    const cuts: Record<string, (loop: InnerLoop<Net>) => void> = {
      detach: (loop) => loop.detach(),
      reset: (loop) => loop.reset(),
    };
    for (const cut of Object.values(cuts)) {
      const order = segments("sqrt", (loop, loss) => {
        single(0, 7)(loop, loss);
        cut(loop);
        single(10, 15)(loop, loss);
      });
      expect(order).toEqual(backwards(10, 12, 15));
    }
    const order = segments(4, (loop, loss) => {
      single(0, 2)(loop, loss);
      loop.run(5, (i) => loss(10 + i));
      single(20, 22)(loop, loss);
    });
    expect(order).toEqual([20, 21, 14, 10, 11, 12, 13, 0, 1]);
    // What comes between single steps and uses the weights ends a segment, and the count goes on.
    let query: Tensor | null = null;
    const cutByUse = segments("sqrt", (loop, loss) => {
      single(0, 3)(loop, loss);
      query = loop.fmodel.parameters()[0].square();
      single(3, 9)(loop, loss);
    });
    expect([query === null, cutByUse]).toEqual([false, backwards(0, 2, 3, 7, 9)]);
  });
});

test.each(CHECKPOINTS)("a step's function sees the model as it is then, both times: %s", async (checkpoint) => {
  const model = new Sequential(new Linear(3, 2), new BatchNorm1d(2)) as unknown as Net;
  using loop = innerLoop(model, new Adam(model.parameters(), { lr: 0.1 }), { checkpoint, history: "all" });
  const { fmodel } = loop;
  const seen: Promise<unknown>[][] = [[], [], [], [], []];
  /** All that can be asked for. */
  const look = async (): Promise<unknown> => {
    const [buffers, params, named] = [fmodel.buffers, fmodel.parameters(), fmodel.namedParameters()];
    const asked = [
      ...[fmodel.time, Object.keys(buffers), named.map(([name]) => name)],
      ...[fmodel.fastParams, fmodel.initialParams, fmodel.parameters({ time: 0 })].map((list) => list.length),
    ];
    const times = Array.from({ length: fmodel.time + 1 }, (_, time) =>
      fmodel.parameters({ time }).map(({ shape }) => shape),
    );
    return [asked, times, await readAll([...params, ...Object.values(buffers)])];
  };
  loop.run(5, (i) => {
    seen[i].push(look());
    return F.mseLoss(fmodel.forward(xs[i]), ys[i]);
  });
  F.mseLoss(fmodel.forward(xs[5]), ys[5]).backward();
  const shapes = model.parameters().map(({ shape }) => shape);
  for (const [i, looks] of seen.entries()) {
    const [first, again, ...more] = await Promise.all(looks);
    expect(more).toEqual([]);
    expect(again).toEqual(first);
    const [asked, times] = first as [unknown, unknown];
    const buffers = ["1.running_mean", "1.running_var", "1.num_batches_tracked"];
    expect(asked).toEqual([i, buffers, fmodel.names, 4, 4, 4]);
    expect(times).toEqual(Array.from({ length: i + 1 }, () => shapes));
  }
});

describe("checkpoint around a functional model", () => {
  test("its forward has the weights of then, and assigns buffers once", async () => {
    const model = new Sequential(new Linear(3, 4), new BatchNorm1d(4), new Tanh(), new Linear(4, 2)) as unknown as Net;
    const unroll = async (wrap: <R extends Tensor>(fn: (x: Tensor) => R) => (x: Tensor) => R): Promise<number[][]> => {
      const fmodel = functionalize(model);
      for (let i = 0; i < 3; i++) {
        const loss = F.mseLoss(wrap((x) => fmodel.forward(x))(xs[i]), ys[i]);
        const grads = grad(loss, fmodel.parameters(), { createGraph: true });
        fmodel.update(fmodel.parameters().map((p, k) => p.sub((grads[k] as Tensor).mul(0.1))));
      }
      const outer = wrap((x) => fmodel.withParams(fmodel.parameters()).forward(x))(xs[3])
        .square()
        .mean();
      const before = await readAll(Object.values(fmodel.buffers));
      const meta = await readAll(grad(outer, fmodel.initialParams));
      expect(await readAll(Object.values(fmodel.buffers))).toEqual(before);
      return [...meta, ...before];
    };
    near(await unroll(checkpoint), await unroll((fn) => fn));
  });

  test("an update inside is refused; a loop inside is not", async () => {
    const model = mlp();
    const fmodel = functionalize(model);
    const update = checkpoint(() => {
      fmodel.update(fmodel.parameters().map((p) => p.mul(2)));
      return fmodel.forward(xs[0]);
    });
    expect(update).toThrow(/checkpoint the inner loop itself/);
    const task = (x: Tensor): Tensor =>
      innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), {}, (loop) => {
        loop.step(() => F.mseLoss(loop.fmodel.forward(x), ys[0]));
        return loop.fmodel.forward(x).square().mean();
      });
    const [plain, checkpointed] = [task, checkpoint(task)].map((fn) => grad(fn(xs[0]), model.parameters()));
    near(await readAll(checkpointed), await readAll(plain));
  });
});
