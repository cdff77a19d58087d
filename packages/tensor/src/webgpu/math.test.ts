/**
 * Accuracy of the functions in `kernels/src/wgsl/math.wgsl`: errors against float64, in *ulps*, the distance of
 * neighbouring float32 numbers at the exact result. Where that is subnormal, a device may give 0.
 *
 * The bounds hold for a device whose arithmetic rounds correctly, as the software adapter's does. WGSL allows division
 * an error of 2.5 ulps, which adds to those of functions that divide.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bind } from "../bind.ts";
import { digamma, erf, erfc, logistic, polygamma, pow, sech2, sigmoid, softplus } from "../cpu/arithmetic.ts";
import { Device } from "../device.ts";
import { type BinaryName, PRIMITIVES, type UnaryName } from "../primitives.ts";
import { scope } from "../scope.ts";
import { Tensor } from "../tensor.ts";
import { createWebGPUBackend } from "./backend.ts";

const COUNT = 4096;
const SMALLEST_NORMAL = 2 ** -126;
const LARGEST = 3.4028234663852886e38;

let state = 20261;
const random = (): number => {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
};
/** Evenly between two bounds. */
const even = (low: number, high: number) => Float32Array.from({ length: COUNT }, () => low + (high - low) * random());
/** Of both signs, magnitudes spread evenly in their logarithm. */
const magnitudes = (low: number, high: number) =>
  Float32Array.from({ length: COUNT }, () => (random() < 0.5 ? -1 : 1) * low * (high / low) ** random());
const positive = (low: number, high: number) => magnitudes(low, high).map(Math.abs);
/** Close to ±1 from below, close to 1 from above. */
const below1 = () => magnitudes(1e-7, 1).map((x) => Math.sign(x) * (1 - Math.abs(x)));
const above1 = () => positive(1e-7, 1).map((x) => 1 + x);
const whole = (low: number, high: number) => even(low, high).map(Math.round);

/** Of an order: over what is above 0, and for odd ones, which have no zeros, below. */
const orders = (n: number): Operands[] =>
  [even(0.05, 3), even(2, 40), positive(40, 1e5), ...(n % 2 === 1 ? [even(-5.9, 0)] : [])].map((x) => [
    x.map(() => n),
    x,
  ]);

type Formula = (...operands: number[]) => number;
type Operands = Float32Array[];

/** Functions of WGSL itself, and those that round nothing. */
type Exact =
  | ("alias" | "neg" | "abs" | "sign" | "floor" | "ceil" | "round" | "trunc" | "isnan" | "isinf" | "not")
  | ("add" | "sub" | "mul" | "maximum" | "minimum" | "and" | "or" | "xor" | "shl" | "shr");

/** Reference, largest error in ulps, operands: of every other function. */
const TABLE: Record<Exclude<UnaryName | BinaryName, Exact>, [Formula, number, Operands[]]> = {
  exp: [Math.exp, 1, [[even(-103, 88.7)], [magnitudes(1e-10, 1)]]],
  expm1: [Math.expm1, 2, [[even(-20, 88.7)], [even(-1.5, 1.5)], [magnitudes(1e-30, 1)]]],
  log: [Math.log, 2, [[positive(1e-45, LARGEST)], [even(0.5, 2)], [above1()]]],
  log1p: [Math.log1p, 2.5, [[magnitudes(1e-30, 0.9999)], [positive(1, LARGEST)], [even(-0.99999, -0.5)]]],
  sin: [Math.sin, 3, [[even(-10, 10)], [even(-6000, 6000)], [magnitudes(6e3, 1e6)], [magnitudes(1e6, LARGEST)]]],
  cos: [Math.cos, 3, [[even(-10, 10)], [even(-6000, 6000)], [magnitudes(6e3, 1e6)], [magnitudes(1e6, LARGEST)]]],
  tan: [Math.tan, 5, [[even(-10, 10)], [even(-6000, 6000)], [magnitudes(6e3, 1e6)], [magnitudes(1e6, LARGEST)]]],
  asin: [Math.asin, 4, [[even(-1, 1)], [magnitudes(1e-30, 1)], [below1()]]],
  acos: [Math.acos, 4, [[even(-1, 1)], [magnitudes(1e-30, 1)], [below1()]]],
  atan: [Math.atan, 3, [[even(-10, 10)], [magnitudes(1e-30, 1e30)]]],
  sinh: [Math.sinh, 2.5, [[even(-89, 89)], [magnitudes(1e-30, 1)]]],
  cosh: [Math.cosh, 3, [[even(-89, 89)], [magnitudes(1e-30, 1)]]],
  tanh: [Math.tanh, 2.5, [[even(-10, 10)], [magnitudes(1e-30, 1)]]],
  asinh: [Math.asinh, 3, [[even(-2, 2)], [magnitudes(1e-30, LARGEST)]]],
  acosh: [Math.acosh, 3, [[above1()], [positive(1, LARGEST)]]],
  atanh: [Math.atanh, 3, [[even(-1, 1)], [magnitudes(1e-30, 1)], [below1()]]],
  erf: [erf, 3, [[even(-4, 4)], [magnitudes(1e-30, 1)]]],
  erfc: [erfc, 4, [[even(-4, 1)], [even(0.5, 2)], [even(2, 5)], [even(5, 10.1)]]],
  sigmoid: [sigmoid, 2.5, [[even(-20, 20)], [even(-87, -20)]]],
  logistic: [logistic, 4, [[even(-20, 20)], [even(-87, -20)]]],
  sech2: [sech2, 4, [[even(-10, 10)], [even(-43, -10)]]],
  softplus: [softplus, 3, [[even(-20, 20)], [even(-87, -20)], [even(20, 100)]]],
  // Close to its zeros below 0, what is left of two large numbers has few digits.
  digamma: [
    digamma,
    5,
    [[positive(1e-30, 1)], [even(0.5, 12)], [positive(10, 1e30)], [even(-0.3, 0)], [even(-7.3, -7.05)]],
  ],
  polygamma: [polygamma, 8, [1, 2, 3, 5].flatMap(orders)],
  sqrt: [Math.sqrt, 1, [[positive(1e-37, LARGEST)]]],
  div: [(x, y) => x / y, 1, [[magnitudes(1e-15, 1e15), magnitudes(1e-15, 1e15)]]],
  pow: [
    pow,
    1,
    [
      [even(0, 10), even(-10, 10)],
      [positive(1e-5, 1e5), even(-7, 7)],
      [even(0.9, 1.1), even(-800, 800)],
      [even(-10, 10), whole(-20, 20)],
      [above1(), even(-100, 100)],
    ],
  ],
  fmod: [
    (x, y) => x % y,
    0,
    [
      [even(-10, 10), even(-3, 3)],
      [magnitudes(1e6, 1e12), even(1, 30)],
      [magnitudes(1e-37, LARGEST), magnitudes(1e-37, LARGEST)],
    ],
  ],
  atan2: [
    Math.atan2,
    3.5,
    [
      [even(-10, 10), even(-10, 10)],
      [magnitudes(1e-18, 1e18), magnitudes(1e-18, 1e18)],
    ],
  ],
};

