/** Losses against their formulas in plain numbers, and what they refuse. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import {
  ArgumentError,
  arange,
  DTypeError,
  init,
  manualSeed,
  onBind,
  randn,
  ShapeError,
  type Tensor,
  tensor,
} from "@loopgrad/tensor";
import { functional as F } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(3);
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());
const near = (got: number[], wanted: number[]): void => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 12);
  });
};

const LOGITS = [
  [1, 2, -1],
  [0.5, -0.5, 3],
];
const TARGET = [1, 0];

/** −log softmax(row)[c] in plain numbers. */
const surprise = (row: number[], c: number): number => Math.log(row.reduce((s, x) => s + Math.exp(x), 0)) - row[c];

describe("crossEntropy", () => {
  const logits = (): Tensor => tensor(LOGITS, { requiresGrad: true });
  const target = (): Tensor => tensor(TARGET, { dtype: "int32" });
  const each = LOGITS.map((row, i) => surprise(row, TARGET[i]));

  test("of class indices, with every reduction", async () => {
    near(await read(F.crossEntropy(logits(), target(), { reduction: "none" })), each);
    near(await read(F.crossEntropy(logits(), target(), { reduction: "sum" })), [each[0] + each[1]]);
    near(await read(F.crossEntropy(logits(), target())), [(each[0] + each[1]) / 2]);
  });

  test("the gradient is (softmax − one-hot) / N", async () => {
    const x = logits();
    const [g] = grad(F.crossEntropy(x, target()), x);
    const wanted = LOGITS.flatMap((row, i) =>
      row.map((_, c) => (Math.exp(-surprise(row, c)) - (c === TARGET[i] ? 1 : 0)) / 2),
    );
    near(await read(g), wanted);
  });

  test("class weights divide the mean", async () => {
    const weight = tensor([1, 2, 3]);
    const mean = (2 * each[0] + 1 * each[1]) / 3;
    near(await read(F.crossEntropy(logits(), target(), { weight })), [mean]);
  });

  test("ignored samples do not count; −100 is ignored unless another index is given", async () => {
    const weight = tensor([5, 2, 3]);
    for (const [ignored, options] of [
      [tensor([1, -100], { dtype: "int32" }), {}],
      [tensor([1, -100], { dtype: "int32" }).mul(tensor(1, { dtype: "int32" })), {}],
      [tensor([1, 0], { dtype: "int32" }), { ignoreIndex: 0 }],
    ] as const) {
      near(await read(F.crossEntropy(logits(), ignored, options)), [each[0]]);
      near(await read(F.crossEntropy(logits(), ignored, { ...options, reduction: "none" })), [each[0], 0]);
      near(await read(F.crossEntropy(logits(), ignored, { ...options, weight })), [each[0]]);
      near(await read(F.nllLoss(logits().logSoftmax(1), ignored, options)), [each[0]]);
    }
    const ignored = tensor([1, -100], { dtype: "int32" });
    expect(() => F.crossEntropy(logits(), ignored, { ignoreIndex: null })).toThrow(/class index -100 is outside/);
    expect(() => F.crossEntropy(logits(), ignored, { ignoreIndex: 0 })).toThrow(/class index -100 is outside/);
  });

  test("a target from the host without −100 costs no mask, after it was uploaded either", async () => {
    const x = logits();
    const recorded = (y: Tensor, options = {}): number => {
      let count = 0;
      const tape = onBind((...bound) => {
        count++;
        tape?.(...bound);
      });
      F.crossEntropy(x, y, options);
      onBind(tape);
      return count;
    };
    const y = target();
    const least = recorded(y, { ignoreIndex: null });
    expect(recorded(y)).toBe(least);
    expect(recorded(y, { ignoreIndex: 2 })).toBeGreaterThan(least);
    await F.crossEntropy(x, y).item();
    expect(y._live().storage).not.toBeNull();
    expect(recorded(y)).toBe(least);
  });

  test("probabilities that are one-hot mean the class", async () => {
    const onehot = tensor([
      [0, 1, 0],
      [1, 0, 0],
    ]);
    near(await read(F.crossEntropy(logits(), onehot)), [(each[0] + each[1]) / 2]);
  });

  test("label smoothing mixes with the mean over classes", async () => {
    const uniform = LOGITS.map((row) => row.reduce((s, _, c) => s + surprise(row, c), 0) / 3);
    const wanted = each.map((e, i) => 0.9 * e + 0.1 * uniform[i]);
    const got = F.crossEntropy(logits(), target(), { labelSmoothing: 0.1, reduction: "none" });
    near(await read(got), wanted);
    const probabilities = tensor([
      [0, 1, 0],
      [1, 0, 0],
    ]);
    near(await read(F.crossEntropy(logits(), probabilities, { labelSmoothing: 0.1, reduction: "none" })), wanted);
  });

  test.each([2, 5])("label smoothing and weights, of %i classes with trailing dimensions", async (classes) => {
    const x = randn([3, classes, 2]);
    const y = tensor(
      Array.from({ length: 6 }, (_, i) => (3 * i) % classes),
      { dtype: "int32" },
    ).reshape([3, 2]);
    const weight = tensor(Array.from({ length: classes }, (_, c) => 1 + c));
    const shares = randn([3, classes, 2]).softmax(1);
    const [logP, q, onehot] = await Promise.all(
      [
        x.logSoftmax(1).permute([0, 2, 1]),
        shares.permute([0, 2, 1]),
        y
          .unsqueeze(2)
          .eq(arange(classes, { dtype: "int32" }))
          .to("float64"),
      ].map(async (t) => read(t.reshape([6, classes]))),
    );
    const s = 0.3;
    for (const [target, p] of [
      [y, onehot],
      [shares, q],
    ] as const) {
      const each = Array.from({ length: 6 }, (_, i) =>
        Array.from({ length: classes }, (_, c) => {
          const at = i * classes + c;
          return -(1 + c) * ((1 - s) * p[at] + s / classes) * logP[at];
        }).reduce((a, b) => a + b),
      );
      const total = each.reduce((a, b) => a + b);
      // Class indices divide by the weights of the targets, probabilities by the number of samples.
      const counted = target === y ? (await read(y)).reduce((sum, c) => sum + 1 + c, 0) : 6;
      const loss = (reduction: "none" | "sum" | "mean"): Promise<number[]> =>
        read(F.crossEntropy(x, target, { weight, labelSmoothing: s, reduction }));
      near(await loss("none"), each);
      near(await loss("sum"), [total]);
      near(await loss("mean"), [total / counted]);
    }
  });

  test("trailing dimensions and unbatched input", async () => {
    const x = randn([2, 3, 4]);
    const y = tensor(
      [
        [0, 1, 2, 0],
        [2, 2, 1, 0],
      ],
      { dtype: "int32" },
    );
    const flat = F.crossEntropy(x.permute([0, 2, 1]).reshape([8, 3]), y.reshape([8]));
    near(await read(F.crossEntropy(x, y)), await read(flat));
    near(await read(F.crossEntropy(tensor(LOGITS[0]), tensor(1, { dtype: "int32" }))), [each[0]]);
  });

  test("an index out of range is an error while the target is on the host", () => {
    const bad = tensor([1, 3], { dtype: "int32" });
    expect(() => F.crossEntropy(logits(), bad)).toThrow(/class index 3 is outside \[0, 3\)/);
  });

  test("refuses wrong dtypes, shapes and options", () => {
    expect(() => F.crossEntropy(logits(), tensor([true, false]))).toThrow(DTypeError);
    expect(() => F.crossEntropy(logits(), tensor([1], { dtype: "int32" }))).toThrow(ShapeError);
    expect(() => F.crossEntropy(logits(), target(), { weight: tensor([1]) })).toThrow(ShapeError);
    expect(() => F.crossEntropy(logits(), target(), { labelSmoothing: 2 })).toThrow(ArgumentError);
    expect(() => F.crossEntropy(logits(), target(), { reduction: "avg" as "mean" })).toThrow(ArgumentError);
  });
});

