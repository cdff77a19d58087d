/**
 * The differentiable optimizer in lockstep with the ordinary one: for each set of options and each model some outer rounds
 * of three inner steps, each round from the real optimizer's warmer state, trained alongside or committed back.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import type { Optimizer } from "@loopgrad/optim";
import { init, manualSeed, randn, scope, type Tensor } from "@loopgrad/tensor";
import { innerLoop, type Mode } from "./index.ts";
import { distance, readAll } from "./testing/differences.ts";
import { MODELS, type Model, simple } from "./testing/models.ts";
import { OPTION_SETS } from "./testing/optimizers.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const isFull = process.env.LOOPGRAD_FULL !== undefined;
/** The third begins at step 6, past what happens once: ASGD's averages have begun, RAdam's steps are rectified. */
const ROUNDS = isFull ? 10 : 3;

const lossOf = (model: { forward(x: Tensor): Tensor }, x: Tensor): Tensor => model.forward(x).square().mean();

async function lockstep(model: Model, opt: Optimizer<object>, mode: Mode): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    using _ = scope();
    const batches = [0, 1, 2].map(() => randn([10, 4]));
    using loop = innerLoop(model, opt, { mode });
    for (const x of batches) loop.diffopt.step(lossOf(loop.fmodel, x));
    for (const x of batches) {
      opt.zeroGrad();
      lossOf(model, x).backward();
      opt.step();
    }
    const [fast, real] = await Promise.all([readAll(loop.fmodel.parameters()), readAll(model.parameters())]);
    expect(distance(fast, real)).toBeLessThan(1e-11);
    expect(await readAll(Object.values(loop.fmodel.buffers))).toEqual(await readAll(model.buffers()));
  }
}

/** Two groups, of which the first has a rate of its own. */
function halves(params: Tensor[], lr: number): { params: Tensor[]; lr?: number }[] {
  const half = Math.floor(params.length / 2);
  return [{ params: params.slice(0, half), lr }, { params: params.slice(half) }];
}

/** Each set of options with two of the models, the one that has buffers and another in turn; in a full run with all. */
const SETS = OPTION_SETS.map(([name, make], i) => {
  const [others, last] = [MODELS.slice(0, -1), MODELS[MODELS.length - 1]];
  return [name, make, isFull ? MODELS : [others[i % others.length], last]] as const;
});

describe.each(SETS)("%s", (_, make, models) => {
  describe.each(models)("on %s", (_name, build) => {
    test("one group", async () => {
      const model = build();
      await lockstep(model, make(model.parameters()), "second-order");
    });

    test("two groups", async () => {
      const model = build();
      await lockstep(model, make(halves(model.parameters(), 0.02)), "first-order");
    });
  });

  test("in mode none, and committed back instead of trained alongside", async () => {
    const [model, twin] = [simple(), simple()];
    twin.loadStateDict(model.stateDict());
    const [opt, twinOpt] = [make(model.parameters()), make(twin.parameters())];
    for (let round = 0; round < 4; round++) {
      const x = randn([5, 4]);
      using loop = innerLoop(model, opt, { mode: "none" });
      for (let k = 0; k < 2; k++) {
        loop.diffopt.step(lossOf(loop.fmodel, x));
        twinOpt.zeroGrad();
        lossOf(twin, x).backward();
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
