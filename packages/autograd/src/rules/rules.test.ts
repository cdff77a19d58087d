/**
 * Every rule against central differences, first and second order. One table: a primitive without a case fails.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  type BinaryName,
  bind,
  cast,
  convAttrs,
  dtypeCode,
  init,
  PRIMITIVES,
  type Shape,
  type Tensor,
  tensor,
  type UnaryName,
} from "@loopgrad/tensor";
import { type GradcheckOptions, gradcheck, gradgradcheck } from "../gradcheck.ts";
import { RULES } from "./index.ts";

/** A float input: its shape, and where its elements lie; or the elements. */
type Input = { shape: Shape; from: number; to: number } | { shape: Shape; data: number[] };

interface Case {
  readonly inputs: readonly Input[];
  readonly attrs?: readonly number[];
  /** Inputs that are no floats, by position. */
  readonly fixed?: Readonly<Record<number, () => Tensor>>;
  /** Makes the result a float64 again. */
  readonly after?: (y: Tensor) => Tensor;
  readonly options?: GradcheckOptions;
}

const within = (from: number, to: number, ...shape: number[]): Input => ({ shape, from, to });
const some = (...shape: number[]): Input => within(-2, 2, ...shape);
const given = (shape: Shape, ...data: number[]): Input => ({ shape, data });
const unary = (from: number, to: number): Case[] => [{ inputs: [within(from, to, 2, 3)] }];
/** Same shapes, and both sides broadcast. */
const binary = (from: number, to: number): Case[] => [
  { inputs: [within(from, to, 2, 3), within(from, to, 2, 3)] },
  { inputs: [within(from, to, 2, 1, 3), within(from, to, 2, 1)] },
  { inputs: [within(from, to), within(from, to, 2)] },
];
const int =
  (shape: Shape, ...data: number[]) =>
  (): Tensor =>
    tensor(data, { shape, dtype: "int32" });
const bool =
  (shape: Shape, ...data: number[]) =>
  (): Tensor =>
    tensor(data, { shape, dtype: "bool" });

/** Geometries of convolutions: [input, weight, groups, stride, padding, dilation]. */
const CONVOLUTIONS: [Shape, Shape, number, number[], number[], number[]][] = [
  [[2, 2, 5], [3, 2, 3], 1, [1], [0], [1]],
  [[1, 4, 7], [2, 2, 2], 2, [2], [1], [2]],
  [[1, 2, 4, 5], [2, 2, 2, 3], 1, [2, 1], [1, 0], [1, 2]],
  [[1, 2, 6, 4], [2, 1, 3, 2], 2, [2, 2], [1, 1], [1, 1]],
  [[1, 1, 3, 3, 4], [2, 1, 2, 2, 2], 1, [1, 1, 2], [0, 1, 0], [1, 1, 1]],
];
function convolutions(which: "conv" | "convInput" | "convWeight"): Case[] {
  return CONVOLUTIONS.map(([x, w, groups, stride, padding, dilation]) => {
    const n = stride.length;
    const size = (i: number) =>
      Math.floor((x[i + 2] + 2 * padding[i] - dilation[i] * (w[i + 2] - 1) - 1) / stride[i]) + 1;
    const y = [x[0], w[0], ...stride.map((_, i) => size(i))];
    const extra = which === "conv" ? [] : (which === "convInput" ? x : w).slice(2);
    const shapes = which === "conv" ? [x, w] : which === "convInput" ? [y, w] : [x, y];
    return {
      inputs: shapes.map((shape) => some(...shape)),
      attrs: convAttrs({ n, groups, stride, padding, dilation, extra }),
    };
  });
}

/** Elementwise functions whose results are floats. */
type Differentiable = Exclude<UnaryName | BinaryName, "isnan" | "isinf" | "not" | "and" | "or" | "xor" | "shl" | "shr">;

