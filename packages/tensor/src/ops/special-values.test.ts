/**
 * NaN, infinities, zeros of both signs, subnormal, huge and small numbers: as IEEE 754 says, on every device.
 *
 * Expected are the functions of the host in float64, rounded to the dtype. WGSL lets a device take a subnormal
 * number for 0 and lose the sign of a zero; so on webgpu a result may also be that of operands flushed to 0.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { erf, erfc, pow, roundHalfEven, sigmoid, softplus } from "../cpu/arithmetic.ts";
import { CpuBackend } from "../cpu/backend.ts";
import * as lg from "../index.ts";
import { Device, type DType, scope, setDevice, type Tensor, tensor } from "../index.ts";
import { createWebGPUBackend } from "../webgpu/backend.ts";

const HUGE = 3.4028234663852886e38;
const SMALLEST_NORMAL = 2 ** -126;
const VALUES = [
  ...[Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, 0.5, -2.5, 3, 1e-20, -1e20],
  ...[HUGE, -HUGE, SMALLEST_NORMAL, 2 ** -149, -(2 ** -130)],
];

type Formula = (...operands: number[]) => number;
type Operation = (...operands: Tensor[]) => Tensor;

const UNARY: Record<string, Formula> = {
  ...{ neg: (x) => -x, abs: Math.abs, sign: Math.sign, square: (x) => x * x, reciprocal: (x) => 1 / x },
  ...{ floor: Math.floor, ceil: Math.ceil, round: roundHalfEven, trunc: Math.trunc, frac: (x) => x - Math.trunc(x) },
  ...{ sqrt: Math.sqrt, safeSqrt: Math.sqrt, rsqrt: (x) => 1 / Math.sqrt(x) },
  ...{ exp: Math.exp, exp2: (x) => 2 ** x, expm1: Math.expm1 },
  ...{ log: Math.log, log1p: Math.log1p, log2: Math.log2, log10: Math.log10 },
  ...{ sin: Math.sin, cos: Math.cos, tan: Math.tan, asin: Math.asin, acos: Math.acos, atan: Math.atan },
  ...{ sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, asinh: Math.asinh, acosh: Math.acosh, atanh: Math.atanh },
  ...{ erf, erfc, sigmoid, softplus },
  relu: (x) => (Number.isNaN(x) ? x : Math.max(x, 0)),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  logsigmoid: (x) => -softplus(-x),
  leakyRelu: (x) => (x > 0 ? x : 0.01 * x),
  hardtanh: (x) => (Number.isNaN(x) ? x : Math.min(Math.max(x, -1), 1)),
  isnan: (x) => (Number.isNaN(x) ? 1 : 0),
  isinf: (x) => (Math.abs(x) === Infinity ? 1 : 0),
  isfinite: (x) => (Number.isFinite(x) ? 1 : 0),
  nanToNum: (x) => (Number.isNaN(x) ? 0 : Math.min(Math.max(x, -HUGE), HUGE)),
  logicalNot: (x) => (x === 0 ? 1 : 0),
};

const BINARY: Record<string, Formula> = {
  ...{ add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y, div: (x, y) => x / y, pow },
  ...{ maximum: (x, y) => Math.max(x, y), minimum: (x, y) => Math.min(x, y) },
  ...{ fmod: (x, y) => x % y, atan2: Math.atan2, hypot: (x, y) => Math.hypot(x, y) },
  remainder: (x, y) => {
    const r = x % y;
    return r !== 0 && r < 0 !== y < 0 ? r + y : r;
  },
  logaddexp: (x, y) => (x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)))),
  xlogy: (x, y) => (x === 0 && !Number.isNaN(y) ? 0 : x * Math.log(y)),
  ...{ eq: (x, y) => Number(x === y), ne: (x, y) => Number(x !== y) },
  ...{ lt: (x, y) => Number(x < y), le: (x, y) => Number(x <= y) },
  ...{ gt: (x, y) => Number(x > y), ge: (x, y) => Number(x >= y) },
  logicalAnd: (x, y) => Number(x !== 0 && y !== 0),
  logicalXor: (x, y) => Number((x !== 0) !== (y !== 0)),
  // the branch not taken, a mask, and bounds
  where: (x, y) => (x > y ? 9 : y),
  maskedFill: (x, y) => (x < y ? 7 : x),
  clamp: (x, y) => Math.max(x, y),
};
const COMPOSED: Record<string, Operation> = {
  where: (x, y) => lg.where(lg.gt(x, y), 9, y),
  maskedFill: (x, y) => lg.maskedFill(x, lg.lt(x, y), 7),
};
const operation = (name: string): Operation => COMPOSED[name] ?? (lg as unknown as Record<string, Operation>)[name];

const ROWS = [
  ...[
    [1, 2, 3],
    [NaN, 1, 2],
    [1, NaN, 2],
    [NaN, Infinity, NaN],
    [Infinity, 1, 2],
    [-Infinity, 1, 2],
  ],
  ...[
    [Infinity, -Infinity, 0],
    [2, Infinity, Infinity],
    [-Infinity, -Infinity, -Infinity],
    [0, -0, 0],
  ],
  ...[
    [1e18, 1e18, 1],
    [0, Infinity, 3],
    [1e-10, 1e10, -1e10],
    [5, -1, 5],
  ],
];

const total = (row: number[]): number => row.reduce((a, b) => a + b, 0);
const largest = (row: number[]): number => Math.max(...row);
const place = (row: number[], best: number): number =>
  Number.isNaN(best) ? row.findIndex(Number.isNaN) : row.indexOf(best);
/** NaN last, in either direction. */
const order = (row: number[], sign = 1): number[] => {
  const before = (a: number, b: number): number => (a === b ? 0 : a < b ? -sign : sign);
  return row
    .map((_, i) => i)
    .sort((i, j) => {
      const [a, b] = [row[i], row[j]];
      return Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : before(a, b);
    });
};
const shifted = (row: number[]): number[] => row.map((x) => x - largest(row));
const softmax = (row: number[]): number[] => shifted(row).map((z) => Math.exp(z) / total(shifted(row).map(Math.exp)));
const squares = (row: number[]): number => total(row.map((x) => (x - total(row) / 3) ** 2));
const running = (row: number[], f: (a: number, b: number) => number): number[] =>
  row.map((_, i) => row.slice(1, i + 1).reduce(f, row[0]));

