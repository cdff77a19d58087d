/** Options of the tape's functions: unknown ones are refused in the name of the function; and what a derivative declares to read. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, init, type Tensor, tensor } from "@loopgrad/tensor";
import { grad, gradcheck, gradgradcheck, hessian, hvp, jacobian, jvp, vjp } from "./index.ts";
import { d, OUTPUT } from "./rules/rule.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const square = (x: Tensor): Tensor => x.square().sum();
const wrong = { nonsense: 1 } as object;

describe("an option that does not exist is refused", () => {
  const CASES: Record<string, (x: Tensor) => unknown> = {
    grad: (x) => grad(square(x), [x], wrong),
    backward: (x) => square(x).backward(wrong),
    vjp: (x) => vjp(square, x, tensor(1), wrong),
    jvp: (x) => jvp(square, x, x, wrong),
    hvp: (x) => hvp(square, x, x, wrong),
    jacobian: (x) => jacobian(square, x, wrong),
    hessian: (x) => hessian(square, x, wrong),
    gradcheck: (x) => gradcheck(square, [x], wrong),
    gradgradcheck: (x) => gradgradcheck(square, [x], wrong),
  };
  test.each(Object.keys(CASES))("by %s", async (name) => {
    const x = tensor([1, 2], { requiresGrad: true });
    const call = async () => CASES[name](x);
    await expect(call()).rejects.toThrow(ArgumentError);
    await expect(call()).rejects.toThrow(new RegExp(`^(Tensor\\.)?${name}: unknown option nonsense`));
  });
});

test("a derivative reads what its letters say, each one bit", () => {
  const reads = (letters: "" | "x" | "a" | "b" | "c" | "y" | "ab" | "bcy"): number => d(letters, (g) => g).reads;
  expect((["", "x", "a", "b", "c", "y", "ab", "bcy"] as const).map(reads)).toEqual([
    0,
    1,
    1,
    2,
    4,
    OUTPUT,
    3,
    6 | OUTPUT,
  ]);
  expect(OUTPUT).toBe(8);
});
