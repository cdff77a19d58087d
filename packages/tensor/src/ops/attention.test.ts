import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError } from "../errors.ts";
import { init, manualSeed, ones, randn, scaledDotProductAttention, softmax, type Tensor, tensor } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const close = async (x: Tensor, expected: Tensor) =>
  expect([...(await x.data())]).toEqual([...(await expected.data())].map((v: number) => expect.closeTo(v, 12)));

test("averages values by the softmax of scaled products", async () => {
  const [q, k, v] = [randn([2, 3, 4]), randn([2, 5, 4]), randn([2, 5, 6])];
  const weights = softmax(q.matmul(k.transpose(1, 2)).div(2), -1);
  await close(scaledDotProductAttention(q, k, v), weights.matmul(v));
  const sharper = softmax(q.matmul(k.transpose(1, 2)).mul(3), -1);
  await close(scaledDotProductAttention(q, k, v, null, { scale: 3 }), sharper.matmul(v));
});

test("masks: causal, bool and added agree", async () => {
  const [q, k, v] = [randn([1, 3, 4]), randn([1, 3, 4]), randn([1, 3, 2])];
  const allowed = ones([3, 3]).tril().to("bool");
  const causal = scaledDotProductAttention(q, k, v, null, { isCausal: true });
  await close(scaledDotProductAttention(q, k, v, allowed), causal);
  const added = tensor([
    [0, -Infinity, -Infinity],
    [0, 0, -Infinity],
    [0, 0, 0],
  ]);
  await close(scaledDotProductAttention(q, k, v, added), causal);
  // The first query sees the first key only.
  await close(causal.select(1, 0), v.select(1, 0));
  expect(() => scaledDotProductAttention(q, k, v, allowed, { isCausal: true })).toThrow(ArgumentError);
});
