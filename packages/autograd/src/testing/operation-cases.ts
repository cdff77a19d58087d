/**
 * Calls of every public operation of @loopgrad/tensor that has a gradient. operations.test.ts holds that none is missing.
 */
import * as ops from "@loopgrad/tensor";
import { eye, type Shape, type Tensor, tensor } from "@loopgrad/tensor";

/** An input's shape; elements lie in ±2 unless said otherwise, distinct, and none on a kink. */
export type Input = Shape | { readonly shape: Shape; readonly from: number; readonly to: number };
export type Case = [fn: (...xs: Tensor[]) => Tensor | readonly Tensor[], ...inputs: Input[]];

const within = (from: number, to: number, ...shape: number[]): Input => ({ shape, from, to });
const positive = (...shape: number[]): Input => within(0.4, 2.5, ...shape);
export const int = (data: number[], ...shape: number[]): Tensor => tensor(data, { shape, dtype: "int32" });
/** Indices that only the device knows; with the sign −1 each is a step lower: −1, or one that counts from the end. */
const signed = (sign: number, data: number[], ...shape: number[]): Tensor =>
  int(data, ...shape)
    .mul(tensor(sign, { dtype: "int32" }))
    .to("float32")
    .exp()
    .log()
    .round()
    .to("int32");
export const bool = (data: number[], ...shape: number[]): Tensor => tensor(data, { shape, dtype: "bool" });
const byName: Readonly<Record<string, unknown>> = { ...ops };
/** Operations of one tensor, by name. */
const each = (names: string, ...inputs: Input[]): Record<string, Case[]> =>
  Object.fromEntries(
    names.split(" ").map((name) => [name, inputs.map((input): Case => [byName[name] as Case[0], input])]),
  );
/** Of two: alike, broadcast, and beside a number. */
const binary = (fn: (a: ops.Operand, b: ops.Operand) => Tensor, x: Input = [], y: Input = x): Case[] => {
  const shaped = (input: Input, ...shape: number[]): Input => ("from" in input ? { ...input, shape } : shape);
  return [
    [fn, shaped(x, 2, 3), shaped(y, 2, 3)],
    [fn, shaped(x, 2, 1), shaped(y, 3)],
    [(a) => [fn(a, 1.3), fn(1.7, a)], shaped(x, 3)],
  ];
};
/** Well-conditioned matrices from any. */
const regular = (x: Tensor): Tensor => x.add(eye(x.shape[x.rank - 1]).mul(4));
const definite = (x: Tensor): Tensor => x.matmul(x.transpose(-1, -2)).add(eye(x.shape[x.rank - 1]));

const IMAGE: Shape = [1, 2, 4, 4];

