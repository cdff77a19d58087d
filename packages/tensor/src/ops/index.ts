/**
 * The operations, as programs see them: what this file exports is exported by `loopgrad` too, and nothing has to be listed there.
 *
 * Most files hold nothing but public operations, and the types of their options. Of others the public ones are named here.
 */
import "./methods.ts";
import "./shorthands.ts";
import "../surface.ts";

export {
  arange,
  type CreationOptions,
  eye,
  full,
  fullLike,
  isFloatingPoint,
  linspace,
  ones,
  onesLike,
  type TensorData,
  tensor,
  to,
  zeros,
  zerosLike,
} from "../creation.ts";
export * from "../random.ts";
export * from "./activation.ts";
export * from "./advanced-indexing.ts";
export * from "./aliases.ts";
export * from "./arithmetic.ts";
export * from "./attention.ts";
export * from "./compare.ts";
export * from "./contraction.ts";
export * from "./convolution.ts";
export * from "./diagonal.ts";
export * from "./distance.ts";
export * from "./einsum.ts";
export {
  type EmbeddingLookup,
  embedding,
  gather,
  indexAdd,
  indexSelect,
  oneHot,
  type ScatterOptions,
  scatter,
  scatterAdd,
  takeAlongDim,
} from "./indexing.ts";
export * from "./join.ts";
export * from "./likeness.ts";
export * from "./linalg.ts";
export type { TensorMethods } from "./methods.ts";
export {
  broadcastTo,
  expand,
  expandAs,
  flatten,
  flip,
  movedim,
  narrow,
  permute,
  reshape,
  reshape as view,
  select,
  slice,
  squeeze,
  swapaxes,
  t,
  transpose,
  unflatten,
  unsqueeze,
} from "./movement.ts";
export { cast, type Operand } from "./operand.ts";
export { argmax, argmin, argsort, max, median, min, nanmedian, type SortOptions, sort, topk } from "./order.ts";
export { type PadOptions, pad } from "./padding.ts";
export {
  type AvgPool2dOptions,
  type AvgPoolOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type MaxPool,
  type MaxPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type PoolOptions,
  type WithIndices,
} from "./pooling.ts";
export {
  all,
  amax,
  amin,
  any,
  countNonzero,
  type Dims,
  logsumexp,
  mean,
  type NormOptions,
  norm,
  prod,
  type ReduceOptions,
  std,
  stdMean,
  sum,
  type TotalOptions,
  type VarianceOptions,
  variance as var,
  varMean,
} from "./reduce.ts";
export { type InterpolateOptions, interpolate, pixelShuffle, pixelUnshuffle } from "./resize.ts";
export * from "./scan.ts";
export { type ScatterReduceOptions, type ScatterReduction, scatterReduce } from "./scatter-reduce.ts";
export type { Shorthands } from "./shorthands.ts";
export * from "./softmax.ts";
export * from "./unary.ts";
export * from "./unpool.ts";
export { fold, type UnfoldOptions, unfold, unfoldDim } from "./windows.ts";
