/**
 * Gradients by training images and learning rates, on tiny nets in float64; and what distilled images are compared with.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { gradcheck, init, manualSeed, rand, type Tensor, tensor } from "loopgrad";
import { type Batch, ImageSet } from "../data/images.ts";
import { centroids, grade, randomImages } from "./baselines.ts";
import { distill, distillationLoss, type Lesson, noise, student } from "./distill.ts";

const steps = 3;
let real: Batch;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(4);
  real = { x: rand([6, 1, 2, 2]), y: tensor([0, 1, 2, 0, 1, 2], { dtype: "int32" }) };
});

test("the outer gradient equals central differences, in every pixel and learning rate", async () => {
  const net = student(4, 3, 3);
  const { images, labels, logRates } = noise(3, 2, 4, steps, 0.5);
  const loss = (images: Tensor, logRates: Tensor): Tensor => distillationLoss(net, { images, labels, logRates }, real);
  const inputs = [images, logRates].map((x) => x.detach().requiresGrad_(true));
  await gradcheck(loss, inputs, { rtol: 1e-6, atol: 1e-10 });
});

test("labels go class by class", async () => {
  expect(await noise(3, 2, 4, steps, 0.5).labels.toArray()).toEqual([0, 0, 1, 1, 2, 2]);
});

test("distilling makes fresh nets better, and leaves them as they were", async () => {
  const lesson: Lesson = noise(3, 1, 4, steps, 0.5);
  // Each class is one bright pixel.
  const y = tensor([0, 1, 2], { dtype: "int32" });
  const batch: Batch = { x: tensor([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], { shape: [3, 1, 2, 2] }), y };
  const net = (): ReturnType<typeof student> => student(4, 8, 3);
  const unseen = [net(), net(), net()];
  const weights = await unseen[0].parameters()[0].toArray();
  const before = await grade(lesson, unseen, batch);
  const options = { iterations: 60, nets: 2, metaLr: 0.05, net, batch: () => batch, onStep: async () => {} };
  await distill(lesson, options);
  const after = await grade(lesson, unseen, batch);
  expect(after.loss).toBeLessThan(0.6 * before.loss);
  expect(await unseen[0].parameters()[0].toArray()).toEqual(weights);
});

test("random images are of their class; centroids are the middles of clusters", () => {
  // One pixel an image: class 0 near 0 and 100, class 1 near 200 and 250.
  const pixels = Uint8Array.of(0, 2, 100, 104, 200, 202, 250, 252);
  const labels = Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1);
  const set = new ImageSet({ images: { count: 8, height: 1, width: 1, pixels }, labels });
  const scaled = (values: Float32Array): number[] => [...values].map((value) => Math.round(value * 255));
  const random = scaled(randomImages(set, 2, 3, 1));
  expect(random.slice(0, 3).every((value) => value <= 104)).toBe(true);
  expect(random.slice(3).every((value) => value >= 200)).toBe(true);
  for (const seed of [1, 2, 3]) {
    const [a, b, c, d] = scaled(centroids(set, 2, 2, seed));
    expect([Math.min(a, b), Math.max(a, b), Math.min(c, d), Math.max(c, d)]).toEqual([1, 102, 201, 251]);
  }
});
