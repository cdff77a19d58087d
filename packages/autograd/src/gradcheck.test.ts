/** gradcheck accepts what is right, and says where something is wrong. */
import { beforeAll, expect, test } from "@jest/globals";
import { ArgumentError, add, init, matmul, mul, softmax, sum, type Tensor, tanh, tensor } from "@loopgrad/tensor";
import { gradcheck, gradgradcheck } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const leaf = (data: number[], ...shape: number[]): Tensor => tensor(data, { shape, requiresGrad: true });

test("accepts composed functions of several inputs and outputs", async () => {
  const [x, w, b] = [leaf([0.1, -0.4, 0.7, 0.2], 2, 2), leaf([0.3, 0.5, -0.2, 0.9], 2, 2), leaf([0.1, -0.3], 2)];
  const layer = (...[x, w, b]: Tensor[]): Tensor[] => {
    const h = tanh(add(matmul(x, w), b));
    return [h, sum(softmax(h, 1), 0)];
  };
  expect(await gradcheck(layer, [x, w, b])).toBe(true);
  expect(await gradgradcheck(layer, [x, w, b])).toBe(true);
});

test("names output, input and element where derivatives differ", async () => {
  // d(x · detach(x)) misses half.
  const half = (x: Tensor): Tensor => mul(x, x.detach());
  await expect(gradcheck(half, [leaf([1, 2], 1, 2)])).rejects.toThrow(
    /output 0 \[0, 0\] by input 0 \[0, 0\]: numeric 2\.?\d*|1\.99\d*, analytic 1/,
  );
  // Only of the last input's element [1, 0, 1].
  const mask = tensor([0, 0, 0, 0, 0, 1, 0, 0]).reshape([2, 2, 2]);
  const part = (x: Tensor): Tensor => add(mul(x, 2), mul(mask, mul(x, x.detach())));
  await expect(gradcheck(part, [leaf([1, 2, 3, 4, 5, 6, 7, 8], 2, 2, 2)])).rejects.toThrow(
    /output 0 \[1, 0, 1\] by input 0 \[1, 0, 1\]/,
  );
  // Right at first order only.
  const first = (x: Tensor): Tensor => add(mul(x, x.detach()), mul(mul(x, x), 0.5).sub(mul(mul(x, x), 0.5).detach()));
  await expect(gradgradcheck(first, [leaf([3], 1)])).rejects.toThrow(/gradcheck: output 0/);
});

test("a function off the tape has gradient 0", async () => {
  await expect(gradcheck((x) => x.detach(), [leaf([1], 1)])).rejects.toThrow(/analytic 0/);
  expect(await gradcheck((x) => [mul(x, 2), tensor([1])], [leaf([1], 1)])).toBe(true);
});

test("refuses float32, and inputs without gradients", async () => {
  const x = tensor([1], { dtype: "float32", requiresGrad: true });
  await expect(gradcheck(tanh, [x])).rejects.toThrow(/input 0 is float32.*need float64/);
  await expect(gradcheck(tanh, [tensor([1])])).rejects.toThrow(/no input requires a gradient/);
});

/** Its derivative is `slope`, and off by `error` for who believes the tape. */
const off = (slope: number, error: number) => (x: Tensor) => x.mul(slope).add(x.sub(x.detach()).mul(error));

test.each([
  // What two derivatives may differ by is atol + rtol · |numeric|.
  [100, {}, 1e-5 + 0.1],
  [-100, {}, 1e-5 + 0.1],
  [0.01, {}, 1e-5 + 1e-5],
  [0, {}, 1e-5],
  [2, { rtol: 0 }, 1e-5],
  [2, { atol: 0 }, 2e-3],
  [-4, { rtol: 0.5, atol: 1 }, 3],
])("a slope of %s, %j: is let off by %s, to either side, and no more", async (slope, options, limit) => {
  for (const side of [-1, 1]) {
    const check = (error: number): Promise<true> => gradcheck(off(slope, side * error), [leaf([0.5], 1)], options);
    expect(await check(0.99 * limit)).toBe(true);
    await expect(check(1.01 * limit)).rejects.toThrow(/numeric .*, analytic /);
  }
});

test("eps is half the distance between the two evaluations", async () => {
  // (ε³ − (−ε)³) / 2ε = ε²
  const cube = (x: Tensor): Tensor => mul(mul(x, x), x);
  await expect(gradcheck(cube, [leaf([0], 1)], { eps: 0.5 })).rejects.toThrow(/numeric 0\.25, analytic 0/);
  expect(await gradcheck(cube, [leaf([0], 1)], { eps: 0.5, atol: 0.26 })).toBe(true);
  expect(await gradcheck(cube, [leaf([0], 1)])).toBe(true);
});

test("a tolerance of zero lets equal numbers pass", async () => {
  const exact = { eps: 2 ** -20, rtol: 0, atol: 0 };
  expect(await gradcheck((x) => mul(x, 2), [leaf([0.5, -1], 2)], exact)).toBe(true);
  await expect(gradcheck(off(2, 2 ** -40), [leaf([0.5], 1)], exact)).rejects.toThrow(/analytic 2\.0000000000009/);
});

test("outputs off the tape, outputs that use one input, and inputs that nothing uses are checked as well", async () => {
  const [a, b, c] = [leaf([0.3, 0.7], 2), leaf([1.5], 1), tensor([2, 3])];
  const functions = [
    (x: Tensor, y: Tensor) => [mul(x, x), tensor([1, 2, 3]), tanh(y)],
    (x: Tensor) => mul(x, mul(x, x)),
    (_: Tensor, y: Tensor) => [tensor([4]), mul(y, y)],
    (x: Tensor, y: Tensor, z: Tensor) => mul(mul(x, z), mul(y, y)),
  ];
  for (const fn of functions) {
    expect(await gradcheck(fn, [a, b, c])).toBe(true);
    expect(await gradgradcheck(fn, [a, b, c])).toBe(true);
  }
  for (const check of [gradcheck, gradgradcheck]) {
    await expect(check(functions[0], [c, c])).rejects.toThrow(
      new RegExp(`^${check.name}: no input requires a gradient`),
    );
  }
  // The second output, by the second input's only element.
  const wrong = (x: Tensor, y: Tensor): Tensor[] => [mul(x, x), mul(y, y.detach())];
  await expect(gradcheck(wrong, [a, b])).rejects.toThrow(/output 1 \[0\] by input 1 \[0\]: numeric (3|2\.999)/);
  // What it changed on the way is as it was.
  expect([await a.toArray(), await b.toArray()]).toEqual([[0.3, 0.7], [1.5]]);
});

test("a function that gives other things than tensors is refused, with the place and the thing", async () => {
  const x = (): Tensor[] => [leaf([1], 1)];
  for (const check of [gradcheck, gradgradcheck]) {
    for (const [given, said] of [
      [3, "3"],
      [undefined, "undefined"],
      ["y", "y"],
    ] as const) {
      await expect(check((() => given) as never, x())).rejects.toThrow(
        `output 0 of fn is ${said}: wanted a tensor, or several`,
      );
      const second = ((t: Tensor) => [mul(t, t), given]) as never;
      await expect(check(second, x())).rejects.toThrow(ArgumentError);
      await expect(check(second, x())).rejects.toThrow(`output 1 of fn is ${said}: wanted a tensor, or several`);
    }
  }
});
