/** Derivatives where there is a choice or a trap: kinks, ties, zeros, infinities. To third order, by closed forms. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  abs,
  amax,
  cast,
  cumsum,
  init,
  maximum,
  minimum,
  mul,
  norm,
  pow,
  prod,
  relu,
  round,
  safeSqrt,
  sign,
  std,
  sum,
  type Tensor,
  tanh,
  tensor,
} from "@loopgrad/tensor";
import { grad } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (...data: number[]): Tensor => tensor(data, { requiresGrad: true });

/** Derivatives of Σ fn(x) of the first, second, … order. */
async function derivatives(order: number, fn: (x: Tensor) => Tensor, ...data: number[]): Promise<number[][]> {
  const x = leaf(...data);
  let y = fn(x);
  const out: Promise<ArrayLike<number>>[] = [];
  for (let k = 0; k < order; k++) {
    [y] = grad(sum(y), [x], { createGraph: true }) as [Tensor];
    // A derivative that is constant may have left the tape; its own is 0.
    out.push(y.data());
    if (!y.requiresGrad) y = mul(x, 0);
  }
  return (await Promise.all(out)).map((values) => Array.from(values, (v) => v + 0));
}

describe("kinks", () => {
  test("relu and abs have derivative 0 at 0", async () => {
    expect(await derivatives(2, relu, -1, 0, 2)).toEqual([
      [0, 0, 1],
      [0, 0, 0],
    ]);
    expect(await derivatives(2, abs, -1, 0, 2)).toEqual([
      [-1, 0, 1],
      [0, 0, 0],
    ]);
  });

  test("steps have derivative 0", async () => {
    expect(await derivatives(1, sign, -1, 0, 2)).toEqual([[0, 0, 0]]);
    expect(await derivatives(1, round, 0.5, 1.2)).toEqual([[0, 0]]);
  });
});

describe("ties", () => {
  test("maximum and minimum give half to each", async () => {
    for (const choose of [maximum, minimum]) {
      const [a, b] = [leaf(1, 2, 3), leaf(2, 2, 2)];
      const [ga, gb] = grad(sum(choose(a, b)), [a, b]) as [Tensor, Tensor];
      expect(Array.from(await ga.data())).toEqual(choose === maximum ? [0, 0.5, 1] : [1, 0.5, 0]);
      expect(Array.from(await gb.data())).toEqual(choose === maximum ? [1, 0.5, 0] : [0, 0.5, 1]);
    }
  });

  test("amax shares equally, and its gradient stays finite beside NaN", async () => {
    expect(await derivatives(2, (x) => mul(amax(x), 6), 3, 1, 3, 3)).toEqual([
      [2, 0, 2, 2],
      [0, 0, 0, 0],
    ]);
    expect(await derivatives(1, (x) => amax(x), 1, Number.NaN)).toEqual([[0, 0]]);
  });
});

describe("prod", () => {
  /** d³/dx₀dx₁dx₂ and the like: products of what is left. */
  test("with one zero, two zeros, three zeros", async () => {
    for (const data of [
      [2, 0, 3, 5],
      [0, 2, 0, 5],
      [0, 0, 7, 0],
    ]) {
      const x = leaf(...data);
      const without = (...left: number[]) => data.reduce((p, v, i) => (left.includes(i) ? p : p * v), 1);
      const [g] = grad(prod(x), [x], { createGraph: true }) as [Tensor];
      expect(Array.from(await g.data())).toEqual(data.map((_, i) => without(i)));
      const [h] = grad(g.select(0, 0), [x], { createGraph: true }) as [Tensor];
      expect(Array.from(await h.data())).toEqual(data.map((_, j) => (j === 0 ? 0 : without(0, j))));
      const [t] = grad(h.select(0, 2), [x]) as [Tensor];
      expect(Array.from(await t.data())).toEqual(data.map((_, k) => (k === 0 || k === 2 ? 0 : without(0, 2, k))));
    }
  });

  test("of nothing is 1, and has a gradient of no elements", async () => {
    const x = tensor(new Float64Array(0), { shape: [2, 0], requiresGrad: true });
    const [g] = grad(sum(prod(x, 1)), [x]) as [Tensor];
    expect(g.shape).toEqual([2, 0]);
  });
});

