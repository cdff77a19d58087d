/**
 * What guards in rules are for: ties, NaN, zeros, infinities, empty shapes, at the ends of ranges. A guard must hold at the second
 * order too, in the derivative by the cotangent as in that by the operand.
 *
 * Each case is f at a point x. With cotangents v = 2, 3, … and u = 3, 4, … it has three lists of numbers: Jᵀv, the gradient; J u, the
 * gradient's own by v along u; and uᵀ (Σ vᵢ ∇²fᵢ), its own by x. They are torch's, or closed forms where torch has NaN.
 */
import { beforeAll, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { bind, gatherP, init, type Shape, scatterAddP, type Tensor, tensor } from "@loopgrad/tensor";
import { grad } from "../index.ts";

type Point = readonly number[] | { readonly shape: Shape; readonly data: readonly number[] };

interface Guard {
  readonly f: (x: Tensor) => Tensor;
  readonly x: Point;
  readonly first: readonly number[];
  readonly byCotangent: readonly number[];
  /** Left out: zeros. */
  readonly second?: readonly number[];
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const at = (shape: Shape, ...data: number[]): Point => ({ shape, data });
const c = (...data: number[]): Tensor => tensor(data);
const zeros = (n: number): number[] => new Array<number>(n).fill(0);

const GUARDS: Record<string, Guard> = {
  // ---- ties and NaN --------------------------------------------------------------------------------------------
  "amax of rows, one with NaN": {
    f: (x) => x.amax(1),
    x: at([2, 2], 1, nan, 1, 2),
    first: [0, 0, 0, 3],
    byCotangent: [0, 6],
  },
  "amin of columns, one with NaN": {
    f: (x) => x.amin(0),
    x: at([2, 2], nan, 5, 1, 2),
    first: [0, 0, 0, 3],
    byCotangent: [0, 6],
  },
  "amax of all, NaN": { f: (x) => x.amax(), x: at([2, 2], 1, nan, nan, 2), first: zeros(4), byCotangent: [0] },
  "amax, ties by row": {
    f: (x) => x.amax(1),
    x: at([2, 3], 2, 2, 1, 5, 5, 5),
    first: [1, 1, 0, 1, 1, 1],
    byCotangent: [3.5, 7],
  },
  "amax over two axes, ties": {
    f: (x) => x.amax([0, 2], { keepdim: true }),
    x: at([2, 2, 2], 4, 1, 0, 0, 4, 4, 0, -1),
    first: [2 / 3, 0, 1, 1, 2 / 3, 2 / 3, 1, 0],
    byCotangent: [(3 + 7 + 8) / 3, (5 + 6 + 9) / 3],
  },
  "amax, infinite ties": { f: (x) => x.amax(), x: [inf, inf, 1], first: [1, 1, 0], byCotangent: [3.5] },
  "amin, −∞": { f: (x) => x.amin(), x: [-inf, 2, -inf], first: [1, 0, 1], byCotangent: [4] },
  "amax of one element": { f: (x) => x.amax(0), x: at([1, 2], 7, nan), first: [2, 0], byCotangent: [3, 0] },
  "max, the first of ties and of NaN": {
    f: (x) => ops.max(x, 1)[0],
    x: at([2, 3], 2, 2, 1, nan, 1, 2),
    first: [2, 0, 0, 3, 0, 0],
    byCotangent: [3, 6],
  },
  "median of an even number": { f: (x) => ops.median(x), x: [3, 1, 2, 2], first: [0, 0, 1, 1], byCotangent: [5.5] },
  "maximum, by the first: NaN, a tie, less, more": {
    f: (x) => ops.maximum(x, c(1, nan, 2, 2, 2)),
    x: [nan, 1, 2, 1, 3],
    first: [2, 3, 2, 0, 6],
    byCotangent: [3, 4, 2.5, 0, 7],
  },
  "maximum, by the second": {
    f: (x) => ops.maximum(c(1, nan, 2, 2, 2), x),
    x: [nan, 1, 2, 1, 3],
    first: [2, 3, 2, 0, 6],
    byCotangent: [3, 4, 2.5, 0, 7],
  },
  "minimum, by the first": {
    f: (x) => ops.minimum(x, c(1, nan, 2, 2, 2)),
    x: [nan, 1, 2, 1, 3],
    first: [2, 3, 2, 5, 0],
    byCotangent: [3, 4, 2.5, 6, 0],
  },
  "minimum, by the second": {
    f: (x) => ops.minimum(c(1, nan, 2, 2, 2), x),
    x: [nan, 1, 2, 1, 3],
    first: [2, 3, 2, 5, 0],
    byCotangent: [3, 4, 2.5, 6, 0],
  },
  "maximum of infinities": {
    f: (x) => ops.maximum(x, c(inf, -inf)),
    x: [inf, -inf],
    first: [1, 1.5],
    byCotangent: [1.5, 2],
  },
  "norm ∞, ties": { f: (x) => x.norm(null, { p: inf }), x: [3, -3, 1], first: [1, -1, 0], byCotangent: [-0.5] },

  // ---- zeros ---------------------------------------------------------------------------------------------------
  "abs at 0": { f: (x) => x.abs(), x: [-1, 0, 2], first: [-2, 0, 4], byCotangent: [-3, 0, 5] },
  "norm of zeros": { f: (x) => x.norm(), x: [0, 0], first: [0, 0], byCotangent: [0] },
  "norm 1 with a 0": { f: (x) => x.norm(null, { p: 1 }), x: [0, -2, 3], first: [0, -2, 2], byCotangent: [1] },
  "norm 3 of zeros": { f: (x) => x.norm(null, { p: 3 }), x: [0, 0, 0], first: zeros(3), byCotangent: [0] },
  "norm 3 with a 0": {
    f: (x) => x.norm(null, { p: 3 }),
    x: [0, -2, 3],
    first: [0, -0.7476722994716777, 1.6822626738112747],
    byCotangent: [2.7103120855848313],
    second: [0, 4.2296890084397765, 2.819792672293185],
  },
  "std of equal numbers": { f: (x) => x.std(), x: [2, 2, 2], first: zeros(3), byCotangent: [0] },
  "safeSqrt at 0": { f: ops.safeSqrt, x: [0, 4], first: [0, 0.75], byCotangent: [0, 1], second: [0, -0.375] },
  "prod of rows: one 0, two": {
    f: (x) => x.prod(1),
    x: at([2, 2], 2, 0, 0, 0),
    first: [0, 4, 0, 0],
    byCotangent: [8, 0],
    second: [8, 6, 18, 15],
  },
  "prod of an odd row with zeros": {
    f: (x) => x.prod(),
    x: [0, 0, 3],
    first: zeros(3),
    byCotangent: [0],
    second: [24, 18, 0],
  },
  "prod of one": { f: (x) => x.prod(0), x: at([1, 2], 0, 4), first: [2, 3], byCotangent: [3, 4] },
  "cumprod with zeros": {
    f: (x) => x.cumprod(0),
    x: [2, 0, 3, 0],
    first: [2, 30, 0, 0],
    byCotangent: [3, 8, 24, 0],
    second: [60, 265, 32, 120],
  },
  "pow of 0 by 0, 1, 2, and of 4 by ½": {
    f: (x) => ops.pow(x, c(0, 1, 2, 0.5)),
    x: [0, 0, 0, 4],
    first: [0, 3, 0, 1.25],
    byCotangent: [0, 4, 0, 1.5],
    second: [0, 0, 40, -0.9375],
  },
  "pow of 0, by the exponent": {
    f: (x) => ops.pow(c(0, 0, 2), x),
    x: [0, 2, 1],
    first: [0, 0, 5.545177444479562],
    byCotangent: [0, 0, 6.931471805599453],
    second: [0, 0, 19.218120556728056],
  },
  "pow of 0 by −1, by the exponent": {
    f: (x) => ops.pow(c(0), x),
    x: [-1],
    first: [-inf],
    byCotangent: [-inf],
    second: [inf],
  },
  "xlogy by x": {
    f: (x) => ops.xlogy(x, c(0, 1, 2)),
    x: [0, 0, 1],
    first: [0, 0, 2.772588722239781],
    byCotangent: [0, 0, 3.4657359027997265],
  },
  "xlogy by y, at x = 0": {
    f: (y) => ops.xlogy(c(0, 0, 2), y),
    x: [0, 1, 2],
    first: [0, 0, 4],
    byCotangent: [0, 0, 5],
    second: [0, 0, -10],
  },
  "sinc at 0": {
    f: ops.sinc,
    x: [0, 0.5],
    first: [0, -3.8197186342054876],
    byCotangent: [0, -5.09295817894065],
    second: [(-2 * 3 * Math.PI ** 2) / 3, -14.28272553886724],
  },
  "hypot at the origin": {
    f: (x) => ops.hypot(x, c(0, 4)),
    x: [0, 3],
    first: [0, 1.8],
    byCotangent: [0, 2.4],
    second: [0, 1.536],
  },
  "atan2 at the origin, by both": {
    f: (x) => ops.atan2(x.slice(0, 0, 2), x.slice(0, 2, 4)),
    x: [0, 3, 0, 4],
    first: [0, (3 * 4) / 25, 0, (-3 * 3) / 25],
    byCotangent: [0, (4 * 4 - 3 * 6) / 25],
    // Of the angle: ∂² by a −2ab/r⁴, by b the opposite, by both (a² − b²)/r⁴.
    second: [0, (3 * (4 * -24 + 6 * -7)) / 625, 0, (3 * (4 * -7 + 6 * 24)) / 625],
  },
  "division by a tensor, of 0": {
    f: (x) => ops.div(c(0, 1), x),
    x: [2, 4],
    first: [0, -3 / 16],
    byCotangent: [0, -4 / 16],
    second: [0, (3 * 4 * 2) / 64],
  },

  // ---- infinities ----------------------------------------------------------------------------------------------
  "logaddexp of −∞ and −∞, and of −∞": {
    f: (x) => ops.logaddexp(x, c(-inf, 1)),
    x: [-inf, -inf],
    first: [2, 0],
    byCotangent: [3, 0],
  },
  "a branch that is not taken, given an operand that suits it": {
    f: (x) => ops.where(x.gt(0), ops.where(x.gt(0), x, 1).sqrt(), x),
    x: [-1, 4],
    first: [2, 0.75],
    byCotangent: [3, 1],
    second: [0, -0.375],
  },

  // ---- ends of ranges ------------------------------------------------------------------------------------------
  relu: { f: ops.relu, x: [-1, 0, 3], first: [0, 0, 4], byCotangent: [0, 0, 5] },
  "clamp at its bounds": {
    f: (x) => x.clamp(0, 1),
    x: [-1, 0, 0.5, 1, 2],
    first: [0, 3, 4, 5, 0],
    byCotangent: [0, 4, 5, 6, 0],
  },
  "hardtanh at its bounds": {
    f: (x) => ops.hardtanh(x),
    x: [-2, -1, 0, 1, 2],
    first: [0, 0, 4, 0, 0],
    byCotangent: [0, 0, 5, 0, 0],
  },
  relu6: { f: ops.relu6, x: [-1, 0, 3, 6, 7], first: [0, 0, 4, 0, 0], byCotangent: [0, 0, 5, 0, 0] },
  hardsigmoid: {
    f: ops.hardsigmoid,
    x: [-4, -3, 0, 3, 4],
    first: [0, 0, 2 / 3, 0, 0],
    byCotangent: [0, 0, 5 / 6, 0, 0],
  },
  hardswish: {
    f: ops.hardswish,
    x: [-4, -3, 0, 3, 4],
    first: [0, 0, 2, 5, 6],
    byCotangent: [0, 0, 2.5, 6, 7],
    second: [0, 0, 20 / 3, 0, 0],
  },
  "hardshrink and softshrink": {
    f: (x) => ops.hardshrink(x, { lambd: 0.5 }).add(ops.softshrink(x, { lambd: 0.5 })),
    x: [-1, -0.5, 0, 0.5, 1],
    first: [4, 0, 0, 0, 12],
    byCotangent: [6, 0, 0, 0, 14],
  },
  "leakyRelu at 0": {
    f: (x) => ops.leakyRelu(x, { negativeSlope: 0.1 }),
    x: [-1, 0, 1],
    first: [0.2, 0.3, 4],
    byCotangent: [0.3, 0.4, 5],
  },
  "threshold at its limit": {
    f: (x) => ops.threshold(x, 0.5, 9),
    x: [0, 0.5, 1],
    first: [0, 0, 4],
    byCotangent: [0, 0, 5],
  },
  "fmod and remainder": {
    f: (x) => ops.fmod(x, 2).add(ops.remainder(x, -3)),
    x: [-5, 4],
    first: [4, 6],
    byCotangent: [6, 8],
  },
  "fmod and remainder, by the divisor": {
    f: (x) => ops.fmod(c(-5, 5), x).add(ops.remainder(c(-5, 5), x)),
    x: [2, -2],
    // −trunc and −floor of the quotient, −2.5
    first: [2 * (2 + 3), 3 * (2 + 3)],
    byCotangent: [3 * (2 + 3), 4 * (2 + 3)],
  },
  "logit at eps": {
    f: (x) => ops.logit(x, { eps: 0.25 }),
    x: [0.25, 0.5, 0.1],
    first: [32 / 3, 12, 0],
    byCotangent: [16, 16, 0],
    second: [-256 / 3, 0, 0],
  },

  // ---- nothing, and ones -----------------------------------------------------------------------------------------
  "an empty slice with steps": { f: (x) => x.slice(0, 3, 3, 2), x: [1, 2, 3, 4, 5], first: zeros(5), byCotangent: [] },
  "a slice with steps, away from both ends": {
    f: (x) => x.slice(0, 1, 4, 2),
    x: [1, 2, 3, 4, 5],
    first: [0, 2, 0, 3, 0],
    byCotangent: [4, 6],
  },
  "slices of a matrix with two steps": {
    f: (x) => x.slice(0, 0, 3, 2).slice(1, 1, 4, 2),
    x: at([3, 4], ...zeros(12)),
    first: [0, 2, 0, 3, 0, 0, 0, 0, 0, 4, 0, 5],
    byCotangent: [4, 6, 12, 14],
  },
  "sum of no columns": { f: (x) => x.sum(1), x: at([2, 0]), first: [], byCotangent: [0, 0] },
  "prod of no columns": { f: (x) => x.prod(1), x: at([2, 0]), first: [], byCotangent: [0, 0] },
  "cumsum of nothing": { f: (x) => x.cumsum(0), x: at([0]), first: [], byCotangent: [] },
  "broadcasting beside axes of length 1 on both sides": {
    f: (x) => x.mul(tensor([1, 2, 3, 4, 5, 6]).reshape([2, 1, 3])),
    x: at([1, 1, 3], 1, 1, 1),
    first: [2 + 20, 6 + 30, 12 + 42],
    byCotangent: [3, 8, 15, 12, 20, 30],
  },
  "broadcasting to more axes": {
    f: (x) => x.add(tensor(zeros(6)).reshape([3, 2, 1])),
    x: at([2, 1], 1, 1),
    first: [2 + 4 + 6, 3 + 5 + 7],
    byCotangent: [3, 4, 3, 4, 3, 4],
  },
  "broadcasting of one to nothing": { f: (x) => x.add(tensor(zeros(0))), x: [1], first: [0], byCotangent: [] },
  "a gather of indices outside": {
    f: (x) => bind(gatherP, [x, tensor([-1, 2, 0, 3], { dtype: "int32" })], [0]),
    x: [1, 2, 3],
    first: [4, 0, 3],
    byCotangent: [0, 5, 3, 0],
  },
  "a scatterAdd at indices outside": {
    f: (x) => bind(scatterAddP, [tensor(zeros(3)), tensor([-1, 2, 2, 3], { dtype: "int32" }), x], [0]),
    x: [1, 2, 3, 4],
    first: [0, 4, 4, 0],
    byCotangent: [0, 0, 9],
  },
};

const counted = (from: number, { shape, size }: Tensor): Tensor =>
  tensor(Array.from({ length: size }, (_, i) => from + i)).reshape(shape);

async function near(got: Tensor | null, wanted: readonly number[]): Promise<void> {
  const data = got === null ? zeros(wanted.length) : Array.from(await got.data());
  const close = (v: number): unknown => (Number.isFinite(v) ? expect.closeTo(v, 11) : v);
  expect(data.map((v) => v + 0)).toEqual(wanted.map(close));
}

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

test.each(Object.keys(GUARDS))("%s", async (guard) => {
  const { f, x: point, first, byCotangent, second } = GUARDS[guard];
  const x = "data" in point ? tensor([...point.data]).reshape(point.shape) : tensor([...point]);
  const leaf = x.detach().requiresGrad_();
  const y = f(leaf);
  const v = counted(2, y).detach().requiresGrad_();
  const [g] = grad(y, [leaf], { gradOutputs: v, createGraph: true });
  const [byV, byX] = grad(g as Tensor, [v, leaf], { gradOutputs: counted(3, x), allowUnused: true });
  await near(g, first);
  await near(byV, byCotangent);
  await near(byX, second ?? zeros(first.length));
});
