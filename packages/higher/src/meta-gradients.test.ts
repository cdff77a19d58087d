/**
 * Meta-gradients against central differences in float64, relative error 1e-6: for every optimizer, by initial weights
 * and by every real hyperparameter, given in each way that an override can be given; from a fresh and from a warm
 * state; and gradients of meta-gradients.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, noGrad } from "@loopgrad/autograd";
import { functional as F, Linear, Sequential, Tanh } from "@loopgrad/nn";
import { ASGD, type Optimizer, RAdam } from "@loopgrad/optim";
import { full, init, manualSeed, rand, randn, type Tensor, tensor } from "@loopgrad/tensor";
import {
  flatten,
  type InnerLoop,
  innerLoop,
  type Override,
  perParameter,
  type Trainable,
  trainableHyperparameters,
} from "./index.ts";
import { centralDifference, distance, read, readAll } from "./testing/differences.ts";
import { SMOOTH_SETS } from "./testing/optimizers.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** A batch: inputs [4, 2] and targets [4, 1]. */
const batch = (): readonly [Tensor, Tensor] => [randn([4, 2]), randn([4, 1])];
const STEPS = 4;

/** A hyperparameter as an override takes it, and the leaves in it. */
interface Given {
  override: Override;
  leaves: Tensor[];
}

/** The ways to give hyperparameters, all of them at once. */
const FORMS = {
  "one for all groups": (opt: Optimizer<object>): Given => {
    const override = Object.fromEntries(
      Object.entries(trainableHyperparameters(opt)).map(([name, perGroup]) => [name, perGroup[0]]),
    );
    return { override, leaves: flatten<Tensor>(override as Trainable) };
  },
  "one per group": (opt: Optimizer<object>): Given => {
    const override = trainableHyperparameters(opt);
    return { override, leaves: flatten<Tensor>(override) };
  },
  "elementwise per parameter": (opt: Optimizer<object>): Given => {
    const leaves: Tensor[] = [];
    /** The parameter's shape, with values up to a hundredth larger. */
    const spread = (value: Tensor, param: Tensor): Tensor => {
      const leaf = full(param.shape, 1).add(rand(param.shape).mul(0.01)).mul(value.detach()).detach();
      leaves.push(leaf.requiresGrad_(true));
      return leaf;
    };
    const params = opt.paramGroups.flatMap((group) => group.params);
    const override = Object.fromEntries(
      Object.entries(trainableHyperparameters(opt)).map(([name, [value]]) => [
        name,
        perParameter(
          params.map((p) => (Array.isArray(value) ? value.map((one) => spread(one, p)) : spread(value as Tensor, p))),
        ),
      ]),
    );
    return { override, leaves };
  },
} as const;

/** A model with two groups and a warm optimizer, and the loss after an inner loop as a function of everything. */
function setting(make: (groups: { params: Tensor[]; lr?: number }[]) => Optimizer<object>, warm: number) {
  manualSeed(7);
  const model = new Sequential(new Linear(2, 3), new Tanh(), new Linear(3, 1));
  const params = model.parameters();
  const opt = make([{ params: params.slice(0, 2) }, { params: params.slice(2), lr: 0.06 }]);
  for (let i = 0; i < warm; i++) {
    const [x, y] = batch();
    opt.zeroGrad();
    F.mseLoss(model.forward(x), y).backward();
    opt.step();
  }
  opt.zeroGrad();
  const batches = Array.from({ length: STEPS }, batch);
  const [queryX, queryY] = batch();
  const queryLoss = ({ fmodel }: InnerLoop<Sequential>): Tensor => F.mseLoss(fmodel.forward(queryX), queryY);
  /** @param judge  the loss of a loop that has made its steps */
  const outer = (
    override: Override,
    { judge = queryLoss, perStep }: { judge?: typeof queryLoss; perStep?: Override } = {},
  ): Tensor =>
    innerLoop(model, opt, { override }, (loop) => {
      for (const [x, y] of batches) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y), { override: perStep });
      return judge(loop);
    });
  return { model, opt, outer };
}

/** Compares the gradient of f by each of the leaves with differences: at the first element, and at every fifth. */
async function checkGradients(f: () => Tensor, leaves: readonly Tensor[], relative = 1e-6): Promise<void> {
  const found = grad(f(), leaves, { allowUnused: true });
  for (const [n, leaf] of leaves.entries()) {
    const g = found[n] === null ? new Array<number>(leaf.size).fill(0) : await read(found[n]);
    for (let i = 0; i < leaf.size; i += 5) {
      const wanted = await centralDifference(f, leaf, i);
      // Differences of losses near 1 have an error of 1e-11 of their own.
      expect(Math.abs(g[i] - wanted)).toBeLessThan(relative * Math.abs(wanted) + 1e-10);
    }
  }
}

