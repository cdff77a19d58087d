/**
 * Where the original is wrong: one regression test for each finding, in the order of the README's list.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { grad, walkCounts } from "@loopgrad/autograd";
import { BatchNorm1d, functional as F, Linear, Module, Parameter, Sequential, Tanh } from "@loopgrad/nn";
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
import { createDifferentiable, functionalize, innerLoop, trainableHyperparameters } from "./index.ts";

let device: Device;
beforeAll(async () => {
  device = await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

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

test("1. the gradient by Adam's beta2 includes the bias correction", async () => {
  // After one step p = w − lr g / (|g| + ε'), whatever beta2: its derivative is 0, as v and its correction cancel.
  const model = new One(2);
  const opt = new Adam(model.parameters(), { lr: 0.1, eps: 0 });
  const learned = trainableHyperparameters(opt, ["betas"]);
  using loop = innerLoop(model, opt, { override: learned });
  loop.diffopt.step(loop.fmodel.forward());
  const [[beta1, beta2]] = learned.betas as Tensor[][];
  const [d1, d2] = grad(loop.fmodel.parameters()[0].sum(), [beta1, beta2]);
  expect((await read(d1))[0]).toBeCloseTo(0, 12);
  expect((await read(d2))[0]).toBeCloseTo(0, 12);
});

test("1. ASGD's rate decays on the tape, and its average is of the weights", async () => {
  const model = new One(1);
  const opt = new ASGD(model.parameters(), { lr: 0.5, lambd: 0.25, alpha: 1, t0: 0 });
  const learned = trainableHyperparameters(opt, ["lr"]);
  using loop = innerLoop(model, opt, { override: learned });
  const weights: number[] = [];
  for (let k = 0; k < 3; k++) {
    loop.diffopt.step(loop.fmodel.forward());
    weights.push((await read(loop.fmodel.parameters()[0]))[0]);
  }
  // μ is 1, 1, 1/2: the average is the second weight moved half the way to the third
  expect((await read(loop.diffopt.stateOf(0).ax as Tensor))[0]).toBeCloseTo((weights[1] + weights[2]) / 2, 12);
  // w₁ = (1 − (1 + λ) lr) w₀; then η = lr / (1 + λ lr)
  const run = (lr: number): number => {
    let [w, eta] = [1, lr];
    for (let t = 1; t <= 3; t++) {
      w = w * (1 - 0.25 * eta) - eta * w;
      eta = lr / (1 + 0.25 * lr * t);
    }
    return w;
  };
  const wanted = (run(0.5 + 1e-6) - run(0.5 - 1e-6)) / 2e-6;
  const [d] = grad(loop.fmodel.parameters()[0].sum(), learned.lr[0] as Tensor);
  expect((await read(d))[0]).toBeCloseTo(wanted, 8);
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
  using loop = innerLoop(model, new Adam(model.parameters()), { history: false });
  const visits = Array.from({ length: 60 }, () => {
    using _ = scope();
    const before = walkCounts.visited;
    loop.diffopt.step(F.mseLoss(loop.fmodel.forward(randn([4, 3])), randn([4, 2])));
    return walkCounts.visited - before;
  });
  expect(visits[59]).toBe(visits[2]);
});

test("8. maximize climbs, and a tensor learning rate of the optimizer gets its gradient", async () => {
  const model = new One(3);
  const lr = tensor(0.1, { requiresGrad: true });
  const opt = new SGD(model.parameters(), { lr, maximize: true });
  using loop = innerLoop(model, opt);
  loop.diffopt.step(loop.fmodel.forward());
  const [w] = loop.fmodel.parameters();
  expect((await read(w))[0]).toBeCloseTo(3.3, 12);
  expect(await read(grad(w.sum(), lr)[0])).toEqual([3]);
});

test("9. what cannot be made functional is refused; a parametrization works", async () => {
  class Loose extends Module {
    readonly w = tensor([1, 2], { requiresGrad: true });
  }
  expect(() => functionalize(new Loose())).toThrow(/plain tensor that requires a gradient: make it a Parameter/);

  class Remembers extends Module {
    last: Tensor | null = null;
    readonly w = new Parameter(tensor([2]));

    override forward(x: Tensor): Tensor {
      this.last = x.mul(this.w);
      return this.last;
    }
  }
  expect(() => functionalize(new Remembers()).forward(tensor([1]))).toThrow(LoopgradError);

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

test("10. no module at all: the input is optimized, and the energy's parameters get the outer gradient", async () => {
  const energy = new Linear(2, 1, { bias: false });
  energy.weight.assign(tensor([[1, 2]]));
  let y = zeros([1, 2], { requiresGrad: true });
  const diffopt = createDifferentiable(SGD, { lr: 0.1 }, { params: [y] });
  for (let k = 0; k < 5; k++) [y] = diffopt.step(energy.forward(y).sum(), { params: [y] });
  expect((await read(y)).map((v) => v.toFixed(6))).toEqual(["-0.500000", "-1.000000"]);
  y.sum().backward();
  (await read(energy.weight.grad)).forEach((g) => {
    expect(g).toBeCloseTo(-0.5, 12);
  });
});
