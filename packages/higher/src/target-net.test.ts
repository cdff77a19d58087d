/**
 * The network of the Omniglot experiments, narrower, against a twin written by hand as a function of its weights: the
 * same forward, and the same inner loop through `diffopt.step`, through `update`, and with no functional module.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { BatchNorm2d, Conv2d, functional as F, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { conv2d, init, manualSeed, maxPool2d, randn, type Tensor, tensor } from "@loopgrad/tensor";
import { functionalize, innerLoop } from "./index.ts";

const [WIDTH, CHANNELS, SIZE, CLASSES, LR, STEPS] = [3, 3, 16, 5, 0.1, 10];

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const block = (channels: number) => [
  new Conv2d(channels, WIDTH, 3, { padding: 1 }),
  new BatchNorm2d(WIDTH, { momentum: 1 }),
  new ReLU(),
  new MaxPool2d(2),
];
const targetNet = (): Sequential =>
  new Sequential(...block(CHANNELS), ...block(WIDTH), ...block(WIDTH), new Flatten(), new Linear(WIDTH * 4, CLASSES));

/** The same as a function: three times conv, normalization over all but channels, relu, pooling; then a linear map. */
function twin(x: Tensor, params: readonly Tensor[]): Tensor {
  let h = x;
  for (let i = 0; i < 3; i++) {
    const [w, b, scale, shift] = params.slice(4 * i, 4 * i + 4);
    h = conv2d(h, w, b, { padding: 1 });
    const mean = h.mean([0, 2, 3], { keepdim: true });
    const deviation = h.sub(mean).square().mean([0, 2, 3], { keepdim: true }).add(1e-5).sqrt();
    const perChannel = (p: Tensor): Tensor => p.reshape([1, WIDTH, 1, 1]);
    h = h.sub(mean).div(deviation).mul(perChannel(scale)).add(perChannel(shift));
    h = maxPool2d(h.maximum(0), 2);
  }
  return h.flatten(1).matmul(params[12].t()).add(params[13]);
}

const readAll = async (xs: readonly (Tensor | null)[]): Promise<number[]> =>
  (await Promise.all(xs.map(async (x) => Array.from(await (x as Tensor).data())))).flat();

/** Largest difference, relative to the largest value. */
function distance(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]))) / Math.max(...b.map(Math.abs));
}

test("forwards agree for ten lists of random weights", async () => {
  const fmodel = functionalize(targetNet());
  for (let i = 0; i < 10; i++) {
    const x = randn([2, CHANNELS, SIZE, SIZE]);
    const params = fmodel.parameters().map((p) => randn(p.shape));
    const [a, b] = await Promise.all([readAll([fmodel.withParams(params).forward(x)]), readAll([twin(x, params)])]);
    expect(distance(a, b)).toBeLessThan(1e-10);
  }
});

test("ten inner steps agree in losses, weights and meta-gradients", async () => {
  const model = targetNet();
  const [x, queryX] = [randn([5, CHANNELS, SIZE, SIZE]), randn([5, CHANNELS, SIZE, SIZE])];
  const y = tensor([0, 1, 2, 3, 4], { dtype: "int32" });
  const results = async (losses: Tensor[], weights: Tensor[], query: Tensor, initial: Tensor[]) =>
    Promise.all([readAll(losses), readAll(weights), readAll([query]), readAll(grad(query, initial))]);

  using loop = innerLoop(model, new SGD(model.parameters(), { lr: LR }));
  const stepLosses = Array.from({ length: STEPS }, () => {
    const loss = F.crossEntropy(loop.fmodel.forward(x), y);
    loop.diffopt.step(loss);
    return loss;
  });
  const byStep = await results(
    stepLosses,
    loop.fmodel.parameters(),
    F.crossEntropy(loop.fmodel.forward(queryX), y),
    loop.fmodel.initialParams,
  );

  const fmodel = functionalize(model, { initial: "detached" });
  const byHandLosses = Array.from({ length: STEPS }, () => {
    const loss = F.crossEntropy(fmodel.forward(x), y);
    const gs = grad(loss, fmodel.parameters(), { createGraph: true });
    fmodel.update(fmodel.parameters().map((p, i) => p.sub((gs[i] as Tensor).mul(LR))));
    return loss;
  });
  const query = F.crossEntropy(fmodel.forward(queryX), y);
  const byHand = await results(byHandLosses, fmodel.parameters(), query, fmodel.initialParams);

  const initial = model.parameters().map((p) => p.detach().requiresGrad_(true));
  let params: readonly Tensor[] = initial;
  const twinLosses = Array.from({ length: STEPS }, () => {
    const loss = F.crossEntropy(twin(x, params), y);
    const gs = grad(loss, params, { createGraph: true });
    params = params.map((p, i) => p.sub((gs[i] as Tensor).mul(LR)));
    return loss;
  });
  const byTwin = await results(twinLosses, [...params], F.crossEntropy(twin(queryX, params), y), initial);

  for (const other of [byStep, byHand]) {
    other.forEach((list, i) => {
      expect(distance(list, byTwin[i])).toBeLessThan(1e-7);
    });
  }
});
