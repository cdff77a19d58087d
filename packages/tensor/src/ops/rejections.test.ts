/**
 * What the public operations reject: shapes, axes, dtypes, options, and tensors of two devices.
 *
 * Each operation has an entry: calls that must fail, with the class of the error and words of its message, which
 * must name the operation and what was given. Operations that take every tensor are listed apart, and must take it.
 * An export without an entry fails the last test.
 */
import { beforeAll, describe, expect, test } from "@jest/globals";
import { CpuBackend } from "../cpu/backend.ts";
import * as lg from "../index.ts";
import {
  ArgumentError,
  Device,
  DeviceError,
  DTYPES,
  type DType,
  DTypeError,
  init,
  ShapeError,
  scope,
  setDevice,
  type Tensor,
} from "../index.ts";
import * as aliases from "./aliases.ts";

/** A call that must throw. */
interface Rejection {
  readonly call: () => unknown;
  readonly error: new (message: string) => Error;
  /** Parts of the message, apart from the operation's name. */
  readonly says: readonly string[];
}

const rejection =
  (error: Rejection["error"]) =>
  (call: () => unknown, ...says: string[]): Rejection => ({ call, error, says });
/** A wrong shape or axis. */
const shape = rejection(ShapeError);
const dtype = rejection(DTypeError);
const argument = rejection(ArgumentError);
/** Tensors of two devices. */
const devices = (call: () => unknown): Rejection => ({ call, error: DeviceError, says: ["are on"] });

const here = new Device(new CpuBackend());
const there = new Device(new CpuBackend());
const make = (sizes: number[], type: DType = "float32", device = here): Tensor =>
  scope(() => lg.zeros(sizes, { dtype: type, device }));

const x = make([2, 3]);
const y = make([2, 4]);
const far = make([2, 3], "float32", there);
const int = make([2, 3], "int32");
const bool = make([2, 3], "bool");
const vector = make([3]);
const farVector = make([3], "float32", there);
const point = make([]);
const square = make([3, 3]);
const farSquare = make([3, 3], "float32", there);
const cube = make([2, 3, 4]);
const index = make([2], "int32");
/** A number that only the device knows. */
const unknown = scope(() => lg.randint(0, 5, [], { device: here }));
const farIndex = make([2], "int32", there);

type Binary = (a: Tensor, b: Tensor) => unknown;
/** Elementwise in two tensors: shapes must broadcast. */
const binary = (f: Binary): Rejection[] => [shape(() => f(x, y), "[2, 3]", "[2, 4]"), devices(() => f(x, far))];
const numbers = (f: Binary): Rejection[] => [...binary(f), dtype(() => f(bool, bool), "bool")];

type Unary = (a: Tensor) => unknown;
const float = (f: Unary): Rejection[] => [dtype(() => f(int), "int32"), dtype(() => f(bool), "bool")];
const notBool = (f: Unary): Rejection[] => [dtype(() => f(bool), "bool")];

type Along = (a: Tensor, dim: number) => unknown;
const axis = (f: Along): Rejection[] => [
  shape(() => f(x, 2), "axis 2", "rank 2"),
  shape(() => f(x, -3), "axis -3"),
  shape(() => f(x, 0.5), "axis 0.5"),
];
const axes = (f: (a: Tensor, dims: number[]) => unknown): Rejection[] => [
  ...axis((a, dim) => f(a, [dim])),
  shape(() => f(x, [0, -2]), "axis 0", "[0, -2]"),
];

function convolution(n: number, f: (x: Tensor, w: Tensor, b: Tensor | null, o: object) => unknown): Rejection[] {
  const spatial = new Array<number>(n).fill(5);
  const input = make([1, 2, ...spatial]);
  const weight = make([2, 2, ...spatial.map(() => 3)]);
  const farWeight = make([2, 2, ...spatial.map(() => 3)], "float32", there);
  return [
    shape(() => f(make([5]), weight, null, {}), "[5]", `rank`),
    shape(() => f(make([1, 3, ...spatial]), weight, null, {}), `[1, 3, ${spatial.join(", ")}]`),
    shape(() => f(input, weight, make([7]), {}), "bias [7]", "[2]"),
    dtype(() => f(input, make(weight.shape as number[], "int32"), null, {}), "float32", "int32"),
    argument(() => f(input, weight, null, { stride: 0 }), "stride", "0"),
    argument(() => f(input, weight, null, { dilation: 1.5 }), "dilation", "1.5"),
    argument(() => f(input, weight, null, { padding: -1 }), "padding", "-1"),
    argument(() => f(input, weight, null, { groups: 0 }), "groups", "0"),
    devices(() => f(input, farWeight, null, {})),
    devices(() => f(input, weight, make([2], "float32", there), {})),
  ];
}

function pooling(n: number, f: (x: Tensor, k: number, options: object) => unknown): Rejection[] {
  const spatial = new Array<number>(n).fill(4);
  return [
    shape(() => f(make([4]), 2, {}), "[4]", `rank ${n + 2}`),
    shape(() => f(make([1, 1, ...spatial]), 5, {}), "kernelSize [5", "[4"),
    shape(() => f(make([1, 0, ...spatial]), 2, {}), "only the batch may be empty"),
    dtype(() => f(make([1, 1, ...spatial], "bool"), 2, {}), "bool"),
    argument(() => f(make([1, 1, ...spatial]), 0, {}), "kernelSize", "0"),
    argument(() => f(make([1, 1, ...spatial]), 2, { stride: -1 }), "stride", "-1"),
    argument(() => f(make([1, 1, ...spatial]), 2, { padding: 2 }), "padding", "2"),
  ];
}

function unpooling(n: number, f: (x: Tensor, indices: Tensor, k: number, options: object) => unknown): Rejection[] {
  const sizes = [1, 1, ...new Array<number>(n).fill(2)];
  const [input, places] = [make(sizes), make(sizes, "int32")];
  return [
    shape(() => f(make([4]), make([4], "int32"), 2, {}), "[4]", `rank ${n + 2}`),
    shape(() => f(input, make([1, ...sizes], "int32"), 2, {}), `[${sizes.join(", ")}]`),
    dtype(() => f(places, places, 2, {}), "int32"),
    dtype(() => f(input, input, 2, {}), "float32", "int32"),
    argument(() => f(input, places, 2, { outputSize: sizes.map((_, i) => (i < 2 ? 1 : 9)) }), "outputSize", "9"),
    argument(() => f(input, lg.fullLike(places, 2 ** (2 * n)), 2, {}), "outside"),
    devices(() => f(input, make(sizes, "int32", there), 2, {})),
  ];
}