const ulp = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23);

describe("on webgpu", () => {
  let gpu: Device;
  beforeAll(async () => {
    gpu = new Device(await createWebGPUBackend({}));
  });
  afterAll(() => gpu.destroy());

  async function run(name: string, operands: Operands): Promise<Float32Array> {
    using _ = scope();
    const primitive = PRIMITIVES.find((p) => p.name === name);
    if (primitive === undefined) throw new Error(`there is no primitive ${name}`);
    const inputs = operands.map((data) => new Tensor(gpu.fromHost(data.slice(), [data.length], "float32")));
    return (await bind(primitive, inputs).data()) as Float32Array;
  }

  test.each(Object.entries(TABLE))("%s", async (name, [formula, bound, ranges]) => {
    for (const operands of ranges) {
      const got = await run(name, operands);
      let worst = { error: 0, given: [] as number[], got: 0, wanted: 0 };
      for (let i = 0; i < got.length; i++) {
        const given = operands.map((data) => data[i]);
        const wanted = formula(...given);
        const difference = Math.abs(got[i] - wanted);
        if (Math.abs(wanted) <= SMALLEST_NORMAL && difference <= SMALLEST_NORMAL) continue;
        if (Math.abs(Math.fround(wanted)) === Infinity && got[i] === Math.fround(wanted)) continue;
        const error = difference / ulp(wanted);
        if (!(error <= worst.error)) worst = { error, given, got: got[i], wanted };
      }
      expect({ ...worst, accepted: worst.error <= bound }).toMatchObject({ accepted: true });
    }
  });

  test("sines of multiples of π are what the rounding of π leaves", async () => {
    const k = [1, 2, 3, 100, 1e4, 1e6, 1e9, 1e15, 1e30].map((n) => Math.fround(n * Math.PI));
    const got = await run("sin", [Float32Array.from(k)]);
    for (const [i, x] of k.entries()) expect(Math.abs(got[i] - Math.sin(x))).toBeLessThanOrEqual(3 * ulp(Math.sin(x)));
  });

  test("powers that float32 holds are exact", async () => {
    const cases = [
      [3, 4],
      [10, 5],
      [2, -20],
      [-2, 21],
      [7, 8],
      [2, 127],
      [0.5, 126],
      [-3, 13],
      [4, 0.5],
      [9, 1.5],
      [2, 0],
    ];
    const got = await run(
      "pow",
      [0, 1].map((side) => Float32Array.from(cases, (c) => c[side])),
    );
    expect([...got]).toEqual(cases.map(([x, y]) => x ** y));
  });

  test("rounding and signs are exact", async () => {
    const x = Float32Array.of(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 8388607.5, 16777216, -3.7, 1e20, -1e-20);
    expect([...(await run("floor", [x]))]).toEqual([...x].map(Math.floor));
    expect([...(await run("ceil", [x]))].map((v) => v + 0)).toEqual([...x].map((v) => Math.ceil(v) + 0));
    expect([...(await run("trunc", [x]))].map((v) => v + 0)).toEqual([...x].map((v) => Math.trunc(v) + 0));
    expect([...(await run("round", [x]))].map((v) => v + 0)).toEqual([
      -2,
      -2,
      0,
      0,
      2,
      2,
      8388608,
      16777216,
      -4,
      x[9],
      0,
    ]);
    expect([...(await run("sign", [x]))]).toEqual([...x].map(Math.sign));
  });
});
