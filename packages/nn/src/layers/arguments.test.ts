/** Arguments of layers, losses and containers: what cannot be meant is an error, and nothing is silently lost. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, init, ones, randn, ShapeError } from "@loopgrad/tensor";
import * as nn from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu" });
});

type Untyped = new (...args: unknown[]) => nn.Module;
/** A layer as a caller without types may make it. */
const make = (name: string, ...args: unknown[]): nn.Module =>
  new (nn as unknown as Record<string, Untyped>)[name](...args);

test.each<[string, unknown[], string]>([
  ["Dropout", [0.2, 0.3], "takes (p), got 2 arguments"],
  ["Dropout", [{ p: 0.2 }, true], "takes (options), got 2 arguments"],
  ["Dropout", [true], "the options are true: wanted an object such as { p: … }"],
  ["Linear", [3, 4, false], "the options are false"],
  ["Linear", [3, 4, null], "the options are null"],
  ["Linear", [3, 4, { device: "cpu" }], 'device is "cpu": wanted what init() returns'],
  ["LeakyReLU", [0.1, 2], "takes (negativeSlope), got 2 arguments"],
  ["Linear", [3, 4, { bias: "no" }], 'bias is "no", wanted true or false'],
  ["Conv2d", [3, 4], "kernelSize is missing: wanted a number or an array such as [2, 3]"],
  ["Conv2d", [3, 4, 3, 1], "the options are 1"],
  ["Conv2d", [3, 4, 3, { stride: 0 }], "stride is 0, wanted integers >= 1"],
  ["Conv2d", [3, 4, 3, { padding: -1 }], "padding is -1, wanted integers >= 0"],
  ["ConvTranspose1d", [3, 4, 3, { outputPadding: 0.5 }], "outputPadding is 0.5, wanted integers >= 0"],
  ["ZeroPad2d", [[1, 1, 1]], "padding has 3 numbers, wanted 4"],
  ["BatchNorm2d", [3, { momentum: "x" }], "momentum is x, wanted a number"],
  ["LayerNorm", [3, { eps: "1e-5" }], "eps is 1e-5, wanted a number"],
  ["Softmax", [], "dim is missing: wanted a number"],
  ["Softmax", [{ dim: 1 }], "dim is an object: wanted a number; dim is given by its place"],
  ["LSTM", [3, 4, 2], "the options are 2"],
  ["CrossEntropyLoss", [{ label_smoothing: 0.1 }], "unknown option label_smoothing"],
  ["Sequential", [(x: unknown) => x], "0 is a function, wanted a module"],
  ["Sequential", [{ a: 3 }], "a is 3, wanted a module"],
  ["ModuleList", [[undefined]], "0 is undefined, wanted a module"],
  ["ModuleDict", [{ a: 3 }], "a is 3, wanted a module"],
])("new %s(…%j)", (name, args, message) => {
  expect(() => make(name, ...args)).toThrow(ArgumentError);
  expect(() => make(name, ...args)).toThrow(`${name}: ${message}`);
});

test("a list of modules is an array", () => {
  expect(() => make("ModuleList", new nn.Linear(1, 1))).toThrow("ModuleList: got Linear(");
});

test("a Sequential's modules can be had by number too", () => {
  const layers = new nn.Sequential(new nn.Linear(1, 2), new nn.ReLU());
  expect((layers.get as (name: unknown) => unknown)(0)).toBeInstanceOf(nn.Linear);
});

const pairs = ["mseLoss", "l1Loss", "smoothL1Loss", "huberLoss", "binaryCrossEntropy", "klDiv", "softMarginLoss"];

test.each(pairs)("functional.%s knows its options", (name) => {
  const loss = (nn.functional as unknown as Record<string, (...args: unknown[]) => unknown>)[name];
  expect(() => loss(ones([2]), ones([2]), { reduce: "sum" })).toThrow(`${name}: unknown option reduce`);
});

test("smooth L1 with beta 0 is L1", async () => {
  const [x, y] = [randn([3]), randn([3])];
  const { smoothL1Loss, l1Loss } = nn.functional;
  expect(await smoothL1Loss(x, y, { beta: 0, reduction: "sum" }).item()).toBe(
    await l1Loss(x, y, { reduction: "sum" }).item(),
  );
});

