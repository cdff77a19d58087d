/** vjp, jvp, hvp, jacobian and hessian against closed forms. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { add, exp, init, matmul, mul, sum, type Tensor, tensor } from "@loopgrad/tensor";
import { grad, hessian, hvp, jacobian, jvp, vjp } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const x = () => tensor([1, 2, 3]);

/** y = [x₀ x₁, x₁ x₂, x₂ x₀]: J = [[x₁, x₀, 0], [0, x₂, x₁], [x₂, 0, x₀]]. */
const ring = (v: Tensor): Tensor => mul(v, v.roll(-1, 0));
const J = [
  [2, 1, 0],
  [0, 3, 2],
  [3, 0, 1],
];

test("jacobian", async () => {
  expect(await jacobian(ring, x()).toArray()).toEqual(J);
  const [a, b] = [tensor([[1, 2]]), tensor([[3], [4]])];
  const [ja, jb] = jacobian(matmul, [a, b]);
  expect([ja.shape, jb.shape]).toEqual([
    [1, 1, 1, 2],
    [1, 1, 2, 1],
  ]);
  expect(await ja.toArray()).toEqual([[[[3, 4]]]]);
});

test("vjp is vᵀJ", async () => {
  const [y, g] = vjp(ring, x(), tensor([1, 10, 100]));
  expect(await y.toArray()).toEqual([2, 6, 3]);
  expect(await g.toArray()).toEqual([302, 31, 120]);
  expect(y.requiresGrad).toBe(false);
});

test("jvp is J v", async () => {
  const [y, product] = jvp(ring, x(), tensor([1, 10, 100]));
  expect(await y.toArray()).toEqual([2, 6, 3]);
  expect(await product.toArray()).toEqual([12, 230, 103]);
});

test("jvp of several inputs, of which one is unused, adds up", async () => {
  const f = (a: Tensor, _: Tensor, c: Tensor): Tensor => mul(a, exp(c));
  const [, product] = jvp(f, [tensor([2]), tensor([5]), tensor([0])], [tensor([1]), tensor([7]), tensor([10])]);
  expect(await product.toArray()).toEqual([21]);
  const [, none] = jvp(() => tensor([1, 2]), x(), x());
  expect(await none.toArray()).toEqual([0, 0]);
});

describe("second order", () => {
  /** f = Σ xᵢ² xᵢ₊₁. */
  const f = (v: Tensor): Tensor => sum(mul(mul(v, v), v.roll(-1, 0)));
  const H = [
    [4, 2, 6],
    [2, 6, 4],
    [6, 4, 2],
  ];

  test("hessian", async () => {
    expect(await hessian(f, x()).toArray()).toEqual(H);
    expect(() => hessian(ring, x())).toThrow(/hessian.*\[3\].*single element/);
  });

  test("hessian of several inputs is a table", async () => {
    const table = hessian((a, b) => sum(mul(mul(a, a), b)), [tensor([2]), tensor([3])]);
    expect(await Promise.all(table.flat().map((h) => h.item()))).toEqual([6, 4, 4, 0]);
  });

  test("hvp is H v", async () => {
    const [value, product] = hvp(f, x(), tensor([1, 10, 100]));
    expect(await value.item()).toBe(1 * 2 + 4 * 3 + 9 * 1);
    expect(await product.toArray()).toEqual([624, 462, 246]);
  });
});

test("with createGraph results are differentiated through the inputs", async () => {
  const w = tensor([1, 2, 3], { requiresGrad: true });
  const [, product] = hvp((v) => sum(exp(v)), w, tensor([1, 1, 1]), { createGraph: true });
  const [g] = grad(sum(product), [w]) as [Tensor];
  const values = await g.data();
  [1, 2, 3].forEach((v, i) => {
    expect(values[i]).toBeCloseTo(Math.exp(v), 10);
  });
  const [, forward] = jvp((v) => mul(v, v), w, tensor([1, 1, 1]), { createGraph: true });
  expect(await (grad(sum(forward), [w])[0] as Tensor).toArray()).toEqual([2, 2, 2]);
});

test("inputs that need no gradient are as good as others, with createGraph too", async () => {
  const fn = (a: Tensor, b: Tensor): Tensor => sum(mul(exp(a), mul(b, b)));
  const TRANSFORMS: Record<string, (xs: Tensor[], createGraph: boolean) => Tensor[]> = {
    vjp: (xs, createGraph) => vjp(fn, xs, tensor(3), { createGraph }).flat(),
    jvp: (xs, createGraph) => jvp(fn, xs, [tensor([1, 2]), tensor([3, 4])], { createGraph }),
    hvp: (xs, createGraph) => hvp(fn, xs, [tensor([1, 2]), tensor([3, 4])], { createGraph }).flat(),
    jacobian: (xs, createGraph) => jacobian(fn, xs, { createGraph }),
    hessian: (xs, createGraph) => hessian(fn, xs, { createGraph }).flat(),
  };
  const [a, b] = [tensor([0.1, 0.2]), tensor([0.3, 0.4])];
  const leaves = [a, b].map((t) => t.detach().requiresGrad_());
  for (const [name, transform] of Object.entries(TRANSFORMS)) {
    const read = (ts: Tensor[]): Promise<unknown[]> => Promise.all(ts.map((t) => t.toArray()));
    const wanted = [name, await read(transform([a, b], false))];
    for (const xs of [[a, b], [leaves[0], b], [a, leaves[1]], leaves]) {
      for (const createGraph of [false, true]) {
        const results = transform(xs, createGraph);
        expect([name, await read(results)]).toEqual(wanted);
        if (!createGraph) expect(results.some((t) => t.requiresGrad)).toBe(false);
        const on = createGraph ? xs.filter((x) => x.requiresGrad) : [];
        if (on.length > 0)
          expect(
            grad(
              results.map((t) => t.sum()).reduce((p, q) => p.add(q)),
              on,
            ),
          ).toHaveLength(on.length);
      }
    }
  }
});

test("the function gets leaves of its own; with createGraph places of the inputs that are on the tape", () => {
  const TRANSFORMS: Record<string, (fn: (v: Tensor) => Tensor, v: Tensor, createGraph: boolean) => unknown> = {
    vjp: (fn, v, createGraph) => vjp(fn, v, tensor(1), { createGraph }),
    jvp: (fn, v, createGraph) => jvp(fn, v, x(), { createGraph }),
    hvp: (fn, v, createGraph) => hvp(fn, v, x(), { createGraph }),
    jacobian: (fn, v, createGraph) => jacobian(fn, v, { createGraph }),
    hessian: (fn, v, createGraph) => hessian(fn, v, { createGraph }),
  };
  for (const [name, transform] of Object.entries(TRANSFORMS)) {
    for (const createGraph of [false, true]) {
      for (const input of [x(), x().requiresGrad_(), x().requiresGrad_().mul(2)]) {
        const seen: boolean[][] = [];
        const fn = (v: Tensor): Tensor => {
          seen.push([v.requiresGrad, v.isLeaf, v === input]);
          return sum(mul(v, mul(v, v)));
        };
        transform(fn, input, createGraph);
        expect([name, seen]).toEqual([name, [[true, !(createGraph && input.requiresGrad), false]]]);
      }
    }
  }
});

test("a function that ignores its input has a gradient of zeros", async () => {
  const constant = add(tensor([1]), tensor([2]));
  const [, g] = vjp(() => constant, x(), tensor([1]));
  expect(await g.toArray()).toEqual([0, 0, 0]);
});
