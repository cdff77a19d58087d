import { beforeAll, expect, test } from "@jest/globals";
import { cdist, cosineSimilarity, init, normalize, pairwiseDistance, type Tensor, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const read = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const close = (expected: number[]) => expected.map((v) => expect.closeTo(v, 12));

test("normalize makes length 1, and leaves a zero vector", async () => {
  expect(
    await read(
      normalize(
        tensor([
          [3, 4],
          [0, 0],
        ]),
      ),
    ),
  ).toEqual(close([0.6, 0.8, 0, 0]));
  expect(await read(normalize(tensor([3, -1]), { p: 1, dim: 0 }))).toEqual([0.75, -0.25]);
});

test("cosine similarity, broadcasting", async () => {
  const [a, b] = [
    tensor([
      [1, 0],
      [1, 1],
    ]),
    tensor([2, 2]),
  ];
  expect(await read(cosineSimilarity(a, b))).toEqual(close([Math.SQRT1_2, 1]));
  expect(cosineSimilarity(tensor([[[1, 2]]]), a, { dim: -1 }).shape).toEqual([1, 2]);
});

test("distances", async () => {
  const [a, b] = [
    tensor([
      [0, 0],
      [3, 4],
    ]),
    tensor([
      [3, 4],
      [3, 4],
    ]),
  ];
  expect(await read(pairwiseDistance(a, b, { eps: 0 }))).toEqual([5, 0]);
  expect(await cdist(a, b).toArray()).toEqual([
    [5, 5],
    [0, 0],
  ]);
  expect(await cdist(a, b, { p: 1 }).toArray()).toEqual([
    [7, 7],
    [0, 0],
  ]);
  expect(() => cdist(a, tensor([[1]]))).toThrow("cdist: [2, 2] and [1, 1]: wanted […, P, d] and […, R, d]");
});

test("operands broadcast before lengths are taken; a number is a vector of length 1", async () => {
  const rows = [
    [tensor([[3, 4]]), tensor([[1], [1]])],
    [tensor([[1], [1]]), tensor([[3, 4]])],
  ] as const;
  for (const [a, b] of rows) {
    const cosines = (await cosineSimilarity(a, b, { dim: 1 }).toArray()) as number[];
    expect(cosines.map((c) => c.toFixed(5))).toEqual(["0.98995", "0.98995"]);
  }
  expect(((await cosineSimilarity(tensor([[3, 4]]), tensor([1, 1])).toArray()) as number[])[0]).toBeCloseTo(0.98995, 5);
  expect(await cosineSimilarity(tensor(3), tensor(-4), { dim: 0 }).item()).toBe(-1);
  expect(await cosineSimilarity(tensor(3), tensor([4, 4]), { dim: -1 }).item()).toBeCloseTo(1, 6);
  // |3 − 1, 4 − 1| and |3 − 2, 4 − 2|
  const distances = (await pairwiseDistance(tensor([[3, 4]]), tensor([[1], [2]]), { eps: 0 }).toArray()) as number[];
  expect(distances.map((d) => d.toFixed(4))).toEqual([Math.sqrt(13).toFixed(4), Math.sqrt(5).toFixed(4)]);
  expect(await pairwiseDistance(tensor(3), tensor(5), { eps: 0 }).item()).toBe(2);
});