const ELEMENTWISE: Record<string, Case[]> = {
  ...each(
    "abs asinh atan ceil cos cosh erf erfc exp exp2 expm1 floor frac hardshrink hardsigmoid hardswish " +
      "hardtanh logsigmoid mish nanToNum neg relu relu6 round selu sigmoid sign silu sin sinc sinh " +
      "softshrink softsign square tanh tanhshrink trunc",
    [2, 3],
    [],
  ),
  ...each("log log10 log1p log2 reciprocal rsqrt safeSqrt sqrt", positive(2, 3)),
  ...each("acos asin atanh tan", within(-0.9, 0.9, 4)),
  digamma: [
    [ops.digamma, within(0.4, 4, 4)],
    [ops.digamma, within(-1.8, -1.2, 4)],
  ],
  polygamma: [[(x) => [ops.polygamma(0, x), ops.polygamma(1, x), ops.polygamma(4, x)], within(0.6, 3, 4)]],
  elu: [[(x) => [ops.elu(x), ops.elu(x, { alpha: 0.7 })], [6]]],
  celu: [[(x) => [ops.celu(x), ops.celu(x, { alpha: 0.7 })], [6]]],
  gelu: [[(x) => [ops.gelu(x), ops.gelu(x, { approximate: "tanh" })], [6]]],
  leakyRelu: [[(x) => [ops.leakyRelu(x), ops.leakyRelu(x, { negativeSlope: 0.3 })], [6]]],
  softplus: [[(x) => [ops.softplus(x), ops.softplus(x, { beta: 2 })], [6]]],
  acosh: [[ops.acosh, within(1.3, 3, 4)]],
  logit: [
    [(x) => ops.logit(x), within(0.1, 0.9, 4)],
    [(x) => ops.logit(x, { eps: 0.2 }), within(0.05, 0.95, 5)],
  ],
  threshold: [[(x) => ops.threshold(x, 0.3, 0.1), [2, 3]]],
  clamp: [
    [(x) => [ops.clamp(x, -1, 1), ops.clamp(x, null, 0.3)], [6]],
    [(x, low, high) => ops.clamp(x, low, high), [6], within(-1.5, -0.5, 1), within(0.5, 1.5, 6)],
  ],
  cast: [[(x) => ops.cast(x, "float64").exp(), [3]]], // to float32: rules/conventions.test.ts
  to: [[(x) => ops.to(x, "float64").exp(), [3]]],
  glu: [[(x) => [ops.glu(x, 0), ops.glu(x)], [2, 4]]],
  prelu: [[ops.prelu, [2, 3, 2], [3]]],
  add: binary(ops.add),
  sub: binary(ops.sub),
  mul: binary(ops.mul),
  div: binary(ops.div, [], positive()).slice(0, 2).concat(binary(ops.div, positive())),
  floorDivide: binary(ops.floorDivide, [], positive()).slice(0, 2),
  fmod: [
    [ops.fmod, [4], positive(4)],
    [(a) => ops.fmod(a, 0.7), [4]],
  ],
  remainder: [
    [ops.remainder, [4], positive(4)],
    [(a) => ops.remainder(a, 0.7), [4]],
  ],
  pow: [...binary(ops.pow, positive()), [(x) => [ops.pow(x, 2), ops.pow(x, 3), ops.pow(x, -1)], [4]]],
  maximum: binary(ops.maximum),
  minimum: binary(ops.minimum),
  atan2: binary(ops.atan2),
  hypot: binary(ops.hypot),
  logaddexp: binary(ops.logaddexp),
  xlogy: binary(ops.xlogy, positive()),
  lerp: [
    [(a, b) => ops.lerp(a, b, 0.3), [2, 3], [3]],
    [ops.lerp, [3], [3], [3]],
  ],
  addcmul: [[(x, a, b) => ops.addcmul(x, a, b, { value: 0.7 }), [2, 3], [3], [2, 1]]],
  addcdiv: [[(x, a, b) => ops.addcdiv(x, a, b, { value: 0.7 }), [2, 3], [3], positive(2, 1)]],
  where: [
    [(a, b) => ops.where(a.gt(b), a.mul(b), b.square()), [2, 3], [2, 3]],
    [(a) => ops.where(bool([1, 0, 1], 3), a, 2), [2, 3]],
  ],
  maskedFill: [[(x) => ops.maskedFill(x, bool([1, 0, 1], 3), 7).mul(x), [2, 3]]],
};

