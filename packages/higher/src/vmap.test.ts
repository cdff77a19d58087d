/**
 * Inner loops inside vmap: all tasks at once, beside a loop over the tasks. Losses, weights, states, meta-gradients by the
 * model, the data and the hyperparameters, in float64.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { checkpoint, grad, image, noGrad } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  functional as F,
  Flatten,
  functionalCall,
  Linear,
  MaxPool2d,
  Module,
  Parameter,
  ReLU,
  Sequential,
  Tanh,
} from "@loopgrad/nn";
import { clipGradNorm, SGD } from "@loopgrad/optim";
import { init, manualSeed, ones, randint, randn, stack, Tensor, tensor, vmap } from "@loopgrad/tensor";
import { differentiable, functionalize, type InnerLoopOptions, innerLoop } from "./index.ts";
import { distance, readAll } from "./testing/differences.ts";
import { type Model, sharedSequential } from "./testing/models.ts";
import { type Make, OPTION_SETS } from "./testing/optimizers.ts";

const [TASKS, SHOTS] = [3, 4];

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

interface Data {
  x: Tensor;
  y: Tensor;
}

const dataOf = (...lead: number[]): Data => ({
  x: randn([...lead, SHOTS, 4], { requiresGrad: true }),
  y: randn([...lead, SHOTS, 2]),
});

const taskOf = ({ x, y }: Data, t: number): Data => ({ x: x.select(0, t), y: y.select(0, t) });

/** What one task gives: numbers in tensors. */
type Task = (task: Data) => Tensor[];

/** All tasks at once, and one after another: what they give, and derivatives of a sum of it by `leaves` and the data. */
async function compare(task: Task, leaves: readonly Tensor[], options: object = {}): Promise<void> {
  manualSeed(11);
  const data = dataOf(TASKS);
  const wanted = [...leaves, data.x];
  const derived = (results: Tensor[]): Tensor[] => {
    const score = results
      .map((y, i) =>
        y
          .sin()
          .mul(i + 1)
          .sum(),
      )
      .reduce((a, b) => a.add(b));
    const gs = score.requiresGrad ? grad(score, wanted, { allowUnused: true }) : [];
    return [...results, ...gs.map((g, i) => g ?? wanted[i].mul(0))];
  };
  const together = await readAll(derived(vmap(task, options)(data)));
  const each = Array.from({ length: TASKS }, (_, t) => task(taskOf(data, t)));
  const looped = await readAll(derived(each[0].map((_, i) => stack(each.map((ys) => ys[i])))));
  expect(together.flat().length).toBeGreaterThan(0);
  expect(distance(together, looped)).toBeLessThan(1e-9);
}

const simple = (): Model => new Sequential(new Linear(4, 3), new Tanh(), new Linear(3, 2));

const lossOf = (forward: (x: Tensor) => Tensor, { x, y }: Data): Tensor => F.mseLoss(forward(x), y);

/** A loop of steps, then the loss, the weights, and one element of each state. */
const unrolled =
  (model: Model, make: Make, options: InnerLoopOptions = {}, steps = 3): Task =>
  (task) =>
    innerLoop(model, make(model.parameters()), options, (loop) => {
      const { fmodel, diffopt } = loop;
      if (options.checkpoint === undefined) {
        for (let k = 0; k < steps; k++) diffopt.step(lossOf((x) => fmodel.forward(x), task));
      } else loop.run(steps, () => lossOf((x) => fmodel.forward(x), task));
      const states = fmodel.names.flatMap((_, i) =>
        Object.values(diffopt.stateOf(i)).filter((value): value is Tensor => value instanceof Tensor),
      );
      return [
        lossOf((x) => fmodel.forward(x), task),
        ...fmodel.parameters(),
        ...Object.values(fmodel.buffers).map((buffer) => buffer.to("float64")),
        ...states.map((state) => state.sum()),
      ];
    });

const sgd: Make = (params, more) => new SGD(params as Parameter[], { lr: 0.1, momentum: 0.5, ...more }) as never;

describe("every optimizer", () => {
  test.each(OPTION_SETS)("%s", async (_, make) => {
    manualSeed(1);
    const model = simple();
    await compare(unrolled(model, make), model.parameters());
  });
});

