/**
 * metaLoss: the losses of all tasks after their inner loops, beside a loop over the tasks and beside closed forms, in float64.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  Dropout,
  functional as F,
  type Layer,
  Linear,
  Module,
  Parameter,
  Sequential,
  Tanh,
} from "@loopgrad/nn";
import { Adam, SGD } from "@loopgrad/optim";
import { init, manualSeed, ones, randn, stack, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { innerLoop, type MetaLossOptions, metaLoss, type Override, perParameter } from "./index.ts";
import { distance, readAll } from "./testing/differences.ts";

const TASKS = 3;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const batch = (points: number) => ({ x: randn([TASKS, points, 4]), y: randn([TASKS, points, 2]) });
const makeTasks = () => ({ support: batch(5), query: batch(3) });
type Tasks = ReturnType<typeof makeTasks>;

const taskOf = ({ support, query }: Tasks, t: number): Tasks => ({
  support: { x: support.x.select(0, t), y: support.y.select(0, t) },
  query: { x: query.x.select(0, t), y: query.y.select(0, t) },
});

const network = (...more: Layer[]): Sequential =>
  new Sequential(new Linear(4, 3), ...more, new Tanh(), new Linear(3, 2));

/** Query losses after some steps, by a loop over the tasks: [tasks]. */
const looped = (
  model: Sequential,
  inner: SGD | Adam,
  tasks: Tasks,
  { steps = 3, override, mode, gradCallback }: Partial<MetaLossOptions<Tasks>>,
): Tensor =>
  stack(
    Array.from({ length: TASKS }, (_, t) => {
      const { support, query } = taskOf(tasks, t);
      return innerLoop(model, inner, { mode, gradCallback }, ({ fmodel, diffopt }) => {
        for (let k = 0; k < Number(steps); k++) {
          const now = typeof override === "function" ? override(k, taskOf(tasks, t)) : override;
          diffopt.step(F.mseLoss(fmodel.forward(support.x), support.y), { override: now });
        }
        return F.mseLoss(fmodel.forward(query.x), query.y);
      });
    }),
  );

/** Losses, and the gradients of their weighted sum. */
const derived = (losses: Tensor, by: readonly Tensor[]): Promise<number[][]> =>
  readAll([losses, ...grad(losses.mul(tensor([1, -2, 0.5])).sum(), by, { allowUnused: true })]);

describe("a loop over the tasks gives the same losses and meta-gradients", () => {
  const clip: MetaLossOptions["gradCallback"] = (grads) => grads.map(({ grad: g }) => g?.clamp(-0.1, 0.1) ?? null);
  const cases: Record<string, Partial<MetaLossOptions<Tasks>>> = {
    "second order": {},
    "first order": { mode: "first-order" },
    "an override": { override: { lr: 0.3 } },
    "clipped gradients": { gradCallback: clip },
    "checkpointed steps": { checkpoint: "step" },
    "checkpoints by the square root": { checkpoint: "sqrt" },
    "in chunks": { chunkSize: 2 },
  };
  test.each(Object.keys(cases))("%s", async (name) => {
    const options = cases[name];
    for (const inner of [SGD, Adam]) {
      const model = network();
      const opt = new inner(model.parameters(), { lr: 0.1 });
      const tasks = makeTasks();
      tasks.support.x.requiresGrad_(true);
      const by = [...model.parameters(), tasks.support.x];
      const together = metaLoss(model, opt, tasks, { steps: 3, loss: F.mseLoss, ...options });
      expect(distance(await derived(together, by), await derived(looped(model, opt, tasks, options), by))).toBeLessThan(
        1e-10,
      );
    }
  });

  test("batch norm: statistics of each task; the model's stay as they are", async () => {
    const model = network(new BatchNorm1d(3));
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    const tasks = makeTasks();
    const before = await readAll(model.buffers());
    const together = metaLoss(model, opt, tasks, { steps: 2, loss: F.mseLoss });
    const wanted = looped(model, opt, tasks, { steps: 2 });
    const by = model.parameters();
    expect(distance(await derived(together, by), await derived(wanted, by))).toBeLessThan(1e-10);
    expect(await readAll(model.buffers())).toEqual(before);
  });

  test("an optimizer of the head alone, and one that has state already: both stay as they are", async () => {
    const model = network();
    const opt = new Adam(model.parameters().slice(2), { lr: 0.1 });
    const tasks = makeTasks();
    for (const p of model.parameters()) p.grad = ones(p.shape);
    opt.step();
    model.zeroGrad();
    const before = await readAll(model.parameters());
    const together = metaLoss(model, opt, tasks, { steps: 2, loss: F.mseLoss });
    const by = model.parameters();
    expect(
      distance(await derived(together, by), await derived(looped(model, opt, tasks, { steps: 2 }), by)),
    ).toBeLessThan(1e-10);
    expect(await readAll(model.parameters())).toEqual(before);
  });
});

