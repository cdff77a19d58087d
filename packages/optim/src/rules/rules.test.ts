/** What holds for the update of every optimizer: options as tensors, climbing, decay; and Rprop's limits. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Parameter } from "@loopgrad/nn";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { Adadelta, Adagrad, Adam, Adamax, AdamW, ASGD, NAdam, RAdam, RMSprop, Rprop, SGD } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

type Options = Record<string, unknown>;
interface Made {
  step(): void;
}
type Constructor = new (params: Tensor[], options: object) => Made;

/** Gradients at each step: of both signs, turning, growing, 0 now and then. */
const GRADIENTS = [0.5, 0.25, -1, -0.75, 2, 0, 0.125, -0.5, -3, 1].map((g) => [g, -2 * g, 0.5]);

/** Where two parameters are after steps along the gradients, or against them. */
async function trajectory(Opt: Constructor, options: Options, sign = 1): Promise<number[]> {
  const parameter = new Parameter(tensor([1, -2, 0.5]));
  const opt = new Opt([parameter], options);
  const places: number[] = [];
  for (const gradient of GRADIENTS) {
    parameter.grad = tensor(gradient.map((g) => sign * g));
    opt.step();
    places.push(...(await parameter.data()));
  }
  return places;
}

/** The same options, numbers as tensors: 0-d, or one for each element. */
function asTensors(options: Options, shape: number[]): Options {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert);
    return typeof value === "number" ? tensor(value).expand(shape) : value;
  };
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, COUNTS.has(name) ? value : convert(value)]),
  );
}

/** Options that count steps: they stay numbers. */
const COUNTS = new Set(["t0"]);

const betas = [0.8, 0.9];
/** With options that all take part. */
const ALL: readonly (readonly [string, Constructor, Options])[] = [
  ["SGD", SGD, { lr: 0.1, weightDecay: 0.1 }],
  ["SGD with momentum", SGD, { lr: 0.1, momentum: 0.9, dampening: 0.25, weightDecay: 0.1 }],
  ["SGD with Nesterov's momentum", SGD, { lr: 0.1, momentum: 0.9, nesterov: true }],
  ["Adam", Adam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1 }],
  ["Adam with amsgrad", Adam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1, amsgrad: true }],
  ["AdamW", AdamW, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1 }],
  ["Adadelta", Adadelta, { lr: 0.5, rho: 0.8, eps: 0.01, weightDecay: 0.1 }],
  ["Adagrad", Adagrad, { lr: 0.1, lrDecay: 0.1, weightDecay: 0.1, initialAccumulatorValue: 0.5, eps: 0.01 }],
  ["Adamax", Adamax, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1 }],
  ["ASGD", ASGD, { lr: 0.1, lambd: 0.1, alpha: 0.5, t0: 3, weightDecay: 0.1 }],
  ["RMSprop", RMSprop, { lr: 0.1, alpha: 0.8, eps: 0.01, weightDecay: 0.1 }],
  ["RMSprop, centered, with momentum", RMSprop, { lr: 0.1, alpha: 0.8, eps: 0.01, momentum: 0.5, centered: true }],
  ["Rprop", Rprop, { lr: 0.1, etas: [0.5, 1.2], stepSizes: [0.04, 0.13] }],
  ["NAdam", NAdam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1, momentumDecay: 0.01 }],
  ["NAdam with decoupled decay", NAdam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1, decoupledWeightDecay: true }],
  ["RAdam", RAdam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1 }],
  ["RAdam that trusts its variance", RAdam, { lr: 0.1, betas: [0.8, 0.99], eps: 0.01 }],
  ["RAdam with decoupled decay", RAdam, { lr: 0.1, betas, eps: 0.01, weightDecay: 0.1, decoupledWeightDecay: true }],
];

const close = (places: number[]) => places.map((x) => expect.closeTo(x, 10));

describe.each(ALL)("%s", (_, Opt, options) => {
  test("goes the same way with options that are tensors", async () => {
    const wanted = close(await trajectory(Opt, options));
    expect(await trajectory(Opt, asTensors(options, []))).toEqual(wanted);
    expect(await trajectory(Opt, asTensors(options, [3]))).toEqual(wanted);
  });

  test("climbs along a gradient as it descends along its negative", async () => {
    const wanted = close(await trajectory(Opt, options, -1));
    expect(await trajectory(Opt, { ...options, maximize: true })).toEqual(wanted);
  });
});