const adaptive = (n: number, f: (x: Tensor, size: number) => unknown): Rejection[] => [
  shape(() => f(make([4]), 2), "[4]"),
  dtype(() => f(make([1, 1, ...new Array<number>(n).fill(4)], "int32"), 2), "int32"),
  argument(() => f(make([1, 1, ...new Array<number>(n).fill(4)]), 0), "outputSize", "0"),
];

const wrongType = "float8" as DType;
const creation = (f: (sizes: number[], options: object) => unknown): Rejection[] => [
  shape(() => f([2, -1], { device: here }), "[2, -1]"),
  shape(() => f([0.5], { device: here }), "[0.5]"),
  dtype(() => f([2], { device: here, dtype: wrongType }), "float8"),
];
const like = (f: (a: Tensor, options: object) => unknown): Rejection[] => [
  dtype(() => f(x, { dtype: wrongType }), "float8"),
];

const matrix = (f: Unary): Rejection[] => [
  shape(() => f(x), "[2, 3]"),
  shape(() => f(vector), "[3]"),
  dtype(() => f(make([3, 3], "int32")), "int32"),
];

const REJECTS: Record<string, readonly Rejection[]> = {
  // likeness
  reshapeAs: [shape(() => lg.reshapeAs(x, y), "[2, 4]")],
  empty: creation(lg.empty),
  emptyLike: like(lg.emptyLike),
  newZeros: creation((sizes, options) => lg.newZeros(x, sizes, options)),
  newOnes: creation((sizes, options) => lg.newOnes(x, sizes, options)),
  newFull: creation((sizes, options) => lg.newFull(x, sizes, 1, options)),
  newEmpty: creation((sizes, options) => lg.newEmpty(x, sizes, options)),
  logspace: creation((sizes, options) =>
    lg.logspace(
      0,
      1,
      sizes.reduce((a, b) => a * b),
      options,
    ),
  ).slice(1),
  isclose: [...binary((a, b) => lg.isclose(a, b)), argument(() => lg.isclose(x, x, { rtol: -1 }), "rtol", "-1")],
  isin: [devices(() => lg.isin(x, far)), argument(() => lg.isin(1, 2), "a tensor")],

  // packs
  pack: [
    shape(() => lg.pack([]), "no tensors"),
    dtype(() => lg.pack([x, bool]), "bool"),
    devices(() => lg.pack([x, far])),
  ],
  unpack: [
    shape(() => lg.unpack(x, [[2, 3]]), "[2, 3]"),
    shape(() => lg.unpack(lg.pack([x]), [[2, 3], [4]]), "2 shapes"),
  ],
  // arithmetic
  add: binary(lg.add),
  sub: numbers(lg.sub),
  mul: binary(lg.mul),
  div: [...binary(lg.div), argument(() => lg.div(x, 2, { roundingMode: "up" as "trunc" }), '"up"')],
  floorDivide: numbers(lg.floorDivide),
  fmod: numbers(lg.fmod),
  remainder: numbers(lg.remainder),
  polygamma: [argument(() => lg.polygamma(-1, x), "-1"), argument(() => lg.polygamma(0.5, x), "0.5")],
  pow: [...binary(lg.pow), dtype(() => lg.pow(bool, bool), "bool"), argument(() => lg.pow(int, -1), "int32", "-1")],
  maximum: binary(lg.maximum),
  minimum: binary(lg.minimum),
  atan2: binary(lg.atan2),
  hypot: binary(lg.hypot),
  logaddexp: binary(lg.logaddexp),
  xlogy: binary(lg.xlogy),
  lerp: [
    ...binary((a, b) => lg.lerp(a, b, 0.5)),
    shape(() => lg.lerp(x, x, y), "[2, 4]"),
    devices(() => lg.lerp(x, x, far)),
    dtype(() => lg.lerp(bool, bool, 0.5), "bool"),
  ],
  addcmul: [...numbers((a, b) => lg.addcmul(a, a, b)), ...binary((a, b) => lg.addcmul(b, a, a))],
  addcdiv: [...binary((a, b) => lg.addcdiv(a, a, b)), ...binary((a, b) => lg.addcdiv(b, a, a))],
  bitwiseAnd: [
    ...binary((a, b) => lg.bitwiseAnd(a.to("int32"), b.to("int32"))),
    dtype(() => lg.bitwiseAnd(x, x), "float32"),
  ],
  bitwiseOr: [
    ...binary((a, b) => lg.bitwiseOr(a.to("int32"), b.to("int32"))),
    dtype(() => lg.bitwiseOr(x, x), "float32"),
  ],
  bitwiseXor: [
    ...binary((a, b) => lg.bitwiseXor(a.to("int32"), b.to("int32"))),
    dtype(() => lg.bitwiseXor(x, x), "float32"),
  ],
  bitwiseNot: [dtype(() => lg.bitwiseNot(x), "float32")],

  // comparison and choice
  eq: binary(lg.eq),
  ne: binary(lg.ne),
  lt: binary(lg.lt),
  le: binary(lg.le),
  gt: binary(lg.gt),
  ge: binary(lg.ge),
  logicalAnd: binary(lg.logicalAnd),
  logicalOr: binary(lg.logicalOr),
  logicalXor: binary(lg.logicalXor),
  where: [
    ...binary((a, b) => lg.where(bool, a, b)),
    dtype(() => lg.where(int, x, x), "int32", "bool"),
    shape(() => lg.where(make([2], "bool"), x, x), "[2]", "[2, 3]"),
    devices(() => lg.where(make([2, 3], "bool", there), x, x)),
  ],
  maskedFill: [
    dtype(() => lg.maskedFill(x, int, 0), "int32", "bool"),
    shape(() => lg.maskedFill(x, make([2, 4], "bool"), 0), "[2, 4]", "[2, 3]"),
    shape(() => lg.maskedFill(x, bool, vector), "[3]"),
    devices(() => lg.maskedFill(x, make([2, 3], "bool", there), 0)),
  ],
  clamp: [
    argument(() => lg.clamp(x), "min, max"),
    ...binary((a, b) => lg.clamp(a, b)),
    ...binary((a, b) => lg.clamp(a, null, b)),
  ],

  // elementwise that does not take every dtype
  neg: notBool(lg.neg),
  abs: notBool(lg.abs),
  round: [
    dtype(() => lg.round(int, { decimals: 1 }), "int32"),
    argument(() => lg.round(x, { decimals: 0.5 }), "decimals", "0.5"),
    argument(() => lg.round(x, { digits: 1 } as object), "digits"),
  ],
  frac: notBool(lg.frac),
  relu6: notBool(lg.relu6),
  hardtanh: notBool(lg.hardtanh),
  leakyRelu: float(lg.leakyRelu),
  prelu: [
    ...float((a) => lg.prelu(a, make([1]))),
    shape(() => lg.prelu(x, make([2])), "[2, 3]", "[2]"),
    devices(() => lg.prelu(x, farVector)),
  ],
  elu: float(lg.elu),
  celu: float(lg.celu),
  selu: float(lg.selu),
  silu: float(lg.silu),
  mish: float(lg.mish),
  logsigmoid: float(lg.logsigmoid),
  hardsigmoid: float(lg.hardsigmoid),
  hardswish: float(lg.hardswish),
  gelu: [...float(lg.gelu), argument(() => lg.gelu(x, { approximate: "erf" as "none" }), '"erf"')],
  softshrink: float(lg.softshrink),
  hardshrink: float(lg.hardshrink),
  glu: [...axis(lg.glu), shape(() => lg.glu(x, 1), "[2, 3]"), dtype(() => lg.glu(make([2], "int32")), "int32")],
  cast: [
    dtype(() => lg.cast(x, wrongType), "float8", "float32"),
    dtype(() => lg.cast(x, "toString" as DType), "toString"),
  ],
  to: [dtype(() => lg.to(x, wrongType), "float8", "float32")],

  // reductions and scans
  sum: axes(lg.sum),
  mean: [...axes(lg.mean), ...float((a) => lg.mean(a))],
  prod: axes(lg.prod),
  amax: [...axes(lg.amax), shape(() => lg.amax(make([0, 2]), 0), "[0, 2]")],
  amin: [...axes(lg.amin), shape(() => lg.amin(make([0, 2]), 0), "[0, 2]")],
  all: axes(lg.all),
  any: axes(lg.any),
  countNonzero: axes(lg.countNonzero),
  var: [...axes(lg.var), ...float((a) => lg.var(a))],
  std: [...axes(lg.std), ...float((a) => lg.std(a))],
  varMean: [...axes(lg.varMean), ...float((a) => lg.varMean(a))],
  stdMean: [...axes(lg.stdMean), ...float((a) => lg.stdMean(a))],
  logsumexp: axes(lg.logsumexp),
  norm: [
    ...axes(lg.norm),
    argument(() => lg.norm(x, null, { p: "max" as "fro" }), '"max"'),
    shape(() => lg.norm(cube, [0, 1, 2], { p: "fro" }), "[2, 3, 4]"),
    shape(() => lg.norm(cube, null, { p: "nuc" }), "[2, 3, 4]"),
    shape(() => lg.norm(x, 1, { p: "nuc" }), "[2, 3]"),
  ],
  softmax: [...axis(lg.softmax), dtype(() => lg.softmax(x, 0, { dtype: "int32" }), "int32")],
  logSoftmax: axis(lg.logSoftmax),
  safeSoftmax: axis(lg.safeSoftmax),
  softmin: axis(lg.softmin),
  cumsum: [...axis(lg.cumsum), dtype(() => lg.cumsum(x, 0, { dtype: "bool" }), "bool")],
  cumprod: axis(lg.cumprod),

  // order
  max: [
    ...axis(lg.max),
    ...binary(lg.max),
    argument(() => (lg.max as (...args: unknown[]) => unknown)(x, x, { keepdim: true }), "would be lost"),
    shape(() => lg.max(make([2, 0]), 1), "[2, 0]"),
    shape(() => lg.max(make([0])), "[0]"),
  ],
  min: [
    ...axis(lg.min),
    ...binary(lg.min),
    argument(() => (lg.min as (...args: unknown[]) => unknown)(x, x, { keepdim: true }), "would be lost"),
    shape(() => lg.min(make([2, 0]), 1), "[2, 0]"),
    shape(() => lg.min(make([0])), "[0]"),
  ],
  argmax: [
    ...axis(lg.argmax),
    shape(() => lg.argmax(make([2, 0]), 1), "[2, 0]"),
    shape(() => lg.argmax(make([0, 2])), "[0, 2]"),
  ],
  argmin: [...axis(lg.argmin), ...notBool((a) => lg.argmin(a)), shape(() => lg.argmin(make([2, 0]), 1), "[2, 0]")],
  argsort: axis(lg.argsort),
  sort: axis(lg.sort),
  topk: [
    ...axis((a, dim) => lg.topk(a, 1, dim)),
    shape(() => lg.topk(x, 4), "k is 4", "[2, 3]"),
    shape(() => lg.topk(x, -1), "k is -1"),
  ],
  median: [
    ...axis(lg.median),
    shape(() => lg.median(make([2, 0]), 1), "[2, 0]"),
    shape(() => lg.median(make([0], "int32")), "[0]"),
    dtype(() => lg.median(bool), "bool"),
  ],
  nanmedian: [
    ...axis(lg.nanmedian),
    shape(() => lg.nanmedian(make([2, 0]), 1), "[2, 0]"),
    dtype(() => lg.nanmedian(bool), "bool"),
  ],
  firstLargest: [shape(() => lg.firstLargest(make([2, 0]), 1), "[2, 0]")],

  // contraction
  matmul: [
    shape(() => lg.matmul(x, x), "[2, 3] × [2, 3]", "3 and 2"),
    shape(() => lg.matmul(x, point), "[2, 3] × []"),
    shape(() => lg.matmul(make([2, 3, 4]), make([3, 4, 2])), "[2]", "[3]"),
    dtype(() => lg.matmul(make([3, 3], "bool"), make([3, 3], "bool")), "bool"),
    dtype(() => lg.matmul(make([3], "bool"), make([3], "bool")), "bool"),
    devices(() => lg.matmul(square, farSquare)),
    devices(() => lg.matmul(vector, farVector)),
  ],
  mm: [
    shape(() => lg.mm(x, vector), "[2, 3] × [3]"),
    shape(() => lg.mm(x, x), "3 and 2"),
    devices(() => lg.mm(square, farSquare)),
  ],
  bmm: [
    shape(() => lg.bmm(x, x), "[2, 3] × [2, 3]"),
    shape(() => lg.bmm(cube, make([3, 4, 2])), "[2, 3, 4] × [3, 4, 2]"),
    shape(() => lg.bmm(cube, cube), "4 and 3"),
    devices(() => lg.bmm(cube, make([2, 4, 3], "float32", there))),
  ],
  mv: [
    shape(() => lg.mv(x, x), "[2, 3] × [2, 3]"),
    shape(() => lg.mv(x, make([2])), "3 and 2"),
    devices(() => lg.mv(x, farVector)),
  ],
  dot: [
    shape(() => lg.dot(x, x), "ranks 1 and 1"),
    shape(() => lg.dot(vector, make([2])), "3 and 2"),
    devices(() => lg.dot(vector, farVector)),
  ],
  outer: [shape(() => lg.outer(x, vector), "[2, 3] × [3]"), devices(() => lg.outer(vector, farVector))],
  linear: [
    shape(() => lg.linear(x, make([4, 2])), "[2, 3]", "[4, 2]"),
    shape(() => lg.linear(x, vector), "[3]"),
    shape(() => lg.linear(x, square, make([4])), "bias [4]", "[3]"),
    devices(() => lg.linear(x, farSquare)),
    devices(() => lg.linear(x, square, farVector)),
  ],
  addmm: [
    shape(() => lg.addmm(square, x, x), "[2, 3] × [2, 3]"),
    shape(() => lg.addmm(make([4]), square, square), "[4]"),
    devices(() => lg.addmm(farSquare, square, square)),
  ],
  baddbmm: [
    shape(() => lg.baddbmm(square, x, x), "[2, 3] × [2, 3]"),
    shape(() => lg.baddbmm(make([5]), cube, make([2, 4, 3])), "[5]"),
    devices(() => lg.baddbmm(farVector, cube, make([2, 4, 3]))),
  ],
  addmv: [
    shape(() => lg.addmv(vector, x, x), "[2, 3] × [2, 3]"),
    shape(() => lg.addmv(make([5]), x, vector), "[5]"),
    devices(() => lg.addmv(farVector, square, vector)),
  ],
  tensordot: [
    shape(() => lg.tensordot(x, x, 1), "[2, 3]"),
    shape(() => lg.tensordot(x, x, 3), "3", "[2, 3]"),
    shape(() => lg.tensordot(x, x, [[2], [0]]), "axis 2"),
    shape(() => lg.tensordot(x, x, [[0, 1], [0]]), "[0, 1]", "[0]"),
    devices(() => lg.tensordot(x, far, 2)),
  ],
  kron: [devices(() => lg.kron(x, far))],
  bilinear: [
    shape(() => lg.bilinear(x, x, square), "[3, 3]"),
    shape(() => lg.bilinear(x, y, make([5, 3, 3])), "[2, 4]", "[5, 3, 3]"),
    shape(() => lg.bilinear(x, make([4, 3]), make([5, 3, 3])), "[2, 3]", "[4, 3]"),
    shape(() => lg.bilinear(x, x, make([5, 3, 3]), make([4])), "[4]", "[5]"),
    devices(() => lg.bilinear(x, far, make([5, 3, 3]))),
  ],
  einsum: [
    argument(() => lg.einsum("ij->ik", [x]), '"ij->ik"', "k"),
    argument(() => lg.einsum("ij,jk", [x]), "2", "1"),
    argument(() => lg.einsum("i?", [x]), '"i?"'),
    argument(() => lg.einsum("", []), "operand"),
    shape(() => lg.einsum("ij,jk", [x, x]), "j", "3 and 2"),
    shape(() => lg.einsum("i", [x]), "[2, 3]"),
    shape(() => lg.einsum("ii->i", [x]), "2 and 3"),
    dtype(() => lg.einsum("ij,ij->", [bool, bool]), "bool"),
    devices(() => lg.einsum("ij,ij->i", [x, far])),
  ],
  scaledDotProductAttention: [
    shape(() => lg.scaledDotProductAttention(vector, x, x), "[3]", "[2, 3]"),
    shape(() => lg.scaledDotProductAttention(x, y, x), "[2, 3]", "[2, 4]"),
    shape(() => lg.scaledDotProductAttention(x, x, make([5, 3])), "[2, 3]", "[5, 3]"),
    shape(() => lg.scaledDotProductAttention(x, x, x, make([5, 5])), "[5, 5]", "[2, 2]"),
    dtype(() => lg.scaledDotProductAttention(int, int, int), "int32"),
    argument(() => lg.scaledDotProductAttention(x, x, x, make([2, 2], "bool"), { isCausal: true }), "isCausal"),
    devices(() => lg.scaledDotProductAttention(x, far, x)),
    devices(() => lg.scaledDotProductAttention(x, x, x, make([2, 2], "bool", there))),
  ],
  conv1d: convolution(1, lg.conv1d),
  conv2d: convolution(2, lg.conv2d),
  conv3d: convolution(3, lg.conv3d),
  convTranspose1d: convolution(1, lg.convTranspose1d),
  convTranspose2d: convolution(2, lg.convTranspose2d),
  convTranspose3d: convolution(3, lg.convTranspose3d),

  // windows
  maxPool1d: pooling(1, lg.maxPool1d),
  maxPool2d: pooling(2, lg.maxPool2d),
  maxPool3d: pooling(3, lg.maxPool3d),
  avgPool1d: pooling(1, lg.avgPool1d),
  avgPool2d: pooling(2, lg.avgPool2d),
  avgPool3d: pooling(3, lg.avgPool3d),
  adaptiveAvgPool1d: adaptive(1, lg.adaptiveAvgPool1d),
  adaptiveAvgPool2d: adaptive(2, lg.adaptiveAvgPool2d),
  adaptiveAvgPool3d: adaptive(3, lg.adaptiveAvgPool3d),
  maxUnpool1d: unpooling(1, lg.maxUnpool1d),
  maxUnpool2d: unpooling(2, lg.maxUnpool2d),
  maxUnpool3d: unpooling(3, lg.maxUnpool3d),
  unfold: [
    shape(() => lg.unfold(x, 2), "[2, 3]"),
    shape(() => lg.unfold(make([1, 1, 2, 2]), 3), "[3, 3]", "[2, 2]"),
    argument(() => lg.unfold(make([1, 1, 2, 2]), 0), "kernelSize", "0"),
  ],
  fold: [shape(() => lg.fold(x, 4, 2), "[2, 3]"), argument(() => lg.fold(cube, 0, 2), "outputSize", "0")],
  unfoldDim: [
    ...axis((a, dim) => lg.unfoldDim(a, dim, 1, 1)),
    shape(() => lg.unfoldDim(x, 1, 4, 1), "size 4", "[2, 3]"),
  ],
  interpolate: [
    shape(() => lg.interpolate(x, { size: 2 }), "[2, 3]"),
    argument(() => lg.interpolate(cube, {}), "size or scaleFactor"),
    argument(() => lg.interpolate(cube, { size: 0 }), "size", "0"),
    argument(() => lg.interpolate(cube, { size: 2, mode: "bilinear" }), '"bilinear"', "[2, 3, 4]"),
  ],
  pixelShuffle: [shape(() => lg.pixelShuffle(cube, 2), "[2, 3, 4]", "4"), shape(() => lg.pixelShuffle(x, 1), "[2, 3]")],
  pixelUnshuffle: [
    shape(() => lg.pixelUnshuffle(cube, 2), "[2, 3, 4]", "2"),
    shape(() => lg.pixelUnshuffle(x, 1), "[2, 3]"),
  ],
  pad: [
    shape(() => lg.pad(x, [1]), "[1]", "[2, 3]"),
    shape(() => lg.pad(x, [1, 1, 1, 1, 1, 1]), "[2, 3]"),
    shape(() => lg.pad(x, [-2, -2]), "[2, 3]"),
    shape(() => lg.pad(x, [3, 0], { mode: "reflect" }), '"reflect"', "[2, 3]"),
    argument(() => lg.pad(x, [1, 1], { mode: "mirror" as "reflect" }), '"mirror"'),
    argument(() => lg.pad(x, [0, 0], { mode: "mirror" as "reflect" }), '"mirror"'),
    argument(() => lg.pad(x, [1, 1], { mode: "reflect", value: 1 }), '"reflect"'),
  ],

  // movement
  reshape: [
    shape(() => lg.reshape(x, [4]), "[4]", "6"),
    shape(() => lg.reshape(x, [-1, 4]), "[-1, 4]", "6"),
    shape(() => lg.reshape(x, [-1, -1]), "[-1, -1]"),
    shape(() => lg.reshape(x, [1.5, 4]), "[1.5, 4]"),
  ],
  view: [shape(() => lg.view(x, [4]), "[4]", "6")],
  flatten: [...axis(lg.flatten), shape(() => lg.flatten(x, 1, 0), "1", "0", "[2, 3]")],
  unflatten: [
    ...axis((a, dim) => lg.unflatten(a, dim, [1, -1])),
    shape(() => lg.unflatten(x, 1, [2, 2]), "[2, 2]", "3"),
  ],
  squeeze: axes(lg.squeeze),
  unsqueeze: [shape(() => lg.unsqueeze(x, 3), "axis 3"), shape(() => lg.unsqueeze(x, -4), "axis -4")],
  permute: [
    shape(() => lg.permute(x, [0]), "[2, 3]", "[0]"),
    shape(() => lg.permute(x, [0, 0]), "[0, 0]"),
    shape(() => lg.permute(x, [0, 2]), "axis 2"),
  ],
  transpose: axis((a, dim) => lg.transpose(a, 0, dim)),
  swapaxes: axis((a, dim) => lg.swapaxes(a, 0, dim)),
  t: [shape(() => lg.t(cube), "[2, 3, 4]")],
  movedim: [...axis((a, dim) => lg.movedim(a, 0, dim)), shape(() => lg.movedim(x, [0, 1], [0]), "[0, 1]", "[0]")],
  expand: [
    shape(() => lg.expand(x, [2, 4]), "[2, 3]", "[2, 4]"),
    shape(() => lg.expand(x, [3]), "[2, 3]", "[3]"),
    shape(() => lg.expand(x, [-1, 2, 3]), "[-1, 2, 3]"),
  ],
  expandAs: [shape(() => lg.expandAs(x, y), "[2, 3]", "[2, 4]"), shape(() => lg.expandAs(x, vector), "[2, 3]", "[3]")],
  broadcastTo: [shape(() => lg.broadcastTo(x, [2, 4]), "[2, 3]", "[2, 4]")],
  slice: [
    ...axis((a, dim) => lg.slice(a, dim, 0, 1)),
    argument(() => lg.slice(x, 0, 0, 2, 0), "step 0"),
    argument(() => lg.slice(x, 0, 0.5), "0.5"),
    argument(() => lg.slice(x, 0, unknown), "start", "await"),
    argument(() => lg.slice(x, 0, 0, unknown), "stop", "await"),
    shape(() => lg.slice(point, 0), "0-d"),
  ],
  narrow: [
    ...axis((a, dim) => lg.narrow(a, dim, 0, 1)),
    shape(() => lg.narrow(x, 1, 2, 2), "start 2", "length 2", "[2, 3]"),
    shape(() => lg.narrow(x, 1, 0.5, 1), "start 0.5"),
    shape(() => lg.narrow(point, 0, 0, 1), "[]"),
    argument(() => lg.narrow(x, 0, unknown, 1), "start", "await"),
    argument(() => lg.narrow(x, 0, index, 1), "start", "[2]"),
  ],
  select: [...axis((a, dim) => lg.select(a, dim, 0)), shape(() => lg.select(x, 1, 3), "index 3", "[2, 3]")],
  flip: axes(lg.flip),

  // joining and splitting
  cat: [
    shape(() => lg.cat([]), "no tensors"),
    shape(() => lg.cat([point, point]), "0-d"),
    shape(() => lg.cat([x, y], 0), "[2, 3]", "[2, 4]"),
    shape(() => lg.cat([x, vector]), "[2, 3]", "[3]"),
    shape(() => lg.cat([x, x], 2), "axis 2"),
    devices(() => lg.cat([x, far])),
    devices(() => lg.cat([x, far], 1)),
  ],
  stack: [
    shape(() => lg.stack([]), "no tensors"),
    shape(() => lg.stack([x, y]), "[2, 3]", "[2, 4]"),
    shape(() => lg.stack([x, x], 3), "axis 3"),
    devices(() => lg.stack([x, far])),
  ],
  split: [
    ...axis((a, dim) => lg.split(a, 1, dim)),
    argument(() => lg.split(x, 0), "0"),
    shape(() => lg.split(x, [1, 1], 1), "[1, 1]", "[2, 3]"),
    shape(() => lg.split(x, [4, -1], 1), "[4, -1]"),
    shape(() => lg.split(point, 1), "0-d"),
  ],
  chunk: [
    ...axis((a, dim) => lg.chunk(a, 1, dim)),
    argument(() => lg.chunk(x, 0), "0"),
    shape(() => lg.chunk(point, 1), "0-d"),
  ],
  unbind: [...axis(lg.unbind), shape(() => lg.unbind(point), "0-d")],
  repeat: [shape(() => lg.repeat(x, [2]), "[2]", "[2, 3]"), argument(() => lg.repeat(x, [2, -1]), "[2, -1]")],
  tile: [argument(() => lg.tile(x, [-1]), "-1")],
  repeatInterleave: [
    ...axis((a, dim) => lg.repeatInterleave(a, 2, dim)),
    argument(() => lg.repeatInterleave(x, -1), "-1"),
    argument(() => lg.repeatInterleave(x, lg.tensor([1, -1], { dtype: "int32", device: here }), 0), "repeats[1]", "-1"),
    argument(() => lg.repeatInterleave(x, index.mul(unknown), 0), "await"),
    shape(() => lg.repeatInterleave(x, index, 1), "[2]", "[2, 3]", "[3]"),
    dtype(() => lg.repeatInterleave(x, make([2]), 0), "float32", "int32"),
  ],
  roll: [
    ...axis((a, dim) => lg.roll(a, 1, dim)),
    argument(() => lg.roll(x, [1, 2], [0]), "2 shifts", "1 dim"),
    argument(() => lg.roll(x, 0.5, 0), "0.5"),
  ],
  rot90: [
    ...axis((a, dim) => lg.rot90(a, 1, [0, dim])),
    shape(() => lg.rot90(x, 1, [0, -2]), "[0, -2]"),
    argument(() => lg.rot90(x, 0.5), "0.5"),
  ],
  meshgrid: [
    argument(() => lg.meshgrid([vector], { indexing: "yx" as "xy" }), '"yx"'),
    shape(() => lg.meshgrid([x, vector]), "[2, 3]"),
  ],

  // indexing
  gather: [
    ...axis((a, dim) => lg.gather(a, dim, int)),
    dtype(() => lg.gather(x, 0, x), "float32", "int32"),
    shape(() => lg.gather(x, 0, index), "[2]", "[2, 3]"),
    shape(() => lg.gather(x, 0, make([2, 4], "int32")), "[2, 4]", "[2, 3]"),
    shape(() => lg.gather(point, 0, int), "[2, 3]", "[1]"),
    devices(() => lg.gather(x, 0, make([2, 3], "int32", there))),
  ],
  takeAlongDim: [
    ...axis((a, dim) => lg.takeAlongDim(a, int, dim)),
    dtype(() => lg.takeAlongDim(x, x, 0), "float32"),
    shape(() => lg.takeAlongDim(x, index, 0), "[2]", "[2, 3]"),
    shape(() => lg.takeAlongDim(x, make([2, 4], "int32"), 0), "3", "4"),
    devices(() => lg.takeAlongDim(x, make([2, 3], "int32", there), 0)),
  ],
  scatterAdd: [
    ...axis((a, dim) => lg.scatterAdd(a, dim, int, a)),
    dtype(() => lg.scatterAdd(x, 0, x, x), "float32", "int32"),
    dtype(() => lg.scatterAdd(x, 0, int, int), "float32", "int32"),
    shape(() => lg.scatterAdd(x, 0, index, vector), "[2]"),
    shape(() => lg.scatterAdd(x, 0, make([3, 3], "int32"), x), "[2, 3]", "[3, 3]"),
    devices(() => lg.scatterAdd(x, 0, int, far)),
    devices(() => lg.scatterAdd(x, 0, make([2, 3], "int32", there), 1)),
  ],
  scatter: [
    ...axis((a, dim) => lg.scatter(a, dim, int, a)),
    dtype(() => lg.scatter(x, 0, x, x), "float32", "int32"),
    dtype(() => lg.scatter(x, 0, int, int), "float32", "int32"),
    shape(() => lg.scatter(x, 0, index, 1), "[2]", "[2, 3]"),
    argument(() => lg.scatter(x, 0, int, 1, { reduce: "mean" as "add" }), '"mean"'),
    shape(() => lg.scatter(x, 0, make([3, 3], "int32"), x), "[2, 3]", "[3, 3]"),
    devices(() => lg.scatter(x, 0, int, far)),
    devices(() => lg.scatter(x, 0, make([2, 3], "int32", there), 1)),
  ],
  scatterReduce: [
    ...axis((a, dim) => lg.scatterReduce(a, dim, int, a, "sum")),
    argument(() => lg.scatterReduce(x, 0, int, x, "max" as "amax"), '"max"', '"amax"'),
    dtype(() => lg.scatterReduce(x, 0, x, x, "sum"), "float32", "int32"),
    dtype(() => lg.scatterReduce(x, 0, int, int, "prod"), "float32", "int32"),
    shape(() => lg.scatterReduce(x, 0, make([3, 3], "int32"), x, "amax"), "[2, 3]", "[3, 3]"),
    shape(() => lg.scatterReduce(x, 0, make([2, 4], "int32"), y, "amax"), "[2, 4]"),
    devices(() => lg.scatterReduce(x, 0, int, far, "mean")),
  ],
  indexSelect: [
    ...axis((a, dim) => lg.indexSelect(a, dim, index)),
    dtype(() => lg.indexSelect(x, 0, vector), "float32", "int32"),
    shape(() => lg.indexSelect(x, 0, int), "[2, 3]"),
    shape(() => lg.indexSelect(point, 0, index), "[2]", "0-d"),
    devices(() => lg.indexSelect(x, 0, farIndex)),
  ],
  index: [
    shape(() => lg.index(x, [0, 0, 0]), "3 entries", "[2, 3]"),
    shape(() => lg.index(x, [2]), "dim 0", "2"),
    shape(() => lg.index(x, [null, -4]), "dim 1", "-4"),
    shape(() => lg.index(x, [0.5]), "0.5"),
    shape(() => lg.index(x, [index, vector.to("int32")]), "[2]", "[3]"),
    shape(() => lg.index(make([0, 2]), [index]), "empty"),
    dtype(() => lg.index(x, [vector]), "float32", "int32"),
    dtype(() => lg.index(x, [bool]), "mask [2, 3]", "await nonzero(mask"),
    argument(() => lg.index(x, [{ end: 1 } as lg.SliceIndex]), "end", "{ start, stop, step }"),
    argument(() => lg.index(x, ["0" as unknown as number]), "string"),
    argument(() => lg.index(x, 0 as unknown as lg.Index[]), "list"),
    argument(() => lg.index(x, [{ step: -1 }]), "step -1"),
    devices(() => lg.index(x, [farIndex])),
  ],
  indexPut: [
    shape(() => lg.indexPut(x, [2], 0), "dim 0"),
    shape(() => lg.indexPut(x, [index], y), "[2, 4]", "[2, 3]"),
    shape(() => lg.indexPut(x, [0], x), "[2, 3]", "[3]"),
    dtype(() => lg.indexPut(x, [index], int), "float32", "int32"),
    dtype(() => lg.indexPut(x, [bool], 0), "await nonzero(mask"),
    dtype(() => lg.indexPut(bool, [index], bool, { accumulate: true }), "bool"),
    argument(() => lg.indexPut(x, [0], null as unknown as number), "null"),
    devices(() => lg.indexPut(x, [farIndex], 0)),
    devices(() => lg.indexPut(x, [index], far)),
  ],
  maskedSelect: [
    dtype(() => lg.maskedSelect(x, int), "int32", "bool"),
    shape(() => lg.maskedSelect(x, make([2, 4], "bool")), "[2, 3]", "[2, 4]"),
    devices(() => lg.maskedSelect(x, make([2, 3], "bool", there))),
  ],
  indexAdd: [
    ...axis((a, dim) => lg.indexAdd(a, dim, index, a)),
    dtype(() => lg.indexAdd(x, 0, vector, square), "float32", "int32"),
    dtype(() => lg.indexAdd(x, 0, index, int), "int32", "float32"),
    shape(() => lg.indexAdd(x, 0, index, y), "[2, 4]", "[2, 3]"),
    shape(() => lg.indexAdd(x, 0, int, x), "[2, 3]"),
    devices(() => lg.indexAdd(x, 0, index, far)),
    devices(() => lg.indexAdd(x, 0, farIndex, x)),
  ],
  embedding: [
    dtype(() => lg.embedding(vector, x), "float32", "int32"),
    shape(() => lg.embedding(index, vector), "[3]"),
    argument(() => lg.embedding(index, x, { paddingIdx: 2 }), "2"),
    argument(() => lg.embedding(lg.tensor([0, 2], { dtype: "int32" }), x), "index 2", "[0, 2)"),
    devices(() => lg.embedding(farIndex, x)),
  ],
  oneHot: [
    dtype(() => lg.oneHot(x, 3), "float32", "int32"),
    argument(() => lg.oneHot(index, 0), "0"),
    argument(() => lg.oneHot(index, 1.5), "1.5"),
    argument(() => lg.oneHot(index.mul(unknown)), "numClasses"),
    argument(() => lg.oneHot(make([0], "int32")), "numClasses"),
  ],

  // diagonals and linear algebra
  tril: [shape(() => lg.tril(vector), "[3]"), argument(() => lg.tril(x, 0.5), "0.5")],
  triu: [shape(() => lg.triu(vector), "[3]"), argument(() => lg.triu(x, 0.5), "0.5")],
  diagonal: [
    ...axis((a, dim) => lg.diagonal(a, 0, 0, dim)),
    shape(() => lg.diagonal(x, 0, 1, -1), "1 and -1", "[2, 3]"),
    shape(() => lg.diagonal(vector), "rank 1"),
    argument(() => lg.diagonal(x, 0.5), "0.5"),
  ],
  diagEmbed: [
    shape(() => lg.diagEmbed(point), "0-d"),
    shape(() => lg.diagEmbed(vector, 0, 1, -1), "1 and -1"),
    shape(() => lg.diagEmbed(vector, 0, 0, 2), "axis 2"),
    argument(() => lg.diagEmbed(vector, 0.5), "0.5"),
  ],
  diag: [shape(() => lg.diag(cube), "[2, 3, 4]")],
  trace: [shape(() => lg.trace(vector), "[3]"), ...notBool((a) => lg.trace(a))],
  cholesky: matrix(lg.cholesky),
  inverse: matrix(lg.inverse),
  det: matrix(lg.det),
  slogdet: matrix(lg.slogdet),
  solve: [
    ...matrix((a) => lg.solve(a, a)),
    shape(() => lg.solve(square, x), "[3, 3]", "[2, 3]"),
    shape(() => lg.solve(square, make([2])), "[3, 3]", "[2]"),
    shape(() => lg.solve(square, point), "[3, 3]", "[]"),
    dtype(() => lg.solve(square, make([3, 1], "int32")), "int32"),
    devices(() => lg.solve(square, farSquare)),
  ],
  triangularSolve: [
    ...matrix((a) => lg.triangularSolve(a, square, { upper: false })),
    shape(() => lg.triangularSolve(square, x, { upper: true }), "[3, 3]", "[2, 3]"),
    dtype(() => lg.triangularSolve(square, make([3, 1], "int32"), { upper: false }), "int32"),
    devices(() => lg.triangularSolve(square, farSquare, { upper: false })),
  ],
  normalize: [...axis((a, dim) => lg.normalize(a, { dim })), ...float((a) => lg.normalize(a))],
  cosineSimilarity: [
    ...binary((a, b) => lg.cosineSimilarity(a, b)),
    ...axis((a, dim) => lg.cosineSimilarity(a, a, { dim })),
    ...float((a) => lg.cosineSimilarity(a, a)),
  ],
  pairwiseDistance: [
    ...binary((a, b) => lg.pairwiseDistance(a, b)),
    dtype(() => lg.pairwiseDistance(bool, bool), "bool"),
  ],
  cdist: [
    shape(() => lg.cdist(x, y), "[2, 3]", "[2, 4]"),
    shape(() => lg.cdist(vector, x), "[3]", "[2, 3]"),
    shape(() => lg.cdist(make([2, 1, 3]), make([3, 1, 3])), "[2, 1, 3]", "[3, 1, 3]"),
    dtype(() => lg.cdist(bool, bool), "bool"),
    devices(() => lg.cdist(x, far)),
  ],

  // creation
  tensor: [
    shape(() => lg.tensor([[1, 2], [3]], { device: here }), "[1]", "1", "2"),
    shape(() => lg.tensor([1, 2, 3], { device: here, shape: [2] }), "3", "[2]"),
    dtype(() => lg.tensor([1], { device: here, dtype: wrongType }), "float8"),
    argument(() => lg.tensor(new DataView(new ArrayBuffer(8)) as never, { device: here }), "DataView", "Float32Array"),
  ],
  zeros: creation(lg.zeros),
  ones: creation(lg.ones),
  full: creation((sizes, options) => lg.full(sizes, 1, options)),
  zerosLike: like(lg.zerosLike),
  onesLike: like(lg.onesLike),
  fullLike: like((a, options) => lg.fullLike(a, 1, options)),
  arange: [
    argument(() => lg.arange(0, 3, 0, { device: here }), "0", "3"),
    argument(() => lg.arange(0, 3, -1, { device: here }), "-1"),
    dtype(() => lg.arange(3, { device: here, dtype: wrongType }), "float8"),
  ],
  linspace: [
    shape(() => lg.linspace(0, 1, -1, { device: here }), "-1"),
    dtype(() => lg.linspace(0, 1, 2, { device: here, dtype: wrongType }), "float8"),
  ],
  eye: [
    shape(() => lg.eye(-1, 2, { device: here }), "-1"),
    dtype(() => lg.eye(2, 2, { device: here, dtype: wrongType }), "float8"),
  ],
  rand: creation(lg.rand),
  randn: creation(lg.randn),
  randLike: [...like(lg.randLike), ...float((a) => lg.randLike(a))],
  randnLike: [...like(lg.randnLike), ...float((a) => lg.randnLike(a))],
  randint: [
    argument(() => lg.randint(3, 3, [2], { device: here }), "[3, 3)"),
    shape(() => lg.randint(0, 3, [-2], { device: here }), "[-2]"),
    dtype(() => lg.randint(0, 3, [2], { device: here, dtype: wrongType }), "float8"),
  ],
  randperm: [
    shape(() => lg.randperm(-1, { device: here }), "-1"),
    dtype(() => lg.randperm(2, { device: here, dtype: wrongType }), "float8"),
  ],
  bernoulli: float(lg.bernoulli),
};