describe("every mode", () => {
  const options: Record<string, InnerLoopOptions> = {
    "first-order": { mode: "first-order" },
    none: { mode: "none" },
    "history of the ends": { history: "ends" },
    "checkpoints at each step": { checkpoint: "step" },
    "checkpoints at two steps": { checkpoint: 2 },
    "checkpoints by the square root": { checkpoint: "sqrt" },
    "clipped gradients": {
      gradCallback: (grads) => grads.map(({ grad }) => grad?.clamp(-0.05, 0.05) ?? null),
    },
    "gradients divided by their norm": {
      gradCallback: (grads) => grads.map(({ grad }) => grad?.div(grad.square().sum().sqrt().add(1)) ?? null),
    },
  };
  test.each(Object.keys(options))("%s", async (name) => {
    manualSeed(1);
    const model = simple();
    await compare(unrolled(model, sgd, options[name], 4), model.parameters());
  });

  test("detached: each task has initial weights of its own to take gradients by", async () => {
    manualSeed(1);
    const model = simple();
    const task: Task = (data) =>
      innerLoop(model, sgd(model.parameters()), { initial: "detached" }, ({ fmodel, diffopt }) => {
        diffopt.step(lossOf((x) => fmodel.forward(x), data));
        const initial = fmodel.initialParams;
        return grad(
          lossOf((x) => fmodel.forward(x), data),
          initial,
          { createGraph: true },
        );
      });
    await compare(task, []);
  });

  test("a history: the weights of every time", async () => {
    manualSeed(1);
    const model = simple();
    const task: Task = (data) =>
      innerLoop(model, sgd(model.parameters()), {}, ({ fmodel, diffopt }) => {
        for (let k = 0; k < 2; k++) diffopt.step(lossOf((x) => fmodel.forward(x), data));
        return [0, 1, 2].flatMap((time) => fmodel.parameters({ time }));
      });
    await compare(task, model.parameters());
  });

  test("truncated: detached in the middle", async () => {
    manualSeed(1);
    const model = simple();
    const task: Task = (data) =>
      innerLoop(model, sgd(model.parameters()), {}, (loop) => {
        const { fmodel, diffopt } = loop;
        diffopt.step(lossOf((x) => fmodel.forward(x), data));
        loop.detach();
        diffopt.step(lossOf((x) => fmodel.forward(x), data));
        return [lossOf((x) => fmodel.forward(x), data)];
      });
    await compare(task, []);
  });

  test("a block: using loop = innerLoop(…)", async () => {
    manualSeed(1);
    const model = simple();
    const task: Task = (data) => {
      using loop = innerLoop(model, sgd(model.parameters()));
      loop.step(() => lossOf((x) => loop.fmodel.forward(x), data));
      const loss = lossOf((x) => loop.fmodel.forward(x), data);
      return [loss.mul(1)._share()];
    };
    await compare(task, model.parameters());
  });

  test("a loop in a loop", async () => {
    manualSeed(1);
    const model = simple();
    const task: Task = (data) =>
      innerLoop(model, sgd(model.parameters()), {}, ({ fmodel, diffopt }) => {
        const inner = (): Tensor => {
          const weights = fmodel.parameters();
          const own = differentiable(new SGD(weights, { lr: 0.05 }), weights);
          const next = own.step(lossOf((x) => fmodel.withParams(weights).forward(x), data));
          const loss = lossOf((x) => fmodel.withParams(next).forward(x), data);
          own.dispose();
          return loss;
        };
        diffopt.step(inner());
        return [inner()];
      });
    await compare(task, model.parameters());
  });
});

describe("hyperparameters", () => {
  test("a learning rate that all tasks share, one for each task, one for each parameter of each", async () => {
    manualSeed(1);
    const model = simple();
    const lr = tensor(0.07, { requiresGrad: true });
    const shared: Task = unrolled(model, sgd, { override: { lr } });
    await compare(shared, [lr, ...model.parameters()]);

    const rates = tensor([0.05, 0.1, 0.2], { requiresGrad: true });
    const own = (data: Data, rate: Tensor): Tensor[] => unrolled(model, sgd, { override: { lr: rate } })(data);
    manualSeed(2);
    const data = dataOf(TASKS);
    const results = vmap(own)(data, rates);
    const each = Array.from({ length: TASKS }, (_, t) => own(taskOf(data, t), rates.select(0, t)));
    const score = (losses: Tensor): Tensor[] => [losses, ...grad(losses.sum(), [rates, ...model.parameters()])];
    const [a, b] = await Promise.all([readAll(score(results[0])), readAll(score(stack(each.map(([loss]) => loss))))]);
    expect(distance(a, b)).toBeLessThan(1e-9);
  });
});