const CASES: Record<Differentiable, readonly Case[]> & Record<string, readonly Case[]> = {
  alias: unary(-2, 2),
  neg: unary(-2, 2),
  abs: unary(-2, 2),
  sign: unary(-2, 2),
  floor: unary(-2, 2),
  ceil: unary(-2, 2),
  round: unary(-2, 2),
  trunc: unary(-2, 2),
  sqrt: unary(0.3, 2),
  exp: unary(-2, 2),
  expm1: unary(-2, 2),
  log: unary(0.3, 3),
  log1p: unary(-0.6, 2),
  sin: unary(-3, 3),
  cos: unary(-3, 3),
  tan: unary(-1, 1),
  asin: unary(-0.8, 0.8),
  acos: unary(-0.8, 0.8),
  atan: unary(-3, 3),
  sinh: unary(-2, 2),
  cosh: unary(-2, 2),
  tanh: unary(-2, 2),
  asinh: unary(-2, 2),
  acosh: unary(1.3, 3),
  atanh: unary(-0.8, 0.8),
  erf: unary(-2, 2),
  erfc: unary(-2, 2),
  sigmoid: unary(-4, 4),
  softplus: unary(-4, 4),
  logistic: unary(-4, 4),
  sech2: unary(-2, 2),
  digamma: [...unary(0.3, 4), ...unary(-0.9, -0.1), ...unary(-2.9, -2.1)],
  add: binary(-2, 2),
  sub: binary(-2, 2),
  mul: binary(-2, 2),
  div: binary(0.5, 2),
  pow: [
    ...binary(0.4, 2),
    // Below 0 only whole exponents have a value on both sides; the exponent is a constant there.
    { inputs: [given([3], -1.5, -0.5, -2)], fixed: { 1: () => tensor([2, 3, -2], { dtype: "float64" }) } },
    { inputs: [given([3], 0, 0, 0)], fixed: { 1: () => tensor([2, 1, 3], { dtype: "float64" }) } },
  ],
  maximum: binary(-2, 2),
  minimum: binary(-2, 2),
  fmod: [{ inputs: [within(1.1, 1.6, 2, 3), within(0.45, 0.5, 3)] }],
  atan2: binary(0.4, 2),
  polygamma: [1, 2, 5].map((n) => ({
    inputs: [within(0.5, 3, 2, 3)],
    fixed: { 0: () => tensor(n, { dtype: "float64" }) },
  })),
  where: [
    { inputs: [some(2, 3), some(2, 3)], fixed: { 0: bool([2, 3], 1, 0, 1, 0, 0, 1) } },
    { inputs: [some(3), some()], fixed: { 0: bool([2, 1], 1, 0) } },
  ],
  // Steps of a float32 are coarse; the cast is linear, so a large eps costs nothing.
  cast: [
    {
      inputs: [some(2, 3)],
      attrs: [dtypeCode("float32")],
      after: (y) => cast(y, "float64"),
      options: { eps: 0.125, atol: 1e-4 },
    },
  ],
  sum: [
    { inputs: [some(2, 3)], attrs: [1] },
    { inputs: [some(2, 3, 2)], attrs: [0, 2] },
    { inputs: [some()], attrs: [] },
  ],
  max: [
    { inputs: [some(2, 3)], attrs: [1] },
    { inputs: [some(2, 3, 2)], attrs: [0, 2] },
  ],
  prod: [
    { inputs: [some(2, 5)], attrs: [1] },
    { inputs: [some(2, 3, 3)], attrs: [0, 2] },
    { inputs: [some(3, 1)], attrs: [1] },
    { inputs: [given([2, 7], 0, 2, 3, -1, 2, 0.5, 1, 0, 2, 0, -1, 2, 1, 3)], attrs: [1] },
    { inputs: [given([4], 0, 0, 0, 2)], attrs: [0] },
  ],
  reshape: [{ inputs: [some(2, 3)], attrs: [3, 2, 1] }],
  permute: [{ inputs: [some(2, 3, 2)], attrs: [2, 0, 1] }],
  expand: [{ inputs: [some(2, 1, 1)], attrs: [2, 3, 2] }],
  slice: [
    { inputs: [some(4, 3)], attrs: [1, 0, 2, 3, 1, 1] },
    { inputs: [some(7, 5)], attrs: [1, 1, 3, 2, 2, 3] },
    { inputs: [some(3, 2)], attrs: [1, 0, 0, 2, 2, 1] },
  ],
  pad: [{ inputs: [some(2, 3)], attrs: [1, 0, 2, 1] }],
  flip: [{ inputs: [some(2, 3, 2)], attrs: [0, 2] }],
  matmul: [
    { inputs: [some(2, 3), some(3, 4)] },
    { inputs: [some(1, 2, 3), some(2, 3, 2)] },
    { inputs: [some(2, 1, 2, 2), some(1, 3, 2, 1)] },
  ],
  conv: convolutions("conv"),
  convInput: convolutions("convInput"),
  convWeight: convolutions("convWeight"),
  gather: [
    { inputs: [some(3, 2)], attrs: [0], fixed: { 1: int([2, 2], 2, 0, 2, 1) } },
    { inputs: [some(3, 4)], attrs: [1], fixed: { 1: int([2, 3], 0, 0, 3, -1, 2, 4) } },
  ],
  scatterAdd: [
    { inputs: [some(3, 2), some(2, 2)], attrs: [0], fixed: { 1: int([2, 2], 2, 0, 2, 1) } },
    { inputs: [some(2, 4), some(2, 3)], attrs: [1], fixed: { 1: int([2, 3], 0, 0, 3, -1, 2, 4) } },
  ],
  cumsum: [
    { inputs: [some(3, 2)], attrs: [0] },
    { inputs: [some(2, 3)], attrs: [1] },
  ],
};

/** Primitives through which no gradient flows: constants, and results that are no floats. */
const NO_GRADIENT =
  "scalar literal iota isnan isinf not and or xor shl shr eq ne lt le argmax argsort position randomBits pack".split(
    " ",
  );

/** Park and Miller's generator: the same inputs in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

beforeAll(async () => {
  await init({ device: "cpu" });
});

test("every primitive has a rule and cases, or no gradient", () => {
  const names = PRIMITIVES.map((primitive) => primitive.name);
  expect([...Object.keys(CASES), ...NO_GRADIENT].sort()).toEqual([...names].sort());
  for (const { name, code } of PRIMITIVES) expect([name, RULES[code] !== undefined]).toEqual([name, name in CASES]);
});

describe.each(Object.keys(CASES))("%s", (name) => {
  const primitive = PRIMITIVES.find((p) => p.name === name) as (typeof PRIMITIVES)[number];

  test.each(CASES[name].map((c, i) => [i, c] as const))(
    "case %i",
    async (i, { inputs, attrs, fixed = {}, after, options }) => {
      const next = random(1 + i);
      const floats = inputs.map((input) => {
        const { shape } = input;
        const size = shape.reduce((n, d) => n * d, 1);
        const data =
          "data" in input
            ? input.data
            : Array.from({ length: size }, () => input.from + (input.to - input.from) * next());
        return tensor(data, { shape, dtype: "float64", requiresGrad: true });
      });
      const apply = (...xs: Tensor[]): Tensor => {
        const all: Tensor[] = [];
        for (let at = 0, used = 0; at < xs.length + Object.keys(fixed).length; at++) {
          all.push(at in fixed ? fixed[at]() : xs[used++]);
        }
        const y = bind(primitive, all, attrs);
        return after === undefined ? y : after(y);
      };
      await gradcheck(apply, floats, options);
      await gradgradcheck(apply, floats, options);
    },
  );
});
