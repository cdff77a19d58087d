import { beforeAll, expect, test } from "@jest/globals";
import { init, logSoftmax, softmax, softmin, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const close = (expected: number[]) => expected.map((v) => expect.closeTo(v, 14));

test("softmax is the same after a shift of all logits, however large", async () => {
  const e = [1, Math.E, Math.E ** 3];
  const total = e[0] + e[1] + e[2];
  const expected = close(e.map((v) => v / total));
  expect(await read(softmax(tensor([0, 1, 3]), 0))).toEqual(expected);
  expect(await read(softmax(tensor([1000, 1001, 1003]), -1))).toEqual(expected);
  expect(await read(softmin(tensor([0, -1, -3]), 0))).toEqual(expected);
  expect(
    await read(
      softmax(
        tensor([
          [0, 0],
          [0, 0],
        ]),
        0,
      ),
    ),
  ).toEqual([0.5, 0.5, 0.5, 0.5]);
});

test("logSoftmax is accurate where softmax underflows", async () => {
  expect(await read(logSoftmax(tensor([0, -2000]), 0))).toEqual([0, -2000]);
  expect(await read(logSoftmax(tensor([0, Math.log(3)]), 0))).toEqual(close([-Math.log(4), Math.log(0.75)]));
});

test("a masked logit gets weight 0; all masked gives NaN, as in torch", async () => {
  expect(await read(softmax(tensor([0, -Infinity]), 0))).toEqual([1, 0]);
  expect(await read(softmax(tensor([-Infinity, -Infinity]), 0))).toEqual([NaN, NaN]);
});

test("0-d tensors and wrong dims", async () => {
  expect(await softmax(tensor(3), 0).item()).toBe(1);
  expect(await logSoftmax(tensor(3), -1).item()).toBe(0);
  expect(() => softmax(tensor([1]), 1)).toThrow("softmax: axis 1 is out of range for rank 1");
});