describe("buffers", () => {
  const normed = (): Model => new Sequential(new Linear(4, 3), new BatchNorm1d(3), new Tanh(), new Linear(3, 2));

  test("batch norm: statistics of each task, which the model does not get", async () => {
    manualSeed(1);
    const model = normed();
    const before = await readAll(model.buffers());
    await compare(unrolled(model, sgd), model.parameters());
    await compare(unrolled(model, sgd, { checkpoint: "step" }), model.parameters());
    expect(await readAll(model.buffers())).toEqual(before);
  });

  test("the model's own forward in training mode is refused, for it would change statistics that all share; evaluation is not", () => {
    manualSeed(1);
    const model = normed();
    const run = vmap((x: Tensor) => model.forward(x));
    expect(() => run(randn([2, 4, 4]))).toThrow(/assign: inside vmap .* innerLoop or functionalCall/);
    expect(run_(model.eval())(randn([2, 4, 4])).shape).toEqual([2, 4, 2]);
  });
  const run_ = (model: Model): ((x: Tensor) => Tensor) => vmap((x: Tensor) => model.forward(x));

  test("committing a task's weights or buffers to the model is refused", () => {
    const model = normed();
    const commit = (x: Tensor): Tensor =>
      innerLoop(model, sgd(model.parameters()), {}, ({ fmodel, diffopt }) => {
        diffopt.step(fmodel.forward(x).square().sum());
        fmodel.commitTo(model);
        return x;
      });
    expect(() => vmap(commit)(randn([2, 4, 4]))).toThrow(/inside vmap/);
  });
});

test("dropout: the same numbers for a task in any company", async () => {
  manualSeed(1);
  const model = new Sequential(new Linear(4, 8), new Dropout(0.5), new Linear(8, 2));
  const data = dataOf(5);
  const task = unrolled(model, sgd);
  const run = async (count: number, options: object): Promise<number[][]> => {
    manualSeed(7);
    const part = { x: data.x.slice(0, 0, count), y: data.y.slice(0, 0, count) };
    return readAll([vmap(task, { randomness: "different", ...options })(part)[0]]);
  };
  const [all] = await run(5, {});
  expect(distance([(await run(2, {}))[0]], [all.slice(0, 2)])).toBeLessThan(1e-12);
  expect(distance([(await run(5, { chunkSize: 2 }))[0]], [all])).toBeLessThan(1e-12);
  manualSeed(7);
  expect(distance([[await task(taskOf(data, 0))[0].item()]], [[all[0]]])).toBeLessThan(1e-12);
});

test("in chunks, meta-gradients add up", async () => {
  manualSeed(1);
  const model = simple();
  await compare(unrolled(model, sgd), model.parameters(), { chunkSize: 2 });
});

test("vmap in vmap: tasks, and starts of each task", async () => {
  manualSeed(1);
  const model = simple();
  const rates = tensor([0.05, 0.2], { requiresGrad: true });
  const one = (data: Data, lr: Tensor): Tensor => unrolled(model, sgd, { override: { lr } })(data)[0];
  const data = dataOf(TASKS);
  const all = vmap((task: Data) => vmap((lr: Tensor) => one(task, lr))(rates))(data);
  const looped = stack(
    Array.from({ length: TASKS }, (_, t) => stack([0, 1].map((r) => one(taskOf(data, t), rates.select(0, r))))),
  );
  const derived = (losses: Tensor): Promise<number[][]> =>
    readAll([losses, ...grad(losses.sum(), [rates, data.x, ...model.parameters()])]);
  expect(distance(await derived(all), await derived(looped))).toBeLessThan(1e-9);
});

test("a layer at two places, a frozen parameter, a parameter that the loss does not use", async () => {
  manualSeed(1);
  const model = sharedSequential();
  model.parameters()[0].requiresGrad_(false);
  await compare(unrolled(model, sgd), model.parameters().slice(1));
  class Idle extends Module {
    readonly used = new Linear(4, 2);
    readonly idle = new Parameter(ones([3]));
    override forward(x: Tensor): Tensor {
      return this.used.forward(x);
    }
  }
  const idle = new Idle();
  await compare(unrolled(idle, sgd), idle.parameters());
});

