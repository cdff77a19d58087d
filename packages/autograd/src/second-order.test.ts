/**
 * Networks through which the popular JavaScript engine throws at second order, or is silently wrong: gradients of
 * gradients in float64, by central differences; and derivatives of high order by closed forms.
 *
 * Each is used as a network uses it: behind weights, before a nonlinear loss.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Shape, type Tensor, tensor } from "@loopgrad/tensor";
import { grad, gradcheck, gradgradcheck } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (seed: number, ...shape: number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  const data = Float64Array.from({ length: size }, (_, i) => 1.6 * Math.sin(2.1 * i + 5 * seed + 0.7) + 0.011 * i);
  return tensor(data, { shape, requiresGrad: true });
};
const int = (data: number[], ...shape: number[]): Tensor => tensor(data, { shape, dtype: "int32" });

/** Normalised over all but the channels, as in training. */
function batchNorm(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const mean = ops.mean(x, axes, { keepdim: true });
  const variance = ops.var(x, axes, { correction: 0, keepdim: true });
  const affine = (p: Tensor): Tensor => p.reshape(x.shape.map((d, axis) => (axis === 1 ? d : 1)));
  return x.sub(mean).div(variance.add(1e-5).sqrt()).mul(affine(weight)).add(affine(bias));
}

/** −log softmax at the target class. */
const crossEntropy = (logits: Tensor, target: number[]): Tensor =>
  ops
    .gather(ops.logSoftmax(logits, 1), 1, int(target, target.length, 1))
    .mean()
    .neg();

type Network = [name: string, fn: (...xs: Tensor[]) => Tensor | readonly Tensor[], ...shapes: Shape[]];

const loss = (y: Tensor): Tensor => y.mul(y.add(0.3)).mean();

const NETWORKS: Network[] = [
  [
    "conv2d, by its input and its weights",
    (x, w, b) => loss(ops.conv2d(x, w, b, { padding: 1 }).tanh()),
    [1, 2, 3, 3],
    [2, 2, 3, 3],
    [2],
  ],
  [
    "conv2d with stride and dilation",
    (x, w) => loss(ops.conv2d(x, w, null, { stride: 2, dilation: 2, padding: 1 }).sigmoid()),
    [1, 1, 5, 5],
    [1, 1, 2, 2],
  ],
  ["depthwise conv2d", (x, w) => loss(ops.conv2d(x, w, null, { groups: 2 }).tanh()), [1, 2, 3, 3], [4, 1, 2, 2]],
  [
    "conv2d and max pooling",
    (x, w) => loss(ops.maxPool2d(ops.conv2d(x, w, null, { padding: 1 }).tanh(), 2)),
    [1, 1, 4, 4],
    [2, 1, 3, 3],
  ],
  ["conv2d and average pooling", (x, w) => loss(ops.avgPool2d(ops.conv2d(x, w).exp(), 2)), [1, 1, 4, 4], [2, 1, 1, 1]],
  [
    "batch norm of a convolution",
    (x, w, g, b) => loss(batchNorm(ops.conv2d(x, w), g, b).tanh()),
    [2, 1, 3, 3],
    [2, 1, 2, 2],
    [2],
    [2],
  ],
  [
    "batch norm of a linear layer",
    (x, w, g, b) => batchNorm(x.matmul(w), g, b).square().mean(1),
    [4, 2],
    [2, 3],
    [3],
    [3],
  ],
  ["tanh", (x, w) => loss(x.matmul(w).tanh()), [2, 3], [3, 2]],
  ["sigmoid", (x, w) => loss(x.matmul(w).sigmoid()), [2, 3], [3, 2]],
  ["exp", (x, w) => loss(x.matmul(w).exp()), [2, 2], [2, 2]],
  ["elu", (x, w) => loss(ops.elu(x.matmul(w))), [2, 3], [3, 2]],
  ["softmax", (x, w) => loss(x.matmul(w).softmax(1)), [2, 3], [3, 3]],
  ["logSoftmax", (x, w) => loss(x.matmul(w).logSoftmax(1)), [2, 3], [3, 3]],
  ["leakyRelu", (x, w) => loss(ops.leakyRelu(x.matmul(w), { negativeSlope: 0.2 })), [2, 3], [3, 2]],
  ["prelu, by its slope too", (x, w, a) => loss(ops.prelu(x.matmul(w), a)), [2, 3], [3, 2], [1]],
  ["clamp", (x, w) => loss(x.matmul(w).clamp(-1, 1.5)), [2, 3], [3, 2]],
  ["max over a dimension", (x, w) => loss(x.matmul(w).max(1)[0]), [3, 2], [2, 3]],
  ["max of all", (x, w) => x.matmul(w).max().square(), [2, 3], [3, 2]],
  ["logsumexp", (x, w) => loss(x.matmul(w).logsumexp(1)), [2, 3], [3, 3]],
  ["prod", (x, w) => loss(x.matmul(w).prod(1)), [2, 2], [2, 3]],
  ["softmax cross-entropy", (x, w, b) => crossEntropy(x.matmul(w).add(b), [2, 0]), [2, 3], [3, 3], [3]],
  [
    "cross-entropy written with softmax",
    (x, w) => x.matmul(w).softmax(1).select(1, 1).log().mean().neg(),
    [2, 3],
    [3, 3],
  ],
  [
    "where with a computed condition",
    (x, w) => {
      const h = x.matmul(w);
      return loss(ops.where(h.gt(h.mean()), h.square(), h.mul(0.1).exp()));
    },
    [2, 3],
    [3, 2],
  ],
  ["a strided slice", (x, w) => loss(x.matmul(w).slice(1, 0, 5, 2).tanh()), [2, 2], [2, 5]],
  ["einsum", (x, w) => loss(ops.einsum("bij,jk->bki", [x, w]).tanh()), [2, 2, 2], [2, 3]],
  ["topk", (x, w) => loss(ops.topk(x.matmul(w), 2, 1)[0]), [2, 2], [2, 4]],
];