const decoupled = ALL.filter(([, , options]) => "decoupledWeightDecay" in options);
test.each(decoupled)("%s: of weight 0 it does nothing", async (_, Opt, options) => {
  const plain = { ...options, weightDecay: 0 };
  const wanted = close(await trajectory(Opt, { ...plain, decoupledWeightDecay: false }));
  expect(await trajectory(Opt, plain)).toEqual(wanted);
  expect(await trajectory(Opt, { ...plain, weightDecay: tensor(0) })).toEqual(wanted);
  expect(await trajectory(Opt, { ...plain, maximize: true }, -1)).toEqual(wanted);
});

test("Rprop's steps grow and shrink within their limits", async () => {
  const parameter = new Parameter(tensor([0]));
  const opt = new Rprop([parameter], { lr: 0.1, stepSizes: [0.04, 0.13] });
  const steps: number[] = [];
  let before = 0;
  for (const g of [1, 1, 1, 1, -1, -1, 1, 1, -1, -1]) {
    parameter.grad = tensor([g]);
    opt.step();
    const [place] = await parameter.data();
    steps.push(before - place);
    before = place;
  }
  // Where the sign turns the step halves, and is not taken; the step after that keeps its size: the gradient before was 0.
  expect(steps).toEqual(close([0.1, 0.12, 0.13, 0.13, 0, -0.065, 0, 0.04, 0, -0.04]));
});

test.each([
  ["AdamW", AdamW, {}],
  ["NAdam", NAdam, { decoupledWeightDecay: true }],
  ["RAdam", RAdam, { decoupledWeightDecay: true }],
] as readonly (readonly [string, Constructor, Options])[])(
  "%s: without a gradient decay alone shrinks",
  async (_, Opt, options) => {
    const parameter = new Parameter(tensor([1, -2]));
    const opt = new Opt([parameter], { lr: 0.1, weightDecay: 0.5, ...options });
    for (let i = 1; i < 4; i++) {
      parameter.grad = tensor([0, 0]);
      opt.step();
      expect(Array.from(await parameter.data())).toEqual(close([0.95 ** i, -2 * 0.95 ** i]));
    }
  },
);

test("ASGD averages what comes after t0 steps, each as much as the others", async () => {
  const parameter = new Parameter(tensor([4]));
  const opt = new ASGD([parameter], { lr: 0.5, lambd: 0, t0: 2 });
  const places: number[] = [];
  for (let step = 1; step < 8; step++) {
    parameter.grad = tensor([step % 3]);
    opt.step();
    places.push(...(await parameter.data()));
    const { ax, step: count } = opt.stateOf(parameter);
    // As in torch, which looks at the step before: up to the fourth step the average is the place itself.
    const since = places.slice(step <= 4 ? step - 1 : 3);
    const mean = since.reduce((sum, x) => sum + x, 0) / since.length;
    expect([count, ...(await (ax as Tensor).data())]).toEqual([step, expect.closeTo(mean, 10)]);
  }
  expect(opt.counts).toEqual(["t0"]);
});

test.each(
  [Adam, AdamW, Adadelta, Adagrad, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop].map((Opt) => [Opt.name, Opt] as const),
)("%s counts its steps", (_, Opt) => {
  const parameter = new Parameter(tensor([1]));
  const opt = new (Opt as new (params: Tensor[]) => Adam)([parameter]);
  for (let step = 1; step < 4; step++) {
    parameter.grad = tensor([1]);
    opt.step();
    expect(opt.stateOf(parameter).step).toBe(step);
  }
});

test("RMSprop keeps a momentum only where it is asked for", () => {
  const parameter = new Parameter(tensor([1]));
  for (const momentum of [0, 0.5]) {
    const opt = new RMSprop([parameter], { momentum });
    parameter.grad = tensor([1]);
    opt.step();
    expect("momentumBuffer" in opt.stateOf(parameter)).toBe(momentum > 0);
  }
});