test("a parameter is made of a tensor, and assigned a tensor", () => {
  const { Parameter } = nn as unknown as Record<string, new (...args: unknown[]) => nn.Parameter>;
  expect(() => new Parameter(3)).toThrow("Parameter: tensor is 3: wanted a tensor");
  expect(() => new Parameter(ones([1]), { requires_grad: false })).toThrow("Parameter: unknown option requires_grad");
  expect(() => new Parameter(ones([1]), false)).toThrow("Parameter: the options are false");
  const assign = (value: unknown): void => new nn.Linear(1, 1).weight.assign(value as nn.Parameter);
  expect(() => assign(0)).toThrow("Parameter.assign: tensor is 0: wanted a tensor");
});

test.each<[unknown, string]>([
  [null, "the state is null"],
  [new Map(), "the state is a Map"],
  [Promise.resolve({}), "the state is a promise (await it)"],
  [{ weight: [[1]], bias: [1] }, "weight is 1: wanted a tensor"],
])("a state dict is an object of tensors: %p", (state, message) => {
  expect(() => new nn.Linear(1, 1).loadStateDict(state as nn.StateDict)).toThrow(message);
});

test("a functional call takes params and buffers, not the names themselves", () => {
  const layer = new nn.Linear(1, 1);
  const state = layer.stateDict() as nn.FunctionalState;
  expect(() => nn.functionalCall(layer, state, ones([1, 1]))).toThrow("functionalCall: unknown option weight");
});

test("an async hook is refused: its promise would replace the output", () => {
  const layer = new nn.Linear(1, 1);
  layer.registerForwardHook((async () => {}) as never);
  expect(() => layer.forward(ones([1, 1]))).toThrow("the hook is async");
});

test("weight norm makes a weight of two tensors, so it comes first", () => {
  expect(() => nn.weightNorm(nn.weightNorm(new nn.Linear(2, 2)))).toThrow(
    "registerParametrization: weight is parametrized already, and _WeightNorm() makes it of 2 tensors",
  );
});

test("options of one number, or a few, may be given by place, as in torch", () => {
  expect(new nn.Dropout(0.2).p).toBe(0.2);
  expect(new nn.Dropout2d({ p: 0.2 }).p).toBe(0.2);
  expect(new nn.LeakyReLU(0.1).options).toEqual({ negativeSlope: 0.1 });
  expect(new nn.Hardtanh(-2, 2).options).toEqual({ minVal: -2, maxVal: 2 });
  expect(new nn.Hardtanh({ maxVal: 2 }).options).toEqual({ minVal: -1, maxVal: 2 });
  expect(new nn.GELU("tanh").options).toEqual({ approximate: "tanh" });
});

describe("what torch's layers refuse", () => {
  const state = () => ones([1, 1, 1, 2]);

  test("a cell's state of another shape than its output's", () => {
    expect(() => new nn.RNNCell(2, 2).forward(ones([1, 2]), state())).toThrow(
      "RNNCell: the state is [1, 1, 1, 2], wanted [1, 2]",
    );
    expect(() => new nn.GRUCell(2, 3).forward(ones([2]), ones([1, 3]))).toThrow(
      "GRUCell: the state is [1, 3], wanted [3]",
    );
    expect(() => new nn.LSTMCell(2, 2).forward(ones([1, 2]), [state(), ones([1, 2])])).toThrow(ShapeError);
    expect(() => new nn.LSTMCell(2, 2).forward(ones([1, 2]), [ones([1, 2]), state()])).toThrow(ShapeError);
  });

  test.each([
    ["CircularPad1d", nn.CircularPad1d, 1, 4],
    ["ReflectionPad1d", nn.ReflectionPad1d, 1, 4],
    ["ReplicationPad2d", nn.ReplicationPad2d, 2, 5],
    ["CircularPad3d", nn.CircularPad3d, 3, 3],
  ] as const)("%s of other ranks than its own", (_, Layer, n, rank) => {
    const layer = new Layer(1);
    expect(() => layer.forward(ones(new Array<number>(rank).fill(3)))).toThrow(ShapeError);
    for (const own of [n + 1, n + 2]) layer.forward(ones(new Array<number>(own).fill(3)));
  });

  test("zeros go around whatever there is, as in torch", () => {
    expect(new nn.ZeroPad2d(1).forward(ones([2, 2])).shape).toEqual([4, 4]);
  });
});
