/**
 * Learning through the descent over labels, on tiny networks in float64.
 */
import { beforeAll, expect, test } from "@jest/globals";
import { Adam, gradcheck, init, manualSeed, noGrad, rand, randn, substitute, tensor } from "loopgrad";
import { EnergyNet, type EnergySizes, sizesFor } from "./energy.ts";
import { descend, infer, inferenceLoss } from "./infer.ts";

const TINY: EnergySizes = { side: 4, classes: 3, channels: [2, 2], kernel: 3, padding: 1, hidden: 4 };

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(3);
});

test("the outer gradient equals central differences, in every parameter", async () => {
  const net = new EnergyNet("spen", TINY);
  const [x, y] = [rand([3, 1, 4, 4]), tensor([0, 2, 1], { dtype: "int32" })];
  const params = net.parameters().map((p) => p.detach().mul(3).detach().requiresGrad_(true));
  const loss = (...given: typeof params) =>
    substitute(net, { params: given }, (m) => inferenceLoss(m, x, y, { steps: 3, lr: 0.5 })).output;
  await gradcheck(loss, params, { rtol: 1e-6, atol: 1e-9 });
});

test("each label takes its own steps down its energy, whatever else is in the batch", async () => {
  const net = new EnergyNet("spen", TINY);
  const x = rand([2, 1, 4, 4]);
  const together = await infer(net, x, { steps: 4, lr: 0.1 }).toArray();
  const alone = await infer(net, x.narrow(0, 1, 1), { steps: 4, lr: 0.1 }).data();
  (together as number[][])[1].forEach((value, c) => {
    expect(alone[c]).toBeCloseTo(value, 12);
  });
  const stages = descend(net, x, { steps: 4, lr: 0.1 });
  expect(await stages[4].y.toArray()).toEqual(together);
  const sums = await Promise.all(stages.map(({ energy }) => energy.sum().item()));
  for (let k = 1; k < sums.length; k++) expect(sums[k]).toBeLessThan(sums[k - 1]);
});

test("an ICNN is convex in the label after every projection, and would not stay so without", async () => {
  const net = new EnergyNet("icnn", TINY);
  const outer = new Adam(net.parameters(), { lr: 0.1 });
  const [x, y] = [rand([8, 1, 4, 4]), tensor([0, 1, 2, 0, 1, 2, 0, 1], { dtype: "int32" })];
  let violated = false;
  for (let i = 0; i < 10; i++) {
    outer.zeroGrad();
    inferenceLoss(net, x, y, { steps: 3, lr: 0.1 }).backward();
    outer.step();
    violated ||= (await net.head2.weight.min().item()) < 0;
    net.project();
    expect(await net.head2.weight.min().item()).toBeGreaterThanOrEqual(0);
    const [a, b] = [randn([8, 3]).mul(4), randn([8, 3]).mul(4)];
    const gap = noGrad(() => {
      const middle = net.forward(x, a.add(b).div(2));
      return net.forward(x, a).add(net.forward(x, b)).div(2).sub(middle).min();
    });
    expect(await gap.item()).toBeGreaterThanOrEqual(-1e-12);
  }
  expect(violated).toBe(true);
});

test("28×28 pixels get the published sizes", () => {
  const net = new EnergyNet("spen", sizesFor(28, 10));
  expect(net.namedParameters().map(([name, { shape }]) => [name, ...shape])).toEqual([
    ["conv1.weight", 20, 1, 5, 5],
    ["conv1.bias", 20],
    ["conv2.weight", 50, 20, 5, 5],
    ["conv2.bias", 50],
    ["fc1.weight", 500, 800],
    ["fc1.bias", 500],
    ["fc2.weight", 500, 500],
    ["fc2.bias", 500],
    ["head1.weight", 500, 510],
    ["head1.bias", 500],
    ["head2.weight", 1, 500],
    ["head2.bias", 1],
  ]);
});