/** Operations along the rows, and what each row gives. */
const ALONG: Record<string, [(x: Tensor) => Tensor, (row: number[]) => number | number[]]> = {
  sum: [(x) => x.sum(1), total],
  mean: [(x) => x.mean(1), (row) => total(row) / 3],
  prod: [(x) => x.prod(1), (row) => row.reduce((a, b) => a * b, 1)],
  amax: [(x) => x.amax(1), largest],
  amin: [(x) => x.amin(1), (row) => Math.min(...row)],
  "max, values": [(x) => x.max(1)[0], largest],
  "max, indices": [(x) => x.max(1)[1], (row) => place(row, largest(row))],
  "min, values": [(x) => x.min(1)[0], (row) => Math.min(...row)],
  "min, indices": [(x) => x.min(1)[1], (row) => place(row, Math.min(...row))],
  argmax: [(x) => x.argmax(1), (row) => place(row, largest(row))],
  argmin: [(x) => x.argmin(1), (row) => place(row, Math.min(...row))],
  var: [(x) => x.var(1), (row) => squares(row) / 2],
  std: [(x) => x.std(1), (row) => Math.sqrt(squares(row) / 2)],
  "norm 1": [(x) => x.norm(1, { p: 1 }), (row) => total(row.map(Math.abs))],
  "norm ∞": [(x) => x.norm(1, { p: Infinity }), (row) => largest(row.map(Math.abs))],
  "norm −∞": [(x) => x.norm(1, { p: -Infinity }), (row) => Math.min(...row.map(Math.abs))],
  "norm 0": [(x) => x.norm(1, { p: 0 }), (row) => row.filter((x) => x !== 0).length],
  logsumexp: [
    (x) => x.logsumexp(1),
    (row) =>
      Math.abs(largest(row)) === Infinity ? largest(row) : largest(row) + Math.log(total(shifted(row).map(Math.exp))),
  ],
  all: [(x) => x.all(1), (row) => Number(row.every((x) => x !== 0))],
  any: [(x) => x.any(1), (row) => Number(row.some((x) => x !== 0))],
  countNonzero: [(x) => x.countNonzero(1), (row) => row.filter((x) => x !== 0).length],
  cumsum: [(x) => x.cumsum(1), (row) => running(row, (a, b) => a + b)],
  cumprod: [(x) => x.cumprod(1), (row) => running(row, (a, b) => a * b)],
  softmax: [(x) => x.softmax(1), softmax],
  softmin: [(x) => lg.softmin(x, 1), (row) => softmax(row.map((x) => -x))],
  logSoftmax: [
    (x) => x.logSoftmax(1),
    (row) => shifted(row).map((z) => z - Math.log(total(shifted(row).map(Math.exp)))),
  ],
  sort: [(x) => x.sort(1)[0], (row) => order(row).map((i) => row[i])],
  argsort: [(x) => x.argsort(1), (row) => order(row)],
  "sort, descending": [(x) => x.sort(1, { descending: true })[0], (row) => order(row, -1).map((i) => row[i])],
  topk: [
    (x) => x.topk(2, 1)[0],
    (row) =>
      order(row, -1)
        .slice(0, 2)
        .map((i) => row[i]),
  ],
  median: [(x) => lg.median(x, 1)[0], (row) => (row.some(Number.isNaN) ? NaN : row[order(row)[1]])],
  "median, indices": [(x) => lg.median(x, 1)[1], (row) => (row.some(Number.isNaN) ? place(row, NaN) : order(row)[1])],
  matmul: [
    (x) =>
      x.matmul(
        tensor([
          [1, 0],
          [1, 1],
          [0, 1],
        ]),
      ),
    ([a, b, c]) => [a + b + c * 0, a * 0 + b + c],
  ],
};

