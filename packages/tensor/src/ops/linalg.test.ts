import { beforeAll, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { eye, init, manualSeed, randn, type Tensor, tensor } from "../index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
  manualSeed(1);
});

const close = async (x: Tensor, expected: Tensor) => {
  expect(x.shape).toEqual(expected.shape);
  expect([...(await x.data())]).toEqual([...(await expected.data())].map((v: number) => expect.closeTo(v, 9)));
};

test("cholesky: L Lᵀ gives the matrix back, of a batch too", async () => {
  const b = randn([2, 4, 4]);
  const a = b.matmul(b.transpose(1, 2)).add(eye(4));
  const l = lg.cholesky(a);
  await close(l.matmul(l.transpose(1, 2)), a);
  await close(l.tril(), l);
  expect((await lg.cholesky(tensor([[-1]])).data())[0]).toBeNaN();
});

test.each([1, 2, 5, 8])("solve and inverse of %i × %i", async (n) => {
  const a = randn([n, n]);
  const x = randn([n, 3]);
  await close(lg.solve(a, a.matmul(x)), x);
  await close(lg.solve(a, a.matmul(x.select(1, 0))), x.select(1, 0));
  await close(lg.inverse(a).matmul(a), eye(n));
});

test("a zero pivot is exchanged", async () => {
  const a = tensor([
    [0, 2],
    [3, 0],
  ]);
  await close(
    lg.inverse(a),
    tensor([
      [0, 1 / 3],
      [0.5, 0],
    ]),
  );
  expect(await lg.det(a).item()).toBe(-6);
  const [sign, log] = lg.slogdet(a);
  expect([await sign.item(), await log.item()]).toEqual([-1, expect.closeTo(Math.log(6), 12)]);
});

test("det of batches, by Leibniz' formula", async () => {
  const a = randn([3, 2, 2]);
  const [p, q, r, s] = [0, 1].flatMap((i) => [0, 1].map((j) => a.select(1, i).select(1, j)));
  await close(lg.det(a), p.mul(s).sub(q.mul(r)));
  await close(lg.slogdet(a)[1].exp().mul(lg.slogdet(a)[0]), lg.det(a));
  expect(await lg.det(tensor([[7]])).item()).toBe(7);
});

test("triangular systems from either side read one triangle only", async () => {
  const [a, x] = [randn([4, 4]).add(eye(4).mul(3)), randn([4, 2])];
  await close(lg.triangularSolve(a, a.tril().matmul(x), { upper: false }), x);
  await close(lg.triangularSolve(a, a.triu().matmul(x), { upper: true }), x);
  await close(lg.triangularSolve(a, x.t().matmul(a.triu()), { upper: true, left: false }), x.t());
  const unit = a.tril(-1).add(eye(4));
  await close(lg.triangularSolve(a, unit.matmul(x), { upper: false, unitriangular: true }), x);
});

test("matrices that do not fit are errors", () => {
  expect(() => lg.inverse(randn([2, 3]))).toThrow("inverse: [2, 3]: wanted […, n, n]");
  expect(() => lg.solve(eye(2), randn([3, 1]))).toThrow("solve: [2, 2] and [3, 1]: wanted […, n, n] and […, n, k]");
  expect(() => lg.det(tensor([[1]], { dtype: "int32" }))).toThrow("det: wanted a float tensor, got int32");
});
