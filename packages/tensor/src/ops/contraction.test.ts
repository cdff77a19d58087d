import { beforeAll, describe, expect, test } from "@jest/globals";
import { ShapeError } from "../errors.ts";
import * as lg from "../index.ts";
import { arange, init, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const counting = (...shape: number[]) =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: "float64" },
  ).reshape(shape);
const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** [B, M, K] × [B, K, N] by definition. */
async function product(a: Tensor, b: Tensor): Promise<number[]> {
  const [x, y] = [await a.data(), await b.data()];
  const [batch, m, k] = a.shape;
  const n = b.shape[2];
  const out: number[] = [];
  for (let t = 0; t < batch; t++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let s = 0; s < k; s++) sum += x[(t * m + i) * k + s] * y[(t * k + s) * n + j];
        out.push(sum);
      }
  return out;
}

describe("matmul", () => {
  test.each([
    [[3], [3], []],
    [[2, 3], [3], [2]],
    [[3], [3, 4], [4]],
    [
      [2, 3],
      [3, 4],
      [2, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [
      [5, 2, 3],
      [3, 4],
      [5, 2, 4],
    ],
    [
      [2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [[5, 2, 3], [3], [5, 2]],
    [[3], [5, 3, 4], [5, 4]],
    [
      [2, 1, 2, 3],
      [5, 3, 4],
      [2, 5, 2, 4],
    ],
  ])("%j × %j → %j", (a, b, shape) => {
    expect(counting(...a).matmul(counting(...b)).shape).toEqual(shape);
  });

  test("sums products over the inner dim", async () => {
    const [a, b] = [counting(2, 3, 4), counting(2, 4, 5)];
    expect(await read(a.matmul(b))).toEqual(await product(a, b));
    expect(await read(a.matmul(b.select(0, 1)))).toEqual(await product(a, b.slice(0, 1).expand([2, 4, 5])));
    expect(await read(counting(4).matmul(b))).toEqual(await product(counting(1, 1, 4).expand([2, 1, 4]), b));
    expect(await read(a.matmul(counting(4)))).toEqual(await product(a, counting(1, 4, 1).expand([2, 4, 1])));
  });

  test("says which dimensions differ", () => {
    expect(() => counting(8, 3).matmul(counting(4, 2))).toThrow(
      new ShapeError("matmul: [8, 3] × [4, 2]: inner dimensions 3 and 4 differ"),
    );
    expect(() => counting(2, 3).matmul(counting(2))).toThrow("inner dimensions 3 and 2 differ");
    expect(() => counting(3).matmul(tensor(1))).toThrow("matmul: [3] × []: both need at least one dim");
    expect(() => counting(2, 2, 3).matmul(counting(3, 3, 4))).toThrow("matmul: shapes [2] and [3] do not broadcast");
  });
});

test("named products want their ranks", () => {
  expect(() => lg.mm(counting(2, 2, 2), counting(2, 2))).toThrow("mm: [2, 2, 2] × [2, 2]: wanted ranks 2 and 2");
  expect(() => lg.bmm(counting(2, 2, 2), counting(1, 2, 2))).toThrow("bmm: [2, 2, 2] × [1, 2, 2]: batches differ");
  expect(() => lg.dot(counting(2, 2), counting(2))).toThrow(ShapeError);
  expect(() => lg.mv(counting(2), counting(2))).toThrow(ShapeError);
});

test("outer, dot, kron", async () => {
  const [a, b] = [tensor([1, 2]), tensor([3, 4])];
  expect(await lg.outer(a, b).toArray()).toEqual([
    [3, 4],
    [6, 8],
  ]);
  expect(await lg.dot(a, b).item()).toBe(11);
  expect(await lg.kron(a, tensor([[1], [10]])).toArray()).toEqual([
    [1, 2],
    [10, 20],
  ]);
});

test("linear multiplies by the transpose, and adds the bias", async () => {
  const y = lg.linear(counting(2, 1, 3), counting(2, 3), tensor([100, 200]));
  expect(await y.toArray()).toEqual([[[105, 214]], [[114, 250]]]);
  expect(() => lg.linear(counting(2, 4), counting(2, 3))).toThrow(
    "linear: input [2, 4], weight [2, 3]: wanted […, in] and [out, in]",
  );
});

test("addmm with factors; baddbmm; addmv", async () => {
  const [c, a, b] = [lg.ones([2, 2]), counting(2, 2), lg.eye(2)];
  expect(await read(lg.addmm(c, a, b, { beta: 10, alpha: 2 }))).toEqual([10, 12, 14, 16]);
  expect(await read(lg.baddbmm(c, a.unsqueeze(0), b.unsqueeze(0)))).toEqual([1, 2, 3, 4]);
  expect(await read(lg.addmv(tensor([1, 1]), a, tensor([1, 0])))).toEqual([1, 3]);
});

test("tensordot pairs dims", async () => {
  const [a, b] = [counting(2, 3, 4), counting(4, 3, 2)];
  const expected = lg.einsum("iab,baj->ij", [a, b]);
  expect(
    await read(
      lg.tensordot(a, b, [
        [1, 2],
        [1, 0],
      ]),
    ),
  ).toEqual(await read(expected));
  expect(lg.tensordot(a, counting(3, 4, 5), 2).shape).toEqual([2, 5]);
  expect(() => lg.tensordot(a, b, 1 as never).add(lg.tensordot(a, b, [[0], [0]]))).toThrow(
    "tensordot: [2, 3, 4] over [0] and [4, 3, 2] over [0]: the sizes differ",
  );
});

test("bilinear is a quadratic form per output", async () => {
  const [a, b, w] = [counting(2, 2), counting(2, 3), counting(4, 2, 3)];
  expect(await read(lg.bilinear(a, b, w))).toEqual(await read(lg.einsum("bi,oij,bj->bo", [a, w, b])));
  expect(() => lg.bilinear(a, a, w)).toThrow("bilinear: inputs [2, 2] and [2, 2], weight [4, 2, 3]");
});

describe("einsum", () => {
  test("takes its operands in an array, or one after the other as in torch", async () => {
    const [a, b] = [counting(2, 3), counting(3, 2)];
    const expected = await read(lg.matmul(a, b));
    expect(await read(lg.einsum("ij,jk->ik", a, b))).toEqual(expected);
    expect(await read(lg.einsum("ij,jk->ik", [a, b]))).toEqual(expected);
    expect(await read(lg.einsum("ij->ji", a))).toEqual(await read(a.t()));
    const many = new Array<Tensor>(8).fill(counting(2));
    expect(await read(lg.einsum("a,a,a,a,a,a,a,a->a", ...many))).toEqual(await read(counting(2).pow(8)));
    expect(() => lg.einsum("ij->ji")).toThrow("wanted at least one operand");
  });

  const equals = async (equation: string, operands: Tensor[], expected: Tensor) => {
    const y = lg.einsum(equation, operands);
    expect(y.shape).toEqual(expected.shape);
    expect(await read(y)).toEqual(await read(expected));
  };
  const [a, b] = [() => counting(2, 3), () => counting(3, 4)];

  test("products, sums, transposes, diagonals", async () => {
    await equals("ij,jk->ik", [a(), b()], a().matmul(b()));
    await equals("ij,jk", [a(), b()], a().matmul(b()));
    await equals("ij->ji", [a()], a().t());
    await equals("ij->", [a()], a().sum());
    await equals("ij->j", [a()], a().sum(0));
    await equals("ii", [counting(3, 3)], counting(3, 3).trace());
    await equals("iij->ji", [counting(2, 2, 3)], counting(2, 2, 3).diagonal());
    await equals(
      "i,j,k->kij",
      [tensor([1, 2]), tensor([1, 3]), tensor([1, 5])],
      tensor([
        [
          [1, 3],
          [2, 6],
        ],
        [
          [5, 15],
          [10, 30],
        ],
      ]),
    );
    await equals("ij,ij->ij", [a(), a()], a().square());
    await equals("ij,k->ij", [a(), tensor([1, 2])], a().mul(3));
  });

  test("an ellipsis stands for dims that broadcast", async () => {
    const [x, y] = [counting(5, 2, 3), counting(3, 4)];
    await equals("...ij,jk->...ik", [x, y], x.matmul(y));
    await equals(
      "...ij,...jk",
      [counting(2, 1, 2, 3), counting(5, 3, 4)],
      counting(2, 1, 2, 3).matmul(counting(5, 3, 4)),
    );
    await equals("...i->i...", [a()], a().t());
  });

  test("what is malformed is named", () => {
    expect(() => lg.einsum("ij,jk->ik", [a()])).toThrow('einsum "ij,jk->ik": 2 groups of letters for 1 operands');
    expect(() => lg.einsum("ijk->i", [a()])).toThrow('"ijk" has 3 letters, operand 0 is [2, 3]');
    expect(() => lg.einsum("ij,jk->ik", [a(), a()])).toThrow('einsum "ij,jk->ik": letter j is 3 and 2');
    expect(() => lg.einsum("ij->iz", [a()])).toThrow("the result's letter z occurs in no operand");
    expect(() => lg.einsum("ij->ii", [a()])).toThrow("a letter occurs twice in the result");
    expect(() => lg.einsum("i.j->ij", [a()])).toThrow('"i.j": wanted letters');
  });
});
