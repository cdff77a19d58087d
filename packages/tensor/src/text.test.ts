/** Tensors where JavaScript wants text or a number. */
import { inspect } from "node:util";
import { beforeAll, expect, test } from "@jest/globals";
import { init, ones, type Tensor } from "./index.ts";

let x: Tensor;
beforeAll(async () => {
  await init({ device: "cpu" });
  x = ones([2]);
});

test("as text: shape, dtype and device, without elements", () => {
  const text = "Tensor([2], float32, cpu)";
  expect(`${x}`).toBe(text);
  expect(String(x)).toBe(text);
  expect(inspect({ x })).toBe(`{ x: ${text} [1, 1] }`); // for people: print.test.ts
});

test("as a number: an error, in place of NaN and of comparisons that are always false", () => {
  const n = x as unknown as number;
  for (const use of [() => n * 2, () => n - 1, () => n < 1, () => -n, () => Math.max(n, 0)]) {
    expect(use).toThrow("Tensor([2], float32, cpu) is used as a number: wanted an operation such as x.mul(2)");
  }
});
