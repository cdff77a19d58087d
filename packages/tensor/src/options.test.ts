/** Options: nothing that a caller writes is silently lost. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as lg from "./index.ts";
import { ArgumentError, checkOptions, init, ones, ShapeError, type Tensor } from "./index.ts";

let x: Tensor;
beforeAll(async () => {
  await init({ device: "cpu" });
  x = ones([2, 3]);
});

/** What a caller without types may write. */
const untyped = lg as unknown as Record<string, (...args: unknown[]) => unknown>;
const image = (): Tensor => ones([1, 1, 4, 4]);

describe("checkOptions", () => {
  test("returns what it was given", () => {
    const options = { a: 1 };
    expect(checkOptions("op", options, ["a"])).toBe(options);
    expect(checkOptions("op", undefined, ["a"])).toBeUndefined();
    expect(checkOptions("op", Object.assign(Object.create(null), options), ["a"])).toEqual(options);
  });

  test.each([
    [{ b: 1 }, "op: unknown option b: wanted one of a"],
    [0.2, "op: the options are 0.2: wanted an object such as { a: … }; known: a"],
    [null, "op: the options are null"],
    [[1, 2], "op: the options are [1, 2]"],
    [() => 1, "op: the options are a function"],
    [new Date(0), "op: the options are "],
  ])("rejects %p", (options, message) => {
    expect(() => checkOptions("op", options as object, ["a"])).toThrow(ArgumentError);
    expect(() => checkOptions("op", options as object, ["a"])).toThrow(message);
  });
});

describe("operations", () => {
  test.each<[string, () => unknown, string]>([
    ["sum", () => untyped.sum(x, 0, { keepdims: true }), "sum: unknown option keepdims"],
    ["sum", () => untyped.sum(x, 0, true), "sum: the options are true"],
    ["var", () => untyped.var(x, 0, { unbiased: false }), "var: unknown option unbiased"],
    ["std", () => untyped.std(x, 0, { unbiased: false }), "std: unknown option unbiased"],
    ["sort", () => untyped.sort(x, 1, true), "sort: the options are true"],
    ["argmax", () => untyped.argmax(x, 1, { keepDim: true }), "argmax: unknown option keepDim"],
    ["gelu", () => untyped.gelu(x, "tanh"), "gelu: the options are tanh"],
    ["conv2d", () => untyped.conv2d(image(), ones([1, 1, 3, 3]), null, { pad: 1 }), "conv2d: unknown option pad"],
    ["maxPool2d", () => untyped.maxPool2d(image(), 2, { strides: 1 }), "maxPool2d: unknown option strides"],
    ["avgPool1d", () => untyped.avgPool1d(x, 2, { divisorOverride: 3 }), "avgPool1d: unknown option divisorOverride"],
    ["zeros", () => untyped.zeros([2], { requires_grad: true }), "zeros: unknown option requires_grad"],
    [
      "tensor",
      () => untyped.tensor([1], { device: "cpu" }),
      'tensor: device is the string "cpu": wanted a device, which init() returns',
    ],
    ["randint", () => untyped.randint(0, 2, [3], { dType: "int32" }), "randint: unknown option dType"],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });
});

test.each<[string, () => unknown, string]>([
  ["zeros(2, 3)", () => untyped.zeros(2, 3), "zeros: shape is 2: wanted an array such as [2, 3]"],
  ["reshape(x, 3, 2)", () => untyped.reshape(x, 3, 2), "reshape: shape is 3"],
  ["expand(x, 4)", () => untyped.expand(x, 4), "expand: shape is 4"],
  ["permute(x, 1, 0)", () => untyped.permute(x, 1, 0), "permute: dims is 1"],
  [
    "sum(x, { dim: 0 })",
    () => untyped.sum(x, { dim: 0 }),
    "sum: dim is an object: wanted a number, an array such as [2, 3] or null; dim is given by its place",
  ],
])("%s lacks its brackets", (_, call, message) => {
  expect(call).toThrow(ShapeError);
  expect(call).toThrow(message);
});

test("cat and stack want their tensors in an array, einsum tensors", () => {
  expect(() => untyped.cat(x, x)).toThrow("cat: tensors is Tensor([2, 3], float32, cpu): wanted an array of tensors");
  expect(() => untyped.stack(x, x)).toThrow("stack: tensors is Tensor");
  expect(() => untyped.einsum("ij,ij->i", x, 2)).toThrow("einsum: operands is 2: wanted a tensor");
});
