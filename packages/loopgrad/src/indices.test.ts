/**
 * Indices outside in training: where the error shows when losses are read at once, one step late, or not before the weights are.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  type Device,
  functional as F,
  IndexError,
  init,
  innerLoop,
  keep,
  manualSeed,
  nn,
  noGrad,
  optim,
  scope,
  type Tensor,
  tensor,
} from "./index.ts";

/** Tokens that only the device knows. */
const tokens = (...data: number[]): Tensor => tensor(data).mul(2).div(2).round().to("int32");

describe.each(["cpu", "webgpu"] as const)("%s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name });
  });
  afterAll(() => device.destroy());

  const training = () => {
    manualSeed(3);
    const model = new nn.Sequential(new nn.Embedding(5, 4), new nn.Linear(4, 3));
    const opt = new optim.SGD(model.parameters(), { lr: 0.1 });
    const step = (word: number, label: number): Tensor => {
      using _ = scope();
      const loss = F.crossEntropy(model.forward(tokens(1, word)), tokens(0, label));
      opt.zeroGrad();
      loss.backward();
      opt.step();
      return keep(loss);
    };
    return { model, step };
  };

  test("the optimizer's step does not throw; the read of its loss does, and training goes on", async () => {
    const { model, step } = training();
    const first = await step(2, 2).item();
    const bad = step(7, 1);
    await expect(bad.item()).rejects.toThrow("embedding: index 7 is outside [0, 5)");
    const label = step(2, 3);
    await expect(label.item()).rejects.toThrow("crossEntropy: class index 3 is outside [0, 3)");
    let last = first;
    for (let i = 0; i < 20; i++) last = await step(2, 2).item();
    expect(last).toBeLessThan(first);
    for (const p of model.parameters()) expect([...(await p.data())].every(Number.isFinite)).toBe(true);
  });

  test("losses that are read one step late: the read after the mistake rejects", async () => {
    const { step } = training();
    const outcomes: string[] = [];
    let before: Tensor | null = null;
    for (const word of [1, 2, 9, 3, 4, 0]) {
      const loss = step(word, 1);
      if (before !== null) {
        const read = before.item();
        before.dispose();
        outcomes.push(
          await read.then(
            () => "fine",
            (error: Error) => error.name,
          ),
        );
      }
      before = loss;
    }
    expect(outcomes.filter((outcome) => outcome === "IndexError")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "fine")).toHaveLength(4);
    // Step 2 has the mistake; the loss of step 1 is read after it.
    expect(outcomes[1]).toBe("IndexError");
  });

  test("no read of a loss at all: the read of the weights rejects, once", async () => {
    const { model, step } = training();
    step(8, 1);
    step(2, 1);
    const [weight] = model.parameters();
    await expect(weight.data()).rejects.toThrow(IndexError);
    expect(await weight.data()).toHaveLength(20);
  });

  test("evaluation under noGrad, and an inner loop of second order", async () => {
    const { model } = training();
    const evaluate = (word: number): Tensor => {
      using _ = noGrad();
      return F.crossEntropy(model.forward(tokens(1, word)), tokens(0, 1));
    };
    await expect(evaluate(-1).item()).rejects.toThrow("embedding: index -1 is outside [0, 5)");
    expect(await evaluate(4).item()).toBeGreaterThan(0);
    const outer = (word: number): Tensor => {
      using loop = innerLoop(model, new optim.SGD(model.parameters(), { lr: 0.1 }));
      const { fmodel, diffopt } = loop;
      for (let i = 0; i < 2; i++) diffopt.step(F.crossEntropy(fmodel.forward(tokens(1, word)), tokens(0, 1)));
      const loss = F.crossEntropy(fmodel.forward(tokens(2, 3)), tokens(0, 2));
      loss.backward();
      return keep(loss);
    };
    await expect(outer(6).item()).rejects.toThrow("embedding: index 6 is outside [0, 5)");
    expect(await outer(4).item()).toBeGreaterThan(0);
  });
});
