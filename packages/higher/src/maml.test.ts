/**
 * A small MAML on each model of the original's test suite: ten inner steps, and what of them reaches the initial weights.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { functional as F, Linear, ReLU, Sequential } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { init, manualSeed, randn, type Tensor, tensor } from "@loopgrad/tensor";
import { type InnerLoop, innerLoop, type Mode } from "./index.ts";
import { distance, readAll } from "./testing/differences.ts";
import { MODELS, type Model } from "./testing/models.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const STEPS = 10;
const lossOf = ({ fmodel }: InnerLoop<Model>): Tensor =>
  fmodel
    .forward(randn([8, 4]))
    .square()
    .sum();

/** A loop after its steps. */
function adapted(model: Model, mode: Mode): InnerLoop<Model> {
  const loop = innerLoop(model, new SGD(model.parameters(), { lr: 0.01 }), { mode });
  for (let k = 0; k < STEPS; k++) loop.diffopt.step(lossOf(loop));
  return loop;
}

describe.each(MODELS)("%s", (_, build) => {
  const isUsed = (name: string): boolean => name !== "unused";

  test("an outer backward fills the model's grad with the gradients by time 0, of every used weight", async () => {
    const model = build();
    using loop = adapted(model, "second-order");
    expect(loop.fmodel.time).toBe(STEPS);
    const outer = lossOf(loop);
    const byTime0 = grad(outer, loop.fmodel.parameters({ time: 0 }), { allowUnused: true, retainGraph: true });
    outer.backward();
    expect(byTime0.map((g) => g !== null)).toEqual(loop.fmodel.names.map(isUsed));
    expect(await readAll(model.parameters().map((p) => p.grad))).toEqual(await readAll(byTime0));
  });

  test("the sum of the weights after the loop: a weight that is not used goes straight through", async () => {
    const model = build();
    using loop = adapted(model, "second-order");
    const sum = loop.fmodel
      .parameters()
      .map((p) => p.sum())
      .reduce((a, b) => a.add(b));
    const found = await readAll(grad(sum, model.parameters()));
    found.forEach((g, i) => {
      expect(g.every((x) => x === 1)).toBe(!isUsed(loop.fmodel.names[i]));
    });
  });

  test("in mode none nothing reaches time 0 or the model", () => {
    const model = build();
    using loop = adapted(model, "none");
    const outer = lossOf(loop);
    const asked = [...loop.fmodel.initialParams, ...model.parameters()];
    const none = grad(outer, asked, { allowUnused: true, retainGraph: true });
    expect(none.every((g) => g === null)).toBe(true);
    outer.backward();
    expect(model.parameters().every((p) => p.grad === null)).toBe(true);
  });
});

test("a frozen first layer is bit-equal after a step, by an optimizer that does not hold it", async () => {
  const model = new Sequential(new Linear(30, 50), new ReLU(), new Linear(50, 1));
  model.at(0).requiresGrad_(false);
  const trained = model.parameters().filter((p) => p.requiresGrad);
  using loop = innerLoop(model, new SGD(trained, { lr: 0.1 }));
  const labels = tensor([...new Array(8).fill(1), ...new Array(8).fill(0)]);
  loop.diffopt.step(F.binaryCrossEntropyWithLogits(loop.fmodel.forward(randn([16, 30])).squeeze(1), labels));
  const [before, after] = [await readAll(model.parameters()), await readAll(loop.fmodel.parameters())];
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
  for (const i of [2, 3]) expect(distance([after[i]], [before[i]])).toBeGreaterThan(0);
});