describe("gradients of gradients", () => {
  test.each(NETWORKS)("%s", async (_, fn, ...shapes) => {
    const inputs = shapes.map((shape, i) => leaf(i, ...shape));
    await gradcheck(fn, inputs);
    await gradgradcheck(fn, inputs);
  });
});

describe("by closed forms", () => {
  test("the Hessian of softmax cross-entropy in its logits is diag(p) − p pᵀ", async () => {
    const logits = tensor([[0.3, -1, 2]], { requiresGrad: true });
    const [g] = grad(crossEntropy(logits, [1]), [logits], { createGraph: true }) as [Tensor];
    const e = [0.3, -1, 2].map(Math.exp);
    const p = e.map((v) => v / e.reduce((a, b) => a + b));
    for (let i = 0; i < 3; i++) {
      const [row] = grad(g.select(1, i).sum(), [logits], { retainGraph: true }) as [Tensor];
      (await row.data()).forEach((h, j) => {
        expect(h).toBeCloseTo((i === j ? p[i] : 0) - p[i] * p[j], 12);
      });
    }
  });

  test("the second derivative of a convolution by weight and input is 0 or 1", async () => {
    const [x, w] = [leaf(1, 1, 1, 3, 3), leaf(2, 1, 1, 2, 2)];
    const [g] = grad(ops.conv2d(x, w).sum(), [w], { createGraph: true }) as [Tensor];
    const [h] = grad(g.select(2, 0).select(2, 1).sum(), [x]) as [Tensor]; // ∂² / ∂w₀₁ ∂x
    expect((await h.toArray()) as unknown).toEqual([
      [
        [
          [0, 1, 1],
          [0, 1, 1],
          [0, 0, 0],
        ],
      ],
    ]);
  });

  test("the gradient's norm, as in a gradient penalty: (w·x)² has |∇| = 2 |w·x| |w|", async () => {
    const [x, w] = [tensor([1, 2]), tensor([3, -1], { requiresGrad: true })];
    const point = x.detach().requiresGrad_();
    const [g] = grad(ops.dot(w, point).square(), [point], { createGraph: true }) as [Tensor];
    const [h] = grad(ops.norm(g), [w]) as [Tensor];
    // w·x = 1, |w| = √10: ∂/∂w 2 (w·x) |w| = 2 |w| x + 2 (w·x) w / |w|
    const [a, b] = await h.data();
    const length = Math.sqrt(10);
    expect(a).toBeCloseTo(2 * length + (2 * 3) / length, 12);
    expect(b).toBeCloseTo(4 * length - 2 / length, 12);
  });
});

describe("grad of grad of grad …", () => {
  /** The first to the fifth derivative at a point, each the gradient of the one before. */
  async function derivatives(fn: (x: Tensor) => Tensor, at: number): Promise<number[]> {
    const x = tensor(at, { requiresGrad: true });
    const values: Promise<number>[] = [];
    let y = fn(x);
    for (let order = 1; order <= 5; order++) {
      [y] = grad(y, [x], { createGraph: true }) as [Tensor];
      values.push(y.item());
    }
    return Promise.all(values);
  }

  const a = 0.7;
  const [s, c, t] = [Math.sin(a), Math.cos(a), Math.tanh(a)];
  const u = 1 - t * t;
  test.each<[string, (x: Tensor) => Tensor, number[]]>([
    ["x⁶", (x) => x.pow(6), [6 * a ** 5, 30 * a ** 4, 120 * a ** 3, 360 * a ** 2, 720 * a]],
    ["exp(2x)", (x) => x.mul(2).exp(), [2, 4, 8, 16, 32].map((n) => n * Math.exp(2 * a))],
    ["sin x", (x) => x.sin(), [c, -s, -c, s, c]],
    ["1 / x", (x) => ops.reciprocal(x), [-1, 2, -6, 24, -120].map((n, i) => n * a ** -(i + 2))],
    [
      "tanh x",
      (x) => x.tanh(),
      [u, -2 * t * u, u * (6 * t * t - 2), t * u * (16 - 24 * t * t), u * (120 * t ** 4 - 120 * t * t + 16)],
    ],
    ["x sin x", (x) => x.mul(x.sin()), [s + a * c, 2 * c - a * s, -3 * s - a * c, -4 * c + a * s, 5 * s + a * c]],
  ])("five deep: %s", async (_, fn, expected) => {
    (await derivatives(fn, a)).forEach((value, i) => {
      expect(value / expected[i]).toBeCloseTo(1, 10);
    });
  });
});