/** How hyperparameters are given, and how many steps were made before. */
const WAYS: readonly (readonly [keyof typeof FORMS, number])[] = [
  ["one for all groups", 0],
  ["one per group", 3],
  ["elementwise per parameter", 3],
  ...(process.env.LOOPGRAD_FULL === undefined ? [] : ([["elementwise per parameter", 0]] as const)),
];

describe.each(SMOOTH_SETS)("%s", (_, make) => {
  test.each(WAYS)("by weights and hyperparameters, %s, after %i warm steps", async (form, warm) => {
    const { model, opt, outer } = setting(make, warm);
    const { override, leaves } = FORMS[form](opt);
    await checkGradients(() => outer(override), [...model.parameters(), ...leaves]);
  });

  test("given at each step: the gradients of hyperparameters given to the loop", async () => {
    const { opt, outer } = setting(make, 1);
    const { override, leaves } = FORMS["one per group"](opt);
    const [given, perStep] = [outer(override), outer({}, { perStep: override })];
    const [a, b] = [given, perStep].map((loss) => grad(loss, leaves, { allowUnused: true }));
    expect(distance(await readAll(b), await readAll(a))).toBeLessThan(1e-12);
  });

  test("gradients of meta-gradients", async () => {
    const { model, opt, outer } = setting(make, 1);
    const { override, leaves } = FORMS["one for all groups"](opt);
    const w = model.parameters()[0];
    const slope = (): Tensor => {
      const [g] = grad(outer(override), w, { createGraph: true });
      return (g as Tensor).square().sum();
    };
    await checkGradients(slope, [w, ...leaves], 2e-6);
  });
});

test("ASGD's averaged weights, by weights and hyperparameters", async () => {
  // Averaging begins at step 2, so that each of the last averages is of several weights.
  const hyper = { lr: 0.1, lambd: 0.1, alpha: 0.5, t0: 1 };
  const { model, opt, outer } = setting((groups) => new ASGD(groups, hyper), 2);
  const { override, leaves } = FORMS["one per group"](opt);
  const averages = ({ diffopt }: InnerLoop<Sequential>): Tensor => {
    const sums = model.parameters().map((_, i) => (diffopt.stateOf(i).ax as Tensor).square().sum());
    return sums.reduce((sum, one) => sum.add(one));
  };
  await checkGradients(() => outer(override, { judge: averages }), [...model.parameters(), ...leaves]);
});

describe("RAdam's threshold", () => {
  /** ρ after t steps, by the paper's formula; above 5 a step is rectified. */
  const length = (beta2: number, t: number): number => 2 / (1 - beta2) - 1 - (2 * t * beta2 ** t) / (1 - beta2 ** t);

  test.each([
    ["never rectified", 0.99, 0, [false, false, false, false]],
    ["rectified from the third step of the loop on", 0.9, 3, [false, false, true, true]],
    ["always rectified", 0.9, 8, [true, true, true, true]],
    ["never rectified, at a β₂ whose ρ∞ is below 5", 0.5, 8, [false, false, false, false]],
  ] as const)("%s", async (_, beta2, warm, rectified) => {
    expect(rectified.map((_r, k) => length(beta2, warm + k + 1) > 5)).toEqual(rectified);
    const hyper = { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, beta2] as const };
    const { model, opt, outer } = setting((groups) => new RAdam(groups, hyper), warm);
    const { override, leaves } = FORMS["one per group"](opt);
    await checkGradients(() => outer(override), [...model.parameters(), ...leaves]);
  });

  test("on both sides within one parameter: elementwise β₂", async () => {
    const { model, outer } = setting((groups) => new RAdam(groups, { lr: 0.05, eps: 1e-2 }), 3);
    const leaves = model.parameters().map((p) => {
      const beta2 = Array.from({ length: p.size }, (_, i) => (i % 2 === 0 ? 0.9 : 0.5));
      return tensor(beta2).reshape(p.shape).detach().requiresGrad_(true);
    });
    expect([length(0.9, 6) > 5, length(0.5, 6) > 5]).toEqual([true, false]);
    const override = { betas: perParameter(leaves.map((beta2) => [0.9, beta2])) };
    await checkGradients(() => outer(override), [...model.parameters(), ...leaves]);
  });
});

test("an inner loop under noGrad is an error: its loss is not on the tape", () => {
  const { outer } = setting((groups) => new ASGD(groups), 0);
  expect(() => noGrad(() => outer({}))).toThrow(/not on the tape/);
});
