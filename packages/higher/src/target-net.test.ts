/**
 * The network of the Omniglot experiments on 3×28×28, narrower, against a twin written by hand as a function of its
 * weights: the same forward, and the same inner loop through `diffopt.step`, through `update`, and with no functional
 * module. Tolerances are for the order of float64 sums, whose differences grow through ten steps of batch normalization.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { BatchNorm2d, Conv2d, functional as F, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { conv2d, init, manualSeed, maxPool2d, rand, randn, type Tensor } from "@loopgrad/tensor";
import { functionalize, innerLoop } from "./index.ts";
import { readAll } from "./testing/differences.ts";

const [CHANNELS, SIZE, CLASSES, BATCH, LR, STEPS] = [3, 28, 5, 5, 0.01, 10];
/** The original's is 64; the structure is the same. */
const WIDTH = 3;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const block = (channels: number, width: number) => [
  new Conv2d(channels, width, 3),
  new BatchNorm2d(width, { momentum: 1 }),
  new ReLU(),
  new MaxPool2d(2),
];
/** Sides: 28, 26, 13, 11, 5, 3, 1. */
const targetNet = (width = WIDTH, channels = CHANNELS): Sequential =>
  new Sequential(
    ...block(channels, width),
    ...block(width, width),
    ...block(width, width),
    new Flatten(),
    new Linear(width, CLASSES),
  );

/** The same as a function: three times conv, normalization over all but channels, relu, pooling; then a linear map. */
function twin(x: Tensor, params: readonly Tensor[]): Tensor {
  let h = x;
  for (let i = 0; i < 3; i++) {
    const [w, b, scale, shift] = params.slice(4 * i, 4 * i + 4);
    h = conv2d(h, w, b);
    const mean = h.mean([0, 2, 3], { keepdim: true });
    const deviation = h.sub(mean).square().mean([0, 2, 3], { keepdim: true }).add(1e-5).sqrt();
    const perChannel = (p: Tensor): Tensor => p.reshape([1, -1, 1, 1]);
    h = h.sub(mean).div(deviation).mul(perChannel(scale)).add(perChannel(shift));
    h = maxPool2d(h.maximum(0), 2);
  }
  return h.flatten(1).matmul(params[12].t()).add(params[13]);
}

/** Largest difference, relative to the largest value. */
async function distance(a: readonly (Tensor | null)[], b: readonly (Tensor | null)[]): Promise<number> {
  const [x, y] = await Promise.all([readAll(a), readAll(b)]);
  expect(x.map((list) => list.length)).toEqual(y.map((list) => list.length));
  const wanted = y.flat();
  return Math.max(...x.flat().map((v, i) => Math.abs(v - wanted[i]))) / Math.max(...wanted.map(Math.abs));
}

test("at full width on 1×28×28 there are 75,205 parameters", () => {
  const sizes = targetNet(64, 1)
    .parameters()
    .map((p) => p.size);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(75_205);
});

test("functional weights are the module's, under the same names, in the same order", async () => {
  const model = targetNet();
  const fmodel = functionalize(model);
  expect(fmodel.namedParameters().map(([name]) => name)).toEqual(model.namedParameters().map(([name]) => name));
  expect(await readAll(fmodel.parameters())).toEqual(await readAll(model.parameters()));
});

test("forwards agree for ten lists of random weights", async () => {
  const fmodel = functionalize(targetNet());
  for (let i = 0; i < 10; i++) {
    const x = rand([BATCH, CHANNELS, SIZE, SIZE]);
    const params = fmodel.parameters().map((p) => rand(p.shape));
    expect(await distance([fmodel.withParams(params).forward(x)], [twin(x, params)])).toBeLessThan(1e-12);
  }
});

describe("ten inner steps on fresh batches agree with the twin", () => {
  /** What an unrolled loop leaves: each step's loss and gradients, the last weights, the meta-loss and its gradients. */
  interface Unrolled {
    losses: Tensor[];
    grads: (Tensor | null)[];
    weights: Tensor[];
    metaLoss: Tensor;
    metaGrads: (Tensor | null)[];
  }
  type Batch = readonly [Tensor, Tensor];
  const lossOf = (y: Tensor, target: Tensor): Tensor => F.mseLoss(y, target);

  function byStep(model: Sequential, batches: Batch[], [queryX, queryY]: Batch): Unrolled {
    return innerLoop(model, new SGD(model.parameters(), { lr: LR }), {}, ({ fmodel, diffopt }) => {
      const grads: (Tensor | null)[] = [];
      const losses = batches.map(([x, y]) => {
        const loss = lossOf(fmodel.forward(x), y);
        grads.push(...grad(loss, fmodel.parameters(), { createGraph: true }));
        diffopt.step(loss);
        return loss;
      });
      const metaLoss = lossOf(fmodel.forward(queryX), queryY);
      const metaGrads = grad(metaLoss, fmodel.parameters({ time: 0 }));
      return { losses, grads, weights: fmodel.parameters(), metaLoss, metaGrads };
    });
  }

  /** Updates weights by hand; `forward` is a module's or the twin's. */
  function byHand(
    initial: readonly Tensor[],
    forward: (x: Tensor, params: readonly Tensor[]) => Tensor,
    batches: Batch[],
    [queryX, queryY]: Batch,
  ): Unrolled {
    let weights = [...initial];
    const grads: (Tensor | null)[] = [];
    const losses = batches.map(([x, y]) => {
      const loss = lossOf(forward(x, weights), y);
      const gs = grad(loss, weights, { createGraph: true });
      grads.push(...gs);
      weights = weights.map((w, i) => w.sub((gs[i] as Tensor).mul(LR)));
      return loss;
    });
    const metaLoss = lossOf(forward(queryX, weights), queryY);
    return { losses, grads, weights, metaLoss, metaGrads: grad(metaLoss, initial) };
  }

  test.each(["through step", "through update", "through withParams"])("%s", async (way) => {
    const model = targetNet();
    const batches = Array.from({ length: STEPS + 1 }, () => [
      rand([BATCH, CHANNELS, SIZE, SIZE]),
      randn([BATCH, CLASSES]),
    ]) as unknown as Batch[];
    const [query, ...training] = batches;
    const leaves = (): Tensor[] => model.parameters().map((p) => p.detach().requiresGrad_(true));
    const wanted = byHand(leaves(), twin, training, query);
    const fmodel = functionalize(model, { initial: "detached" });
    const updating = (x: Tensor, params: readonly Tensor[]): Tensor => {
      if (params.some((p, i) => p !== fmodel.parameters()[i])) fmodel.update(params);
      return fmodel.forward(x);
    };
    const viewing = (x: Tensor, params: readonly Tensor[]): Tensor => fmodel.withParams(params).forward(x);
    const found =
      way === "through step"
        ? byStep(model, training, query)
        : way === "through update"
          ? byHand(fmodel.parameters(), updating, training, query)
          : byHand(leaves(), viewing, training, query);
    expect(await distance(found.losses, wanted.losses)).toBeLessThan(1e-10);
    expect(await distance(found.grads, wanted.grads)).toBeLessThan(1e-9);
    expect(await distance(found.weights, wanted.weights)).toBeLessThan(1e-10);
    expect(await distance([found.metaLoss], [wanted.metaLoss])).toBeLessThan(1e-10);
    expect(await distance(found.metaGrads, wanted.metaGrads)).toBeLessThan(1e-8);
  });
});
