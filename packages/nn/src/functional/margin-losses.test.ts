/** Losses with a margin against their formulas in plain numbers, and their derivatives against central differences. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad, gradcheck, gradgradcheck } from "@loopgrad/autograd";
import { ArgumentError, init, manualSeed, randn, ShapeError, type Tensor, tensor } from "@loopgrad/tensor";
import {
  CosineEmbeddingLoss,
  functional as F,
  HingeEmbeddingLoss,
  MarginRankingLoss,
  SoftMarginLoss,
  TripletMarginLoss,
} from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(11);
});

const REDUCTIONS = ["none", "sum", "mean"] as const;

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = (got: number[], wanted: number[]): void => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 10);
  });
};

/** The loss with every reduction, against the losses of the elements. */
async function reducesTo(each: number[], loss: (reduction: (typeof REDUCTIONS)[number]) => Tensor): Promise<void> {
  const sum = each.reduce((a, b) => a + b, 0);
  near(await read(loss("none")), each);
  near(await read(loss("sum")), [sum]);
  near(await read(loss("mean")), [sum / each.length]);
}

/** Random leaves, away from the hinges for this seed. */
const leaves = (n: number, ...shape: number[]): Tensor[] =>
  Array.from({ length: n }, () => randn(shape).requiresGrad_(true));

async function derivativesAreRight(loss: (...inputs: Tensor[]) => Tensor, inputs: Tensor[]): Promise<void> {
  expect(await gradcheck(loss, inputs)).toBe(true);
  expect(await gradgradcheck(loss, inputs)).toBe(true);
}

const X = [0.5, -2, 3, 0.25];
const Y = [1, -1, -1, -1];
const scores = (): Tensor => tensor(X, { requiresGrad: true });
const labels = (): Tensor => tensor(Y);

describe("hingeEmbeddingLoss", () => {
  test("is x for label 1, max(0, margin − x) for −1, and both for other labels", async () => {
    await reducesTo([0.5, 4, 0, 1.75], (reduction) =>
      F.hingeEmbeddingLoss(scores(), labels(), { margin: 2, reduction }),
    );
    near(await read(F.hingeEmbeddingLoss(tensor([0.25]), tensor([0]))), [0.25 + 0.75]);
  });

  test("derivatives", async () => {
    const loss = (x: Tensor): Tensor => F.hingeEmbeddingLoss(x, labels(), { reduction: "none" });
    await derivativesAreRight(loss, [scores()]);
  });

  test("at the hinge, the slope is that of the other side", async () => {
    const x = tensor([1], { requiresGrad: true });
    near(await read(grad(F.hingeEmbeddingLoss(x, tensor([-1])), x)[0]), [-1]);
  });
});

describe("marginRankingLoss", () => {
  const other = (): Tensor => tensor([1, -1, 1, 0.5], { requiresGrad: true });

  test("is max(0, margin − y (x₁ − x₂))", async () => {
    const each = [0.25 + 0.5, 0.25 - 1, 0.25 + 2, 0.25 - 0.25].map((v) => Math.max(v, 0));
    await reducesTo(each, (reduction) => F.marginRankingLoss(scores(), other(), labels(), { margin: 0.25, reduction }));
  });

  test("derivatives", async () => {
    await derivativesAreRight((a, b) => F.marginRankingLoss(a, b, labels(), { margin: 0.1 }), [scores(), other()]);
  });
});

describe("softMarginLoss", () => {
  test("is log(1 + exp(−y x)), and finite far out", async () => {
    const each = X.map((x, i) => Math.log1p(Math.exp(-Y[i] * x)));
    await reducesTo(each, (reduction) => F.softMarginLoss(scores(), labels(), { reduction }));
    near(await read(F.softMarginLoss(tensor([-1000]), tensor([1]))), [1000]);
  });

  test("derivatives, by labels that are not ±1 too", async () => {
    await derivativesAreRight((x, y) => F.softMarginLoss(x, y), leaves(2, 3));
  });
});

describe("cosineEmbeddingLoss", () => {
  const A = [
    [1, 0],
    [3, 4],
    [1, 1],
    [0, 2],
  ];
  const B = [
    [1, 1],
    [6, 8],
    [-1, -1],
    [2, 0],
  ];
  const COSINES = [Math.SQRT1_2, 1, -1, 0];

  test("is 1 − cos for label 1, max(0, cos − margin) for −1, and 0 for other labels", async () => {
    const each = COSINES.map((c, i) => (Y[i] === 1 ? 1 - c : Math.max(0, c + 0.5)));
    await reducesTo(each, (reduction) =>
      F.cosineEmbeddingLoss(tensor(A), tensor(B), labels(), { margin: -0.5, reduction }),
    );
    near(await read(F.cosineEmbeddingLoss(tensor(A[0]), tensor(B[0]), tensor(1))), [1 - COSINES[0]]);
    near(await read(F.cosineEmbeddingLoss(tensor(A[0]), tensor(B[0]), tensor(0))), [0]);
  });

  test("derivatives; those at a zero vector are finite", async () => {
    const y = tensor([1, -1, 1]);
    const loss = (a: Tensor, b: Tensor): Tensor => F.cosineEmbeddingLoss(a, b, y, { margin: -0.9, reduction: "none" });
    await derivativesAreRight(loss, leaves(2, 3, 4));
    const zero = tensor([0, 0], { requiresGrad: true });
    const [g] = grad(F.cosineEmbeddingLoss(zero, tensor([1, 0]), tensor(1)), zero);
    expect((await read(g)).every(Number.isFinite)).toBe(true);
  });
});

