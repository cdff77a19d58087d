/**
 * The gradient by the examples' weights, on tiny nets in float64.
 */
import { beforeAll, expect, test } from "@jest/globals";
import {
  grad,
  gradcheck,
  init,
  Linear,
  manualSeed,
  rand,
  randn,
  Sequential,
  Tanh,
  type Tensor,
  tensor,
} from "loopgrad";
import { cleanLossAfter, type Examples, exampleWeights, losses } from "./reweight.ts";

let net: Sequential;
let batch: Examples;
let clean: Examples;

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(2);
  net = new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 1));
  batch = { x: randn([6, 3]), y: tensor([0, 1, 0, 0, 1, 0]) };
  clean = { x: randn([4, 3]), y: tensor([0, 1, 0, 1]) };
});

test("the clean loss's gradient by the weights equals central differences, at 0 and elsewhere", async () => {
  const loss = (epsilon: Tensor): Tensor => cleanLossAfter(net, 0.5, epsilon, batch, clean);
  const [zero, other] = [tensor(new Array(6).fill(0)), rand([6])].map((x) => x.detach().requiresGrad_(true));
  await gradcheck(loss, [zero], { rtol: 1e-6, atol: 1e-10 });
  await gradcheck(loss, [other], { rtol: 1e-6, atol: 1e-10 });
});

test("weights are the parts of the examples' gradients along the clean gradient, if positive, over their sum", async () => {
  const params = net.parameters();
  const flat = async (loss: Tensor): Promise<number[]> => {
    const grads = grad(loss, params) as Tensor[];
    return (await Promise.all(grads.map((g) => g.data()))).flatMap((data) => [...data]);
  };
  const ofClean = await flat(losses(net, clean).mean());
  const along: number[] = [];
  for (let i = 0; i < 6; i++) {
    const ofExample = await flat(losses(net, batch).select(0, i));
    along.push(
      Math.max(
        0,
        ofExample.reduce((sum, g, k) => sum + g * ofClean[k], 0),
      ),
    );
  }
  const total = along.reduce((sum, w) => sum + w, 0);
  const weights = await exampleWeights(net, 0.1, batch, clean).data();
  expect(along.filter((w) => w === 0).length).toBeGreaterThan(0);
  for (let i = 0; i < 6; i++) expect(weights[i]).toBeCloseTo(along[i] / total, 10);
});

test("where no example helps, all weights are 0", async () => {
  // The clean images say the opposite of the batch, which is the same image again and again.
  const x = randn([1, 3]);
  const against: Examples = { x, y: tensor([0]) };
  const same: Examples = { x: x.expand([3, 3]), y: tensor([1, 1, 1]) };
  expect(await exampleWeights(net, 0.1, same, against).toArray()).toEqual([0, 0, 0]);
});
