import { beforeAll, expect, test } from "@jest/globals";
import { DTypeError, IndexError, init, ones, tensor } from "@loopgrad/tensor";
import { functional as F } from "../index.ts";

beforeAll(() => init({ device: "cpu" }));

test("floats that the host knows to be whole are classes", async () => {
  const logits = tensor([
    [1, 2, 3],
    [3, 1, 0],
  ]);
  const wanted = await F.crossEntropy(logits, tensor([2, 0], { dtype: "int32" })).item();
  expect(await F.crossEntropy(logits, tensor([2, 0])).item()).toBe(wanted);
  expect(await F.nllLoss(logits, tensor([2, 0])).item()).toBe(-3);
  expect(await F.multiMarginLoss(tensor([1, 2, 3]), tensor([0])).item()).toBeCloseTo(5 / 3, 6);
  const listed = F.multilabelMarginLoss(tensor([[1, 2, 3]]), tensor([[2, 0, -1]]));
  const named = F.multilabelMarginLoss(tensor([[1, 2, 3]]), tensor([[2, 0, -1]], { dtype: "int32" }));
  expect(await listed.item()).toBe(await named.item());
  // A single sample of two classes has the shape of probabilities' classes only if it is their shape.
  expect(await F.crossEntropy(ones([2]), tensor([0.5, 0.5])).item()).toBeCloseTo(Math.log(2), 6);
});

test("other floats say what to do, and classes outside are errors", () => {
  const logits = ones([2, 3]);
  expect(() => F.crossEntropy(logits, tensor([0, 1.5]))).toThrow(DTypeError);
  expect(() => F.crossEntropy(logits, tensor([0, 1]).mul(1))).toThrow('use to("int32")');
  expect(() => F.crossEntropy(logits, tensor([0, 3]))).toThrow(IndexError);
});

test("the divergence of one distribution is its own mean over batches", async () => {
  const [x, y] = [tensor(-0.5), tensor(0.5)];
  const sum = await F.klDiv(x, y, { reduction: "sum" }).item();
  expect(await F.klDiv(x, y, { reduction: "batchmean" }).item()).toBe(sum);
});
