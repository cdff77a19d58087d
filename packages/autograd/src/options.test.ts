/** Options of the tape's functions: unknown ones are refused in the name of the function; and what a derivative declares to read. */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { ArgumentError, init, type Tensor, tensor } from "@loopgrad/tensor";
import { AnomalyDetection } from "./anomaly.ts";
import {
  checkpoint,
  customFunction,
  detectAnomaly,
  enableGrad,
  grad,
  gradcheck,
  gradgradcheck,
  graphGroup,
  hessian,
  hvp,
  image,
  isGradEnabled,
  jacobian,
  jvp,
  makeDot,
  makeSvg,
  noGrad,
  vjp,
} from "./index.ts";
import { GradMode } from "./mode.ts";
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

describe("arguments that do not exist are refused", () => {
  type Callable = (...args: never[]) => unknown;
  const same = (x: Tensor): Tensor => x.mul(1);
  /** What is called, on what, and the arguments that it takes. */
  const CALLS: Record<string, (x: Tensor) => [fn: unknown, self: unknown, ...args: unknown[]]> = {
    grad: (x) => [grad, null, square(x), [x], {}],
    vjp: (x) => [vjp, null, square, x, tensor(1), {}],
    jvp: (x) => [jvp, null, square, x, x, {}],
    hvp: (x) => [hvp, null, square, x, x, {}],
    jacobian: (x) => [jacobian, null, square, x, {}],
    hessian: (x) => [hessian, null, square, x, {}],
    gradcheck: (x) => [gradcheck, null, square, [x], {}],
    gradgradcheck: (x) => [gradgradcheck, null, square, [x], {}],
    checkpoint: () => [checkpoint, null, same],
    customFunction: () => [customFunction, null, { forward: (_: unknown, x: Tensor) => x, backward: () => null }],
    graphGroup: () => [graphGroup, null, "name", () => 1],
    image: (x) => [image, null, x],
    isGradEnabled: () => [isGradEnabled, null],
    noGrad: () => [noGrad, null, () => 1],
    enableGrad: () => [enableGrad, null, () => 1],
    detectAnomaly: () => [detectAnomaly, null, () => 1],
    makeDot: (x) => [makeDot, null, square(x), {}, {}],
    makeSvg: (x) => [makeSvg, null, square(x), {}, { graphviz: DRAWS_NOTHING }],
    "Tensor.requiresGrad_": (x) => [x.requiresGrad_, x, true],
    "Tensor.backward": (x) => [x.backward, square(x), {}],
    "Tensor.detach": (x) => [x.detach, x],
    "Tensor.retainGrad": (x) => [x.retainGrad, square(x)],
    "Tensor.registerHook": (x) => [x.registerHook, x, () => {}],
    "GradMode.end": () => (({ end }, self) => [end, self])(GradMode.prototype, noGrad()),
    "AnomalyDetection.find": () => (({ find }, self) => [find, self])(AnomalyDetection.prototype, detectAnomaly()),
    "AnomalyDetection.check": () => (({ check }, self) => [check, self])(AnomalyDetection.prototype, detectAnomaly()),
    "AnomalyDetection.end": () => (({ end }, self) => [end, self])(AnomalyDetection.prototype, detectAnomaly()),
  };
  const DRAWS_NOTHING = { instance: async () => ({ renderString: () => "" }) };

  test.each(Object.keys(CALLS))("by %s", async (name) => {
    const x = tensor([1, 2], { requiresGrad: true });
    const [fn, self, ...args] = CALLS[name](x);
    const call = async (...more: unknown[]): Promise<unknown> =>
      (fn as Callable).apply(self, [...args, ...more] as never);
    // Array.map gives a function of one argument three.
    await expect(call(1, 2, 3, 4)).rejects.toThrow(ArgumentError);
    await expect(call(1, 2, 3, 4)).rejects.toThrow(new RegExp(`^${name}: `));
    await call();
    (self as { end?: () => void } | null)?.end?.();
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
