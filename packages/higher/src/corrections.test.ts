/**
 * Where the original is wrong: a regression test, or several, for each finding, in the order of the README's list. What
 * is said here of *higher* 0.2.1 was seen with torch 2.13; each test fails on it.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, walkCounts } from "@loopgrad/autograd";
import {
  BatchNorm1d,
  functional as F,
  Linear,
  Module,
  Parameter,
  Sequential,
  spectralNorm,
  Tanh,
  weightNorm,
} from "@loopgrad/nn";
import { Adagrad, Adam, AdamW, ASGD, type Optimizer, RMSprop, SGD } from "@loopgrad/optim";
import {
  type Device,
  init,
  LoopgradError,
  manualSeed,
  randn,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import { functionalize, innerLoop, trainableHyperparameters } from "./index.ts";
import { centralDifference, distance, read, readAll } from "./testing/differences.ts";
import { OPTIMIZERS } from "./testing/optimizers.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

/** One weight under the loss ½ w², so that its gradient is itself. */
class One extends Module {
  readonly w: Parameter;

  constructor(value: number) {
    super();
    this.w = new Parameter(tensor([value]));
  }

  override forward(): Tensor {
    return this.w.square().sum().mul(0.5);
  }
}

describe("1. bias corrections and decaying rates are on the tape", () => {
  // After one step p = w − lr g / (|g| + ε), whatever the betas: their derivatives are 0, as averages and corrections
  // cancel. The original's correction is off the tape, and the derivative by β₂ comes out as −50.
  test.each([
    ["Adam", (p: Tensor[]) => new Adam(p, { lr: 0.1 })],
    ["AdamW", (p: Tensor[]) => new AdamW(p, { lr: 0.1, weightDecay: 0 })],
  ] as const)("%s: one step does not depend on the betas", async (_, make) => {
    const model = new One(2);
    const opt = make(model.parameters()) as Optimizer<object>;
    const learned = trainableHyperparameters(opt, ["betas"]);
    using loop = innerLoop(model, opt, { override: learned });
    loop.diffopt.step(loop.fmodel.forward());
    const [betas] = learned.betas as Tensor[][];
    const slopes = grad(loop.fmodel.parameters()[0].sum(), betas);
    for (const [slope] of await readAll(slopes)) expect(slope).toBeCloseTo(0, 9);
  });

  test("ASGD: by the rate, its decay and the power; the average is of the weights", async () => {
    const model = new One(1);
    const opt = new ASGD(model.parameters(), { lr: 0.5, lambd: 0.25, alpha: 1, t0: 0 });
    const learned = trainableHyperparameters(opt, ["lr", "lambd", "alpha"]);
    using loop = innerLoop(model, opt, { override: learned });
    const weights: number[] = [];
    for (let k = 0; k < 3; k++) {
      loop.diffopt.step(loop.fmodel.forward());
      weights.push((await read(loop.fmodel.parameters()[0]))[0]);
    }
    // μ is 1, 1, 1/2: the average is the second weight moved half the way to the third. The original's is another.
    expect((await read(loop.diffopt.stateOf(0).ax as Tensor))[0]).toBeCloseTo((weights[1] + weights[2]) / 2, 12);
    // w₁ = (1 − (1 + λ) η) w₀ with η = lr; then η = lr / (1 + λ lr t)^α
    const run = ([lr, lambd, alpha]: readonly number[]): number => {
      let [w, eta] = [1, lr];
      for (let t = 1; t <= 3; t++) {
        w = w * (1 - lambd * eta) - eta * w;
        eta = lr / (1 + lambd * lr * t) ** alpha;
      }
      return w;
    };
    const leaves = [learned.lr[0], learned.lambd[0], learned.alpha[0]] as Tensor[];
    const slopes = await readAll(grad(loop.fmodel.parameters()[0].sum(), leaves));
    for (const i of [0, 1, 2]) {
      const at = (h: number): number => run([0.5, 0.25, 1].map((x, j) => (i === j ? x + h : x)));
      expect(slopes[i][0]).toBeCloseTo((at(1e-6) - at(-1e-6)) / 2e-6, 8);
    }
  });
});