describe("hyperparameters", () => {
  test("shared, of each step, of each task, of each parameter of a task; each gets its gradient", async () => {
    const model = network();
    const opt = new SGD(model.parameters(), { lr: 1 });
    const tasks = { ...makeTasks(), lr: tensor([0.05, 0.1, 0.2], { requiresGrad: true }) };
    const steps = [0.05, 0.1, 0.15].map((lr) => tensor(lr, { requiresGrad: true }));
    const rates = model.parameters().map(({ shape }) =>
      ones([TASKS, ...shape])
        .mul(0.1)
        .requiresGrad_(true),
    );
    const by = [tasks.lr, ...steps, ...rates, ...model.parameters()];
    const run = (override: MetaLossOptions<typeof tasks & { rates: Tensor[] }>["override"]): Tensor =>
      metaLoss(model, opt, { ...tasks, rates }, { steps: 3, loss: F.mseLoss, override });
    const oneTask = (t: number) => ({
      ...taskOf(tasks, t),
      lr: tasks.lr.select(0, t),
      rates: rates.map((r) => r.select(0, t)),
    });
    type Own = ReturnType<typeof oneTask>;
    const each = (override: (step: number, task: Own) => Override): Tensor =>
      stack(
        Array.from({ length: TASKS }, (_, t) =>
          innerLoop(model, opt, {}, ({ fmodel, diffopt }) => {
            const task = oneTask(t);
            const lossOn = ({ x, y }: { x: Tensor; y: Tensor }): Tensor => F.mseLoss(fmodel.forward(x), y);
            for (let k = 0; k < 3; k++) diffopt.step(lossOn(task.support), { override: override(k, task) });
            return lossOn(task.query);
          }),
        ),
      );
    const of: ((step: number, task: Own) => { lr: Tensor | ReturnType<typeof perParameter> })[] = [
      (step) => ({ lr: steps[step] }),
      (_, task) => ({ lr: task.lr }),
      (step, task) => ({ lr: task.lr.mul(steps[step]).mul(10) }),
      (_, task) => ({ lr: perParameter(task.rates) }),
    ];
    for (const override of of) {
      expect(distance(await derived(run(override), by), await derived(each(override), by))).toBeLessThan(1e-10);
    }
    const shared = { lr: steps[1] };
    expect(
      distance(
        await derived(run(shared), by),
        await derived(
          each(() => shared),
          by,
        ),
      ),
    ).toBeLessThan(1e-10);
  });
});

