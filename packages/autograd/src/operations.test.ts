/**
 * Every public operation of @loopgrad/tensor: its gradient, and its gradient's gradient, against central differences
 * in float64. One table; an operation that is neither in it nor among those without a gradient fails the last test.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import * as ops from "@loopgrad/tensor";
import { init, type Tensor } from "@loopgrad/tensor";
import { grad, gradcheck, gradgradcheck } from "./index.ts";
import { bool, CASES, leafFor } from "./testing/operation-cases.ts";

/** Why a function has no gradient. */
const NO_GRADIENT: Record<string, string> = {
  "another name of an operation":
    "absolute arccos arccosh arcsin arcsinh arctan arctan2 arctanh clip concat concatenate divide expit " +
    "fix ger greater greaterEqual less lessEqual moveaxis multiply negative notEqual subtract swapdims trueDivide",
  "true or false, or on the host": "argwhere equal isclose isin",
  "made like another tensor, without its elements": "empty emptyLike logspace newEmpty newFull newOnes newZeros",
  "the result is bool or integer":
    "all any argmax argmin argsort bitwiseAnd bitwiseNot bitwiseOr bitwiseXor countNonzero eq ge gt isfinite isinf " +
    "isnan le logicalAnd logicalNot logicalOr logicalXor lt ne nonzero oneHot randint randperm",
  "a new tensor, that depends on no other's elements":
    "arange eye full fullLike iota linspace literal literalLike ones onesLike rand randLike randn randnLike scalar " +
    "tensor zeros zerosLike",
  "a sample: the probability has a gradient by other ways only": "bernoulli",
  "the result is on the host": "allclose isFloatingPoint",
  "asynchronous: its gradient has a test of its own": "maskedSelect",
  "no operation, but devices, memory, shapes, dtypes, errors and the seams":
    "ArgumentError DTypeError Device DeviceError GradError IndexError LoopgradError ReleasedError Scope ShapeError Tensor asLeaf " +
    "bind bindConstant bindUntracked broadcastShapes bytesPerElement checkShape contiguousStrides convAttrs " +
    "convGeometry convOutput currentScope dtypeAttr dtypeCode getDevice getRngState hostArray init isFloat keep " +
    "admit checkMethods defineKind operation signatureOf signaturesOf checkDevice checkOptions wantArray fromHalf manualSeed normalizeAxes normalizeAxis numel onBind packLayout positions promote resolveShape resultDType sameShape " +
    "Kind around enclosed enter find isExact linesOf placeOf replaceStandIn syncScope tracked withDevice withStandIns withinScope " +
    "checkTasks currentLevel handleLike insideVmap interpreted levelsAround levelsOf levelsOfAll markTasks openLevels spreadOver " +
    "valueFor vmap withTasks " +
    "scope setDevice setLeafHook setRngState show surelyWithout toHalf untracked literals unwatched visitTensors watching wrap",
  "off the tape: for optimizers": "pack unpack",
  "a constant to the tape": "renormalized",
};

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
