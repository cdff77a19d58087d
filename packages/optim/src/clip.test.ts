/** Clipping, in place and as differentiable functions. */
import { beforeAll, expect, test } from "@jest/globals";
import { grad } from "@loopgrad/autograd";
import { Parameter } from "@loopgrad/nn";
import { ArgumentError, init, type Tensor, tensor } from "@loopgrad/tensor";
import { clipGradNorm, clipGradValue, clippedByNorm, clippedByValue, gradNorm } from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

const read = async (x: Tensor | null): Promise<number[]> => Array.from(await (x as Tensor).data());

function withGrads(...grads: (number[] | null)[]): Parameter[] {
  return grads.map((g) => {
    const p = new Parameter(tensor(g ?? [0]));
    if (g !== null) p.grad = tensor(g);
    return p;
  });
}

test("clipGradNorm scales all gradients to the norm, and returns the one before", async () => {
  const params = withGrads([3, 0], null, [4]);
  expect(await clipGradNorm(params, 1).item()).toBe(5);
  const got = [...(await read(params[0].grad)), ...(await read(params[2].grad))];
  [0.6, 0, 0.8].forEach((wanted, i) => {
    expect(got[i]).toBeCloseTo(wanted, 6);
  });
  expect(params[1].grad).toBeNull();
});

test("clipGradNorm leaves short gradients", async () => {
  const params = withGrads([3], [4]);
  clipGradNorm(params, 10);
  expect(await read(params[0].grad)).toEqual([3]);
  expect(() => clipGradNorm(params, -1)).toThrow(ArgumentError);
});

test("clipGradValue clamps each element", async () => {
  const params = withGrads([-3, 0.5, 3]);
  clipGradValue(params, 1);
  expect(await read(params[0].grad)).toEqual([-1, 0.5, 1]);
});

test("clippedByNorm is differentiable: of a long gradient its length does not matter", async () => {
  const g = tensor([3, 4], { requiresGrad: true });
  const [clipped] = clippedByNorm([g], 1);
  const [d] = grad(clipped.select(0, 0), g);
  // d(x/‖g‖) = (1 − x²/‖g‖²)/‖g‖, −xy/‖g‖³ up to the 1e-6 in the divisor
  const [dx, dy] = await read(d);
  expect(dx).toBeCloseTo(0.128, 6);
  expect(dy).toBeCloseTo(-0.096, 6);
  const [, absent] = clippedByNorm([g, null], 1);
  expect(absent).toBeNull();
});

test("of zero gradients the norm and its derivative are 0", async () => {
  const g = tensor([0, 0], { requiresGrad: true });
  expect(await read(grad(gradNorm([g]), g)[0])).toEqual([0, 0]);
  expect(() => gradNorm([null])).toThrow(ArgumentError);
});

test("clippedByValue passes the gradient inside the bounds only", async () => {
  const g = tensor([-2, 0.5], { requiresGrad: true });
  const [clipped] = clippedByValue([g], tensor(1));
  expect(await read(clipped)).toEqual([-1, 0.5]);
  expect(await read(grad(clipped.sum(), g)[0])).toEqual([0, 1]);
});

test.each([
  [1, 8],
  [2, Math.sqrt(26)],
  [3, 92 ** (1 / 3)],
  [Number.POSITIVE_INFINITY, 4],
])("normType %d", async (normType, norm) => {
  const params = withGrads([3, -1], [-4]);
  expect(await clipGradNorm(params, norm / 2, { normType }).item()).toBeCloseTo(norm, 12);
  expect((await read(params[0].grad))[0]).toBeCloseTo(1.5, 5);
  expect((await read(params[1].grad))[0]).toBeCloseTo(-2, 5);
});

test("without gradients the norm is 0, and wrong arguments are errors", async () => {
  expect(await clipGradNorm(withGrads(null), 1).item()).toBe(0);
  expect(clippedByNorm([null], 1)).toEqual([null]);
  const params = withGrads([1]);
  expect(() => clipGradNorm(params, 1, { normType: 0 })).toThrow(/normType is 0, wanted a number > 0/);
  expect(() => clipGradNorm(params, 1, { norm: 1 } as object)).toThrow(/unknown option norm/);
  expect(() => clipGradNorm({} as Parameter[], 1)).toThrow(/wanted a tensor, or several such as model.parameters/);
  expect(() => clipGradValue([1] as unknown as Parameter[], 1)).toThrow(ArgumentError);
});
