/** Derivatives at points where a formula written down plainly gives 0 · ∞, and of functions that do not change. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { type Device, init, scope, type Tensor, tensor } from "@loopgrad/tensor";
import { grad } from "../index.ts";

describe.each([
  ["cpu", "float64"],
  ["webgpu", "float32"],
] as const)("%s", (name, dtype) => {
  let device: Device;
  beforeAll(async () => {
    device = await init({ device: name, dtype });
  });
  afterAll(() => device.destroy());

  const leaf = (data: number | number[]): Tensor => tensor(data, { requiresGrad: true });
  const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data(), (v) => v + 0);

  test("atan2 at the origin has derivative 0 at every order, and is right beside it", async () => {
    using _ = scope();
    const [a, b] = [leaf([0, 3, 0, -0, 1e-25]), leaf([0, 4, -2, 0, 1e-25])];
    let [ga, gb] = grad(ops.atan2(a, b).sum(), [a, b], { createGraph: true });
    const near = (xs: number[]) => xs.map((x) => (x === 0 ? 0 : expect.closeTo(x, Math.abs(x) > 1 ? -20 : 6)));
    expect(await read(ga)).toEqual(near([0, 4 / 25, -1 / 2, 0, 5e24]));
    expect(await read(gb)).toEqual(near([0, -3 / 25, 0, 0, -5e24]));
    const first = (g: Tensor) => g.narrow(0, 0, 4);
    // ∂²/∂a² = −2ab / r⁴, ∂²/∂a∂b = (a² − b²) / r⁴
    const [haa, hab] = grad(first(ga).sum(), [a, b], { createGraph: true });
    expect((await read(haa)).slice(0, 4)).toEqual(near([0, -24 / 625, 0, 0]));
    expect((await read(hab)).slice(0, 4)).toEqual(near([0, -7 / 625, -1 / 4, 0]));
    [ga, gb] = grad(first(haa).add(first(hab)).sum(), [a, b]);
    expect([...(await read(ga)).slice(0, 4), ...(await read(gb)).slice(0, 4)].every(Number.isFinite)).toBe(true);
    expect([(await read(ga))[0], (await read(gb))[0], (await read(ga))[3]]).toEqual([0, 0, 0]);
  });

  test("logit at 0 and 1, with and without eps", async () => {
    using _ = scope();
    const check = async (options: { eps?: number }, ...wanted: number[][]) => {
      const x = leaf([0, 1, 0.5, -0.5, 1.5]);
      const y = ops.logit(x, options);
      const [g] = grad(y.sum(), [x], { createGraph: true });
      const [h] = grad(g.sum(), [x]);
      const got = await Promise.all([y, g, h].map(read));
      expect(got.slice(0, wanted.length).map((row, k) => row.slice(0, wanted[k].length))).toEqual(
        wanted.map((row) => row.map((v) => (Number.isFinite(v) && v !== 0 ? expect.closeTo(v, 4) : v))),
      );
    };
    await check({}, [-Infinity, Infinity, 0, NaN, NaN], [Infinity, Infinity, 4], [-Infinity, Infinity, 0]);
    const end = Math.log(0.25 / 0.75);
    await check({ eps: 0.25 }, [end, -end, 0, end, -end], [0, 0, 4, 0, 0], [0, 0, 0, 0, 0]);
    await check({ eps: 0 }, [-Infinity, Infinity, 0, -Infinity, Infinity], [Infinity, Infinity, 4, 0, 0]);
  });

  test("functions that do not change have derivative 0, and are not refused", async () => {
    using _ = scope();
    const functions: Record<string, (x: Tensor) => Tensor> = {
      "pow 0": (x) => x.pow(0),
      "pow 0, tensor": (x) => x.pow(tensor(0)),
      sign: (x) => x.sign(),
      floor: (x) => x.floor(),
      ceil: (x) => x.ceil(),
      round: (x) => x.round(),
      trunc: (x) => x.trunc(),
      "x · 0": (x) => x.mul(0),
      "x − x": (x) => x.sub(x),
      "norm 0": (x) => x.norm(null, { p: 0 }),
      "floorDivide, by 0 too": (x) => ops.floorDivide(x, tensor([2, 0, 3])),
      "floorDivide of a number": (x) => ops.floorDivide(5, x),
      "div, trunc": (x) => ops.div(x, 0.3, { roundingMode: "trunc" }),
      "hardtanh, flat": (x) => ops.hardtanh(x, { minVal: 5, maxVal: 6 }),
      "clamp to NaN": (x) => ops.clamp(x, NaN),
      "threshold, flat": (x) => ops.threshold(x, 9, 1),
    };
    for (const [what, fn] of Object.entries(functions)) {
      const x = leaf([0, -1.5, 2.5]);
      const [g] = grad(fn(x).sum(), [x]);
      expect([what, await read(g)]).toEqual([what, [0, 0, 0]]);
      const y = leaf([0, -1.5, 2.5]);
      fn(y).sum().backward();
      expect([what, await read(y.grad as Tensor)]).toEqual([what, [0, 0, 0]]);
    }
    const [value] = await Promise.all([tensor([0, NaN, Infinity]).pow(0).toArray()]);
    expect(value).toEqual([1, 1, 1]);
  });

  test("linspace between tensors has the shares of its ends as derivatives", async () => {
    using _ = scope();
    const [a, b] = [leaf(-2), leaf(3)];
    const [ga, gb] = grad(ops.linspace(a, b, 5).mul(tensor([1, 2, 3, 4, 5])).sum(), [a, b]); // biome-ignore format: a sum
    expect([await ga.item(), await gb.item()]).toEqual([5, 10]);
  });

  test("a hidden −∞ leaves the gradients of logSoftmax and logsumexp finite", async () => {
    using _ = scope();
    const x = leaf([-Infinity, 0.5, 2]);
    const p = [0, 1, 1].map((shown, i) => (shown * Math.exp([0, 0.5, 2][i])) / (Math.exp(0.5) + Math.exp(2)));
    const [g] = grad(ops.logSoftmax(x, 0).select(0, 1), [x], { createGraph: true });
    const [h] = grad(g.select(0, 2), [x]);
    expect(await read(g)).toEqual([0, 1 - p[1], -p[2]].map((v) => expect.closeTo(v, 5)));
    expect(await read(h)).toEqual([0, p[1] * p[2], -p[2] * (1 - p[2])].map((v) => expect.closeTo(v, 5)));
    const [s] = grad(ops.logsumexp(x, 0), [x]);
    expect(await read(s)).toEqual(p.map((v) => expect.closeTo(v, 5)));
  });
});