const REDUCTIONS: Record<string, Case[]> = {
  sum: [[(x) => [ops.sum(x.square()), ops.sum(x.exp(), 1), ops.sum(x.sin(), [0, 2], { keepdim: true })], [2, 3, 2]]],
  mean: [[(x) => [ops.mean(x.square()), ops.mean(x.exp(), [0, 1])], [2, 3]]],
  prod: [[(x) => [ops.prod(x), ops.prod(x, 1), ops.prod(x, 0, { keepdim: true })], [2, 3]]],
  amax: [[(x) => [ops.amax(x).square(), ops.amax(x, 1).exp()], [2, 3]]],
  amin: [[(x) => [ops.amin(x).square(), ops.amin(x, [0, 1]).exp()], [2, 3]]],
  max: [[(x) => [ops.max(x).square(), ops.max(x, 1)[0].exp()], [2, 3]]],
  min: [[(x) => [ops.min(x).square(), ops.min(x, 0)[0].exp()], [2, 3]]],
  median: [[(x) => ops.median(x, 1)[0].exp(), [2, 5]]],
  nanmedian: [[(x) => [ops.nanmedian(x, 0)[0].exp(), ops.nanmedian(x).square()], [2, 5]]],
  firstLargest: [[(x) => ops.firstLargest(x, 1).exp(), [2, 4]]],
  var: [[(x) => [ops.var(x), ops.var(x, 1, { correction: 0 })], [2, 3]]],
  varMean: [[(x) => ops.varMean(x, 0), [3, 2]]],
  std: [[(x) => [ops.std(x), ops.std(x, 1, { keepdim: true })], [2, 3]]],
  stdMean: [[(x) => ops.stdMean(x, 1), [2, 3]]],
  logsumexp: [[(x) => [ops.logsumexp(x), ops.logsumexp(x, 1)], [2, 3]]],
  norm: [
    [(x) => [ops.norm(x), ops.norm(x, 1, { p: 1 }), ops.norm(x, 0, { p: 3 })], [2, 3]],
    [(x) => [ops.norm(x, 1, { p: Number.POSITIVE_INFINITY }).exp(), ops.norm(x, null, { p: 0.5 })], [2, 3]],
  ],
  softmax: [[(x) => [ops.softmax(x, 1), ops.softmax(x, 0)], [2, 3]]],
  logSoftmax: [[(x) => [ops.logSoftmax(x, 1), ops.logSoftmax(x, 0)], [2, 3]]],
  safeSoftmax: [[(x) => [ops.safeSoftmax(x, 1), ops.safeSoftmax(x, 0)], [2, 3]]],
  softmin: [[(x) => ops.softmin(x, 1), [2, 3]]],
  cumsum: [[(x) => [ops.cumsum(x.square(), 0), ops.cumsum(x.exp(), 1)], [2, 3]]],
  cumprod: [[(x) => [ops.cumprod(x, 0), ops.cumprod(x, 1)], [3, 3]]],
  sort: [[(x) => [ops.sort(x.exp(), 1)[0], ops.sort(x.square(), 0, { descending: true })[0]], [3, 4]]],
  topk: [[(x) => [ops.topk(x.exp(), 2, 1)[0], ops.topk(x.square(), 1, 0, { largest: false })[0]], [3, 4]]],
  normalize: [[(x) => [ops.normalize(x), ops.normalize(x, { p: 3, dim: 0 })], [2, 3]]],
  cosineSimilarity: [[(a, b) => ops.cosineSimilarity(a, b), [2, 3], [2, 3]]],
  pairwiseDistance: [[(a, b) => ops.pairwiseDistance(a, b), [2, 3], [2, 3]]],
  cdist: [[(a, b) => [ops.cdist(a, b), ops.cdist(a, b, { p: 3 })], [2, 3], [3, 3]]],
};

/** Movements are linear: the product with the input makes the second derivative more than 0. */
const curved =
  (fn: (x: Tensor) => Tensor | readonly Tensor[]) =>
  (x: Tensor): Tensor[] =>
    [fn(x)].flat().map((y) => y.exp());
const movement = (fn: (x: Tensor) => Tensor | readonly Tensor[], ...shape: number[]): Case[] => [[curved(fn), shape]];