/** Devices by name, with their dtype and whether subnormals and the sign of zero may get lost. */
const DEVICES: [string, DType, boolean][] = [
  ["cpu, float32", "float32", false],
  ["cpu, float64", "float64", false],
  ["webgpu", "float32", true],
];

describe.each(DEVICES)("%s", (name, dtype, flushes) => {
  let device: Device;
  beforeAll(async () => {
    device = setDevice(
      new Device(name === "webgpu" ? await createWebGPUBackend({}) : new CpuBackend(), dtype as "float32"),
    );
  });
  afterAll(() => device.destroy());

  const rounded = (x: number): number => (dtype === "float32" ? Math.fround(x) : x);
  const flushed = (x: number): number[] => (flushes && x !== 0 && Math.abs(x) < SMALLEST_NORMAL ? [x, 0, -0] : [x]);

  function agrees(got: number, wanted: number): boolean {
    // A zero's sign shows in what it is divided into; composed operations need not keep it.
    if (got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))) return true;
    const tolerance = (dtype === "float32" ? 2e-6 : 1e-13) * Math.abs(wanted) + (flushes ? SMALLEST_NORMAL : 0);
    return Number.isFinite(got) && Number.isFinite(wanted) && Math.abs(got - wanted) <= tolerance;
  }

  /** Compares elements with a formula, for operands as they are and flushed; returns what differs, in words. */
  function differences(got: ArrayLike<number>, operands: number[][], formula: Formula): string[] {
    const words: string[] = [];
    for (let i = 0; i < got.length; i++) {
      const given = operands.map((operand) => rounded(operand[i]));
      const choices = given
        .map(flushed)
        .reduce<number[][]>((all, xs) => all.flatMap((a) => xs.map((x) => [...a, x])), [[]]);
      const wanted = choices.map((choice) => rounded(formula(...choice)));
      if (!wanted.some((w) => agrees(got[i], w)))
        words.push(`(${given.join(", ")}): ${got[i]}, wanted ${wanted.join(" or ")}`);
    }
    return words;
  }

  test.each(Object.keys(UNARY))("%s", async (op) => {
    using _ = scope();
    const got = await operation(op)(tensor(VALUES)).data();
    const largestOf =
      dtype === "float64" && op === "nanToNum"
        ? (x: number) => (Number.isNaN(x) ? 0 : Math.min(Math.max(x, -Number.MAX_VALUE), Number.MAX_VALUE))
        : UNARY[op];
    expect(differences(got, [VALUES], largestOf)).toEqual([]);
  });

  const left = VALUES.flatMap((x) => VALUES.map(() => x));
  const right = VALUES.flatMap(() => VALUES);
  test.each(Object.keys(BINARY))("%s", async (op) => {
    using _ = scope();
    const got = await operation(op)(tensor(left), tensor(right)).data();
    expect(differences(got, [left, right], BINARY[op])).toEqual([]);
  });

  test.each(Object.keys(ALONG))("%s", async (op) => {
    using _ = scope();
    const [run, reference] = ALONG[op];
    const got = [...(await run(tensor(ROWS)).data())];
    const wanted = ROWS.flatMap((row) => reference(row.map(rounded))).map(rounded);
    const differ = wanted.flatMap((w, i) => (agrees(got[i], w) ? [] : [`element ${i}: ${got[i]}, wanted ${w}`]));
    expect(differ).toEqual([]);
  });

  test("casts cut towards zero, hold the range, and give 0 for NaN", async () => {
    using _ = scope();
    const x = tensor([NaN, Infinity, -Infinity, 3e9, -3e9, 5e9, -1.9, 2.9, 2 ** -149]);
    expect([...(await x.to("int32").data())]).toEqual([
      0, 2147483647, -2147483648, 2147483647, -2147483648, 2147483647, -1, 2, 0,
    ]);
    expect([...(await x.to("uint32").data())]).toEqual([0, 4294967295, 0, 3000000000, 0, 4294967295, 0, 2, 0]);
    expect([...(await x.to("bool").data())].slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect([...(await tensor([16777217, -2147483648], { dtype: "int32" }).to("float32").data())]).toEqual([
      16777216, -2147483648,
    ]);
  });

  test("a NaN in a masked place does not reach a sum", async () => {
    using _ = scope();
    const x = tensor([NaN, 1, Infinity, 2]);
    expect(await lg.where(x.isfinite(), x, 0).sum().item()).toBe(3);
    expect(await x.maskedFill(lg.logicalNot(x.isfinite()), 0).mul(x.isnan().to(dtype)).sum().item()).toBe(0);
  });
});
