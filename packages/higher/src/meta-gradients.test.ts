/**
 * Meta-gradients against central differences in float64: by initial weights and by every real hyperparameter, for every
 * optimizer, from a warm state, and for the gradients of meta-gradients.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, noGrad } from "@loopgrad/autograd";
import { functional as F, Linear, Sequential, Tanh } from "@loopgrad/nn";
import {
  Adadelta,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  NAdam,
  type Optimizer,
  RAdam,
  RMSprop,
  Rprop,
  SGD,
} from "@loopgrad/optim";
import { init, manualSeed, randn, scope, type Tensor } from "@loopgrad/tensor";
import { flatten, innerLoop, trainableHyperparameters } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

const SETS: readonly (readonly [string, (params: Tensor[]) => Optimizer<object>])[] = [
  ["SGD", (p) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.01 })],
  ["SGD nesterov", (p) => new SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true })],
  ["Adam", (p) => new Adam(p, { lr: 0.05, betas: [0.9, 0.99], eps: 1e-2, weightDecay: 0.1 })],
  ["Adam amsgrad", (p) => new Adam(p, { lr: 0.05, betas: [0.8, 0.5], eps: 1e-2, amsgrad: true })],
  ["AdamW", (p) => new AdamW(p, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.99] })],
  ["Adadelta", (p) => new Adadelta(p, { eps: 1e-2, weightDecay: 0.1 })],
  ["Adagrad", (p) => new Adagrad(p, { lr: 0.1, lrDecay: 0.1, initialAccumulatorValue: 0.1, eps: 1e-2 })],
  ["Adamax", (p) => new Adamax(p, { lr: 0.05, eps: 1e-2, weightDecay: 0.1 })],
  ["ASGD", (p) => new ASGD(p, { lr: 0.1, lambd: 0.1, alpha: 0.5, t0: 1, weightDecay: 0.1 })],
  ["RMSprop", (p) => new RMSprop(p, { lr: 0.02, eps: 1e-2, momentum: 0.5, centered: true, weightDecay: 0.1 })],
  ["Rprop", (p) => new Rprop(p, { lr: 0.05, stepSizes: [1e-4, 0.2] })],
  ["NAdam", (p) => new NAdam(p, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.99] })],
  [
    "NAdam decoupled",
    (p) => new NAdam(p, { lr: 0.05, eps: 1e-2, betas: [0.9, 0.99], weightDecay: 0.1, decoupledWeightDecay: true }),
  ],
  // β₂ = 0.9 so that the sixth step is rectified: ρ passes 5 in the middle of the loop.
  ["RAdam", (p) => new RAdam(p, { lr: 0.05, eps: 1e-2, weightDecay: 0.1, betas: [0.9, 0.9] })],
];

const STEPS = 4;

/** A model with a warm optimizer, and the loss after an inner loop as a function of everything. */
function setting(make: (params: Tensor[]) => Optimizer<object>, warm: number) {
  manualSeed(7);
  const model = new Sequential(new Linear(2, 3), new Tanh(), new Linear(3, 1));
  const opt = make(model.parameters());
  const data = Array.from({ length: STEPS + warm + 1 }, () => [randn([4, 2]), randn([4, 1])] as const);
  for (let i = 0; i < warm; i++) {
    opt.zeroGrad();
    F.mseLoss(model.forward(data[i][0]), data[i][1]).backward();
    opt.step();
  }
  opt.zeroGrad();
  const learned = trainableHyperparameters(opt);
  const outer = (): Tensor =>
    innerLoop(model, opt, { override: learned }, ({ fmodel, diffopt }) => {
      for (let k = 0; k < STEPS; k++) diffopt.step(F.mseLoss(fmodel.forward(data[warm + k][0]), data[warm + k][1]));
      const [x, y] = data[STEPS + warm];
      return F.mseLoss(fmodel.forward(x), y);
    });
  return { model, learned, outer };
}

/** The derivative by one element of a leaf or parameter: central differences with steps h and 2h, error O(h⁴). */
async function difference(outer: () => Tensor, x: Tensor, i: number, h = 5e-5): Promise<number> {
  const own = await read(x);
  const rebind = (data: number[]): void => x._rebind(x.device.fromHost(Float64Array.from(data), x.shape, x.dtype));
  const at = async (step: number): Promise<number> => {
    rebind(own.map((value, j) => (j === i ? value + step : value)));
    using loss = scope(() => outer().detach());
    return loss.item();
  };
  const [up, down, up2, down2] = [await at(h), await at(-h), await at(2 * h), await at(-2 * h)];
  rebind(own);
  return (8 * (up - down) - (up2 - down2)) / (12 * h);
}

describe.each(SETS)("%s", (_, make) => {
  test.each([0, 3])("by weights and hyperparameters, after %i warm steps", async (warm) => {
    const { model, learned, outer } = setting(make, warm);
    const leaves = [...model.parameters(), ...flatten<Tensor>(learned)];
    const analytic = grad(outer(), leaves, { allowUnused: true });
    for (const [n, leaf] of leaves.entries()) {
      const g = analytic[n] === null ? new Array<number>(leaf.size).fill(0) : await read(analytic[n]);
      // A few elements of each weight are enough.
      for (let i = 0; i < leaf.size; i += 5) {
        const wanted = await difference(outer, leaf, i);
        expect(Math.abs(g[i] - wanted)).toBeLessThan(1e-6 * Math.abs(wanted) + 2e-9);
      }
    }
  });
});

test.each([
  ["SGD", (p: Tensor[]) => new SGD(p, { lr: 0.1, momentum: 0.9 })],
  ["Adam", (p: Tensor[]) => new Adam(p, { lr: 0.05, eps: 1e-2, betas: [0.9, 0.99] })],
] as const)("gradients of meta-gradients: %s", async (_, make) => {
  const { model, learned, outer } = setting(make as (p: Tensor[]) => Optimizer<object>, 0);
  const w = model.parameters()[0];
  const leaves = [w, ...flatten<Tensor>(learned)];
  const slope = (): Tensor => {
    const [g] = grad(outer(), w, { createGraph: true });
    return (g as Tensor).square().sum();
  };
  const analytic = grad(slope(), leaves, { allowUnused: true });
  for (const [n, leaf] of leaves.entries()) {
    const g = analytic[n] === null ? [0] : await read(analytic[n]);
    const wanted = await difference(slope, leaf, 0);
    expect(Math.abs(g[0] - wanted)).toBeLessThan(2e-6 * Math.abs(wanted) + 1e-8);
  }
});

test("an inner loop under noGrad is an error: its loss is not on the tape", () => {
  const { outer } = setting((p) => new SGD(p, { lr: 0.1 }), 0);
  expect(() => noGrad(outer)).toThrow(/not on the tape/);
});
