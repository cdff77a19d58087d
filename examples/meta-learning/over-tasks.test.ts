/**
 * All tasks at once, and one after the other: what is trained is the same to rounding, for each method, with learned rates,
 * on characters, and where an optimizer is learned.
 */
import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  Adam,
  functional as F,
  init,
  Linear,
  type Module,
  manualSeed,
  randn,
  Sequential,
  SGD,
  Tanh,
  type Tensor,
} from "loopgrad";
import { metaTrain } from "../learned-optimizer/meta-train.ts";
import { LEARNERS } from "../learned-optimizer/rules.ts";
import { FAMILIES, type Family } from "../learned-optimizer/tasks.ts";
import { targetNet } from "../maml-omniglot/network.ts";
import { evaluate } from "../maml-sinusoid/evaluate.ts";
import { sineTasks } from "../maml-sinusoid/tasks.ts";
import { metaBackward } from "../meta-sgd/meta-sgd.ts";
import { makeRates, ratesKinds } from "../meta-sgd/rates.ts";
import { Learner } from "./learner.ts";
import { innerOptimizer, methodNames, methods, outerOptimizer, type Task } from "./methods.ts";
import { overTasks } from "./over-tasks.ts";

const TASKS = 3;
const META_STEPS = 3;

beforeEach(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const smallNet = (): Learner => new Learner(new Sequential(new Linear(1, 5), new Tanh()), new Linear(5, 1));

const numbers = async (tensors: readonly Tensor[]): Promise<number[]> =>
  (await Promise.all(tensors.map(async (x) => Array.from(await x.data())))).flat();

const weights = (module: Module): Promise<number[]> => numbers([...module.parameters(), ...module.buffers()]);

/** Runs a training in both ways from the same seed; what it leaves must agree, and have changed. */
async function compare(train: (batched: boolean) => Promise<{ before: number[]; after: number[] }>): Promise<void> {
  const run = (batched: boolean) => {
    manualSeed(2);
    return train(batched);
  };
  const [together, looped] = [await run(true), await run(false)];
  expect(together.after).not.toEqual(together.before);
  expect(together.after).toHaveLength(looped.after.length);
  for (const [i, x] of together.after.entries())
    expect(Math.abs(x - looped.after[i])).toBeLessThan(1e-10 * (1 + Math.abs(x)));
}

describe.each(methodNames)("%s", (name) => {
  test("weights and losses after a few meta-steps on waves", async () => {
    await compare(async (batched) => {
      const model = smallNet();
      const before = await weights(model);
      const how = { inner: innerOptimizer(name, model, 0.05), steps: 2, loss: F.mseLoss, share: 1 / TASKS };
      const { outer, schedule } = outerOptimizer(name, model, { lr: 0.01, iterations: 10 });
      const learn = overTasks((task: Task) => methods[name](model, task, how), batched);
      const losses: Tensor[] = [];
      for (let i = 0; i < META_STEPS; i++) {
        outer.zeroGrad();
        const { loss, output } = learn(sineTasks(TASKS, 4));
        expect([loss.shape, output.shape, loss.requiresGrad]).toEqual([[TASKS], [TASKS, 4, 1], false]);
        losses.push(loss);
        outer.step();
        schedule.step();
      }
      return { before, after: [...(await weights(model)), ...(await numbers(losses))] };
    });
  });

  test("a convolutional network with batch norm, whose statistics stay as they are", async () => {
    const ways = 2;
    const images = () => ({ x: randn([TASKS, 4, 1, 28, 28]), y: randn([TASKS, 4, ways]).argmax(2) });
    await compare(async (batched) => {
      const model = targetNet({ ways, width: 2 });
      const before = await weights(model);
      const statistics = await numbers([...model.buffers()]);
      const how = { inner: innerOptimizer(name, model, 0.1), steps: 2, loss: F.crossEntropy, share: 1 / TASKS };
      const { outer } = outerOptimizer(name, model, { lr: 0.01, iterations: 10 });
      outer.zeroGrad();
      overTasks((task: Task) => methods[name](model, task, how), batched)({ support: images(), query: images() });
      outer.step();
      expect(await numbers([...model.buffers()])).toEqual(statistics);
      return { before, after: await weights(model) };
    });
  });
});

test.each(ratesKinds)("meta-sgd, %s rates: weights, rates, and the errors of held-out waves", async (kind) => {
  await compare(async (batched) => {
    const model = smallNet();
    const rates = makeRates(kind, model, { lr: 0.05, steps: 2 });
    const inner = new SGD(model.parameters(), { lr: 0.05 });
    const leaves = [...model.parameters(), ...rates.leaves];
    const before = await numbers(leaves);
    const outer = new Adam(leaves, { lr: 0.01 });
    const learn = (task: Task): Tensor => metaBackward(model, task, { inner, rates, steps: 2, share: 1 / TASKS });
    for (let i = 0; i < META_STEPS; i++) {
      outer.zeroGrad();
      overTasks(learn, batched)(sineTasks(TASKS, 4));
      outer.step();
    }
    const scores = await evaluate(model, inner, { tasks: 5, shots: 4, override: rates.at, batched });
    return { before, after: [...(await numbers(leaves)), ...scores.flatMap(({ mean, median }) => [mean, median])] };
  });
});

test.each(Object.keys(FAMILIES) as Family[])("a learned optimizer on %s problems", async (family) => {
  await compare(async (batched) => {
    const { net, optimizer } = LEARNERS.mlp();
    const before = await weights(net);
    const problems = FAMILIES[family](TASKS, batched);
    const outer = new Adam(net.parameters(), { lr: 0.01 });
    const loss = await metaTrain(problems, optimizer(problems.parameters()), outer, {
      steps: 4,
      unroll: 2,
      firstOrder: false,
    });
    return { before, after: [...(await weights(net)), loss] };
  });
});

test("arguments and results may be nested; a function that draws numbers gets others for each task", async () => {
  const fn = ({ a }: { a: Tensor[] }, b: Tensor) => ({ sum: a[0].add(a[1]).mul(b), list: [b.exp()] });
  const args: [{ a: Tensor[] }, Tensor] = [{ a: [randn([3, 2]), randn([3, 2])] }, randn([3])];
  const [x, y] = [true, false].map((batched) => overTasks(fn, batched)(...args));
  expect([x.sum.shape, x.list[0].shape]).toEqual([[3, 2], [3]]);
  expect(await numbers([x.sum, ...x.list])).toEqual(await numbers([y.sum, ...y.list]));
  for (const batched of [true, false]) {
    const drawn = await numbers([overTasks((one: Tensor) => one.mul(0).add(randn([])), batched)(randn([4]))]);
    expect(new Set(drawn).size).toBe(4);
  }
});