describe("tripletMarginLoss", () => {
  const A = [
    [0, 0],
    [1, 1],
  ];
  const P = [
    [3, 4],
    [1, 2],
  ];
  const N = [
    [0, 2],
    [9, 1],
  ];
  const triplet = (): [Tensor, Tensor, Tensor] => [tensor(A), tensor(P), tensor(N)];

  test("is max(0, d(a, p) − d(a, n) + margin)", async () => {
    await reducesTo([5 - 2 + 1, 0], (reduction) => F.tripletMarginLoss(...triplet(), { eps: 0, reduction }));
    near(await read(F.tripletMarginLoss(...triplet(), { eps: 0, p: 1, margin: 8, reduction: "none" })), [
      7 - 2 + 8,
      1 - 8 + 8,
    ]);
  });

  test("with swap, the negative is held away from the positive too", async () => {
    // d(p, n) is √13 and √65: neither is less than d(a, n), 2 and 8, until the roles change.
    const [a, p, n] = triplet();
    near(await read(F.tripletMarginLoss(a, n, p, { eps: 0, swap: true, reduction: "none" })), [0, 8 - 1 + 1]);
    near(await read(F.tripletMarginLoss(a, n, p, { eps: 0, swap: true, margin: 2, reduction: "none" })), [
      2 - Math.sqrt(13) + 2,
      8 - 1 + 2,
    ]);
  });

  test("derivatives", async () => {
    for (const options of [{ margin: 3 }, { margin: 3, swap: true }, { margin: 3, p: 3 }]) {
      const loss = (a: Tensor, p: Tensor, n: Tensor): Tensor => F.tripletMarginLoss(a, p, n, options);
      await derivativesAreRight(loss, leaves(3, 3, 4));
    }
  });
});

test("what does not fit is refused", () => {
  const [x, long] = [tensor([1, 2]), tensor([1, 2, 3])];
  const plane = tensor([
    [1, 2],
    [3, 4],
  ]);
  expect(() => F.hingeEmbeddingLoss(x, long)).toThrow(ShapeError);
  expect(() => F.softMarginLoss(x, long)).toThrow(ShapeError);
  expect(() => F.marginRankingLoss(x, long, x)).toThrow(/input1 \[2\] and input2 \[3\]/);
  expect(() => F.marginRankingLoss(x, x, long)).toThrow(/input1 \[2\] and target \[3\]/);
  expect(() => F.cosineEmbeddingLoss(plane, plane, long)).toThrow(/inputs \[2, 2\] want target \[2\], got \[3\]/);
  expect(() => F.cosineEmbeddingLoss(tensor(1), tensor(1), tensor(1))).toThrow(ShapeError);
  expect(() => F.tripletMarginLoss(x, x, long)).toThrow(/anchor \[2\] and negative \[3\]/);
  expect(() => F.tripletMarginLoss(x, x, x, { margin: 0 })).toThrow(ArgumentError);
  expect(() => F.softMarginLoss(x, x, { reduction: "avg" as "mean" })).toThrow(ArgumentError);
});

test("the modules are the functions with their options fixed", async () => {
  const [a, b, c] = [randn([4, 3]), randn([4, 3]), randn([4, 3])];
  const same = async (got: Tensor, wanted: Tensor): Promise<void> => near(await read(got), await read(wanted));
  const options = { margin: 0.7, reduction: "sum" } as const;
  await same(
    new HingeEmbeddingLoss(options).forward(scores(), labels()),
    F.hingeEmbeddingLoss(scores(), labels(), options),
  );
  await same(new SoftMarginLoss().forward(scores(), labels()), F.softMarginLoss(scores(), labels()));
  await same(
    new MarginRankingLoss(options).forward(scores(), labels(), labels()),
    F.marginRankingLoss(scores(), labels(), labels(), options),
  );
  await same(new CosineEmbeddingLoss(options).forward(a, b, labels()), F.cosineEmbeddingLoss(a, b, labels(), options));
  const swapped = { ...options, swap: true, p: 1, eps: 0.1 };
  await same(new TripletMarginLoss(swapped).forward(a, b, c), F.tripletMarginLoss(a, b, c, swapped));
  expect(String(new HingeEmbeddingLoss({ margin: 2 }))).toBe("HingeEmbeddingLoss()");
  expect(() => new SoftMarginLoss({ margin: 1 } as object)).toThrow(/unknown option margin/);
});