const MOVEMENTS: Record<string, Case[]> = {
  reshape: movement((x) => ops.reshape(x, [3, -1]), 2, 3),
  view: movement((x) => ops.view(x, [6]), 2, 3),
  flatten: movement((x) => ops.flatten(x, 1), 2, 2, 2),
  unflatten: movement((x) => ops.unflatten(x, 1, [2, 2]), 2, 4),
  squeeze: movement((x) => ops.squeeze(x, 1), 2, 1, 2),
  unsqueeze: movement((x) => ops.unsqueeze(x, -1), 2, 2),
  permute: movement((x) => ops.permute(x, [2, 0, 1]), 2, 1, 3),
  transpose: movement((x) => ops.transpose(x, 0, 2), 2, 1, 3),
  swapaxes: movement((x) => ops.swapaxes(x, 0, 1), 2, 3),
  t: movement(ops.t, 2, 3),
  movedim: movement((x) => ops.movedim(x, 0, -1), 2, 1, 3),
  expand: movement((x) => ops.expand(x, [3, 2, -1]), 2, 1),
  broadcastTo: movement((x) => ops.broadcastTo(x, [2, 2, 3]), 2, 1),
  expandAs: movement((x) => ops.expandAs(x, ops.zeros([3, 2])), 2),
  slice: movement((x) => [ops.slice(x, 0, 1), ops.slice(x, 1, 0, 5, 2), ops.slice(x, 1, -2)], 3, 5),
  narrow: movement((x) => ops.narrow(x, 1, 1, 2), 2, 4),
  select: movement((x) => ops.select(x, 1, -1), 2, 3),
  flip: movement((x) => ops.flip(x, [0, 1]), 2, 3),
  repeat: movement((x) => ops.repeat(x, [2, 1, 2]), 2, 2),
  tile: movement((x) => ops.tile(x, [2]), 2, 2),
  repeatInterleave: movement((x) => [ops.repeatInterleave(x, 2, 1), ops.repeatInterleave(x, 2)], 2, 2),
  roll: movement((x) => [ops.roll(x, 1, 1), ops.roll(x, [1, -1], [0, 1])], 2, 3),
  rot90: movement((x) => ops.rot90(x, 1), 2, 3),
  pad: [
    [curved((x) => ops.pad(x, [1, 2], { value: 0.5 })), [2, 3]],
    [curved((x) => [ops.pad(x, [1, 2], { mode: "reflect" }), ops.pad(x, [1, 1], { mode: "replicate" })]), [1, 4]],
  ],
  tril: movement((x) => ops.tril(x, 1), 3, 3),
  triu: movement((x) => ops.triu(x), 3, 3),
  diag: [
    [curved((x) => ops.diag(x)), [3]],
    [curved((x) => ops.diag(x, 1)), [3, 3]],
  ],
  diagonal: movement((x) => ops.diagonal(x, 1), 3, 3),
  diagEmbed: movement((x) => ops.diagEmbed(x), 2, 2),
  trace: movement(ops.trace, 3, 3),
  split: movement((x) => ops.split(x, [1, 2]), 3, 2),
  chunk: movement((x) => ops.chunk(x, 2, 1), 2, 4),
  unbind: movement((x) => ops.unbind(x, 1), 2, 3),
  cat: [[(a, b) => ops.cat([a, b, a], 1).exp(), [2, 1], [2, 2]]],
  stack: [[(a, b) => ops.stack([a, b], 1).exp(), [2, 2], [2, 2]]],
  meshgrid: [[(a, b) => ops.meshgrid([a, b], { indexing: "ij" }).map((y) => y.exp()), [2], [3]]],
  unfold: movement((x) => ops.unfold(x, 2, { stride: 2, padding: 1 }), ...IMAGE),
  fold: movement((x) => ops.fold(x, 3, 2), 1, 4, 4),
  unfoldDim: movement((x) => ops.unfoldDim(x, 1, 3, 1), 2, 5),
  pixelShuffle: movement((x) => ops.pixelShuffle(x, 2), 1, 4, 2, 2),
  pixelUnshuffle: movement((x) => ops.pixelUnshuffle(x, 2), 1, 1, 4, 4),
  interpolate: [
    [curved((x) => ops.interpolate(x, { scaleFactor: 2 })), [1, 1, 2, 2]],
    [curved((x) => ops.interpolate(x, { size: [3, 4], mode: "bilinear", alignCorners: true })), [1, 1, 2, 2]],
  ],
  gather: movement((x) => [1, -1].map((sign) => ops.gather(x, 1, signed(sign, [1, 0, 1, 1], 2, 2))), 2, 3),
  takeAlongDim: movement((x) => [1, -1].map((sign) => ops.takeAlongDim(x, signed(sign, [1, 0], 2, 1), 1)), 2, 3),
  indexSelect: movement((x) => [1, -1].map((sign) => ops.indexSelect(x, 0, signed(sign, [2, 0, 2], 3))), 3, 2),
  embedding: [
    [(w) => ops.embedding(int([2, 0, 2, 1], 2, 2), w).exp(), [3, 2]],
    // paddingIdx stops the gradient, which is no derivative: the row is kept out of what is compared.
    [(w) => ops.embedding(int([2, 2], 2), w, { paddingIdx: 0 }).exp(), [3, 2]],
  ],
  scatter: [1, -1].map((sign): Case => {
    return [(x, s) => ops.scatter(x, 0, signed(sign, [2, 0], 1, 2), s).exp(), [3, 2], [1, 2]];
  }),
  scatterAdd: [1, -1].map((sign): Case => {
    return [(x, s) => ops.scatterAdd(x, 1, signed(sign, [1, 1, 0, 2], 2, 2), s).exp(), [2, 3], [2, 2]];
  }),
  scatterReduce: (["sum", "mean", "prod", "amax", "amin"] as const).flatMap((how): Case[] =>
    [true, false].map((includeSelf) => [
      (x, s) => ops.scatterReduce(x, 1, int([1, -1, 1, 0], 2, 2), s, how, { includeSelf }).exp(),
      [2, 3],
      [2, 2],
    ]),
  ),
  index: [
    [
      curved((x) => [
        ops.index(x, [int([1, -1, 1], 3, 1), int([0, -2], 2)]),
        ops.index(x, [int([0, 1], 2), { start: 1 }, int([1, 1], 2)]),
        ops.index(x, [-1, { step: 2 }]),
      ]),
      [2, 3, 2],
    ],
  ],
  indexPut: [
    [(x, v) => ops.indexPut(x, [int([1, 0, -2], 3), int([0, 2, 2], 3)], v).exp(), [2, 3], [3]],
    [(x, v) => ops.indexPut(x, [int([1, 0, 1], 3)], v, { accumulate: true }).exp(), [2, 3], [3, 1]],
    [(x, v) => ops.indexPut(x, [1, { stop: 2 }], v).exp(), [2, 3], []],
  ],
  indexAdd: [[(x, s) => ops.indexAdd(x, 0, int([1, 1], 2), s, { alpha: 0.5 }).exp(), [3, 2], [2, 2]]],
};

