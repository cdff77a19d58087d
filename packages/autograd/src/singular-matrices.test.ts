/**
 * Matrices without an inverse. A determinant is a polynomial of the elements: Leibniz' formula says what it and its
 * derivatives are, whatever the rank. Inverses, solutions and factors do not exist there, and must not look as if.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Tensor, tensor } from "@loopgrad/tensor";
import { grad } from "./index.ts";

type Matrix = number[][];

/** Permutations of 0 … n − 1, with their signs. */
function permutations(n: number): { sign: number; to: number[] }[] {
  if (n === 0) return [{ sign: 1, to: [] }];
  return permutations(n - 1).flatMap(({ sign, to }) =>
    Array.from({ length: n }, (_, place) => ({
      sign: (n - 1 - place) % 2 === 0 ? sign : -sign,
      to: to.toSpliced(place, 0, n - 1),
    })),
  );
}

/** The derivative of the determinant by the elements at these [row, column], by Leibniz' formula. */
function derivative(a: Matrix, by: [number, number][]): number {
  let total = 0;
  for (const { sign, to } of permutations(a.length)) {
    if (new Set(by.map(([i]) => i)).size < by.length || by.some(([i, j]) => to[i] !== j)) continue;
    total += to.reduce((product, j, i) => (by.some(([row]) => row === i) ? product : product * a[i][j]), sign);
  }
  return total;
}

const outer = (u: number[], v: number[]): Matrix => u.map((x) => v.map((y) => x * y));
const plus = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((x, j) => x + b[i][j]));
const zero = (n: number): Matrix => outer(new Array<number>(n).fill(0), new Array<number>(n).fill(0));
const ones = (n: number): Matrix => outer(new Array<number>(n).fill(1), new Array<number>(n).fill(1));

const SINGULAR: [string, Matrix][] = [
  ["0 × 1 × 1", [[0]]],
  ["zeros 2 × 2", zero(2)],
  ["rank 1 of 2", [[1, 2], [2, 4]]], // biome-ignore format: a matrix
  ["zeros 3 × 3", zero(3)],
  ["ones 3 × 3", ones(3)],
  ["rank 1 of 3", [[1, 2, 3], [2, 4, 6], [3, 6, 9]]], // biome-ignore format: a matrix
  ["rank 2 of 3", [[1, 2, 3], [4, 5, 6], [7, 8, 9]]], // biome-ignore format: a matrix
  ["a zero row", [[0, 0, 0], [1, 2, 0], [3, 1, 1]]], // biome-ignore format: a matrix
  ["zeros 4 × 4", zero(4)],
  ["rank 1 of 4", outer([1, 2, -1, 3], [2, 1, 0, 1])],
  ["rank 2 of 4", plus(outer([1, 2, -1, 3], [2, 1, 0, 1]), outer([0, 1, 1, -2], [1, -1, 2, 3]))],
  [
    "rank 3 of 4",
    plus(
      plus(outer([1, 2, -1, 3], [2, 1, 0, 1]), outer([0, 1, 1, -2], [1, -1, 2, 3])),
      outer([1, 0, 1, 0], [0, 2, 1, 1]),
    ),
  ],
  ["zeros and one 1, 5 × 5", outer([0, 0, 1, 0, 0], [0, 1, 0, 0, 0])],
  ["rank 2 of 5", plus(outer([1, 2, -1, 3, 1], [2, 1, 0, 1, 1]), outer([0, 1, 1, -2, 2], [1, -1, 2, 3, 0]))],
];
const REGULAR: [string, Matrix][] = [
  ["regular 2 × 2", [[0, 2], [3, 0]]], // biome-ignore format: a matrix
  ["regular 3 × 3", [[0, 1, 2], [3, 0, 1], [1, 1, 0]]], // biome-ignore format: a matrix
  ["regular 5 × 5", plus(ones(5), [[0, 0, 2, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, -2], [0, 3, 0, 0, 0], [0, 0, 0, 1, 0]])], // biome-ignore format: a matrix
];