/** Operations that take tensors of every dtype, shape and rank, and nothing that could be wrong. */
const TAKE_EVERYTHING = [
  ...[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
  ],
  ...["floor", "log", "log10", "log1p", "log2", "logit", "reciprocal", "rsqrt", "safeSqrt", "sigmoid", "sin"],
  ...["sinc", "sinh", "softplus", "sqrt", "tan", "tanh", "trunc", "relu"],
  ...["sign", "square", "softsign", "tanhshrink"],
  ...["isnan", "isinf", "isfinite", "logicalNot", "nanToNum"],
];

/** Not operations, but the machinery and constants of the package; or asynchronous (`allclose`, tested apart; `nonzero` takes all). */
const NO_OPERATIONS = [
  ...["clone", "ravel", "equal", "argwhere"],
  ...["ArgumentError", "DTypeError", "Device", "DeviceError", "GradError", "IndexError", "LoopgradError"],
  ...["ReleasedError", "Scope", "positions", "surelyWithout"],
  ...["Kind", "around", "enclosed", "enter", "find", "isExact", "linesOf", "placeOf", "replaceStandIn", "syncScope"],
  ...["tracked", "withDevice", "withStandIns", "withinScope"],
  ...["vmap", "interpreted", "insideVmap", "currentLevel", "openLevels", "levelsAround", "levelsOf", "levelsOfAll"],
  ...["changing", "isTrial", "checkTasks", "handleLike", "markTasks", "spreadOver", "valueFor", "withTasks"],
  ...["ShapeError", "Tensor", "allclose", "asLeaf", "bind", "bindConstant", "bindUntracked", "broadcastShapes"],
  ...["bytesPerElement", "checkShape", "contiguousStrides", "convAttrs", "convGeometry", "convOutput", "currentScope"],
  ...["dtypeAttr", "dtypeCode", "getDevice", "getRngState", "hostArray", "init", "iota", "isFloat", "isFloatingPoint"],
  ...[
    "keep",
    "literal",
    "literalLike",
    "manualSeed",
    "nonzero",
    "normalizeAxes",
    "checkDevice",
    "checkOptions",
    "wantArray",
    "admit",
    "checkMethods",
    "defineKind",
    "operation",
    "signatureOf",
    "signaturesOf",
    "literals",
    "normalizeAxis",
    "numel",
    "onBind",
    "promote",
  ],
  ...["resolveShape", "resultDType", "sameShape", "scalar", "scope", "setDevice", "setLeafHook", "setRngState", "show"],
  ...[
    "profile",
    "threshold",
    "untracked",
    "unwatched",
    "visitTensors",
    "watching",
    "wrap",
    "fromHalf",
    "toHalf",
    "packLayout",
  ],
  "renormalized",
];