test("2. a learned momentum or weight decay that is 0 has its gradient", async () => {
  const model = new One(1);
  const opt = new SGD(model.parameters(), { lr: 0.1 });
  const learned = trainableHyperparameters(opt, ["momentum", "weightDecay"]);
  using loop = innerLoop(model, opt, { override: learned });
  for (let k = 0; k < 2; k++) loop.diffopt.step(loop.fmodel.forward());
  const leaves = [learned.momentum[0] as Tensor, learned.weightDecay[0] as Tensor];
  const [dMomentum, dDecay] = grad(loop.fmodel.parameters()[0].sum(), leaves);
  // w₂ = w₁ − lr (g₁ + μ g₀): −lr w₀.  By decay: (1 − lr (1 + λ))²: −2 lr (1 − lr)
  expect((await read(dMomentum))[0]).toBeCloseTo(-0.1, 12);
  expect((await read(dDecay))[0]).toBeCloseTo(-0.18, 12);
});

test("3. without tracking, frozen parameters stay frozen, and no graph grows", async () => {
  const model = new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2));
  model.at(0).requiresGrad_(false);
  const before = await read(model.parameters()[0]);
  using loop = innerLoop(model, new Adam(model.parameters()), { mode: "none" });
  const used: number[] = [];
  for (let k = 0; k < 30; k++) {
    using _ = scope();
    loop.diffopt.step(
      loop.fmodel
        .forward(randn([5, 3]))
        .square()
        .mean(),
    );
    device.flush();
    used.push(device.stats().usedBytes);
  }
  expect(new Set(used.slice(3)).size).toBe(1);
  expect(loop.fmodel.parameters().map((p) => p.requiresGrad)).toEqual([false, false, true, true]);
  expect(await read(loop.fmodel.parameters()[0])).toEqual(before);
});

class Encoder extends Module {
  readonly encoder = new Linear(2, 2, { bias: false });
  readonly head = new Linear(2, 1, { bias: false });

  override forward(x: Tensor): Tensor {
    return this.score(x);
  }

  score(x: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(x));
  }
}

test("4. after an update every entry point sees the new weights", async () => {
  const fmodel = functionalize(new Encoder());
  const x = randn([3, 2]);
  fmodel.update({ "encoder.weight": zeros([2, 2]) });
  expect(new Set(await read(fmodel.call((m) => m.encoder.forward(x))))).toEqual(new Set([0]));
  expect(new Set(await read(fmodel.call((m) => m.score(x))))).toEqual(new Set([0]));
  expect(await read(fmodel.forward(x))).toEqual(await read(fmodel.call((m) => m.head.forward(m.encoder.forward(x)))));
  const sequence = functionalize(new Sequential(new Linear(2, 2), new Tanh()));
  sequence.update({ "0.weight": zeros([2, 2]), "0.bias": zeros([2]) });
  expect(new Set(await read(sequence.call((m) => m.at(0).forward(x))))).toEqual(new Set([0]));
});

test("4. a submodule's weight is assigned by its name; assigned directly during a call it is refused", async () => {
  const fmodel = functionalize(new Encoder());
  const [encoder, head] = fmodel.parameters();
  fmodel.update({ "head.weight": head.mul(2) });
  expect(await read(fmodel.call((m) => m.head.weight.mul(1)))).toEqual(await read(head.mul(2)));
  expect(await read(fmodel.parameters()[0])).toEqual(await read(encoder));
  expect(() => fmodel.call((m) => m.head.weight.assign(zeros([1, 2])))).toThrow(
    /cannot be assigned during a functional call/,
  );
});

test("5. a module used in two places has one set of buffers", async () => {
  const norm = new BatchNorm1d(2, { momentum: 1 });
  const model = new Sequential(norm, new Tanh(), norm);
  const fmodel = functionalize(model);
  fmodel.forward(randn([4, 2]));
  expect(Object.keys(fmodel.buffers)).toEqual(["0.running_mean", "0.running_var", "0.num_batches_tracked"]);
  expect(await read(fmodel.buffers["0.num_batches_tracked"])).toEqual([2]);
});

test.each([
  ["Adam", (p: Tensor[]) => new Adam(p)],
  ["AdamW", (p: Tensor[]) => new AdamW(p)],
  ["Adagrad", (p: Tensor[]) => new Adagrad(p)],
  ["RMSprop", (p: Tensor[]) => new RMSprop(p)],
  ["RMSprop centered", (p: Tensor[]) => new RMSprop(p, { centered: true })],
] as const)("6. %s is finite at every order where the second moment is 0", async (_, make) => {
  const model = new Linear(2, 1, { bias: false });
  // The second input is always 0, and so is its weight's gradient.
  const x = tensor([
    [1, 0],
    [2, 0],
  ]);
  using loop = innerLoop(model, make(model.parameters()) as Optimizer<object>);
  for (let k = 0; k < 3; k++) loop.diffopt.step(loop.fmodel.forward(x).sub(1).square().mean());
  let scalar = loop.fmodel
    .forward(randn([2, 2]))
    .square()
    .sum();
  for (let order = 1; order <= 3; order++) {
    const [g] = grad(scalar, model.weight, { createGraph: true });
    expect((await read(g)).every(Number.isFinite)).toBe(true);
    scalar = (g as Tensor).square().sum();
  }
});

