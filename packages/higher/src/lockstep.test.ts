/**
 * The differentiable optimizer in lockstep with the ordinary one: ten outer rounds of three inner steps, each round
 * from the real optimizer's warmer state, committed back or trained alongside.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { BatchNorm1d, functional as F, Linear, type Module, ReLU, Sequential, Tanh } from "@loopgrad/nn";
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
import { innerLoop, type Mode } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data());
const readAll = (xs: readonly Tensor[]): Promise<number[][]> => Promise.all(xs.map(read));

type Groups = Tensor[] | { params: Tensor[]; lr?: number }[];
type Model = Module & { forward(x: Tensor): Tensor };

const SETS: readonly (readonly [string, (params: Groups) => Optimizer<object>])[] = [
  ["SGD", (p) => new SGD(p, { lr: 0.1 })],
  ["SGD momentum", (p) => new SGD(p, { lr: 0.05, momentum: 0.9 })],
  ["SGD dampening, decay", (p) => new SGD(p, { lr: 0.05, momentum: 0.9, dampening: 0.5, weightDecay: 0.1 })],
  ["SGD nesterov", (p) => new SGD(p, { lr: 0.05, momentum: 0.9, nesterov: true })],
  ["SGD maximize", (p) => new SGD(p, { lr: 0.001, maximize: true })],
  ["Adam", (p) => new Adam(p, { lr: 0.01 })],
  ["Adam amsgrad, decay", (p) => new Adam(p, { lr: 0.01, amsgrad: true, weightDecay: 0.1, betas: [0.8, 0.9] })],
  ["AdamW", (p) => new AdamW(p, { lr: 0.01, weightDecay: 0.1 })],
  ["Adadelta", (p) => new Adadelta(p, { weightDecay: 0.1 })],
  ["Adagrad", (p) => new Adagrad(p, { lr: 0.05, lrDecay: 0.1, weightDecay: 0.1, initialAccumulatorValue: 0.1 })],
  ["Adamax", (p) => new Adamax(p, { weightDecay: 0.1 })],
  ["ASGD", (p) => new ASGD(p, { lr: 0.05, t0: 5, weightDecay: 0.1 })],
  ["RMSprop", (p) => new RMSprop(p)],
  ["RMSprop centered, momentum", (p) => new RMSprop(p, { centered: true, momentum: 0.5, weightDecay: 0.1 })],
  ["Rprop", (p) => new Rprop(p)],
  ["NAdam", (p) => new NAdam(p, { weightDecay: 0.1 })],
  ["NAdam decoupled", (p) => new NAdam(p, { weightDecay: 0.1, decoupledWeightDecay: true })],
  ["RAdam", (p) => new RAdam(p, { lr: 0.01 })],
];

const plain = (): Sequential => new Sequential(new Linear(4, 3), new Tanh(), new Linear(3, 2));
const bn = (): Sequential => new Sequential(new Linear(4, 3), new BatchNorm1d(3), new ReLU(), new Linear(3, 2));
function tied(): Sequential {
  const layer = new Linear(4, 4);
  return new Sequential(layer, new Tanh(), layer, new Linear(4, 2));
}

/** The largest difference of two lists of weights, relative to 1 + |x|. */
const distance = (a: number[][], b: number[][]): number =>
  Math.max(...a.flatMap((p, i) => p.map((x, j) => Math.abs(x - b[i][j]) / (1 + Math.abs(x)))));

async function lockstep(model: Model, opt: Optimizer<object>, mode: Mode): Promise<void> {
  for (let round = 0; round < 10; round++) {
    using _ = scope();
    const batches = [0, 1, 2].map(() => [randn([5, 4]), randn([5, 2])] as const);
    using loop = innerLoop(model, opt, { mode });
    for (const [x, y] of batches) loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
    for (const [x, y] of batches) {
      opt.zeroGrad();
      F.mseLoss(model.forward(x), y).backward();
      opt.step();
    }
    const [fast, real] = await Promise.all([readAll(loop.fmodel.parameters()), readAll(model.parameters())]);
    expect(distance(fast, real)).toBeLessThan(1e-11);
    expect(await readAll(Object.values(loop.fmodel.buffers))).toEqual(await readAll(model.buffers()));
  }
}

describe.each(SETS)("%s", (_, make) => {
  test.each([
    ["a plain model", plain],
    ["batch norm", bn],
    ["shared layers", tied],
  ] as const)("on %s", async (_name, build) => {
    const model = build();
    await lockstep(model, make(model.parameters()), "second-order");
  });

  test("with two groups", async () => {
    const model = plain();
    const [a, b, c, d] = model.parameters();
    await lockstep(model, make([{ params: [a, d], lr: 0.003 }, { params: [c, b] }]), "first-order");
  });

  test("in mode none, and committed back instead of trained alongside", async () => {
    const model = plain();
    const twin = plain();
    twin.loadStateDict(model.stateDict());
    const [opt, twinOpt] = [make(model.parameters()), make(twin.parameters())];
    for (let round = 0; round < 4; round++) {
      const [x, y] = [randn([5, 4]), randn([5, 2])];
      using loop = innerLoop(model, opt, { mode: "none" });
      for (let k = 0; k < 2; k++) {
        loop.diffopt.step(F.mseLoss(loop.fmodel.forward(x), y));
        twinOpt.zeroGrad();
        F.mseLoss(twin.forward(x), y).backward();
        twinOpt.step();
      }
      loop.fmodel.commitTo();
      loop.diffopt.commitTo();
    }
    const [a, b] = await Promise.all([readAll(model.parameters()), readAll(twin.parameters())]);
    expect(distance(a, b)).toBeLessThan(1e-11);
    expect(opt.stateDict().paramGroups).toEqual(twinOpt.stateDict().paramGroups);
  });
});
