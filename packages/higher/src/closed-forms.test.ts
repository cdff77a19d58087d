/**
 * Meta-gradients against closed forms.
 *
 * On the quadratic L(w) = ½ wᵀHw − bᵀw gradient descent is linear, so everything has a formula: with A = I − αH and
 * w* = H⁻¹b, w_k = w* + Aᵏ(w₀ − w*), dw_k/dw₀ = Aᵏ and dw_k/dα = −k H Aᵏ⁻¹ (w₀ − w*). H is diagonal here.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { Module, Parameter } from "@loopgrad/nn";
import { SGD } from "@loopgrad/optim";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { createDifferentiable, innerLoop } from "./index.ts";
import { read } from "./testing/differences.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

function near(got: number[], wanted: number[], digits = 12): void {
  expect(got).toHaveLength(wanted.length);
  got.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], digits);
  });
}

const H = [2, 0.5];
const B = [1, -1];
const W0 = [3, 1];
const V = [0.7, -1.3];
const WSTAR = B.map((b, i) => b / H[i]);

class Quadratic extends Module {
  readonly w = new Parameter(tensor(W0));

  override forward(): Tensor {
    return this.w
      .square()
      .mul(tensor(H))
      .sum()
      .mul(0.5)
      .sub(this.w.mul(tensor(B)).sum());
  }
}

describe.each([1, 2, 7])("%i steps of gradient descent on a quadratic", (k) => {
  const alpha = 0.3;
  const a = H.map((h) => 1 - alpha * h);

  test("weights, and their derivatives by initial weights and by the rate", async () => {
    const model = new Quadratic();
    const lr = tensor(alpha, { requiresGrad: true });
    using loop = innerLoop(model, new SGD(model.parameters(), { lr }));
    const { fmodel, diffopt } = loop;
    for (let i = 0; i < k; i++) diffopt.step(fmodel.forward());
    const [w] = fmodel.parameters();
    near(
      await read(w),
      WSTAR.map((ws, i) => ws + a[i] ** k * (W0[i] - ws)),
    );
    const [dw0, dlr] = grad(w.mul(tensor(V)).sum(), [model.w, lr]);
    near(
      await read(dw0),
      V.map((v, i) => v * a[i] ** k),
    );
    const dAlpha = V.reduce((s, v, i) => s - v * k * H[i] * a[i] ** (k - 1) * (W0[i] - WSTAR[i]), 0);
    near(await read(dlr), [dAlpha]);
  });

  test("second derivative by the rate", async () => {
    const lr = tensor(alpha, { requiresGrad: true });
    const model = new Quadratic();
    using loop = innerLoop(model, new SGD(model.parameters(), { lr }));
    for (let i = 0; i < k; i++) loop.diffopt.step(loop.fmodel.forward());
    const [first] = grad(loop.fmodel.parameters()[0].mul(tensor(V)).sum(), lr, { createGraph: true });
    // d²w_k/dα² = k (k − 1) H² A^(k−2) (w₀ − w*)
    const wanted = V.reduce((s, v, i) => s + v * k * (k - 1) * H[i] ** 2 * a[i] ** (k - 2) * (W0[i] - WSTAR[i]), 0);
    const onTape = (first as Tensor).requiresGrad;
    const second = onTape ? grad(first as Tensor, lr, { allowUnused: true })[0] : null;
    near(second === null ? [0] : await read(second), [wanted], 10);
  });

  test("first order: dw_k/dw₀ is the identity, dw_k/dα the sum of minus the gradients", async () => {
    const model = new Quadratic();
    const lr = tensor(alpha, { requiresGrad: true });
    using loop = innerLoop(model, new SGD(model.parameters(), { lr }), { mode: "first-order" });
    for (let i = 0; i < k; i++) loop.diffopt.step(loop.fmodel.forward());
    const [dw0, dlr] = grad(loop.fmodel.parameters()[0].mul(tensor(V)).sum(), [model.w, lr]);
    near(await read(dw0), V);
    // Σ −g_t = (w_k − w₀)/α
    near(await read(dlr), [V.reduce((s, v, i) => s + (v * (a[i] ** k - 1) * (W0[i] - WSTAR[i])) / alpha, 0)]);
  });
});

test("momentum: the power of a 2 × 2 block matrix", async () => {
  const [alpha, mu, k] = [0.2, 0.6, 5];
  const model = new Quadratic();
  using loop = innerLoop(model, new SGD(model.parameters(), { lr: alpha, momentum: mu }));
  for (let i = 0; i < k; i++) loop.diffopt.step(loop.fmodel.forward());
  // (w − w*, m) ← ((1 − αh)(w − w*) − αμ m, h (w − w*) + μ m)
  const wanted = H.map((h, i) => {
    let [d, m, dd, dm] = [W0[i] - WSTAR[i], 0, 1, 0];
    for (let t = 0; t < k; t++) {
      [d, m] = [d - alpha * (h * d + mu * m), h * d + mu * m];
      [dd, dm] = [dd - alpha * (h * dd + mu * dm), h * dd + mu * dm];
    }
    return { w: WSTAR[i] + d, dw: dd };
  });
  const [w] = loop.fmodel.parameters();
  near(
    await read(w),
    wanted.map((x) => x.w),
  );
  near(
    await read(grad(w.mul(tensor(V)).sum(), model.w)[0]),
    wanted.map((x, i) => V[i] * x.dw),
  );
});

test("ridge regression, unrolled to convergence: dw/dλ = −(XᵀX + λI)⁻¹ w", async () => {
  const gram = tensor([
    [2, 0.5],
    [0.5, 1],
  ]);
  const c = tensor([1, 2]);
  const lambda = tensor(0.5, { requiresGrad: true });
  let w = tensor([0, 0], { requiresGrad: true });
  const diffopt = createDifferentiable(SGD, { lr: 0.5 }, { params: [w] });
  for (let k = 0; k < 150; k++) {
    const loss = w.mul(gram.mv(w)).sum().add(lambda.mul(w.square().sum())).mul(0.5).sub(w.mul(c).sum());
    [w] = diffopt.step(loss);
  }
  // (XᵀX + λI) = [[2.5, 0.5], [0.5, 1.5]], its determinant 3.5
  const inverse = (x: number, y: number): number[] => [(1.5 * x - 0.5 * y) / 3.5, (-0.5 * x + 2.5 * y) / 3.5];
  const solution = inverse(1, 2);
  near(await read(w), solution, 10);
  const wanted = inverse(solution[0], solution[1]);
  near(await read(grad(w.select(0, 0), lambda, { retainGraph: true })[0]), [-wanted[0]], 10);
  near(await read(grad(w.select(0, 1), lambda)[0]), [-wanted[1]], 10);
});
