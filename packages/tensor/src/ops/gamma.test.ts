/** digamma and polygamma against tabulated values, at poles, and in what they refuse. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Device, digamma, init, polygamma, type Tensor, tensor } from "../index.ts";

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** x, ψ(x), ψ′(x), ψ″(x), ψ‴(x): from mpmath, to 30 digits; torch 2.13 agrees to 11. */
const GAMMA = [
  [-3.7, -0.8450768588704194, 14.84242186412428, -68.89345468867354, 768.994649440866],
  [-1.2, 4.868324766627196, 27.993918581946154, 246.72729169898594, 3768.2644105890045],
  [-0.5, 0.03648997397857652, 8.934802200544679, -0.82879664423432, 193.40909103400244],
  [1e-3, -1000.5755719318103, 1000001.6425331958, -2000000002.3976321, 6000000000006.469],
  [0.25, -4.2274535333762655, 17.19732915450711, -129.32773993753693, 1538.7821440091884],
  [1, -0.5772156649015329, 1.6449340668482264, -2.4041138063191885, 6.493939402266829],
  [2.5, 0.7031566406452432, 0.49035775610023485, -0.2362040516417274, 0.22390584881725206],
  [7.25, 1.910453526883736, 0.14787923315893217, -0.02182895229519774, 0.0064330375979401565],
  [42, 3.725717617937282, 0.024095219843670565, -0.0005805515402440564, 2.7974328327814074e-5],
  [1e6, 13.815510057964191, 1.0000005000001667e-6, -1.0000010000005e-12, 2.000003000002e-18],
];
/** At 0, −0, −1, −7, ∞, −∞ and NaN, as torch; but ψ″(∞), which torch gives as NaN, and −∞. */
const POLES = [0, -0, -1, -7, Infinity, -Infinity, NaN];
const AT_POLES = [
  [-Infinity, Infinity, NaN, NaN, Infinity, NaN, NaN],
  [Infinity, Infinity, Infinity, Infinity, 0, NaN, NaN],
  [-Infinity, -Infinity, -Infinity, -Infinity, 0, NaN, NaN],
];

describe.each(["cpu", "webgpu"] as const)("digamma and polygamma on %s", (name) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name });
  });
  afterAll(() => device.destroy());

  test("against tabulated values", async () => {
    const dtype = name === "cpu" ? "float64" : "float32";
    const x = tensor(
      GAMMA.map(([at]) => at),
      { device, dtype },
    );
    for (let n = 0; n <= 3; n++) {
      const wanted = GAMMA.map((row) => row[n + 1]);
      for (const y of [x.polygamma(n), polygamma(n, x), ...(n === 0 ? [x.digamma(), digamma(x)] : [])]) {
        const values = await read(y);
        // Arguments that float32 does not hold are off by up to half an ulp: at −1.2 that is more than the function's own error.
        const part = (i: number) => (name === "cpu" ? 1e-13 : GAMMA[i][0] < 0 ? 4e-6 : 1e-6);
        values.forEach((value, i) => {
          expect([n, i, Math.abs(value / wanted[i] - 1) < part(i), value]).toEqual([n, i, true, value]);
        });
      }
    }
  });

  test("at their poles and beyond all numbers", async () => {
    const x = tensor(POLES, { device });
    for (const [n, wanted] of AT_POLES.entries())
      expect((await read(x.polygamma(n))).map((v) => v + 0)).toEqual(wanted);
  });

  test("close to the zero of ψ digits stay", async () => {
    const x = Math.fround(1.4616);
    const value = await tensor(x, { device }).digamma().item();
    // mpmath: digamma(1.4615999460220337)
    expect(Math.abs(value / -3.1158485748042e-5 - 1)).toBeLessThan(1e-6);
  });

  test("of integers, and of an order that is none", async () => {
    const x = tensor([1, 2], { device, dtype: "int32" });
    expect(await read(x.digamma())).toEqual([expect.closeTo(-0.5772156649, 6), expect.closeTo(0.4227843351, 6)]);
    expect(x.polygamma(2).shape).toEqual([2]);
    for (const n of [-1, 0.5, 101, NaN]) {
      expect(() => x.polygamma(n)).toThrow(`polygamma: n is ${n}: wanted a whole number from 0 to 100`);
    }
  });
});
