/** Loss modules: which of their options are state. */
import { beforeAll, expect, test } from "@jest/globals";
import { grad, gradcheck, gradgradcheck } from "@loopgrad/autograd";
import { init, manualSeed, randn, type Tensor, tensor } from "@loopgrad/tensor";
import { BCEWithLogitsLoss, CrossEntropyLoss, Embedding, functional as F, MultiMarginLoss } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(14);
});

test("weights are buffers under torch's names, and used as they are at the time", async () => {
  const weight = tensor([1, 2, 3]);
  const loss = new CrossEntropyLoss({ weight });
  const [logits, y] = [randn([2, 3]), tensor([0, 2], { dtype: "int32" })];
  expect(Object.keys(loss.stateDict())).toEqual(["weight"]);
  expect(await loss.forward(logits, y).item()).toBe(await F.crossEntropy(logits, y, { weight }).item());
  const other = tensor([3, 1, 1]);
  loss.loadStateDict({ weight: other });
  expect(await loss.forward(logits, y).item()).toBe(await F.crossEntropy(logits, y, { weight: other }).item());
  expect(Object.keys(new BCEWithLogitsLoss({ posWeight: weight }).stateDict())).toEqual(["pos_weight"]);
  expect(String(loss)).toBe("CrossEntropyLoss()");
});

test("a weight that requires a gradient gets it, and is no state", async () => {
  const weight = tensor([1, 2, 3], { requiresGrad: true });
  const loss = new MultiMarginLoss({ weight });
  const [g] = grad(loss.forward(tensor([[0, 0, 0]]), tensor([1], { dtype: "int32" })), [weight]);
  // Two other classes, each a hinge of 1, over three classes.
  expect(await (g as Tensor).toArray()).toEqual([0, 2 / 3, 0]);
  expect(loss.stateDict()).toEqual({});
});

test("class margins refuse targets that do not fit", () => {
  const scores = randn([2, 3]);
  expect(() => F.multiMarginLoss(scores, tensor([0, 1]).mul(1))).toThrow(/wanted int32/);
  expect(() => F.multiMarginLoss(scores, tensor([0, 0.5]))).toThrow(/has 0.5 in it, wanted class indices/);
  expect(() => F.multiMarginLoss(scores, tensor([0], { dtype: "int32" }))).toThrow(/wanted \[N, C\] and \[2\]/);
  expect(() => F.multiMarginLoss(scores, tensor([0, 1], { dtype: "int32" }), { p: 3 as 1 })).toThrow(/wanted 1 or 2/);
});

test("class margins are differentiable twice, where torch has no second derivative", async () => {
  const y = tensor([0, 2], { dtype: "int32" });
  const several = tensor([[0, 2, -1], [1, -1, 0]], { dtype: "int32" }); // biome-ignore format: a matrix
  const weight = tensor([1, 2, 3]);
  for (const loss of [
    (x: Tensor) => F.multiMarginLoss(x, y, { p: 2, weight }),
    (x: Tensor) => F.multilabelMarginLoss(x.square(), several),
  ]) {
    const x = randn([2, 3], { requiresGrad: true });
    await gradcheck(loss, [x]);
    await gradgradcheck(loss, [x]);
  }
});

test("an embedding from given rows is frozen unless told otherwise", async () => {
  const rows = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
  const layer = Embedding.fromPretrained(rows);
  expect(await layer.forward(tensor([1], { dtype: "int32" })).toArray()).toEqual([[3, 4]]);
  expect(layer.weight.requiresGrad).toBe(false);
  expect(Embedding.fromPretrained(rows, { freeze: false }).weight.requiresGrad).toBe(true);
  expect(() => Embedding.fromPretrained(tensor([1]))).toThrow(/numEmbeddings/);
});
