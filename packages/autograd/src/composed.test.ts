/**
 * Composed operations have derivatives of every order because their primitives do. First and second order, against
 * central differences: what an operation's own composition could get wrong.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Shape, sum, type Tensor, tensor } from "@loopgrad/tensor";
import { grad, gradcheck, gradgradcheck } from "./index.ts";

const int = (data: number[], ...shape: number[]): Tensor => tensor(data, { shape, dtype: "int32" });
const { gelu, lerp, max, median, min, norm, pad, prelu, scatter, softplus, sort, topk } = ops;

/** [name, function, shapes of its inputs]. Inputs are distinct numbers in ±2, none near a kink. */
const CASES: [string, (...xs: Tensor[]) => Tensor | Tensor[], ...Shape[]][] = [
  ["relu", ops.relu, [6]],
  ["leakyRelu", (x) => ops.leakyRelu(x), [6]],
  ["prelu", prelu, [2, 3], [1]],
  ["elu", (x) => ops.elu(x, { alpha: 0.7 }), [6]],
  ["celu", (x) => ops.celu(x, { alpha: 0.7 }), [6]],
  ["selu", ops.selu, [6]],
  ["silu", ops.silu, [6]],
  ["mish", ops.mish, [6]],
  ["gelu", (x) => [gelu(x), gelu(x, { approximate: "tanh" })], [6]],
  ["softplus with beta", (x) => softplus(x, { beta: 2 }), [6]],
  ["logsigmoid", ops.logsigmoid, [6]],
  ["softsign", ops.softsign, [6]],
  ["hardswish", ops.hardswish, [6]],
  ["glu", (x) => ops.glu(x, 1), [2, 4]],
  ["softmax", (x) => ops.softmax(x, 1), [2, 3]],
  ["logSoftmax", (x) => ops.logSoftmax(x, 0), [3, 2]],
  ["logsumexp", (x) => ops.logsumexp(x, [0, 1]), [2, 3]],
  ["mean, var, std", (x) => [ops.mean(x, 0), ops.var(x, 1), ops.std(x, 1)], [2, 4]],
  ["norm", (x) => [norm(x, 1), norm(x, 1, { p: 1 }), norm(x, 1, { p: 3 })], [2, 3]],
  ["amax and amin", (x) => [ops.amax(x, 1), ops.amin(x, 0)], [3, 3]],
  ["max, min and median of a dimension", (x) => [max(x, 1)[0], min(x, 0)[0], median(x, 1)[0]], [3, 3]],
  ["sort and topk", (x) => [sort(x, 1)[0], topk(x, 2, 1)[0]], [2, 4]],
  ["cumprod", (x) => ops.cumprod(x, 1), [2, 4]],
  ["pow of numbers", (x) => [ops.pow(x, 2), ops.pow(x, 3), ops.pow(x, -1), ops.pow(2, x)], [4]],
  ["remainder, hypot and logaddexp", (a, b) => [ops.remainder(a, 0.7), ops.hypot(a, b), ops.logaddexp(a, b)], [4], [4]],
  ["lerp and clamp", (a, b) => [lerp(a, b, 0.3), ops.clamp(a, -1, 1)], [4], [4]],
  ["cat, stack and roll", (a, b) => [ops.cat([a, b], 1), ops.stack([a, b], 1), ops.roll(a, 1, 1)], [2, 3], [2, 3]],
  ["repeat and tril", (x) => [ops.repeat(x, [2, 1]), ops.tril(x), ops.diagonal(x)], [3, 3]],
  [
    "indexSelect and gather",
    (x) => [ops.indexSelect(x, 0, int([2, 0, 2], 3)), ops.gather(x, 1, int([1, 0, 1], 3, 1))],
    [3, 2],
  ],
  ["scatter", (x, s) => scatter(x, 0, int([2, 0], 1, 2), s), [3, 2], [1, 2]],
  ["pad by reflection", (x) => pad(x, [1, 2], { mode: "reflect" }), [1, 4]],
  ["linear", (x, w, b) => ops.linear(x, w, b), [2, 3], [2, 3], [2]],
  ["conv1d with bias", (x, w, b) => ops.conv1d(x, w, b, { padding: 1, stride: 2 }), [1, 2, 5], [2, 2, 3], [2]],
  ["conv2d in groups", (x, w) => ops.conv2d(x, w, null, { padding: 1, groups: 2 }), [1, 2, 3, 3], [2, 1, 2, 2]],
  ["convTranspose2d", (x, w) => ops.convTranspose2d(x, w, null, { stride: 2 }), [1, 2, 2, 2], [2, 1, 2, 2]],
  ["maxPool2d with overlap", (x) => ops.maxPool2d(x, 2, { stride: 1, padding: 1 }), [1, 1, 3, 3]],
  ["avgPool2d", (x) => ops.avgPool2d(x, 2, { stride: 1, padding: 1 }), [1, 1, 3, 3]],
  ["adaptiveAvgPool2d", (x) => ops.adaptiveAvgPool2d(x, 2), [1, 1, 3, 3]],
];

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** Distinct, in an order that looks random, and alike in every run. */
const spread = (size: number, seed: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => 2 * Math.sin(1.7 * (i + 1) + seed) + 0.013 * i);

test.each(CASES)("%s", async (_, fn, ...shapes) => {
  const inputs = shapes.map((shape, k) =>
    tensor(
      spread(
        shape.reduce((n, d) => n * d, 1),
        3 * k + 1,
      ),
      { shape, requiresGrad: true },
    ),
  );
  await gradcheck(fn, inputs);
  await gradgradcheck(fn, inputs);
});

describe("safeSqrt", () => {
  test("has derivative 0 at 0, to third order", async () => {
    const x = tensor([0, 4], { requiresGrad: true });
    let y = ops.safeSqrt(x);
    for (const expected of [1 / 4, -1 / 32, 3 / 256]) {
      [y] = grad(sum(y), [x], { createGraph: true }) as [Tensor];
      const values = await y.data();
      expect(values[0] + 0).toBe(0);
      expect(values[1]).toBeCloseTo(expected, 12);
    }
  });

  test("keeps std of equal numbers and the norm of zeros differentiable", async () => {
    for (const fn of [(x: Tensor) => ops.std(x), (x: Tensor) => ops.norm(x)]) {
      const x = tensor([0, 0, 0], { requiresGrad: true });
      const [g] = grad(fn(x), [x], { createGraph: true }) as [Tensor];
      const [h] = grad(sum(g.square()), [x]) as [Tensor];
      expect(await g.toArray()).toEqual([0, 0, 0]);
      expect(await h.toArray()).toEqual([0, 0, 0]);
    }
  });
});
