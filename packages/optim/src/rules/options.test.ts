/** Options of every optimizer: torch's defaults, and the ranges that torch allows. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Parameter } from "@loopgrad/nn";
import { ArgumentError, init, type Tensor, tensor } from "@loopgrad/tensor";
import { Adadelta, Adagrad, Adam, Adamax, AdamW, ASGD, NAdam, RAdam, RMSprop, Rprop, SGD } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

/** What this file looks at. */
interface Made {
  readonly paramGroups: readonly { readonly params: readonly unknown[] }[];
}
type Constructor = new (params: Tensor[], options?: object) => Made;

const adam = { betas: [0.9, 0.999], eps: 1e-8, maximize: false };

/** What `torch.optim.X(params).defaults` holds, of what we have too. */
const DEFAULTS: readonly (readonly [Constructor, object])[] = [
  [SGD, { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false }],
  [Adam, { ...adam, lr: 1e-3, weightDecay: 0, amsgrad: false }],
  [AdamW, { ...adam, lr: 1e-3, weightDecay: 1e-2, amsgrad: false }],
  [Adadelta, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false }],
  [Adagrad, { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10, maximize: false }],
  [Adamax, { ...adam, lr: 2e-3, weightDecay: 0 }],
  [ASGD, { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false }],
  [RMSprop, { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false }],
  [Rprop, { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false }],
  [NAdam, { ...adam, lr: 2e-3, weightDecay: 0, momentumDecay: 4e-3, decoupledWeightDecay: false }],
  [RAdam, { ...adam, lr: 1e-3, weightDecay: 0, decoupledWeightDecay: false }],
];

/** Options that may not be negative, beside the learning rate. */
const NOT_NEGATIVE = ["eps", "weightDecay", "momentum", "lrDecay", "initialAccumulatorValue", "alpha", "momentumDecay"];

describe.each(DEFAULTS.map(([Opt, defaults]) => [Opt.name, Opt, defaults] as const))("%s", (name, Opt, defaults) => {
  const make = (options?: object): Made => new Opt([new Parameter(tensor([1]))], options);
  const refuses = (options: object, says: RegExp): void => {
    expect(() => make(options)).toThrow(ArgumentError);
    expect(() => make(options)).toThrow(says);
  };

  test("has torch's defaults", () => {
    const { params, ...options } = make().paramGroups[0];
    expect(params).toHaveLength(1);
    expect(options).toMatchObject(defaults);
    expect(Object.keys(options).filter((key) => !(key in defaults) && key !== "initialLr")).toEqual([]);
  });

  test("refuses what is negative, and takes 0 and tensors", () => {
    const checked = ["lr", ...NOT_NEGATIVE.filter((key) => key in defaults)];
    // torch's ASGD takes any power.
    for (const key of name === "ASGD" ? checked.filter((key) => key !== "alpha") : checked) {
      refuses({ [key]: -1e-3 }, new RegExp(`^${name}: ${key} is -0\\.001, wanted a number >= 0, or a tensor$`));
      expect(make({ [key]: 0 }).paramGroups[0]).toMatchObject({ [key]: 0 });
      expect(() => make({ [key]: tensor(-1) })).not.toThrow();
    }
  });

  if ("betas" in defaults) {
    test("takes betas in [0, 1)", () => {
      for (const [at, betas] of [
        [0, [1, 0.9]],
        [0, [-0.1, 0.9]],
        [1, [0.9, 1]],
        [1, [0.9, -0.1]],
      ] as const) {
        refuses({ betas }, new RegExp(`^${name}: betas\\[${at}\\] is ${betas[at]}, wanted a number in \\[0, 1\\)`));
      }
      expect(() => make({ betas: [0, 0] })).not.toThrow();
    });
  }
});

const one = (): Tensor[] => [new Parameter(tensor([1]))];

test("SGD: dampening may be negative, and Nesterov's momentum allows none", () => {
  expect(() => new SGD(one(), { dampening: -0.5 })).not.toThrow();
  expect(() => new SGD(one(), { dampening: Number.NaN })).toThrow("SGD: dampening is NaN");
  expect(() => new SGD(one(), { nesterov: true, momentum: 0.9 })).not.toThrow();
  expect(() => new SGD(one(), { nesterov: true, momentum: tensor(0.9) })).not.toThrow();
  expect(() => new SGD(one(), { nesterov: true })).toThrow(ArgumentError);
  expect(() => new SGD(one(), { nesterov: true, momentum: 0.9, dampening: 0.1 })).toThrow(ArgumentError);
});

test("Adadelta: rho is in [0, 1)", () => {
  expect(() => new Adadelta(one(), { rho: 1.5 })).toThrow("Adadelta: rho is 1.5");
  expect(() => new Adadelta(one(), { rho: -0.1 })).toThrow("Adadelta: rho is -0.1");
});

test("Rprop: one step shrinks, one grows; sizes are not negative", () => {
  expect(() => new Rprop(one(), { etas: [1, 1.2] })).toThrow("Rprop: etas[0] is 1");
  expect(() => new Rprop(one(), { etas: [-0.5, 1.2] })).toThrow("Rprop: etas[0] is -0.5");
  expect(() => new Rprop(one(), { etas: [0.5, 0.9] })).toThrow("Rprop: etas[1] is 0.9, wanted a number >= 1");
  expect(() => new Rprop(one(), { stepSizes: [-1, 1] })).toThrow("Rprop: stepSizes[0] is -1");
  expect(() => new Rprop(one(), { stepSizes: [0, -1] })).toThrow("Rprop: stepSizes[1] is -1");
});
