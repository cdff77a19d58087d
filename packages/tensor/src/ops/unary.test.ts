import { beforeAll, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** Functions of the host that say the same. */
const SAME: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  square: (x) => x * x,
  sqrt: Math.sqrt,
  safeSqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  log10: Math.log10,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  logit: (x) => Math.log(x / (1 - x)),
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  frac: (x) => x - Math.trunc(x),
  sinc: (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)),
};

test.each(Object.keys(SAME))("%s", async (name) => {
  const data = [-2.75, -1, -0.625, -0.003, 0, 0.0055, 0.25, 0.75, 1, 1.5, 3.25, NaN];
  const method = (lg as unknown as Record<string, (x: Tensor) => Tensor>)[name];
  const values = await read(method(tensor(data)));
  data.forEach((x, i) => {
    const expected = SAME[name](x) + 0;
    if (Number.isFinite(expected))
      expect(Math.abs(values[i] - expected)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(expected)));
    else expect(values[i]).toBe(expected);
  });
});

test("erf and erfc against tabulated values", async () => {
  const x = tensor([0, 0.5, 1, 2, -1]);
  const table = [0, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, -0.8427007929497149];
  expect(await read(x.erf())).toEqual(table.map((v) => expect.closeTo(v, 14)));
  expect(await read(x.erfc())).toEqual(table.map((v) => expect.closeTo(1 - v, 14)));
  const tail = await tensor(5).erfc().item();
  expect(Math.abs(tail / 1.5374597944280349e-12 - 1)).toBeLessThan(1e-12);
});

test("round takes halves to even; integers stay integers", async () => {
  expect(await read(tensor([0.5, 1.5, 2.5, 3.5, -1.5]).round())).toEqual([0, 2, 2, 4, -2]);
  expect(tensor([3], { dtype: "int32" }).floor().dtype).toBe("int32");
  expect(tensor([3], { dtype: "int32" }).exp().dtype).toBe("float64");
});

test("logit clamps by eps", async () => {
  expect(await read(tensor([0, 1]).logit({ eps: 0.25 }))).toEqual(
    [-Math.log(3), Math.log(3)].map((v) => expect.closeTo(v, 14)),
  );
});
