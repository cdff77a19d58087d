import { beforeAll, describe, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const DATA = [-30, -3, -1, -0.4, 0, 0.4, 1, 3, 6, 30, NaN];
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

describe.each<[string, (x: Tensor) => Tensor, (x: number) => number]>([
  ["relu", lg.relu, (x) => Math.max(x, 0)],
  ["relu6", lg.relu6, (x) => clamp(x, 0, 6)],
  ["hardtanh", (x) => lg.hardtanh(x, { minVal: -2, maxVal: 0.5 }), (x) => clamp(x, -2, 0.5)],
  ["leakyRelu", (x) => lg.leakyRelu(x, { negativeSlope: 0.2 }), (x) => (x > 0 ? x : 0.2 * x)],
  ["elu", (x) => lg.elu(x, { alpha: 2 }), (x) => (x > 0 ? x : 2 * Math.expm1(x))],
  ["celu", (x) => lg.celu(x, { alpha: 2 }), (x) => (x > 0 ? x : 2 * Math.expm1(x / 2))],
  ["selu", lg.selu, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))],
  ["silu", lg.silu, (x) => x * sigmoid(x)],
  ["mish", lg.mish, (x) => x * Math.tanh(softplus(x))],
  ["softplus", lg.softplus, softplus],
  ["softplus, sharper", (x) => lg.softplus(x, { beta: 2, threshold: 5 }), (x) => (2 * x > 5 ? x : softplus(2 * x) / 2)],
  ["logsigmoid", lg.logsigmoid, (x) => -softplus(-x)],
  ["softsign", lg.softsign, (x) => x / (1 + Math.abs(x))],
  ["hardsigmoid", lg.hardsigmoid, (x) => clamp(x + 3, 0, 6) / 6],
  ["hardswish", lg.hardswish, (x) => (x * clamp(x + 3, 0, 6)) / 6],
  ["tanhshrink", lg.tanhshrink, (x) => x - Math.tanh(x)],
  ["softshrink", lg.softshrink, (x) => Math.sign(x) * Math.max(Math.abs(x) - 0.5, 0)],
  ["hardshrink", lg.hardshrink, (x) => (Math.abs(x) <= 0.5 ? 0 : x)],
  ["threshold", (x) => lg.threshold(x, 0.4, -7), (x) => (x <= 0.4 ? -7 : x)],
  [
    "gelu, tanh",
    (x) => lg.gelu(x, { approximate: "tanh" }),
    (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ],
])("%s", (_, activation, formula) => {
  test("follows its formula, and passes NaN on", async () => {
    const values = await read(activation(tensor(DATA)));
    DATA.forEach((x, i) => {
      // −0 where the other gives 0 does not matter.
      if (Number.isNaN(x)) expect(values[i]).toBeNaN();
      else expect(values[i] + 0).toBeCloseTo(formula(x) + 0, 12);
    });
  });
});

test("gelu by erf: x Φ(x)", async () => {
  const phi = 0.8413447460685429;
  expect(await read(lg.gelu(tensor([1, -1, 0])))).toEqual([phi, phi - 1, 0].map((v) => expect.closeTo(v, 14)));
  expect(() => lg.gelu(tensor([1]), { approximate: "erf" as never })).toThrow('gelu: approximate is "erf"');
});

test("prelu with one slope, or one per channel", async () => {
  expect(await read(lg.prelu(tensor([-2, 2]), tensor([0.5])))).toEqual([-1, 2]);
  expect(await lg.prelu(tensor([[-1, -1]]), tensor([0.5, 3])).toArray()).toEqual([[-0.5, -3]]);
  expect(() => lg.prelu(tensor([[-1, -1]]), tensor([1, 2, 3]))).toThrow(
    "prelu: x [1, 2], weight [3]: wanted 1 or 2 slopes",
  );
});

test("glu gates one half by the other", async () => {
  expect(await read(lg.glu(tensor([2, 4, 0, 100])))).toEqual([1, 4]);
  expect(() => lg.glu(tensor([1, 2, 3]))).toThrow("glu: dim -1 of [3] cannot be halved");
});
