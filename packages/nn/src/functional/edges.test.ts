/** Losses and norms at the ends of what they take: probabilities 0 and 1, NaN, far logits, no elements at all. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  ArgumentError,
  arange,
  avgPool2d,
  type Device,
  init,
  ones,
  ShapeError,
  scope,
  softshrink,
  type Tensor,
  tensor,
  zeros,
} from "@loopgrad/tensor";
import { BatchNorm1d, BatchNorm2d, InstanceNorm1d } from "../layers/norms.ts";
import * as F from "./index.ts";

const none = { reduction: "none" } as const;

describe.each([
  ["cpu", "float64", 1e-13],
  ["webgpu", "float32", 4e-6],
] as const)("%s", (name, dtype, error) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name, dtype });
  });
  afterAll(() => device.destroy());

  const leaf = (data: number[]): Tensor => tensor(data, { requiresGrad: true });
  const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data(), (v) => v + 0);
  /** The value, and its first and second derivative by x. */
  async function derivatives(fn: (x: Tensor) => Tensor, x: Tensor): Promise<number[][]> {
    const y = fn(x);
    const [g] = grad(y.sum(), [x], { createGraph: true });
    const [h] = grad(g.sum(), [x]);
    return Promise.all([y, g, h].map(read));
  }
  const near = (rows: number[][]) =>
    rows.map((row) =>
      row.map((v) => {
        const close = (got: number) =>
          got === v || (Number.isNaN(v) && Number.isNaN(got)) || Math.abs(got - v) <= error * Math.abs(v);
        return { asymmetricMatch: close, toString: () => `${v}`, toAsymmetricMatcher: () => `${v}` };
      }),
    );

  test("binary cross-entropy with logits keeps its tails", async () => {
    using _ = scope();
    const e = 4.248354255291589e-18; // e⁻⁴⁰
    const y = tensor([0, 1, 0, 1]);
    const x = leaf([40, 40, -40, -40]);
    const plain = (logits: Tensor) => F.binaryCrossEntropyWithLogits(logits, y, none);
    const [value, first, second] = await derivatives(plain, x);
    expect(second).toEqual(near([[e, e, e, e]])[0]);
    expect([value[0], value[2], value[3]]).toEqual([40, ...near([[e, 40]])[0]]);
    expect([first[0], first[2], first[3]]).toEqual([1, ...near([[e, -1]])[0]]);
    const weighted = (logits: Tensor) => F.binaryCrossEntropyWithLogits(logits, y, { ...none, posWeight: tensor([2]) });
    expect((await derivatives(weighted, x))[2]).toEqual(near([[e, 2 * e, e, 2 * e]])[0]);
    const margin = (scores: Tensor) => F.softMarginLoss(scores, tensor([1, -1, 1, -1]), none);
    expect((await derivatives(margin, x))[2]).toEqual(near([[e, e, e, e]])[0]);
  });

  test("binary cross-entropy of probabilities 0 and 1 has finite derivatives", async () => {
    using _ = scope();
    const y = tensor([0, 1, 0, 1, 0.5]);
    const got = await derivatives((x) => F.binaryCrossEntropy(x, y, none), leaf([0, 0, 1, 1, 0.25]));
    expect(got[0]).toEqual(near([[0, 100, 100, 0, -0.5 * Math.log(0.25 * 0.75)]])[0]);
    expect(got[1]).toEqual(near([[1, -1e12, 1e12, -1, -0.25 / (0.25 * 0.75)]])[0]);
    expect(got[2]).toEqual(near([[1, 0, 0, 1, 0.5 / 0.0625 + 0.5 / 0.5625]])[0]);
  });

  test("an infinite difference has the slope of its branch", async () => {
    using _ = scope();
    const y = zeros([4]);
    for (const loss of [F.huberLoss, F.smoothL1Loss]) {
      const [value, first] = await derivatives((x) => loss(x, y, none), leaf([Infinity, -Infinity, 0.5, NaN]));
      expect([value, first]).toEqual([
        [Infinity, Infinity, 0.125, NaN],
        [1, -1, 0.5, NaN],
      ]);
    }
  });

  test("NaN reaches the loss", async () => {
    using _ = scope();
    const kl = F.klDiv(tensor([1, NaN, NaN, -Infinity, -1]), tensor([NaN, 0, 1, 0, 0.5]), none);
    expect(await read(kl)).toEqual(near([[NaN, NaN, NaN, 0, 0.5 * (Math.log(0.5) + 1)]])[0]);
    const x = tensor([1, NaN, 1]);
    const y = tensor([NaN, 1, 2]);
    const one = ones([3]);
    const losses = {
      mse: F.mseLoss(x, y, none),
      l1: F.l1Loss(x, y, none),
      huber: F.huberLoss(x, y, none),
      smoothL1: F.smoothL1Loss(x, y, none),
      bce: F.binaryCrossEntropy(x.mul(0.5), y.mul(0.5), none),
      bceWithLogits: F.binaryCrossEntropyWithLogits(x, y, none),
      klLog: F.klDiv(x, y, { ...none, logTarget: true }),
      poisson: F.poissonNllLoss(x, y, none),
      stirling: F.poissonNllLoss(one, y, { ...none, full: true }).add(x),
      gaussian: F.gaussianNllLoss(x, y, one, none),
      variance: F.gaussianNllLoss(one, one, x.mul(y), none),
      hinge: F.hingeEmbeddingLoss(x.mul(y), one.neg(), none),
      ranking: F.marginRankingLoss(x, y, one, none),
      softMargin: F.softMarginLoss(x, y, none),
      triplet: F.tripletMarginLoss(x.unsqueeze(1), y.unsqueeze(1), one.unsqueeze(1), none),
    };
    for (const [what, loss] of Object.entries(losses)) {
      expect([what, (await read(loss)).map(Number.isNaN)]).toEqual([what, [true, true, false]]);
    }
  });

  test("a logit of −∞ beside the target leaves cross-entropy and its derivatives finite", async () => {
    using _ = scope();
    const target = tensor([1], { dtype: "int32" });
    const [value, first, second] = await derivatives(
      (x) => F.crossEntropy(x.unsqueeze(0), target).mul(3).square(),
      leaf([-Infinity, 0, 1]),
    );
    const p = 1 / (1 + Math.exp(-1));
    const slope = 18 * Math.log(1 + Math.E);
    expect(value).toEqual(near([[9 * Math.log(1 + Math.E) ** 2]])[0]);
    expect(first).toEqual(near([[0, -slope * p, slope * p]])[0]);
    expect(second.every(Number.isFinite)).toBe(true);
  });

  test("norms of nothing give nothing, and gradients of 0", async () => {
    using _ = scope();
    const norms: [string, (x: Tensor, w: Tensor) => Tensor, number[], number][] = [
      ["groupNorm", (x, w) => F.groupNorm(x, 2, w), [0, 4, 2], 4],
      ["groupNorm, no places", (x, w) => F.groupNorm(x, 2, w), [2, 4, 0], 4],
      ["groupNorm, no channels", (x, w) => F.groupNorm(x, 1, w), [2, 0, 3], 0],
      ["batchNorm", (x, w) => F.batchNorm(x, null, null, w), [0, 4], 4],
      ["batchNorm, no places", (x, w) => F.batchNorm(x, null, null, w), [2, 4, 0], 4],
      ["batchNorm, no channels", (x, w) => F.batchNorm(x, null, null, w), [2, 0, 3], 0],
      ["batchNorm, evaluated", (x, w) => F.batchNorm(x, zeros([4]), ones([4]), w), [0, 4], 4],
      ["layerNorm", (x, w) => F.layerNorm(x, [4], w), [0, 4], 4],
      ["layerNorm of no features", (x, w) => F.layerNorm(x, [0], w), [3, 0], 0],
      ["rmsNorm", (x, w) => F.rmsNorm(x, [4], w), [0, 4], 4],
      ["rmsNorm of no features", (x, w) => F.rmsNorm(x, [0], w), [3, 0], 0],
      ["instanceNorm", (x, w) => F.instanceNorm(x, w).output, [0, 4, 3], 4],
      ["instanceNorm, no places", (x, w) => F.instanceNorm(x, w).output, [2, 4, 0], 4],
      ["localResponseNorm", (x) => F.localResponseNorm(x, 2), [0, 4, 2], 4],
    ];
    for (const [what, norm, shape, channels] of norms) {
      const x = zeros(shape, { requiresGrad: true });
      const w = ones([channels], { requiresGrad: true });
      const y = norm(x, w);
      expect([what, y.shape, await read(y)]).toEqual([what, shape, []]);
      const [gx, gw] = grad(y.sum(), [x, w], { allowUnused: true });
      expect([what, gx?.shape]).toEqual([what, shape]);
      if (gw) expect([what, await read(gw)]).toEqual([what, new Array<number>(channels).fill(0)]);
    }
  });

  test("norms refuse what has no channels, one value, or other numbers of channels", () => {
    const [four, three] = [ones([4]), ones([3])];
    expect(() => F.batchNorm(four, zeros([4]), four)).toThrow("batchNorm: [4]: wanted [N, C] or [N, C, d1, …]");
    expect(() => F.batchNorm(four, null, null)).toThrow(ShapeError);
    expect(() => F.batchNorm(ones([2, 4]), zeros([1]), ones([1]))).toThrow(
      "batchNorm: runningMean [1] for [2, 4]: wanted [4], one number per channel",
    );
    expect(() => F.batchNorm(ones([2, 4]), null, null, three)).toThrow(ShapeError);
    expect(() => F.groupNorm(ones([2, 4]), 2, three)).toThrow(ShapeError);
    expect(() => F.groupNorm(four, 2)).toThrow(ShapeError);
    expect(() => F.batchNorm(ones([1, 4]), null, null)).toThrow(ArgumentError);
    expect(() => F.instanceNorm(ones([2, 4, 1]))).toThrow(ArgumentError);
  });

  test("a batch of nothing leaves running statistics as they are", async () => {
    using _ = scope();
    const layers: [BatchNorm1d | BatchNorm2d | InstanceNorm1d, number[], number[]][] = [
      [new BatchNorm1d(2), [3, 2], [0, 2]],
      [new BatchNorm1d(2, { momentum: null }), [3, 2], [0, 2]],
      [new BatchNorm2d(2, { momentum: 1 }), [3, 2, 2, 1], [3, 2, 0, 1]],
      [new InstanceNorm1d(2, { trackRunningStats: true }), [3, 2, 2], [0, 2, 2]],
      [new InstanceNorm1d(2, { trackRunningStats: true }), [3, 2, 2], [3, 2, 0]],
    ];
    for (const [layer, some, nothing] of layers) {
      const fill = ones(some).cumsum(0).cumsum(-1);
      layer.forward(fill);
      const statistics = async () => [await layer.runningMean?.toArray(), await layer.runningVar?.toArray()];
      const before = await statistics();
      expect(layer.forward(zeros(nothing)).shape).toEqual(nothing);
      expect(await statistics()).toEqual(before);
      expect(before.flat().every(Number.isFinite)).toBe(true);
    }
  });
});