describe("elementwise losses", () => {
  const x = [0.5, -2, 3];
  const y = [0, 1, 1];

  test("mse, l1, smooth l1, huber", async () => {
    const [a, b] = [tensor(x), tensor(y)];
    near(await read(F.mseLoss(a, b)), [(0.25 + 9 + 4) / 3]);
    near(await read(F.l1Loss(a, b, { reduction: "sum" })), [5.5]);
    near(await read(F.smoothL1Loss(a, b, { reduction: "none" })), [0.125, 2.5, 1.5]);
    near(await read(F.huberLoss(a, b, { reduction: "none", delta: 2 })), [0.125, 4, 2]);
    expect(() => F.mseLoss(a, tensor([[1, 2, 3]]))).toThrow(ShapeError);
  });

  test("binary cross-entropy with logits is that of the sigmoid, and finite far out", async () => {
    const p = (v: number): number => 1 / (1 + Math.exp(-v));
    const wanted = x.map((v, i) => -(y[i] * Math.log(p(v)) + (1 - y[i]) * Math.log(1 - p(v))));
    near(await read(F.binaryCrossEntropyWithLogits(tensor(x), tensor(y), { reduction: "none" })), wanted);
    near(await read(F.binaryCrossEntropy(tensor(x).sigmoid(), tensor(y), { reduction: "none" })), wanted);
    const weighted = x.map((v, i) => -(3 * y[i] * Math.log(p(v)) + (1 - y[i]) * Math.log(1 - p(v))));
    const options = { reduction: "none", posWeight: tensor([3]) } as const;
    near(await read(F.binaryCrossEntropyWithLogits(tensor(x), tensor(y), options)), weighted);
    near(await read(F.binaryCrossEntropyWithLogits(tensor([1000]), tensor([0]))), [1000]);
  });
});

test("weights broadcast to the input, not the input to them", async () => {
  const [x, y] = [tensor([0.25, 0.5, 0.75]), tensor([0, 1, 1])];
  const wide = tensor([
    [1, 1, 1],
    [1, 1, 1],
  ]);
  expect(() => F.binaryCrossEntropy(x, y, { weight: wide })).toThrow("binaryCrossEntropy: weight [2, 3]");
  expect(() => F.binaryCrossEntropyWithLogits(x, y, { weight: wide })).toThrow(ShapeError);
  expect(() => F.binaryCrossEntropyWithLogits(x, y, { posWeight: wide })).toThrow(
    "posWeight [2, 3] does not broadcast",
  );
  expect(() => F.binaryCrossEntropyWithLogits(x, y, { weight: tensor([1, 2]) })).toThrow(ShapeError);
  expect(() => F.multilabelSoftMarginLoss(x, y, { weight: wide })).toThrow(ShapeError);
  const batch = tensor([[0.25, 0.5]]);
  const loss = F.binaryCrossEntropy(batch, tensor([[0, 1]]), { weight: tensor([2, 4]), reduction: "sum" });
  expect(await loss.item()).toBeCloseTo(-2 * Math.log(0.75) - 4 * Math.log(0.5), 5);
});
