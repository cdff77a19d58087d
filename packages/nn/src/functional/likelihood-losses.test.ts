/** Losses of predicted distributions: against the densities themselves, and central differences. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, gradcheck, gradgradcheck } from "@loopgrad/autograd";
import { ArgumentError, init, manualSeed, randn, ShapeError, type Tensor, tensor } from "@loopgrad/tensor";
import { functional as F, GaussianNLLLoss, PoissonNLLLoss } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(12);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = (got: number[], wanted: number[], digits = 12): void => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], digits);
  });
};
const total = (each: number[]): number => each.reduce((a, b) => a + b, 0);
const leaf = (x: Tensor): Tensor => x.detach().requiresGrad_(true);

async function derivativesAreRight(loss: (...inputs: Tensor[]) => Tensor, inputs: Tensor[]): Promise<void> {
  expect(await gradcheck(loss, inputs)).toBe(true);
  expect(await gradgradcheck(loss, inputs)).toBe(true);
}

describe("gaussianNllLoss", () => {
  const MEAN = [0.5, -1, 2, 0];
  const TARGET = [1, -1, 0, 3];
  const VARIANCE = [0.5, 2, 1, 4];
  const at = (values: number[]): Tensor => tensor(values, { shape: [2, 2] });

  test("full, it is −log of the normal density, with every reduction", async () => {
    const each = MEAN.map((m, i) => {
      const v = VARIANCE[i];
      return -Math.log(Math.exp(-((TARGET[i] - m) ** 2) / (2 * v)) / Math.sqrt(2 * Math.PI * v));
    });
    const loss = (options: F.LikelihoodOptions): Promise<number[]> =>
      read(F.gaussianNllLoss(at(MEAN), at(TARGET), at(VARIANCE), options));
    near(await loss({ full: true, reduction: "none" }), each);
    near(await loss({ full: true, reduction: "sum" }), [total(each)]);
    near(await loss({ full: true }), [total(each) / 4]);
    near(await loss({}), [total(each) / 4 - Math.log(2 * Math.PI) / 2]);
  });

  test("one variance for a row, or for all", async () => {
    const loss = (variance: Tensor | number): Promise<number[]> =>
      read(F.gaussianNllLoss(at(MEAN), at(TARGET), variance, { reduction: "none" }));
    const wanted = await loss(at([0.5, 0.5, 3, 3]));
    near(await loss(tensor([0.5, 3])), wanted);
    near(await loss(tensor([[0.5], [3]])), wanted);
    near(await loss(0.5), await loss(at([0.5, 0.5, 0.5, 0.5])));
  });

  test("a variance below eps counts as eps, and gets the gradient of eps", async () => {
    const variance = tensor([0.01, 0], { requiresGrad: true });
    const loss = F.gaussianNllLoss(tensor([1, 2]), tensor([0, 0]), variance, { eps: 0.25, reduction: "none" });
    near(await read(loss), [(Math.log(0.25) + 4) / 2, (Math.log(0.25) + 16) / 2]);
    near(await read(grad(loss.sum(), variance)[0]), [(4 - 16) / 2, (4 - 64) / 2]);
    near(await read(F.gaussianNllLoss(tensor([1]), tensor([0]), 0, { eps: 0.25 })), [(Math.log(0.25) + 4) / 2]);
  });

  test("derivatives", async () => {
    const inputs = [randn([2, 3]), randn([2, 3]), randn([2, 3]).square().add(0.5)].map(leaf);
    await derivativesAreRight((x, y, v) => F.gaussianNllLoss(x, y, v, { full: true, reduction: "none" }), inputs);
    const perRow = [randn([2, 3]), randn([2, 3]), randn([2]).square().add(0.5)].map(leaf);
    await derivativesAreRight((x, y, v) => F.gaussianNllLoss(x, y, v), perRow);
  });

  test("refuses shapes that do not go together, and negative variances it can see", () => {
    expect(() => F.gaussianNllLoss(at(MEAN), tensor(TARGET), 1)).toThrow(ShapeError);
    expect(() => F.gaussianNllLoss(at(MEAN), at(TARGET), tensor([1, 1, 1]))).toThrow(
      /wants variance \[2, 2\], \[2, 1\] or \[2\], got \[3\]/,
    );
    expect(() => F.gaussianNllLoss(at(MEAN), at(TARGET), at([1, 1, -1, 1]))).toThrow(ArgumentError);
    expect(() => F.gaussianNllLoss(at(MEAN), at(TARGET), -1)).toThrow(/a variance is -1/);
  });
});

describe("poissonNllLoss", () => {
  const RATES = [0.5, 1, 3, 20];
  const COUNTS = [0, 1, 2, 25];
  const logFactorial = (n: number): number => (n < 2 ? 0 : Math.log(n) + logFactorial(n - 1));
  const each = RATES.map((rate, i) => rate - COUNTS[i] * Math.log(rate));

  test("is λ − y log λ of rates and of log-rates, with every reduction", async () => {
    const logRates = tensor(RATES.map(Math.log));
    near(await read(F.poissonNllLoss(logRates, tensor(COUNTS), { reduction: "none" })), each);
    near(await read(F.poissonNllLoss(logRates, tensor(COUNTS), { reduction: "sum" })), [total(each)]);
    near(await read(F.poissonNllLoss(logRates, tensor(COUNTS))), [total(each) / 4]);
    near(await read(F.poissonNllLoss(tensor(RATES), tensor(COUNTS), { logInput: false, eps: 0 })), [total(each) / 4]);
    near(await read(F.poissonNllLoss(tensor([0]), tensor([2]), { logInput: false, eps: 0.5 })), [2 * Math.LN2]);
  });

  test("full, it is −log of the probability up to Stirling's error 1 / 12y", async () => {
    const full = await read(
      F.poissonNllLoss(tensor(RATES), tensor(COUNTS), { logInput: false, full: true, reduction: "none" }),
    );
    full.forEach((loss, i) => {
      const y = COUNTS[i];
      const error = each[i] + logFactorial(y) - loss;
      expect(error).toBeGreaterThan(-1e-6);
      expect(error).toBeLessThan(y > 1 ? 1 / (12 * y) : 1e-6);
    });
    const ints = tensor(COUNTS, { dtype: "int32" });
    near(await read(F.poissonNllLoss(tensor(RATES), ints, { logInput: false, full: true, reduction: "none" })), full);
  });

  test("derivatives, by targets of 0 too", async () => {
    const [x, y] = [leaf(randn([4])), leaf(tensor([0.2, 0.9, 1.5, 4]))];
    await derivativesAreRight((x, y) => F.poissonNllLoss(x, y, { full: true, reduction: "none" }), [x, y]);
    const rates = leaf(tensor(RATES));
    await derivativesAreRight((x, y) => F.poissonNllLoss(x, y, { logInput: false }), [rates, y]);
    const zero = tensor([0], { requiresGrad: true });
    near(await read(grad(F.poissonNllLoss(tensor([1.5]), zero, { full: true }), zero)[0]), [-1.5]);
  });

  test("refuses what does not broadcast", () => {
    expect(() => F.poissonNllLoss(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(/input \[2\] and target \[3\]/);
  });
});

test("the modules are the functions with their options fixed", async () => {
  const [x, y, v] = [randn([3]), tensor([1, 2, 3]), tensor([1, 2, 0.5])];
  const gaussian = { full: true, eps: 0.8, reduction: "sum" } as const;
  near(await read(new GaussianNLLLoss(gaussian).forward(x, y, v)), await read(F.gaussianNllLoss(x, y, v, gaussian)));
  const poisson = { logInput: false, full: true, eps: 10, reduction: "sum" } as const;
  near(await read(new PoissonNLLLoss(poisson).forward(x, y)), await read(F.poissonNllLoss(x, y, poisson)));
  expect(() => new GaussianNLLLoss({ epsilon: 1 } as object)).toThrow(/unknown option epsilon/);
});
