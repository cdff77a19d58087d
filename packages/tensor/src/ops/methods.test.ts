import { beforeAll, expect, test } from "@jest/globals";
import * as lg from "../index.ts";
import { init, scope as openScope, Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

test("a method passes its tensor and all arguments on", async () => {
  const x = tensor([[1, 2, 3, 4, 5]]);
  expect(await x.slice(1, 0, 5, 2).toArray()).toEqual([[1, 3, 5]]);
  expect(await x.indexAdd(0, tensor([0], { dtype: "int32" }), x, { alpha: 2 }).toArray()).toEqual([[3, 6, 9, 12, 15]]);
  expect(await x.view([5]).toArray()).toEqual([1, 2, 3, 4, 5]);
  expect(x.isFloatingPoint()).toBe(true);
});

test("methods and functions of one name are one operation", async () => {
  const x = tensor([[0.5, 0.25]]);
  const functions = lg as unknown as Record<string, unknown>;
  const methods = Object.getOwnPropertyNames(Tensor.prototype).filter((name) => typeof functions[name] === "function");
  expect(methods.length).toBeGreaterThan(100);
  for (const name of ["exp", "sum", "square", "flatten", "isnan", "std", "var", "t"]) {
    const byFunction = (functions[name] as (x: Tensor) => Tensor)(x);
    const byMethod = (x as unknown as Record<string, () => Tensor>)[name]();
    expect(await byMethod.toArray()).toEqual(await byFunction.toArray());
  }
});

/** A result that nothing reads would be computed and stored at every flush. */
test("operations record nothing that they do not use", () => {
  const x = tensor([
    [4, 1],
    [2, 3],
  ]);
  const image = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9]).reshape([1, 1, 3, 3]);
  const index = tensor([[0, 1]], { dtype: "int32" });
  const operations: (() => Tensor | Tensor[])[] = [
    () => x.var(0),
    () => x.std(),
    () => x.norm(1, { p: 3 }),
    () => x.logsumexp(0),
    () => x.softmax(0),
    () => lg.maxPool2d(image, 2),
    () => lg.maxPool2d(image, 2, { padding: 1, stride: 1 }),
    () => lg.avgPool2d(image, 2, { ceilMode: true, countIncludePad: false }),
    () => x.topk(1),
    () => x.sort(),
    () => x.max(1),
    () => x.cumprod(0),
    () => lg.cholesky(x),
    () => lg.solve(x, x),
    () => lg.det(x),
    () => x.scatter(0, index, 3),
    () => x.scatter(0, index, x),
    () => x.index([index, { start: 1 }]),
    () => x.indexPut([index, 0], 3),
    () => x.indexPut([index], x.unsqueeze(0)),
    () => x.indexPut([1], 2, { accumulate: true }),
    () => lg.embedding(index, x, { paddingIdx: 0 }),
    () => lg.hypot(x, 2),
    () => lg.xlogy(x, x),
    () => lg.logaddexp(x, x),
    () => lg.gelu(x),
    () => lg.prelu(x, tensor([0.5, 1])),
    () => lg.cosineSimilarity(x, x),
    () => lg.einsum("ij,jk,kl->il", [x, x, x]),
    () => lg.interpolate(image, { size: 2, mode: "bilinear" }),
    () => lg.randn([3]),
    () => x.tril().triu().diagonal(),
    () => lg.fold(lg.unfold(image, 2), 3, 2),
  ];
  for (const operation of operations) {
    using scope = openScope();
    const results = [operation()].flat();
    const unused = scope.handles.filter((t) => t._value.uses === 0 && !results.some((r) => r._value === t._value));
    expect([operation.toString(), unused.map((t) => t._value.primitive?.name)]).toEqual([operation.toString(), []]);
  }
});
