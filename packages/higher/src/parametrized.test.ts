/** Hooks and parametrizations along an inner loop: they see the fast weights, and the meta-gradient goes through them. */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { functionalCall, Linear, Sequential, spectralNorm, Tanh, weightNorm } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { init, manualSeed, randn, type Tensor } from "@loopgrad/tensor";
import { innerLoop } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(21);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

const LR = 0.1;
const loss = (y: Tensor, target: Tensor): Tensor => y.sub(target).square().mean();

test.each([
  ["a weight norm", () => new Sequential(weightNorm(new Linear(3, 4)), new Tanh(), weightNorm(new Linear(4, 1)))],
  ["a spectral norm", () => new Sequential(spectralNorm(new Linear(3, 4)), new Tanh(), new Linear(4, 1)).eval()],
  [
    "a hook",
    () => {
      const layer = new Linear(3, 4);
      layer.registerForwardHook((m, _args, y) => y.mul(m.weight.square().mean()));
      return new Sequential(layer, new Tanh(), new Linear(4, 1));
    },
  ],
] as const)("two inner steps through %s are the steps written out", async (_, make) => {
  const model = make();
  const [x, target] = [randn([5, 3]), randn([5, 1])];
  {
    using loop = innerLoop(model, new SGD(model.parameters(), { lr: LR }));
    for (let k = 0; k < 2; k++) loop.diffopt.step(loss(loop.fmodel.forward(x), target));
    loss(loop.fmodel.forward(x), target).backward();
  }
  const first = model.parameters().map((p) => p.detach().requiresGrad_(true));
  let fast: Tensor[] = first;
  for (let k = 0; k < 2; k++) {
    const gs = grad(loss(functionalCall(model, { params: fast }, x), target), fast, { createGraph: true });
    fast = fast.map((w, i) => w.sub((gs[i] as Tensor).mul(LR)));
  }
  const wanted = grad(loss(functionalCall(model, { params: fast }, x), target), first);
  for (const [i, p] of model.parameters().entries()) {
    const [got, expected] = [await read(p.grad), await read(wanted[i])];
    for (const [j, g] of got.entries()) expect(g).toBeCloseTo(expected[j], 10);
  }
});

test("u and v of a spectral norm in training are the functional model's buffers", async () => {
  const model = spectralNorm(new Linear(3, 2));
  const before = await read(model.buffers()[0]);
  const [x, target] = [randn([5, 3]), randn([5, 2])];
  using loop = innerLoop(model, new SGD(model.parameters(), { lr: LR }));
  for (let k = 0; k < 2; k++) loop.diffopt.step(loss(loop.fmodel.forward(x), target));
  loss(loop.fmodel.forward(x), target).backward();
  expect(await read(model.buffers()[0])).toEqual(before);
  expect(await read(loop.fmodel.buffers["parametrizations.weight.0._u"])).not.toEqual(before);
  expect(model.parameters().every((p) => p.grad !== null)).toBe(true);
});