describe("several numbers of steps", () => {
  test("give what each gives alone, and the gradients of all of them", async () => {
    const model = network();
    const opt = new SGD(model.parameters(), { lr: 0.2 });
    const tasks = makeTasks();
    const all = metaLoss(model, opt, tasks, { steps: [0, 1, 4], loss: F.mseLoss });
    expect(all.shape).toEqual([TASKS, 3]);
    const each = stack(
      [0, 1, 4].map((steps) => metaLoss(model, opt, tasks, { steps, loss: F.mseLoss })),
      1,
    );
    const by = model.parameters();
    const weighted = (losses: Tensor): Promise<number[][]> => derived(losses.mul(tensor([1, 2, 3])).sum(1), by);
    expect(distance(await weighted(all), await weighted(each))).toBeLessThan(1e-12);
  });

  test("evaluation: outputs and counts in place of losses, and nothing on the tape", async () => {
    const model = network();
    const opt = new SGD(model.parameters(), { lr: 0.2 });
    const tasks = makeTasks();
    const options = { steps: [0, 2], loss: F.mseLoss, mode: "none" } as const;
    const outputs = metaLoss(model, opt, tasks, { ...options, score: (output) => output });
    expect([outputs.shape, outputs.requiresGrad]).toEqual([[TASKS, 2, 3, 2], false]);
    expect(distance(await readAll([outputs.select(1, 0)]), await readAll([model.forward(tasks.query.x)]))).toBeLessThan(
      1e-12,
    );
    const losses = metaLoss(model, opt, tasks, options);
    const wanted = outputs.sub(tasks.query.y.unsqueeze(1)).square().mean([2, 3]);
    expect(distance(await readAll([losses]), await readAll([wanted]))).toBeLessThan(1e-12);
    const signs = metaLoss(model, opt, tasks, {
      ...options,
      steps: 1,
      score: (output, y) => output.gt(y).to("int32").sum(),
    });
    expect([signs.shape, signs.dtype]).toEqual([[TASKS], "int32"]);
  });
});

test("a quadratic of each task: A²ᵏ(w₀ − w*)²/2, and its derivatives by the start and by each task's rate", async () => {
  class Point extends Module {
    readonly w = new Parameter(tensor(3));
    override forward(h: Tensor): Tensor {
      return this.w.square().mul(h).div(2);
    }
  }
  const [k, h, alpha] = [4, [1, 2, 0.5], [0.1, 0.2, 0.3]];
  const model = new Point();
  const lr = tensor(alpha, { requiresGrad: true });
  const one = { x: tensor(h), y: zeros([3]) };
  const losses = metaLoss(
    model,
    new SGD(model.parameters(), { lr: 1 }),
    { support: one, query: one, lr },
    { steps: k, loss: (output) => output, override: (_, task) => ({ lr: task.lr }) },
  );
  const a = h.map((hi, i) => 1 - alpha[i] * hi);
  const [dw, dlr] = grad(losses.sum(), [model.w, lr]);
  const wanted = [
    a.map((ai, i) => (h[i] / 2) * ai ** (2 * k) * 9),
    [a.reduce((sum, ai, i) => sum + h[i] * ai ** (2 * k) * 3, 0)],
    a.map((ai, i) => -(h[i] ** 2) * k * ai ** (2 * k - 1) * 9),
  ];
  expect(distance(await readAll([losses, dw, dlr]), wanted)).toBeLessThan(1e-12);
});

test("sizes that differ: points of padding have weight 0, and change nothing", async () => {
  const model = network();
  const opt = new SGD(model.parameters(), { lr: 0.2 });
  const tasks = makeTasks();
  const sizes = [5, 2, 3];
  const mask = tensor(sizes.map((n) => Array.from({ length: 5 }, (_, i) => (i < n ? 1 : 0))));
  const full = ones([TASKS, 3]);
  const masked = {
    support: { x: tasks.support.x, y: { target: tasks.support.y, mask } },
    query: { x: tasks.query.x, y: { target: tasks.query.y, mask: full } },
  };
  const together = metaLoss(model, opt, masked, {
    steps: 2,
    loss: (output, y) => output.sub(y.target).square().mean(1).mul(y.mask).sum().div(y.mask.sum()),
  });
  const each = sizes.map((n, t) => {
    const { support, query } = taskOf(tasks, t);
    return innerLoop(model, opt, {}, ({ fmodel, diffopt }) => {
      const [x, y] = [support.x.narrow(0, 0, n), support.y.narrow(0, 0, n)];
      for (let i = 0; i < 2; i++) diffopt.step(F.mseLoss(fmodel.forward(x), y));
      return F.mseLoss(fmodel.forward(query.x), query.y);
    });
  });
  const by = model.parameters();
  expect(distance(await derived(together, by), await derived(stack(each), by))).toBeLessThan(1e-10);
});