describe.each([
  ["cpu", "float64", 9],
  ["webgpu", "float32", 3],
] as const)("%s", (device, dtype, digits) => {
  let own: ops.Device;
  beforeAll(async () => {
    own = await init({ device, dtype });
  });
  afterAll(() => own.destroy());

  const near = (x: number) => expect.closeTo(x, digits);
  const leaf = (a: Matrix | Matrix[]): Tensor => tensor(a, { requiresGrad: true });
  const rows = async (x: Tensor): Promise<Matrix> => (await x.toArray()) as Matrix;

  test.each([...SINGULAR, ...REGULAR])(
    "det of %s, its cofactors, and the derivatives of two of those",
    async (_, a) => {
      using _scope = ops.scope();
      const n = a.length;
      const table = (by: [number, number][]): Matrix =>
        a.map((row, i) => row.map((_, j) => near(derivative(a, [...by, [i, j]])) as unknown as number));
      const x = leaf(a);
      const y = ops.det(x);
      const [g] = grad(y, [x], { createGraph: true });
      expect(await y.item()).toEqual(near(derivative(a, [])));
      expect(await rows(g)).toEqual(table([]));
      // Of one element the derivative is constant; on the software adapter plans of large matrices take seconds.
      if (n < 2 || (device === "webgpu" && n > 3)) return;
      const cofactors: [number, number][] = [
        [n - 2, n - 1],
        [0, 0],
        [n - 1, 0],
      ];
      // On the software adapter a new plan takes a second: one cofactor there.
      for (const [i, j] of device === "cpu" ? cofactors : cofactors.slice(0, 1)) {
        const [h] = grad(g.select(0, i).select(0, j), [x], { createGraph: true });
        expect(await rows(h)).toEqual(table([[i, j]]));
        if (!h.requiresGrad) continue; // constant
        const [k, l] = [i === 0 ? 1 : 0, j === 0 ? 1 : 0];
        const [t] = grad(h.select(0, k).select(0, l), [x], { retainGraph: true });
        const pairs: [number, number][] = [
          [i, j],
          [k, l],
        ];
        expect(await rows(t)).toEqual(table(pairs));
      }
    },
  );

  test("a singular matrix leaves the others of its batch alone", async () => {
    using _scope = ops.scope();
    // biome-ignore format: matrices
    const batch = [zero(2), [[1, 2], [3, 4]], [[1, 2], [2, 4]]];
    const x = leaf(batch);
    const y = ops.det(x);
    const [g] = grad(y.sum(), [x], { createGraph: true });
    const [h] = grad(g.select(1, 0).select(1, 1).sum(), [x]);
    expect(await y.toArray()).toEqual([0, near(-2), 0]);
    // biome-ignore format: matrices
    expect(await g.toArray()).toEqual(batch.map(([[p, q], [r, s]]) => [[near(s), near(-r)], [near(-q), near(p)]]));
    // biome-ignore format: matrices
    expect(await h.toArray()).toEqual(batch.map(() => [[near(0), near(0)], [near(-1), near(0)]]));
    if (device === "webgpu") return;
    const regular = REGULAR[2][1];
    const large = leaf([zero(5), ones(5), regular]);
    const [all] = grad(ops.det(large).sum(), [large]);
    expect(await ops.det(large).toArray()).toEqual([0, 0, near(derivative(regular, []))]);
    expect(await all.toArray()).toEqual(
      [zero(5), ones(5), regular].map((a) => a.map((row, i) => row.map((_, j) => near(derivative(a, [[i, j]]))))),
    );
  });

  test("slogdet of a singular matrix is 0 and −Infinity, and its gradient is not finite", async () => {
    using _scope = ops.scope();
    for (const [name, a] of SINGULAR) {
      const x = leaf([a, a]);
      const [sign, log] = ops.slogdet(x);
      expect([name, await sign.toArray(), await log.toArray()]).toEqual([name, [0, 0], [-Infinity, -Infinity]]);
      if (device === "webgpu" && a.length > 2) continue;
      const [g] = grad(log.sum(), [x]);
      expect([...(await g.data())].some((v) => Number.isFinite(v) && v !== 0)).toBe(false);
    }
  });

  test("slogdet of numbers whose product would leave the range", async () => {
    using _scope = ops.scope();
    const diagonal = tensor([1e30, 1e-30, 1e25, 1e20, 1e-35]);
    const [sign, log] = ops.slogdet(ops.diagEmbed(diagonal));
    expect([await sign.item(), await log.item()]).toEqual([1, expect.closeTo(10 * Math.log(10), 3)]);
    const [none, zero0] = ops.slogdet(ops.zeros([2, 0, 0]));
    expect([await none.toArray(), await zero0.toArray()]).toEqual([[1, 1], [0, 0]]); // biome-ignore format: pairs
    expect(await ops.det(ops.zeros([0, 0])).item()).toBe(1);
    expect(await ops.det(ops.zeros([0, 4, 4])).toArray()).toEqual([]);
  });

  test("inverses and solutions of singular systems have no finite element", async () => {
    using _scope = ops.scope();
    for (const [name, a] of SINGULAR.filter(([name]) => !/^rank [^1]/.test(name))) {
      if (device === "webgpu" && a.length > 2) continue;
      const x = leaf(a);
      const b = tensor(a.map((_, i) => [1, i + 1]));
      const y = ops.solve(x, b);
      const [g] = grad(y.sum(), [x]);
      for (const result of [ops.inverse(x), y, g]) {
        expect([name, [...(await result.data())].filter((v) => Number.isFinite(v))]).toEqual([name, []]);
      }
    }
  });

  test("a matrix that is not positive definite has NaN in its Cholesky factor", async () => {
    using _scope = ops.scope();
    for (const a of [
      zero(2),
      ones(3),
      [
        [1, 2],
        [2, 1],
      ],
      [
        [-1, 0],
        [0, 1],
      ],
    ]) {
      // biome-ignore format: matrices
      const l = (await ops.cholesky(tensor(a)).toArray()) as Matrix;
      expect(l[a.length - 1].some((v) => Number.isNaN(v))).toBe(true);
      expect(await ops.cholesky(tensor(a)).log().sum().item()).toBeNaN();
    }
  });

  test("a triangular system with a 0 on the diagonal", async () => {
    using _scope = ops.scope();
    const a = tensor([[2, 0, 0], [1, 0, 0], [1, 1, 1]]); // biome-ignore format: a matrix
    const lower = await ops.triangularSolve(a, tensor([[2], [3], [4]]), { upper: false }).toArray();
    expect(lower).toEqual([[1], [Infinity], [-Infinity]]);
  });
});