const CONTRACTIONS: Record<string, Case[]> = {
  matmul: [
    [ops.matmul, [2, 3], [3, 2]],
    [ops.matmul, [2, 1, 2, 3], [2, 3, 1]],
    [(a, b) => [ops.matmul(a, b), ops.matmul(b, a.t())], [2, 3], [3]],
  ],
  mm: [[ops.mm, [2, 3], [3, 2]]],
  bmm: [[ops.bmm, [2, 2, 3], [2, 3, 1]]],
  mv: [[ops.mv, [2, 3], [3]]],
  dot: [[ops.dot, [4], [4]]],
  outer: [[ops.outer, [2], [3]]],
  linear: [
    [ops.linear, [2, 3], [2, 3], [2]],
    [(x, w) => ops.linear(x, w), [2, 2, 3], [2, 3]],
  ],
  addmm: [[(x, a, b) => ops.addmm(x, a, b, { alpha: 0.5, beta: 2 }), [2], [2, 3], [3, 2]]],
  baddbmm: [[(x, a, b) => ops.baddbmm(x, a, b), [1, 2, 1], [2, 2, 3], [2, 3, 1]]],
  addmv: [[(x, a, b) => ops.addmv(x, a, b), [2], [2, 3], [3]]],
  tensordot: [
    [
      (a, b) =>
        ops.tensordot(a, b, [
          [1, 0],
          [0, 1],
        ]),
      [2, 3, 2],
      [3, 2, 2],
    ],
  ],
  kron: [[ops.kron, [2, 2], [1, 2]]],
  bilinear: [[ops.bilinear, [2, 2], [2, 3], [2, 2, 3], [2]]],
  einsum: [
    [(a, b) => [ops.einsum("bij,jk->bik", [a, b]), ops.einsum("bij,ik->kbj", [a, b.t()])], [2, 2, 3], [3, 2]],
    [(a) => [ops.einsum("ii->i", [a]).exp(), ops.einsum("ij->", [a]).square(), ops.einsum("ij,ij->j", [a, a])], [3, 3]],
  ],
  scaledDotProductAttention: [
    [(q, k, v) => ops.scaledDotProductAttention(q, k, v), [1, 2, 2], [1, 3, 2], [1, 3, 2]],
    [(q, k, v) => ops.scaledDotProductAttention(q, k, v, null, { isCausal: true }), [2, 2], [2, 2], [2, 2]],
  ],
  conv1d: [[(x, w, b) => ops.conv1d(x, w, b, { padding: 1, stride: 2 }), [1, 2, 5], [2, 2, 3], [2]]],
  conv2d: [
    [(x, w, b) => ops.conv2d(x, w, b, { padding: 1 }), [1, 2, 3, 3], [2, 2, 2, 2], [2]],
    [(x, w) => ops.conv2d(x, w, null, { groups: 2, dilation: 2 }), [1, 2, 4, 3], [2, 1, 2, 2]],
  ],
  conv3d: [[(x, w) => ops.conv3d(x, w, null, { stride: 2 }), [1, 1, 3, 3, 3], [2, 1, 2, 2, 2]]],
  convTranspose1d: [[(x, w) => ops.convTranspose1d(x, w, null, { stride: 2, padding: 1 }), [1, 2, 3], [2, 1, 3]]],
  convTranspose2d: [[(x, w, b) => ops.convTranspose2d(x, w, b, { stride: 2 }), [1, 2, 2, 2], [2, 1, 2, 2], [1]]],
  convTranspose3d: [[(x, w) => ops.convTranspose3d(x, w), [1, 1, 2, 2, 2], [1, 1, 2, 2, 2]]],
  maxPool1d: movement((x) => ops.maxPool1d(x, 2), 1, 2, 4),
  maxPool2d: movement((x) => ops.maxPool2d(x, 3, { stride: 1, padding: 1 }), ...IMAGE),
  maxPool3d: movement((x) => ops.maxPool3d(x, 2), 1, 1, 2, 2, 4),
  maxUnpool1d: movement((x) => ops.maxUnpool1d(x, int([0, 3, 3, 2], 1, 2, 2), 2), 1, 2, 2),
  maxUnpool2d: movement((x) => ops.maxUnpool2d(x, int([0, 3, 8, 10], 1, 1, 2, 2), 2), 1, 1, 2, 2),
  maxUnpool3d: movement((x) => ops.maxUnpool3d(x, int([0, 15], 1, 1, 1, 1, 2), 2), 1, 1, 1, 1, 2),
  avgPool1d: movement((x) => ops.avgPool1d(x, 2), 1, 2, 4),
  avgPool2d: movement((x) => ops.avgPool2d(x, 3, { stride: 2, padding: 1 }), ...IMAGE),
  avgPool3d: movement((x) => ops.avgPool3d(x, 2), 1, 1, 2, 2, 4),
  adaptiveAvgPool1d: movement((x) => ops.adaptiveAvgPool1d(x, 2), 1, 1, 5),
  adaptiveAvgPool2d: movement((x) => ops.adaptiveAvgPool2d(x, 3), ...IMAGE),
  adaptiveAvgPool3d: movement((x) => ops.adaptiveAvgPool3d(x, 1), 1, 1, 2, 2, 2),
  cholesky: [[(x) => ops.cholesky(definite(x)), [3, 3]]],
  triangularSolve: [
    [(a, b) => ops.triangularSolve(regular(a), b, { upper: false }), [3, 3], [3, 2]],
    [(a, b) => ops.triangularSolve(regular(a), b, { upper: true, left: false, unitriangular: true }), [2, 2], [1, 2]],
  ],
  solve: [[(a, b) => ops.solve(regular(a), b), [3, 3], [3, 2]]],
  inverse: [[(a) => ops.inverse(regular(a)), [3, 3]]],
  det: [[(a) => ops.det(regular(a)), [3, 3]]],
  slogdet: [[(a) => ops.slogdet(regular(a))[1], [3, 3]]],
};

