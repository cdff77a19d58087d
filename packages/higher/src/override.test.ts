/** Overrides, checked and asked: every form of value, for numbers and for pairs; and hyperparameters written back. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Parameter } from "@loopgrad/nn";
import { Adam, ASGD, Optimizer, SGD, type Updated } from "@loopgrad/optim";
import { ArgumentError, init, type Tensor, tensor, zeros } from "@loopgrad/tensor";
import { applyHyperparameters, trainableHyperparameters } from "./hyperparameters.ts";
import { type OverrideValue, perParameter, resolve } from "./override.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const HYPER = { lr: 0.1, betas: [0.9, 0.99], amsgrad: false };
/** Two groups: the first has two parameters, the second one. */
const PARAMS = [
  [0, 0],
  [0, 1],
  [1, 2],
] as const;

const values = (name: string, value: OverrideValue): unknown[] => {
  const resolved = resolve({ [name]: value }, HYPER, 2, 3);
  return PARAMS.map(([group, param]) => resolved.for(group, param)[name]);
};

describe("a number", () => {
  test("is one for all, one per group, or one per parameter", () => {
    const t = tensor(0.5);
    expect(values("lr", 3)).toEqual([3, 3, 3]);
    expect(values("lr", t)).toEqual([t, t, t]);
    expect(values("lr", [4])).toEqual([4, 4, 4]);
    expect(values("lr", [4, t])).toEqual([4, 4, t]);
    expect(values("lr", perParameter([1, t, 3]))).toEqual([1, t, 3]);
  });

  test.each<[OverrideValue, string]>([
    [[], "override: lr: 0 values were given for 2 groups"],
    [[1, 2, 3], "override: lr: 3 values were given for 2 groups"],
    [perParameter([1, 2]), "override: lr: 2 values were given for 3 parameters"],
    ["high" as never, "override: lr is high, wanted a number or a tensor"],
    [[1, "high"] as never, "override: lr is high, wanted a number or a tensor"],
    [[[1, 2]], "override: lr is 1,2, wanted a number or a tensor"],
    [perParameter([1, 2, [3]]), "override: lr is 3, wanted a number or a tensor"],
  ])("refused: %j", (value, says) => {
    expect(() => values("lr", value)).toThrow(new ArgumentError(says));
  });
});