test("7. with an unused and a frozen parameter a step visits as many nodes at the end as at the start", () => {
  class Partial extends Module {
    readonly used = new Parameter(randn([3, 2]));
    readonly unused = new Parameter(randn([3, 2]));
    readonly frozen = new Parameter(randn([3, 2]), { requiresGrad: false });

    override forward(x: Tensor): Tensor {
      return x.matmul(this.used.add(this.frozen));
    }
  }
  const model = new Partial();
  using loop = innerLoop(model, new Adam(model.parameters()), { history: "ends" });
  const visits = Array.from({ length: 60 }, () => {
    using _ = scope();
    const before = walkCounts.visited;
    loop.diffopt.step(F.mseLoss(loop.fmodel.forward(randn([4, 3])), randn([4, 2])));
    return walkCounts.visited - before;
  });
  expect(visits[59]).toBe(visits[2]);
});

describe.each(OPTIMIZERS)("8. %s", (_, make) => {
  /** The weight after one step, and the optimizer's rate. */
  async function step(
    options: { lr?: Tensor; maximize?: boolean },
    climb = false,
  ): Promise<{ w: Tensor; loss: Tensor }> {
    const model = new One(3);
    const opt = make(model.parameters(), options);
    return innerLoop(model, opt, {}, ({ fmodel, diffopt }) => {
      const loss = fmodel.forward();
      diffopt.step(climb ? loss.neg() : loss);
      return { w: fmodel.parameters()[0], loss };
    });
  }

  test("maximize climbs: it is descending on minus the objective", async () => {
    const { w } = await step({ maximize: true });
    expect((await read(w))[0]).toBeGreaterThan(3 * (1 - 1e-3));
    expect(await read(w)).toEqual(await read((await step({}, true)).w));
  });

  test("a tensor learning rate of the optimizer is used as it is, and gets its gradient", async () => {
    const lr = tensor(0.05, { requiresGrad: true });
    const { w } = await step({ lr });
    const [slope] = await read(grad(w.sum(), lr)[0]);
    expect(slope).toBeLessThan(0);
    const after = async (value: number): Promise<number> => (await read((await step({ lr: tensor(value) })).w))[0];
    expect(slope).toBeCloseTo(((await after(0.05 + 1e-6)) - (await after(0.05 - 1e-6))) / 2e-6, 7);
  });
});

