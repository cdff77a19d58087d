/**
 * Every public operation of @loopgrad/tensor: its gradient, and its gradient's gradient, against central differences
 * in float64. One table; an operation that is neither in it nor among those without a gradient fails the last test.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Tensor } from "@loopgrad/tensor";
import { grad, gradcheck, gradgradcheck } from "./index.ts";
import { bool, CASES, leafFor, NO_GRADIENT } from "./testing/operation-cases.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

describe.each(Object.keys(CASES))("%s", (name) => {
  test.each(CASES[name].map((one, i) => [i, one] as const))("case %i", async (_, [fn, ...inputs]) => {
    const leaves = inputs.map(leafFor);
    await gradcheck(fn, leaves);
    await gradgradcheck(fn, leaves);
  });
});

test("maskedSelect, though it waits for its mask, is differentiated through what it selects", async () => {
  const x = leafFor([2, 3], 0);
  const selected = await ops.maskedSelect(x.square(), bool([1, 0, 1], 3));
  const [first] = grad(selected.square().sum(), [x], { createGraph: true });
  const [second] = grad((first as Tensor).sum(), [x]);
  // Σ x⁴ over the selected: 4x³, 12x².
  const data = [...(await x.data())];
  const expected = (f: (v: number) => number) => data.map((v, i) => (i % 3 === 1 ? 0 : f(v)));
  for (const [got, f] of [
    [first, (v: number) => 4 * v ** 3],
    [second, (v: number) => 12 * v ** 2],
  ] as const) {
    const values = await (got as Tensor).data();
    expected(f).forEach((v, i) => void expect(values[i]).toBeCloseTo(v, 10));
  }
});

test("every export is in the table, or has a reason not to be", () => {
  const exported = Object.entries(ops).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  const without = Object.values(NO_GRADIENT).flatMap((names) => names.split(" "));
  expect([...Object.keys(CASES), ...without].sort()).toEqual(exported.sort());
});