describe("refused, with the remedy", () => {
  const model = (): Model => simple();

  test("a step by the optimizer itself", () => {
    const m = model();
    const opt = new SGD(m.parameters(), { lr: 0.1 });
    expect(() =>
      vmap((x: Tensor) => {
        m.forward(x).sum().backward();
        opt.step();
        return x;
      })(ones([2, 1, 4])),
    ).toThrow(/inside vmap .* changed once, not once a task/);
  });

  test("an assignment, of one for all and of one for each task", () => {
    const m = model();
    const [w] = m.parameters();
    expect(() => vmap((_: Tensor) => w.assign(w.mul(2)))(ones([2]))).toThrow(/changed once, not once a task/);
    expect(() => vmap((x: Tensor) => w.assign(w.mul(x)))(ones([2]))).toThrow(/changed once, not once a task/);
  });

  test("a parameter that is made inside", () => {
    expect(() => vmap((x: Tensor) => new Parameter(x))(ones([2, 2]))).toThrow(/make the module outside/);
  });

  test("a loop that was begun outside", () => {
    const m = model();
    using loop = innerLoop(m, sgd(m.parameters()));
    expect(() =>
      vmap((x: Tensor) => {
        loop.diffopt.step(loop.fmodel.forward(x).sum());
        return x;
      })(ones([2, 1, 4])),
    ).toThrow(/is the same for all tasks/);
    const fmodel = functionalize(m);
    expect(() =>
      vmap((x: Tensor) => {
        fmodel.update(fmodel.parameters().map((p) => p.add(x.sum())));
        return x;
      })(ones([2, 1, 4])),
    ).toThrow(/made outside of vmap/);
    fmodel.dispose();
  });

  test("a state of the tasks in an optimizer outside", () => {
    const m = model();
    const opt = sgd(m.parameters());
    expect(() =>
      vmap((x: Tensor) =>
        innerLoop(m, opt, {}, ({ fmodel, diffopt }) => {
          diffopt.step(fmodel.forward(x).sum());
          diffopt.commitTo();
          return x;
        }),
      )(ones([2, 1, 4])),
    ).toThrow(/differs from task to task of a vmap/);
  });
});

test("a leaf of each task's own can be trained by an optimizer that is made inside", async () => {
  manualSeed(1);
  const [start, x] = [randn([2]), randn([TASKS, 2])];
  const train = (target: Tensor): Tensor => {
    const w = start.detach().requiresGrad_();
    const opt = new SGD([w], { lr: 0.1, momentum: 0.9 });
    for (let k = 0; k < 3; k++) {
      opt.zeroGrad();
      w.sub(target).square().sum().backward();
      clipGradNorm([w], 0.5);
      opt.step();
    }
    const trained = w.detach();
    opt.dispose();
    return trained;
  };
  const together = vmap(train)(x);
  const looped = stack(Array.from({ length: TASKS }, (_, t) => train(x.select(0, t))));
  expect(distance(await readAll([together]), await readAll([looped]))).toBeLessThan(1e-12);
});

test("evaluation, in mode none: nothing is on the tape", async () => {
  manualSeed(1);
  const model = simple();
  const data = dataOf(TASKS);
  const [losses] = vmap(unrolled(model, sgd, { mode: "none" }))(data);
  expect(noGrad(() => vmap((task: Data) => lossOf((x) => model.forward(x), task))(data)).requiresGrad).toBe(false);
  expect(losses.detach().requiresGrad).toBe(false);
  expect(losses).toBeInstanceOf(Tensor);
  expect(losses.shape).toEqual([TASKS]);
});

