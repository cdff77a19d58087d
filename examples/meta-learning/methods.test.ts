/**
 * Each method's meta-gradient on the smallest model with a body and a head, b·h·x, against plain arithmetic: the inner
 * loop in numbers, and central differences through it.
 */
import { expect, test } from "@jest/globals";
import { functional as F, init, Linear, Sequential, tensor } from "loopgrad";
import { Learner } from "./learner.ts";
import { adapt, innerOptimizer, type MethodName, methods, outerOptimizer } from "./methods.ts";

const support = { x: [0.5, -1.2, 2], y: [1, -2.5, 3] };
const query = { x: [1.5, 0.3], y: [2, 1] };
const START = { b: 0.7, h: -0.4 };
const LR = 0.05;
const STEPS = 3;
const SHARE = 0.25;

type Weights = typeof START;
type Points = typeof support;

/** The mean squared error of b·h·x, and its gradient. */
function error({ b, h }: Weights, { x, y }: Points): { loss: number; gradient: Weights } {
  const rest = x.map((xi, i) => b * h * xi - y[i]);
  const slope = rest.reduce((sum, r, i) => sum + (2 * r * x[i]) / x.length, 0);
  return { loss: rest.reduce((sum, r) => sum + (r * r) / x.length, 0), gradient: { b: slope * h, h: slope * b } };
}

/** The inner loop in numbers. */
function adapted(start: Weights, { bodyMoves = true, batches = [support] } = {}): Weights {
  let { b, h } = start;
  for (let k = 0; k < STEPS; k++) {
    const { gradient } = error({ b, h }, batches[k % batches.length]);
    b -= bodyMoves ? LR * gradient.b : 0;
    h -= LR * gradient.h;
  }
  return { b, h };
}

/** d query loss after the inner loop / d start, by central differences. */
function differences(options: { bodyMoves?: boolean }): Weights {
  const after = (start: Weights): number => error(adapted(start, options), query).loss;
  const step = 1e-5;
  const by = (name: keyof Weights): number =>
    (after({ ...START, [name]: START[name] + step }) - after({ ...START, [name]: START[name] - step })) / (2 * step);
  return { b: by("b"), h: by("h") };
}

async function setup() {
  await init({ device: "cpu", dtype: "float64" });
  const model = new Learner(new Sequential(new Linear(1, 1, { bias: false })), new Linear(1, 1, { bias: false }));
  const [body, head] = model.parameters();
  body.assign(tensor([[START.b]], { dtype: "float64" }));
  head.assign(tensor([[START.h]], { dtype: "float64" }));
  const column = (list: number[]) => tensor(list, { dtype: "float64" }).reshape([-1, 1]);
  const batch = ({ x, y }: Points) => ({ x: column(x), y: column(y) });
  return { model, task: { support: batch(support), query: batch(query) } };
}

const after = adapted(START);
const expected: Record<MethodName, { gradient: Weights; fast: Weights }> = {
  maml: { gradient: differences({}), fast: after },
  fomaml: { gradient: error(after, query).gradient, fast: after },
  anil: { gradient: differences({ bodyMoves: false }), fast: adapted(START, { bodyMoves: false }) },
  reptile: (() => {
    const fast = adapted(START, { batches: [support, query] });
    return { gradient: { b: START.b - fast.b, h: START.h - fast.h }, fast };
  })(),
};

test.each(Object.keys(methods) as MethodName[])("%s: its meta-gradient, added to .grad", async (name) => {
  const { model, task } = await setup();
  const settings = { inner: innerOptimizer(name, model, LR), steps: STEPS, loss: F.mseLoss, share: SHARE };
  const outcomes = [methods[name](model, task, settings), methods[name](model, task, settings)];
  const { gradient, fast } = expected[name];
  const [body, head] = await Promise.all(model.parameters().map((p) => p.grad?.item()));
  expect(body).toBeCloseTo(2 * SHARE * gradient.b, 8);
  expect(head).toBeCloseTo(2 * SHARE * gradient.h, 8);
  for (const { loss, output } of outcomes) {
    expect(await loss.item()).toBeCloseTo(error(fast, query).loss, 10);
    expect(output.shape).toEqual([2, 1]);
    expect(output.requiresGrad).toBe(false);
  }
});

test("adapting gives the outputs that were asked for, and leaves the model as it was", async () => {
  const { model, task } = await setup();
  const settings = { inner: innerOptimizer("maml", model, LR), loss: F.mseLoss, at: [0, STEPS] };
  const [before, last] = await Promise.all(adapt(model, task, settings).map((output) => output.data()));
  const outputs = ({ b, h }: Weights) => query.x.map((x) => b * h * x);
  for (const [i, value] of outputs(START).entries()) expect(before[i]).toBeCloseTo(value, 12);
  for (const [i, value] of outputs(after).entries()) expect(last[i]).toBeCloseTo(value, 12);
  expect(await model.body.parameters()[0].item()).toBe(START.b);
});

test("Reptile's outer rate falls to 0, Adam's stays", async () => {
  const { model } = await setup();
  const rates = (name: MethodName) => {
    const { outer, schedule } = outerOptimizer(name, model, { lr: 0.5, iterations: 10 });
    return Array.from({ length: 11 }, () => {
      const { lr } = outer.paramGroups[0];
      outer.step();
      schedule.step();
      return lr;
    });
  };
  const reptile = rates("reptile");
  for (const [i, rate] of reptile.entries()) expect(rate).toBeCloseTo(0.05 * (10 - i), 12);
  expect(rates("maml")).toEqual(new Array(11).fill(0.5));
});
