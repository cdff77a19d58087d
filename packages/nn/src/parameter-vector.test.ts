/** Parameters as one vector. */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { init, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { Linear, parametersToVector, vectorToParameters } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

test("there and back, with gradients on the way", async () => {
  const layer = new Linear(2, 1);
  vectorToParameters(tensor([1, 2, 3]), layer.parameters());
  expect(await layer.weight.toArray()).toEqual([[1, 2]]);
  expect(await layer.bias?.toArray()).toEqual([3]);
  const vector = parametersToVector(layer.parameters());
  expect(await vector.toArray()).toEqual([1, 2, 3]);
  const [g] = grad(vector.square().sum(), [layer.weight]);
  expect(await (g as Tensor).toArray()).toEqual([[2, 4]]);
  expect(() => vectorToParameters(zeros([4]), layer.parameters())).toThrow(/the parameters have 3 elements/);
  expect(() => parametersToVector([])).toThrow(/no parameters/);
});