test("on a GPU: convolutions, batch norm and pooling of each task's own weights", async () => {
  const program = async (device: "cpu" | "webgpu", how: "together" | "one by one"): Promise<number[][]> => {
    await init({ device });
    manualSeed(5);
    const model = new Sequential(
      new Conv2d(1, 2, 3, { padding: 1 }),
      new BatchNorm2d(2),
      new ReLU(),
      new MaxPool2d(2),
      new Flatten(),
      new Linear(8, 3),
    );
    const task = ({ x, y }: Data): Tensor =>
      innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), {}, ({ fmodel, diffopt }) => {
        diffopt.step(F.crossEntropy(fmodel.forward(x), y));
        return F.crossEntropy(fmodel.forward(x), y);
      });
    const data = { x: randn([2, 3, 1, 4, 4]), y: randint(0, 3, [2, 3]) };
    const losses = how === "together" ? vmap(task)(data) : stack([0, 1].map((t) => task(taskOf(data, t))));
    const result = await readAll([losses, ...grad(losses.sum(), model.parameters())]);
    model.parameters()[0].device.destroy();
    return result;
  };
  const wanted = await program("cpu", "one by one");
  expect(distance(await program("webgpu", "together"), wanted)).toBeLessThan(1e-4);
  expect(distance(await program("cpu", "together"), wanted)).toBeLessThan(1e-4);
  await init({ device: "cpu", dtype: "float64" });
});

describe("vmap as a part of something else", () => {
  const setting = (): { model: Model; data: Data } => {
    manualSeed(1);
    return { model: simple(), data: dataOf(TASKS) };
  };
  const mean = (together: boolean, one: (task: Data) => Tensor, data: Data): Tensor =>
    (together ? vmap(one)(data) : stack(Array.from({ length: TASKS }, (_, t) => one(taskOf(data, t))))).mean();

  test("the inner loss over a batch of tasks, in a loop that they share", async () => {
    const { model, data } = setting();
    const run = (together: boolean): Tensor =>
      innerLoop(model, sgd(model.parameters()), {}, ({ fmodel, diffopt }) => {
        const loss = (): Tensor => mean(together, (task) => lossOf((x) => fmodel.forward(x), task), data);
        for (let k = 0; k < 2; k++) diffopt.step(loss());
        return loss();
      });
    const [a, b] = [run(true), run(false)];
    const of = (loss: Tensor): Promise<number[][]> => readAll([loss, ...grad(loss, model.parameters())]);
    expect(distance(await of(a), await of(b))).toBeLessThan(1e-10);
  });

  test("a checkpointed function, to the second order", async () => {
    const { model, data } = setting();
    const loss = (x: Tensor, together: boolean): Tensor =>
      mean(together, (task) => lossOf((x) => model.forward(x), task), { x, y: data.y });
    const derived = (loss: Tensor): Promise<number[][]> => {
      const first = grad(loss, [data.x, ...model.parameters()], { createGraph: true });
      return readAll([loss, ...first, ...grad(first[0].square().sum(), model.parameters(), { allowUnused: true })]);
    };
    const a = await derived(checkpoint((x: Tensor) => loss(x, true))(data.x));
    expect(distance(a, await derived(loss(data.x, false)))).toBeLessThan(1e-10);
  });

  test("an ensemble: stacked parameters, data that all share", async () => {
    const { model, data } = setting();
    const members = Object.fromEntries(
      model
        .namedParameters()
        .map(([name, p]) => [name, stack([1, 2, 3].map((scale) => p.detach().mul(scale))).requiresGrad_()]),
    );
    const run = (params: Record<string, Tensor>, x: Tensor): Tensor => functionalCall(model, { params }, x) as Tensor;
    const x = data.x.select(0, 0);
    const together = vmap(run, { inAxes: [0, null] })(members, x);
    const each = [0, 1, 2].map((i) =>
      run(Object.fromEntries(Object.entries(members).map(([name, all]) => [name, all.select(0, i)])), x),
    );
    const derived = (y: Tensor): Promise<number[][]> =>
      readAll([y, ...grad(y.square().sum(), [...Object.values(members), data.x])]);
    expect(distance(await derived(together), await derived(stack(each)))).toBeLessThan(1e-10);
  });

  test("gradients of each sample, by images of shared weights", async () => {
    const { model, data } = setting();
    const params = model.parameters();
    const each = vmap((task: Data) => {
      const own = params.map((p) => image(p));
      return grad(
        lossOf((x) => functionalCall(model, { params: own }, x) as Tensor, task),
        own,
      );
    })(data);
    for (let t = 0; t < TASKS; t++) {
      const wanted = grad(
        lossOf((x) => model.forward(x), taskOf(data, t)),
        params,
      );
      expect(distance(await readAll(each.map((g) => g.select(0, t))), await readAll(wanted))).toBeLessThan(1e-12);
    }
  });
});