describe("pow", () => {
  test("at base 0, for a whole exponent, to third order", async () => {
    const power = (b: number) => (x: Tensor) => pow(x, tensor([b]));
    expect(await derivatives(3, power(0), 0)).toEqual([[0], [0], [0]]);
    expect(await derivatives(3, power(1), 0)).toEqual([[1], [0], [0]]);
    expect(await derivatives(3, power(2), 0)).toEqual([[0], [2], [0]]);
    expect(await derivatives(3, power(3), 0)).toEqual([[0], [0], [6]]);
    expect(await derivatives(3, power(4), -2)).toEqual([[-32], [48], [-48]]);
  });

  test("by the exponent is 0 at base 0, to third order", async () => {
    expect(await derivatives(3, (b) => pow(tensor([0, 0]), b), 0, 2)).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("mixed second derivative: aᵇ⁻¹ (1 + b log a), also at exponent 0", async () => {
    const [a, b] = [leaf(2, 4), leaf(3, 0)];
    const [ga] = grad(sum(pow(a, b)), [a], { createGraph: true }) as [Tensor];
    const [gab] = grad(sum(ga), [b]) as [Tensor];
    const values = await gab.data();
    expect(values[0]).toBeCloseTo(4 * (1 + 3 * Math.log(2)), 12);
    expect(values[1]).toBeCloseTo(1 / 4, 12);
  });
});

describe("safeSqrt", () => {
  test("has derivative 0 at 0, to third order", async () => {
    const x = tensor([0, 4], { requiresGrad: true });
    let y = safeSqrt(x);
    for (const expected of [1 / 4, -1 / 32, 3 / 256]) {
      [y] = grad(sum(y), [x], { createGraph: true }) as [Tensor];
      const values = await y.data();
      expect(values[0] + 0).toBe(0);
      expect(values[1]).toBeCloseTo(expected, 12);
    }
  });

  test("keeps std of equal numbers and the norm of zeros differentiable", async () => {
    for (const fn of [(x: Tensor) => std(x), (x: Tensor) => norm(x)]) {
      const x = tensor([0, 0, 0], { requiresGrad: true });
      const [g] = grad(fn(x), [x], { createGraph: true }) as [Tensor];
      const [h] = grad(sum(g.square()), [x]) as [Tensor];
      expect(await g.toArray()).toEqual([0, 0, 0]);
      expect(await h.toArray()).toEqual([0, 0, 0]);
    }
  });
});

test("tanh to third order", async () => {
  const t = Math.tanh(0.4);
  const s = 1 - t * t;
  const [[d1], [d2], [d3]] = await derivatives(3, tanh, 0.4);
  expect(d1).toBeCloseTo(s, 12);
  expect(d2).toBeCloseTo(-2 * t * s, 12);
  expect(d3).toBeCloseTo(s * (6 * t * t - 2), 12);
});

test("cumsum's gradient sums from the other end", async () => {
  const x = leaf(1, 2, 3);
  const [g] = grad(cumsum(x, 0), [x], { gradOutputs: tensor([1, 10, 100]) }) as [Tensor];
  expect(Array.from(await g.data())).toEqual([111, 110, 100]);
});

test("a cast hands the gradient back in the input's dtype", async () => {
  const x = tensor([1, 2], { dtype: "float32", requiresGrad: true });
  const [g] = grad(sum(mul(cast(x, "float64"), 3)), [x]) as [Tensor];
  expect(g.dtype).toBe("float32");
  expect(Array.from(await g.data())).toEqual([3, 3]);
});