describe("a pair", () => {
  test("is one for all, one per group, or one per parameter", () => {
    const t = tensor(0.5);
    expect(values("betas", [0.1, t])).toEqual([
      [0.1, t],
      [0.1, t],
      [0.1, t],
    ]);
    expect(values("betas", [[0.1, 0.2]])).toEqual([
      [0.1, 0.2],
      [0.1, 0.2],
      [0.1, 0.2],
    ]);
    expect(
      values("betas", [
        [0.1, 0.2],
        [0.3, t],
      ]),
    ).toEqual([
      [0.1, 0.2],
      [0.1, 0.2],
      [0.3, t],
    ]);
    expect(
      values(
        "betas",
        perParameter([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ),
    ).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  test.each<[OverrideValue, string]>([
    [0.5, "override: betas is 0.5, wanted 2 numbers or tensors"],
    [[0.5], "override: betas is 0.5, wanted 2 numbers or tensors"],
    [
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      "override: betas: 3 values were given for 2 groups",
    ],
    [[[1, 2, 3]], "override: betas is 1,2,3, wanted 2 numbers or tensors"],
    [[[1, 2], 3] as never, "override: betas is 3, wanted 2 numbers or tensors"],
    [perParameter([[1, 2], [3, 4], 5]), "override: betas is 5, wanted 2 numbers or tensors"],
  ])("refused: %j", (value, says) => {
    expect(() => values("betas", value)).toThrow(new ArgumentError(says));
  });
});

test("several at once; unknown names and flags are refused", () => {
  const resolved = resolve({ lr: [1, 2], betas: [0.1, 0.2] }, HYPER, 2, 3);
  expect(resolved.for(1, 2)).toEqual({ lr: 2, betas: [0.1, 0.2] });
  expect(resolve({}, HYPER, 2, 3).for(0, 0)).toEqual({});
  expect(() => resolve({ rate: 1 }, HYPER, 2, 3)).toThrow(
    new ArgumentError("override: unknown hyperparameter rate: wanted one of lr, betas, amsgrad"),
  );
  expect(() => resolve({ amsgrad: 1 }, HYPER, 2, 3)).toThrow(
    new ArgumentError("override: amsgrad is a flag: give it to the optimizer"),
  );
});

describe("hyperparameters", () => {
  const param = (): Parameter => new Parameter(zeros([2]));
  const read = (x: unknown): Promise<number> => (x as Tensor).item();

  test("that can be learned are numbers, tensors and lists of them; no flags, no counts", () => {
    expect(Object.keys(trainableHyperparameters(new ASGD([param()])))).toEqual(["lr", "lambd", "alpha", "weightDecay"]);
    expect(Object.keys(trainableHyperparameters(new Adam([param()])))).toEqual(["lr", "betas", "eps", "weightDecay"]);
    expect(() => trainableHyperparameters(new ASGD([param()]), ["t0"])).toThrow(/t0 is not one of lr, lambd/);
    expect(() => trainableHyperparameters(new Adam([param()]), ["amsgrad"])).toThrow(ArgumentError);
  });

  test("also of a list of one; an empty list is none", () => {
    class Mixed extends Optimizer<{ mix: readonly number[]; none: readonly number[] }> {
      override update(p: Tensor): Updated {
        return { param: p, state: {} };
      }
    }
    const opt = new Mixed([param()], {}, { mix: [0.5], none: [] });
    expect(Object.keys(trainableHyperparameters(opt))).toEqual(["mix"]);
  });

  test("are leaves of their own in each group, with the group's value and the parameters' dtype", async () => {
    const learned = tensor([0.1, 0.2], { requiresGrad: true }).mul(2);
    const opt = new Adam([
      { params: [param()], lr: 0.5 },
      { params: [param()], lr: learned, betas: [0.3, tensor(0.4)] },
    ]);
    const { lr, betas } = trainableHyperparameters(opt, ["lr", "betas"]);
    const [first, second] = lr as Tensor[];
    expect(await read(first)).toBe(0.5);
    expect(Array.from(await second.data())).toEqual([0.2, 0.4]);
    expect([first, second, ...betas.flat()].map((x) => [x.requiresGrad, x.isLeaf, x.dtype])).toEqual(
      Array(6).fill([true, true, "float64"]),
    );
    expect(await Promise.all(betas.flat().map(read))).toEqual([0.9, 0.999, 0.3, 0.4]);
  });

  test("are written back as numbers, to one group or all; longer ones as tensors off the tape", async () => {
    const opt = new Adam([{ params: [param()] }, { params: [param()] }]);
    const rates = tensor([0.1, 0.2], { requiresGrad: true });
    await applyHyperparameters(opt, { lr: [tensor([0.25]), rates], eps: [1e-3], betas: [[tensor(0.5), 0.75]] });
    const [a, b] = opt.paramGroups;
    expect([a.lr, a.eps, b.eps, a.betas, b.betas]).toEqual([0.25, 1e-3, 1e-3, [0.5, 0.75], [0.5, 0.75]]);
    expect(Array.from(await (b.lr as Tensor).data())).toEqual([0.1, 0.2]);
    expect((b.lr as Tensor).requiresGrad).toBe(false);
  });

  test("of another name, kind or number are refused, before anything is written", async () => {
    const opt = new SGD([{ params: [param()] }, { params: [param()] }], { lr: 0.5 });
    const refused = (values: Record<string, unknown[]>) =>
      expect(applyHyperparameters(opt, { lr: [0.1], ...values })).rejects;
    await refused({ nesterov: [true] }).toThrow("applyHyperparameters: nesterov is not a real-valued hyperparameter");
    await refused({ rate: [1] }).toThrow(ArgumentError);
    await refused({ momentum: [1, 2, 3] }).toThrow("applyHyperparameters: momentum: 3 values for 2 groups");
    await refused({ momentum: [] }).toThrow("applyHyperparameters: momentum: 0 values for 2 groups");
    expect(opt.paramGroups.map(({ lr }) => lr)).toEqual([0.5, 0.5]);
  });
});