describe("9. nothing is silently shared or dropped", () => {
  class Loose extends Module {
    readonly w = new Parameter(tensor([1, 2]));

    constructor(readonly extra: unknown) {
      super();
    }

    override forward(x: Tensor): Tensor {
      return x.mul(this.w);
    }
  }

  test("a plain tensor that requires a gradient is refused, in a field or in a collection there", () => {
    const leaf = tensor([1, 2], { requiresGrad: true });
    for (const extra of [leaf, [zeros([1]), leaf], new Map([["a", leaf]]), { inner: { leaf } }]) {
      expect(() => functionalize(new Loose(extra))).toThrow(
        /extra is a plain tensor that requires a gradient: make it a Parameter/,
      );
      expect(() => functionalize(new Sequential(new Loose(extra)))).toThrow(/0\.extra is a plain tensor/);
    }
    // Constants are what they are.
    expect(() => functionalize(new Loose([zeros([1]), { mean: zeros([1]) }]))).not.toThrow();
  });

  test("a forward that leaves a tensor behind in the module is refused", () => {
    class Remembers extends Module {
      last: Tensor | null = null;
      readonly seen: Tensor[] = [];
      readonly w = new Parameter(tensor([2]));

      override forward(x: Tensor, where: "field" | "list"): Tensor {
        const y = x.mul(this.w);
        if (where === "field") this.last = y;
        else this.seen.push(y);
        return y;
      }
    }
    for (const where of ["field", "list"] as const) {
      expect(() => functionalize(new Remembers()).forward(tensor([1]), where)).toThrow(LoopgradError);
    }
  });

  test("forward hooks run, of the root and of submodules, on the fast weights", async () => {
    const model = new Sequential(new Linear(1, 1, { bias: false }));
    const seen: number[] = [];
    model.registerForwardHook((_module, _args, output) => output.mul(10));
    model.at(0).registerForwardPreHook((_module, [x]) => {
      seen.push((x as Tensor).size);
      return (x as Tensor).mul(2);
    });
    const fmodel = functionalize(model);
    fmodel.update([tensor([[3]], { requiresGrad: true })]);
    const y = fmodel.forward(tensor([[1]]));
    expect(await read(y)).toEqual([60]);
    expect(seen).toEqual([1]);
    expect(await read(grad(y.sum(), fmodel.parameters())[0])).toEqual([20]);
  });

  test("weight norm: the loop's weights are length and direction, differentiated through the norm", async () => {
    const model = weightNorm(new Linear(2, 1, { bias: false }));
    const twin = (g: Tensor, v: Tensor, x: Tensor): Tensor => x.matmul(v.mul(g.div(v.norm())).t());
    const [x, y] = [randn([4, 2]), randn([4, 1])];
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.1 }));
    for (let k = 0; k < 3; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    const initial = model.parameters().map((p) => p.detach().requiresGrad_(true));
    let weights = initial;
    for (let k = 0; k < 3; k++) {
      const [dg, dv] = grad(F.mseLoss(twin(weights[0], weights[1], x), y), weights, { createGraph: true });
      weights = [weights[0].sub((dg as Tensor).mul(0.1)), weights[1].sub((dv as Tensor).mul(0.1))];
    }
    expect(distance(await readAll(loop.fmodel.parameters()), await readAll(weights))).toBeLessThan(1e-12);
    const found = grad(F.mseLoss(loop.fmodel.forward(x), y), model.parameters());
    const wanted = grad(F.mseLoss(twin(weights[0], weights[1], x), y), initial);
    expect(distance(await readAll(found), await readAll(wanted))).toBeLessThan(1e-12);
  });

  test("spectral norm: its vectors are buffers of the loop, and the module keeps its own", async () => {
    const model = spectralNorm(new Linear(3, 2, { bias: false }));
    const before = await readAll(model.buffers());
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.5 }));
    const [x, y] = [randn([4, 3]), randn([4, 2])];
    for (let k = 0; k < 3; k++) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    loop.fmodel.forward(x);
    expect(await readAll(model.buffers())).toEqual(before);
    expect(await readAll(Object.values(loop.fmodel.buffers))).not.toEqual(before);
    const found = grad(F.mseLoss(loop.fmodel.forward(x), y), model.parameters());
    expect((await readAll(found)).flat().every((g) => Number.isFinite(g) && g !== 0)).toBe(true);
  });

  test("a parametrization of the user's own: a getter", async () => {
    class WeightNorm extends Module {
      readonly v = new Parameter(tensor([3, 4]));
      readonly g = new Parameter(tensor([10]));

      get weight(): Tensor {
        return this.v.div(this.v.norm()).mul(this.g);
      }

      override forward(x: Tensor): Tensor {
        return this.weight.mul(x).sum();
      }
    }
    const fmodel = functionalize(new WeightNorm());
    expect(await read(fmodel.forward(tensor([1, 1])))).toEqual([14]);
    fmodel.update({ g: tensor([5]) });
    expect(await read(fmodel.forward(tensor([1, 1])))).toEqual([7]);
    const [dv] = grad(fmodel.forward(tensor([1, 0])), [fmodel.initialParams[0]]);
    // d(g v₁/‖v‖)/dv = 5 (1/5 − 9/125, −12/125)
    (await read(dv)).forEach((x, i) => {
      expect(x).toBeCloseTo([0.64, -0.48][i], 12);
    });
  });
});

test("10. the check by differences tells the right meta-gradient from one that is wrong by less than a percent", async () => {
  // At a small rate the first-order gradient is close to the right one: within the original's tolerance of 10 %.
  const model = new One(2);
  const run = (mode: "second-order" | "first-order"): Tensor =>
    innerLoop(model, new SGD(model.parameters(), { lr: 1e-3 }), { mode }, ({ fmodel, diffopt }) => {
      for (let k = 0; k < 3; k++) diffopt.step(fmodel.forward());
      return fmodel.forward();
    });
  const wanted = await centralDifference(() => run("second-order"), model.w, 0);
  const error = async (mode: "second-order" | "first-order"): Promise<number> =>
    Math.abs((await read(grad(run(mode), model.w)[0]))[0] / wanted - 1);
  expect(await error("second-order")).toBeLessThan(1e-9);
  expect(await error("first-order")).toBeGreaterThan(1e-3);
  expect(await error("first-order")).toBeLessThan(1e-2);
});