test("dropout: a task draws its own numbers, in any company", async () => {
  const model = network(new Dropout(0.5));
  const opt = new SGD(model.parameters(), { lr: 0.2 });
  const tasks = makeTasks();
  const same = {
    x: tasks.support.x.select(0, 0).expand([TASKS, 5, 4]),
    y: tasks.support.y.select(0, 0).expand([TASKS, 5, 2]),
  };
  const run = async (options: object): Promise<number[]> => {
    manualSeed(4);
    return (
      await readAll([metaLoss(model, opt, { support: same, query: same }, { steps: 1, loss: F.mseLoss, ...options })])
    )[0];
  };
  const losses = await run({});
  expect(new Set(losses).size).toBe(TASKS);
  expect(distance([await run({ chunkSize: 1 })], [losses])).toBeLessThan(1e-12);
  expect(new Set(await run({ randomness: "same" })).size).toBe(1);
});

describe("wrong input says what is wanted", () => {
  const call = (tasks: object, options: object = {}) => {
    const model = network();
    const opt = new SGD(model.parameters(), { lr: 0.1 });
    return () => metaLoss(model, opt, tasks as Tasks, { steps: 1, loss: F.mseLoss, ...options });
  };
  test.each<[string, (t: Tasks) => object, object, RegExp]>([
    ["no query set", ({ support }) => ({ support }), {}, /tasks.query.x is missing: wanted \{ support: \{ x, y \}/],
    ["no y", ({ support: { x }, query }) => ({ support: { x }, query }), {}, /tasks.support.y is missing/],
    [
      "another number of tasks",
      ({ support, query }) => ({ support, query: { x: query.x.narrow(0, 0, 2), y: query.y } }),
      {},
      /tasks.query.x has 2 tasks, tasks.support.x has 3/,
    ],
    [
      "no dim over tasks",
      ({ support, query }) => ({ support: { x: support.x, y: tensor(1) }, query }),
      {},
      /tasks.support.y has no dim over tasks/,
    ],
    ["a list of tasks", ({ support, query }) => [{ support, query }], {}, /tasks is .*: wanted an object/],
    ["no steps", (t) => t, { steps: undefined }, /steps is missing: wanted a number of inner steps/],
    ["half a step", (t) => t, { steps: 0.5 }, /steps is 0.5/],
    ["steps that go back", (t) => t, { steps: [3, 1] }, /steps is \[3,1\]: .*ascending/],
    ["no numbers of steps", (t) => t, { steps: [] }, /steps is \[\]/],
    ["no loss", (t) => t, { loss: undefined }, /loss is missing/],
    [
      "a loss that is no scalar",
      (t) => t,
      { loss: (a: Tensor, b: Tensor) => a.sub(b) },
      /loss gave \[5, 2\] for one task, wanted a scalar/,
    ],
    ["a loss of nothing", (t) => t, { loss: () => 3 }, /loss gave 3, wanted a scalar tensor/],
    ["a score that is none", (t) => t, { score: () => "good" }, /score gave good, wanted a tensor/],
    ["an unknown option", (t) => t, { step: 1 }, /unknown option step/],
    ["an unknown mode", (t) => t, { mode: "third-order" }, /third-order/],
    ["an unknown hyperparameter", (t) => t, { override: { rate: 1 } }, /unknown hyperparameter rate/],
    ["a chunk of nothing", (t) => t, { chunkSize: 0 }, /chunkSize is 0/],
  ])("%s", (_, tasks, options, message) => {
    expect(call(tasks(makeTasks()), options)).toThrow(message);
  });
});

test("tasks with different numbers of steps: the rate of one that is through is 0", async () => {
  const model = network();
  const opt = new SGD(model.parameters(), { lr: 0.2, momentum: 0.5 });
  const counts = [3, 0, 1];
  const tasks = { ...makeTasks(), count: tensor(counts) };
  const override = (step: number, task: typeof tasks) => ({ lr: task.count.gt(step).mul(0.2) });
  const together = metaLoss(model, opt, tasks, { steps: 3, loss: F.mseLoss, override });
  const each = counts.map((steps) => metaLoss(model, opt, tasks, { steps, loss: F.mseLoss }));
  const own = stack(each.map((losses, t) => losses.select(0, t)));
  const by = model.parameters();
  expect(distance(await derived(together, by), await derived(own, by))).toBeLessThan(1e-10);
});
