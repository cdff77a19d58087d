import { beforeAll, expect, test } from "@jest/globals";
import { cumprod, cumsum, init, tensor } from "../index.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

test("running sums and products along either dim", async () => {
  const x = tensor([
    [1, 2, 3],
    [4, 0, 6],
  ]);
  expect(await cumsum(x, 1).toArray()).toEqual([
    [1, 3, 6],
    [4, 4, 10],
  ]);
  expect(await x.cumsum(0).toArray()).toEqual([
    [1, 2, 3],
    [5, 2, 9],
  ]);
  expect(await x.cumprod(-1).toArray()).toEqual([
    [1, 2, 6],
    [4, 0, 0],
  ]);
  expect(cumsum(tensor([true, true]), 0).dtype).toBe("int32");
});

test("cumprod of any length", async () => {
  for (const n of [0, 1, 2, 7, 8, 9]) {
    const data = Array.from({ length: n }, (_, i) => (i % 3) + 1);
    let product = 1;
    expect(await cumprod(tensor(data), 0).toArray()).toEqual(data.map((v) => (product *= v)));
  }
  expect(await cumprod(tensor(3), 0).item()).toBe(3);
});