const LIKENESS: Record<string, Case[]> = {
  clone: movement((x) => ops.clone(x), 2, 3),
  ravel: movement((x) => ops.ravel(x), 2, 3),
  reshapeAs: movement((x) => ops.reshapeAs(x, ops.zeros([3, 2])), 2, 3),
};

/** Every operation that has a gradient, and calls of it. */
export const CASES: Record<string, Case[]> = {
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...MOVEMENTS,
  ...CONTRACTIONS,
  ...LIKENESS,
};

/** Why a function has no gradient. */
export const NO_GRADIENT: Record<string, string> = {
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
    "convGeometry convOutput currentScope dtypeAttr dtypeCode getDevice getRngState hostArray init isFloat keep profile " +
    "admit checkMethods defineKind operation signatureOf signaturesOf checkDevice checkOptions wantArray fromHalf manualSeed normalizeAxes normalizeAxis numel onBind packLayout positions promote resolveShape resultDType sameShape " +
    "Kind around enclosed enter find isExact linesOf placeOf replaceStandIn syncScope tracked withDevice withStandIns withinScope " +
    "changing isTrial checkTasks currentLevel handleLike insideVmap interpreted levelsAround levelsOf levelsOfAll markTasks openLevels spreadOver " +
    "valueFor vmap withTasks " +
    "scope setDevice setLeafHook setRngState show surelyWithout toHalf untracked literals unwatched visitTensors watching wrap",
  "off the tape: for optimizers": "pack unpack",
  "a constant to the tape": "renormalized",
};

/** Distinct, in an order that looks random, and alike in every run. */
export function leafFor(input: Input, seed: number): Tensor {
  const { shape, from, to } = "from" in input ? input : { shape: input, from: -2, to: 2 };
  const size = shape.reduce((n, d) => n * d, 1);
  // The golden ratio's multiples keep apart from each other, and from the whole numbers where steps are.
  const data = Float64Array.from(
    { length: size },
    (_, i) => from + (to - from) * ((0.618034 * (i + 7 * seed + 1)) % 1),
  );
  return tensor(data, { shape, requiresGrad: true });
}