/** Other names of an operation: its messages use the first. */
const ALIASES: Record<string, string> = { view: "reshape", broadcastTo: "expand", swapaxes: "transpose" };

beforeAll(() => init({ device: "cpu" }));

describe.each(Object.entries(REJECTS))("%s rejects", (name, rejections) => {
  test.each(rejections.map((r) => [`${r.error.name} ${r.says.join(", ")}`, r] as const))(
    "%s",
    (_, { call, error, says }) => {
      using _scope = scope();
      setDevice(here);
      let thrown: unknown = null;
      try {
        call();
      } catch (e) {
        thrown = e;
      }
      expect(thrown).toBeInstanceOf(error);
      const { message } = thrown as Error;
      expect(message).toMatch(new RegExp(`^${ALIASES[name] ?? name}\\b`));
      for (const words of says) expect(message).toContain(words);
    },
  );
});

test.each(TAKE_EVERYTHING)("%s takes every tensor", async (name) => {
  const f = (lg as unknown as Record<string, (x: Tensor) => Tensor>)[name];
  for (const type of DTYPES.filter((dtype) => dtype !== "float16")) {
    for (const sizes of [[], [2, 1, 3], [0, 2]]) {
      using _ = scope();
      const result = f(lg.ones(sizes, { dtype: type, device: here }));
      expect(result.shape).toEqual(sizes);
      expect((await result.data()).length).toBe(result.size);
    }
  }
});

test("allclose rejects shapes that differ", async () => {
  await expect(lg.allclose(x, y)).rejects.toThrow(new ShapeError("allclose: shapes [2, 3] and [2, 4] differ"));
});

test("every operation has an entry", () => {
  const names = Object.entries(lg).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  const exported = names.filter((name) => !(name in aliases));
  expect([...Object.keys(REJECTS), ...TAKE_EVERYTHING, ...NO_OPERATIONS].sort()).toEqual(exported.sort());
});
