import { describe, expect, test } from "@jest/globals";
import { erf, erfc, logistic, pow, roundHalfEven, sech2, sigmoid, softplus } from "./special.ts";

/** x, erf(x), erfc(x), from the C library. */
const GOLDEN = [
  [0, 0, 1],
  [1e-300, 1.1283791670955126e-300, 1],
  [1e-8, 1.1283791670955126e-8, 0.9999999887162083],
  [0.1, 0.1124629160182849, 0.8875370839817152],
  [0.3, 0.3286267594591274, 0.6713732405408726],
  [0.46875, 0.49261347321793797, 0.507386526782062],
  [0.5, 0.5204998778130465, 0.4795001221869535],
  [0.9, 0.7969082124228322, 0.20309178757716786],
  [1, 0.8427007929497149, 0.15729920705028513],
  [1.5, 0.9661051464753108, 0.033894853524689274],
  [2, 0.9953222650189527, 0.004677734981047265],
  [2.5, 0.999593047982555, 0.0004069520174449589],
  [3, 0.9999779095030014, 2.2090496998585438e-5],
  [3.9, 0.9999999652077514, 3.479224859723177e-8],
  [4, 0.9999999845827421, 1.541725790028002e-8],
  [4.1, 0.9999999932999724, 6.700027654084918e-9],
  [5, 0.9999999999984626, 1.5374597944280351e-12],
  [5.5, 0.9999999999999927, 7.357847917974398e-15],
  [6, 1, 2.1519736712498916e-17],
  [8, 1, 1.1224297172982928e-29],
  [10, 1, 2.088487583762545e-45],
  [15, 1, 7.212994172451206e-100],
  [20, 1, 5.3958656116079005e-176],
  [25, 1, 8.300172571196522e-274],
  [26.5, 1, 2.2109076642637343e-307],
];

const relative = (got: number, wanted: number) => (got === wanted ? 0 : Math.abs(got - wanted) / Math.abs(wanted));

describe("erf and erfc", () => {
  test.each(GOLDEN)("at ±%d", (x, wanted, complement) => {
    expect(relative(erf(x), wanted)).toBeLessThan(1e-15);
    expect(relative(erfc(x), complement)).toBeLessThan(2e-15);
    expect(relative(erf(-x), -wanted)).toBeLessThan(1e-15);
    expect(relative(erfc(-x), 1 + wanted)).toBeLessThan(1e-15);
  });

  test("at infinity and NaN", () => {
    expect([erf(Infinity), erf(-Infinity), erfc(Infinity), erfc(-Infinity)]).toEqual([1, -1, 0, 2]);
    expect([erf(Number.NaN), erfc(Number.NaN)]).toEqual([Number.NaN, Number.NaN]);
  });

  test("are continuous where the approximations meet", () => {
    for (const x of [0.46875, 4]) expect(relative(erfc(x * (1 + 1e-15)), erfc(x * (1 - 1e-15)))).toBeLessThan(2e-13);
  });
});

test("the slopes of sigmoid and tanh keep their digits in the tails", () => {
  expect([logistic(0), sech2(0), logistic(-1000), sech2(1000)]).toEqual([0.25, 1, 0, 0]);
  for (const x of [-700, -40, -3, 0.5, 40]) expect(relative(logistic(x), sigmoid(x) * sigmoid(-x))).toBeLessThan(1e-15);
  for (const x of [-350, -3, 0.5, 19]) expect(relative(sech2(x), 1 / Math.cosh(x) ** 2)).toBeLessThan(1e-14);
});

test("sigmoid and softplus do not overflow", () => {
  expect([sigmoid(-800), sigmoid(0), sigmoid(800)]).toEqual([0, 0.5, 1]);
  expect(relative(sigmoid(-40), Math.exp(-40))).toBeLessThan(1e-15);
  expect([softplus(-800), softplus(800)]).toEqual([0, 800]);
  expect(relative(softplus(-40), Math.exp(-40))).toBeLessThan(1e-15);
  expect(softplus(0)).toBe(Math.LN2);
});

test("halves round to even", () => {
  const from = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, -0.2, 2 ** 52 + 1];
  expect(from.map((x) => roundHalfEven(x) + 0)).toEqual([-2, -2, 0, 0, 2, 2, 0, 0, 2 ** 52 + 1]);
  expect(roundHalfEven(Number.NaN)).toBeNaN();
  expect(roundHalfEven(-Infinity)).toBe(-Infinity);
});

test("pow is IEEE's", () => {
  expect([pow(1, Infinity), pow(1, Number.NaN), pow(-1, -Infinity), pow(Number.NaN, 0)]).toEqual([1, 1, 1, 1]);
  expect([pow(2, 10), pow(-2, 3), pow(4, -0.5), pow(0, -1)]).toEqual([1024, -8, 0.5, Infinity]);
  expect(pow(-1, 0.5)).toBeNaN();
});
