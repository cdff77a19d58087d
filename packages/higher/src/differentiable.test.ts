/** Differentiable optimizers: overrides, hyperparameters, state, and rules of all kinds. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, makeDot } from "@loopgrad/autograd";
import { functional as F, Linear, type Module, Sequential, Tanh } from "@loopgrad/nn";
import { Adam, Optimizer, type Params, type Scalar, SGD, type State, StepLR, type Updated } from "@loopgrad/optim";
import {
  ArgumentError,
  init,
  manualSeed,
  ReleasedError,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import {
  applyHyperparameters,
  createDifferentiable,
  DifferentiableOptimizer,
  differentiable,
  FunctionalModule,
  flatten,
  functionalize,
  type GradCallback,
  innerLoop,
  perParameter,
  registerDifferentiable,
  trainableHyperparameters,
} from "./index.ts";
import { read, readAll } from "./testing/differences.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const make = (): Sequential => new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2));
const batch = (): readonly [Tensor, Tensor] => [randn([5, 3]), randn([5, 2])];

describe("override", () => {
  const one = (): Linear => {
    const layer = new Linear(1, 1);
    layer.weight.assign(tensor([[0]]));
    layer.bias?.assign(tensor([0]));
    return layer;
  };
  // At 0 with input and target 1 the gradient of the squared error is −2 for weight and bias.
  const after = async (options: object, stepOptions: object = {}): Promise<number[]> => {
    const model = one();
    const groups = [{ params: [model.weight] }, { params: [model.bias as Tensor] }];
    using loop = innerLoop(model, new SGD(groups, { lr: 1 }), options);
    loop.diffopt.step(F.mseLoss(loop.fmodel.forward(tensor([[1]])), tensor([[1]])), stepOptions);
    return (await readAll(loop.fmodel.parameters())).flat();
  };

  test("one value, one per group, one per parameter; per step over the constructor's", async () => {
    expect(await after({})).toEqual([2, 2]);
    expect(await after({ override: { lr: 0.5 } })).toEqual([1, 1]);
    expect(await after({ override: { lr: tensor(0.5) } })).toEqual([1, 1]);
    expect(await after({ override: { lr: [0.5, 0.25] } })).toEqual([1, 0.5]);
    expect(await after({ override: { lr: [0.5] } })).toEqual([1, 1]);
    expect(await after({ override: { lr: perParameter([0.125, tensor([0.25])]) } })).toEqual([0.25, 0.5]);
    expect(await after({ override: { lr: 0.5 } }, { override: { lr: 0.25 } })).toEqual([0.5, 0.5]);
    expect(await after({}, { override: { lr: [0.5, 0.25] } })).toEqual([1, 0.5]);
    expect(await after({ override: { lr: [0.5, 0.25] } }, { override: {} })).toEqual([1, 0.5]);
  });

  test("of a pair: one pair, or one per group", () => {
    const model = one();
    const groups = [{ params: [model.weight] }, { params: [model.bias as Tensor] }];
    const opt = new Adam(groups);
    const run = (betas: unknown) => () => innerLoop(model, opt, { override: { betas } as never }).dispose();
    expect(run([0.8, tensor(0.9)])).not.toThrow();
    expect(
      run([
        [0.8, 0.9],
        [0.7, 0.8],
      ]),
    ).not.toThrow();
    expect(run([[0.8], [0.7]])).toThrow(/betas is 0.8, wanted 2 numbers or tensors/);
    expect(run(0.8)).toThrow(ArgumentError);
  });

  test("unknown names, flags and wrong counts are errors", async () => {
    await expect(after({ override: { learningRate: 1 } })).rejects.toThrow(/unknown hyperparameter learningRate/);
    await expect(after({ override: { nesterov: 1 } })).rejects.toThrow(/flag/);
    await expect(after({ override: { lr: [1, 2, 3] } })).rejects.toThrow(/3 values were given for 2 groups/);
    await expect(after({ override: { lr: perParameter([1]) } })).rejects.toThrow(
      /1 values were given for 2 parameters/,
    );
  });

  test("a schedule on the differentiable optimizer reaches the inner loop", async () => {
    const w = tensor([0], { requiresGrad: true });
    const diffopt = createDifferentiable(SGD, { lr: 1 }, { params: [w] });
    const schedule = new StepLR(diffopt, { stepSize: 1, gamma: 0.5 });
    let now = w;
    const seen: number[] = [];
    for (let k = 0; k < 3; k++) {
      [now] = diffopt.step(now.neg().sum());
      schedule.step();
      seen.push((await read(now))[0]);
    }
    expect(seen).toEqual([1, 1.5, 1.75]);
  });
});

describe("hyperparameters", () => {
  test("trainable ones are the real-valued, one leaf per group; written back at full precision", async () => {
    const model = make();
    const [a, b, c, d] = model.parameters();
    const opt = new Adam([
      { params: [a, b], lr: 0.1 },
      { params: [c, d], betas: [0.5, 0.25] },
    ]);
    const learned = trainableHyperparameters(opt);
    expect(Object.keys(learned)).toEqual(["lr", "betas", "eps", "weightDecay"]);
    expect(flatten<Tensor>(learned).every((leaf) => leaf.isLeaf && leaf.requiresGrad)).toBe(true);
    expect((await readAll(flatten<Tensor>(learned.betas))).flat()).toEqual([0.9, 0.999, 0.5, 0.25]);
    await applyHyperparameters(opt, { lr: [tensor(1 / 3), tensor(2)], weightDecay: [tensor(0.7)] });
    expect(opt.paramGroups.map(({ lr, weightDecay }) => [lr, weightDecay])).toEqual([
      [1 / 3, 0.7],
      [2, 0.7],
    ]);
    await applyHyperparameters(opt, trainableHyperparameters(opt));
    expect(opt.paramGroups[1].betas).toEqual([0.5, 0.25]);
    expect(() => trainableHyperparameters(opt, ["amsgrad"])).toThrow(/amsgrad is not one of lr, betas/);
    await expect(applyHyperparameters(opt, { amsgrad: [1] })).rejects.toThrow(ArgumentError);
    await expect(applyHyperparameters(opt, { lr: [1, 2, 3] })).rejects.toThrow(ArgumentError);
  });

  test("flatten goes through arrays and plain objects", () => {
    const map = new Map();
    expect(flatten<unknown>({ a: null, b: [undefined, map], c: { d: null } })).toEqual([null, undefined, map, null]);
    expect(flatten<number>({ a: [1, { b: 2 }], c: [[3]], d: [] })).toEqual([1, 2, 3]);
  });
});

describe("state", () => {
  test("steps from a warm state do not touch the optimizer", async () => {
    const model = make();
    const opt = new Adam(model.parameters());
    const [x, y] = batch();
    F.mseLoss(model.forward(x), y).backward();
    opt.step();
    const before = await read(opt.stateOf(model.parameters()[0]).expAvg as Tensor);
    using loop = innerLoop(model, opt);
    loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    expect(loop.diffopt.stateOf(0).step).toBe(2);
    expect(opt.stateOf(model.parameters()[0]).step).toBe(1);
    expect(await read(opt.stateOf(model.parameters()[0]).expAvg as Tensor)).toEqual(before);
    loop.reset();
    expect(loop.diffopt.stateOf(0).step).toBe(1);
    expect(loop.fmodel.time).toBe(0);
  });

  test("detach of the state cuts what flows through the momentum", async () => {
    const run = async (cut: boolean): Promise<number> => {
      const w = tensor([1], { requiresGrad: true });
      const diffopt = createDifferentiable(SGD, { lr: 0.1, momentum: 0.5 }, { params: [w] });
      const [w1] = diffopt.step(w.square().sum().mul(0.5));
      if (cut) diffopt.detach();
      const [w2] = diffopt.step(w1.square().sum().mul(0.5));
      return (await read(grad(w2.sum(), w)[0]))[0];
    };
    // w₂ = w₁ − 0.1 (w₁ + 0.5 w₀) with w₁ = 0.9 w₀
    expect(await run(false)).toBeCloseTo(0.81 - 0.05, 12);
    expect(await run(true)).toBeCloseTo(0.81, 12);
  });
});

describe("optimizers of all kinds", () => {
  test("two optimizers share a functional module", async () => {
    const model = make();
    const [a, b, c, d] = model.parameters();
    const fmodel = functionalize(model);
    const first = differentiable(new SGD([a, b], { lr: 0.1 }), model.parameters(), { fmodel });
    const second = differentiable(new Adam([c, d]), model.parameters(), { fmodel });
    const [x, y] = batch();
    const loss = F.mseLoss(fmodel.forward(x), y);
    first.step(loss);
    second.step(loss);
    expect(fmodel.time).toBe(2);
    const meta = grad(F.mseLoss(fmodel.forward(x), y), model.parameters());
    expect((await readAll(meta)).flat().every(Number.isFinite)).toBe(true);
  });

  test("groups by name of a functional module", async () => {
    const fmodel = functionalize(new Linear(1, 1));
    const groups = [{ params: ["bias"], lr: 0 }, { params: ["weight"] }];
    const diffopt = createDifferentiable(SGD, { lr: 1 }, { fmodel, groups });
    const [weight, bias] = await readAll(fmodel.parameters());
    diffopt.step(fmodel.forward(tensor([[1]])).sum());
    expect((await readAll(fmodel.parameters())).flat()).toEqual([weight[0] - 1, bias[0]]);
    const unknown = [{ params: ["w"] }];
    expect(() => createDifferentiable(SGD, {}, { fmodel, groups: unknown })).toThrow(/unknown parameter w/);
  });

  test("a learned optimizer: its network gets the outer gradient", async () => {
    class Learned extends Optimizer<{ lr: Scalar }> {
      constructor(
        params: Params<{ lr: Scalar }>,
        readonly net: Linear,
      ) {
        super(params, {}, { lr: 0.1 });
      }

      override update(param: Tensor, g: Tensor, state: State, { lr }: { lr: Scalar }): Updated {
        const direction = this.net.forward(g.reshape([-1, 1])).reshape(g.shape);
        return { param: param.sub(direction.mul(lr)), state };
      }
    }
    const model = make();
    const net = new Linear(1, 1);
    const [x, y] = batch();
    using loop = innerLoop(model, new Learned(model.parameters(), net));
    for (let k = 0; k < 2; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    F.mseLoss(loop.fmodel.forward(x), y).backward();
    expect((await read(net.weight.grad))[0]).not.toBe(0);
  });

  test("no module at all: the input is optimized, and the energy's parameters get the outer gradient", async () => {
    const energy = new Linear(2, 1, { bias: false });
    energy.weight.assign(tensor([[1, 2]]));
    let y = zeros([1, 2], { requiresGrad: true });
    const diffopt = createDifferentiable(SGD, { lr: 0.1 }, { params: [y] });
    for (let k = 0; k < 5; k++) [y] = diffopt.step(energy.forward(y).sum(), { params: [y] });
    expect((await read(y)).map((v) => v.toFixed(6))).toEqual(["-0.500000", "-1.000000"]);
    y.sum().backward();
    for (const g of await read(energy.weight.grad)) expect(g).toBeCloseTo(-0.5, 12);
  });

  test("parameters need not be leaves: gradients go on to what they were computed from", async () => {
    const context = tensor([2], { requiresGrad: true });
    const w = context.square();
    const diffopt = createDifferentiable(SGD, { lr: 0.25 }, { params: [w] });
    const [w1] = diffopt.step(w.square().sum().mul(0.5));
    // w₁ = ¾ c², so dw₁/dc = 1.5 c
    expect(await read(w1)).toEqual([3]);
    expect(await read(grad(w1.sum(), context)[0])).toEqual([3]);
  });

  test("a class that is no update rule can be registered; look-up walks the class chain", () => {
    class Foreign {}
    class Derived extends Foreign {}
    expect(() => differentiable(new Derived(), [])).toThrow(/registerDifferentiable/);
    const w = tensor([1], { requiresGrad: true });
    class Doubling extends DifferentiableOptimizer {
      protected override update(param: Tensor): Updated {
        return { param: param.mul(2), state: {} };
      }
    }
    registerDifferentiable(Foreign, (_, params, options) => new Doubling(new SGD(params), params, options));
    expect(differentiable(new Derived(), [w])).toBeInstanceOf(Doubling);
    for (const [odd, name] of [
      [{}, "Object"],
      [Object.create(null), "the object"],
      [new Map(), "Map"],
    ] as const) {
      expect(() => differentiable(odd, [])).toThrow(ArgumentError);
      expect(() => differentiable(odd, [])).toThrow(`differentiable: ${name} has no update rule`);
    }
    for (const odd of [1, "SGD", null, SGD]) expect(() => differentiable(odd as never, [])).toThrow(ArgumentError);
  });

  test("without a functional module steps are numbered, parameters go by their places, and each follows the last", async () => {
    const [u, v] = [tensor([1, 2], { requiresGrad: true }), tensor([3], { requiresGrad: true })];
    const seen: string[][] = [];
    const gradCallback: GradCallback = (grads) => {
      seen.push(grads.map(({ name, grad: g }) => `${name} ${g === null ? "none" : g.shape}`));
      return grads.map(({ grad: g }) => g);
    };
    const diffopt = createDifferentiable(SGD, { lr: 0.5 }, { params: [u, v], gradCallback });
    let now: Tensor[] = [u, v];
    for (let k = 0; k < 3; k++) now = diffopt.step(now[0].square().sum().mul(0.5));
    expect(await readAll(now)).toEqual([[0.125, 0.25], [3]]);
    expect(seen).toEqual([1, 2, 3].map(() => ["0 2", "1 none"]));
    const dot = makeDot(now[0], { u });
    expect([0, 1, 2, 3, 4].map((k) => dot.includes(`"step ${k}"`))).toEqual([false, true, true, true, false]);
    // Others than the last step's, for once.
    const [other] = diffopt.step(u.square().sum(), { params: [u, v] });
    expect(await read(other)).toEqual([0, 0]);
    for (const params of [[u], [u, v, u], []]) {
      expect(() => diffopt.step(u.sum(), { params })).toThrow(`step: got ${params.length} parameters, wanted 2`);
    }
    diffopt.dispose();
    expect(() => diffopt.step(u.sum())).toThrow(ReleasedError);
  });

  test("what is optimized is a list of tensors, or of groups of them", () => {
    const w = tensor([1], { requiresGrad: true });
    for (const params of [[w], new Set([w]), [{ params: [w] }], [{ params: new Set([w]), lr: 3 }]]) {
      const diffopt = createDifferentiable(SGD, { lr: 2 }, { params: params as Tensor[] });
      expect(diffopt.paramGroups.map(({ params, lr }) => [params.length, lr])).toEqual([
        [1, "lr" in [...params][0] ? 3 : 2],
      ]);
    }
    for (const params of [undefined, null, 1, "w", w, {}, () => [w]]) {
      const make = () => createDifferentiable(SGD, { lr: 1 }, { params: params as never });
      expect(make).toThrow(ArgumentError);
      expect(make).toThrow("the target has no params: wanted { fmodel } or { params: [tensor, …] }");
    }
    for (const cls of [class {}, () => {}, Optimizer]) {
      expect(() => createDifferentiable(cls as never, {}, { params: [w] })).toThrow(
        /cls is .*: wanted a class of optimizers/,
      );
    }
  });

  test("both constructors refuse options that do not exist", () => {
    const model = make();
    const opt = new SGD(model.parameters());
    expect(() => new DifferentiableOptimizer(opt, model.parameters(), { lr: 1, rate: 2 } as object)).toThrow(
      "differentiable: unknown option lr, rate",
    );
    expect(() => new FunctionalModule(model, { time: 1 } as object)).toThrow("functionalize: unknown option time");
    for (const mode of ["third", "", undefined]) {
      const make = () => new DifferentiableOptimizer(opt, model.parameters(), { mode } as object).dispose();
      if (mode === undefined) expect(make).not.toThrow();
      else expect(make).toThrow(`mode ${mode}: wanted "second-order", "first-order" or "none"`);
    }
    for (const history of ["some", ""]) {
      expect(() => new FunctionalModule(model, { history } as object)).toThrow(
        `history is ${history}, wanted "all" or "ends"`,
      );
    }
  });

  test("a parameter that the loss does not use is left alone, or an error if wanted", async () => {
    const [u, v] = [tensor([1], { requiresGrad: true }), tensor([1], { requiresGrad: true })];
    const diffopt = createDifferentiable(Adam, { weightDecay: 0.5 }, { params: [u, v] });
    const [, v1] = diffopt.step(u.sum());
    expect(await read(v1)).toEqual([1]);
    expect(diffopt.stateOf(1)).toEqual({});
    expect(() => diffopt.step(v1.sum(), { allowUnused: false })).toThrow(/not used|unused/);
  });

  test("the loss's graph can be kept for a second use", () => {
    const w = tensor([1, 2], { requiresGrad: true });
    const diffopt = createDifferentiable(SGD, {}, { params: [w], mode: "first-order" });
    const loss = w.square().sum();
    diffopt.step(loss, { params: [w], retainGraph: true });
    expect(() => diffopt.step(loss, { params: [w] })).not.toThrow();
    expect(() => diffopt.step(loss, { params: [w] })).toThrow(/retainGraph/);
    expect(() => diffopt.step(loss, { params: [w, w] })).toThrow(ArgumentError);
  });
});

test("a rule may return the parameter itself; what is frozen altogether stays as it is", async () => {
  class Same extends Optimizer<{ lr: Scalar }> {
    override update(param: Tensor, _grad: Tensor, state: State): Updated {
      return { param, state };
    }
  }
  const [x, y] = batch();
  for (const frozen of [false, true]) {
    for (const history of ["all", "ends"] as const) {
      const model = make();
      if (frozen) for (const p of model.parameters()) p.requiresGrad_(false);
      const wanted = await readAll(model.parameters());
      const opt = frozen ? new SGD(model.parameters(), { lr: 1 }) : new Same(model.parameters(), {}, { lr: 1 });
      using loop = innerLoop(model, opt, { history });
      for (let k = 1; k < 4; k++) {
        loop.step(() => F.mseLoss(loop.fmodel.forward(x), y));
        expect(loop.fmodel.time).toBe(k);
        expect(await readAll(loop.fmodel.parameters())).toEqual(wanted);
        expect(await readAll(loop.fmodel.initialParams)).toEqual(wanted);
      }
      expect(loop.fmodel.parameters().some((p) => p.isReleased)).toBe(false);
    }
  }
});

test.each(["none", "step", 2] as const)("losses are on the tape in mode second-order, checkpoint %s", (checkpoint) => {
  const model = new Linear(3, 2);
  const [x, y] = batch();
  for (const mode of ["second-order", "first-order", "none"] as const) {
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }), { mode, checkpoint });
    const loss = (): Tensor => F.mseLoss(loop.fmodel.forward(x), y);
    const losses = [loop.step(loss), ...loop.run(3, loss), loop.step(loss)];
    expect([mode, losses.map((l) => l.requiresGrad)]).toEqual([mode, losses.map(() => mode === "second-order")]);
  }
});

test("shapes of new weights are checked", () => {
  class Wrong extends Optimizer<{ lr: Scalar }> {
    override update(param: Tensor, _grad: Tensor, state: State): Updated {
      return { param: param.sum(), state };
    }
  }
  const model: Module = make();
  const opt = new Wrong(model.parameters(), {}, { lr: 1 });
  using loop = innerLoop(model as Sequential, opt);
  const [x, y] = batch();
  expect(() => loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y))).toThrow(ShapeError);
});

test("state is committed to an optimizer of the same kind only", () => {
  const model = new Linear(2, 1);
  using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }));
  expect(() => loop.diffopt.commitTo(new Adam(model.parameters()))).toThrow(/commitTo: got Adam.*that of SGD/);
});

test("state is committed parameter by parameter, in every group", async () => {
  const model = make();
  const [a, b, c, d] = model.parameters();
  // The groups' order is not the module's.
  const groups = [{ params: [d, b] }, { params: [a, c], lr: 0.2 }];
  const opt = new SGD(groups, { lr: 0.1, momentum: 0.9 });
  const [x, y] = batch();
  const wanted = grad(F.mseLoss(model.forward(x), y), model.parameters());
  using loop = innerLoop(model, opt);
  loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
  for (const parameter of model.parameters()) expect(opt.stateOf(parameter)).toEqual({});
  loop.diffopt.commitTo();
  for (const [i, parameter] of [a, b, c, d].entries()) {
    expect(await read(opt.stateOf(parameter).momentumBuffer as Tensor)).toEqual(await read(wanted[i] as Tensor));
  }
  const other = make();
  const [e, f, g, h] = other.parameters();
  expect(() => loop.diffopt.commitTo(new SGD([{ params: [h] }, { params: [f, e, g] }], { lr: 0.1 }))).toThrow(
    "commitTo: groups of [1, 3] parameters, wanted [2, 2]",
  );
});

test("after its end neither optimizer nor module does anything", () => {
  const model = make();
  const loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
  const { diffopt, fmodel } = loop;
  const [x, y] = batch();
  const loss = F.mseLoss(fmodel.forward(x), y);
  loop.dispose();
  loop.dispose();
  expect(() => diffopt.step(loss)).toThrow(/was used after it was disposed of/);
  expect(() => fmodel.withParams(model.parameters())).toThrow(ReleasedError);
  expect(() => fmodel.forward(x)).toThrow(ReleasedError);
});