test("norms know their options, and refuse an eps or a size that makes no sense", async () => {
  await init({ device: "cpu" });
  const [x, c] = [ones([2, 2, 3]), ones([2])];
  const wrong = { epsilon: 1 } as never;
  for (const call of [
    () => F.layerNorm(x, [3], null, null, wrong),
    () => F.rmsNorm(x, [3], null, wrong),
    () => F.groupNorm(x, 2, null, null, wrong),
    () => F.instanceNorm(x, null, null, wrong),
    () => F.batchNorm(x, c, c, null, null, wrong),
    () => F.batchNorm(x, null, null, null, null, wrong),
    () => F.localResponseNorm(x, 2, wrong),
  ]) {
    expect(call).toThrow(/unknown option epsilon/);
  }
  expect(() => F.batchNorm(x, c, c, null, null, { eps: -1 })).toThrow(/eps is -1, wanted a number >= 0/);
  expect(() => F.layerNorm(x, [3], null, null, { eps: Number.NaN })).toThrow(/eps is NaN/);
  expect(() => F.localResponseNorm(x, 0)).toThrow(/size is 0/);
  expect(() => softshrink(x, { lambd: -1 })).toThrow(/lambd is -1/);
  expect(() => avgPool2d(ones([1, 1, 4, 4]), 2, { divisorOverride: 0 })).toThrow(/divisorOverride is 0/);
  expect(() => arange(5, 4, 10)).toThrow(/do not lead from 5 to 4/);
  expect(arange(5, 5).shape).toEqual([0]);
});
