/**
 * @loopgrad/tensor: immutable tensors on a device, the primitives, and all operations composed of them.
 */
import "./ops/methods.ts";
import "./ops/shorthands.ts";
import "./surface.ts";

// the interception point, for the tape and for transforms
export { type BindListener, bind, bindConstant, bindUntracked, onBind, untracked } from "./bind.ts";
// operations
export { admit, checkMethods, operation, signatureOf } from "./checked.ts";
export { around, type Context, enclosed, enter, find, isExact, Kind, linesOf, type Place, placeOf } from "./context.ts";
export * from "./creation.ts";
export type { Explanation, MemoryExplanation, PlanExplanation } from "./debug/explain.ts";
export { type Profile, type ProfileRow, profile, type TraceEvent } from "./debug/profile.ts";
export { unwatched, watching } from "./debug/watch.ts";
export { Device, type DeviceStats } from "./device.ts";
export {
  bytesPerElement,
  DTYPES,
  type DType,
  dtypeCode,
  type HostArray,
  hostArray,
  isFloat,
  promote,
} from "./dtype.ts";
export {
  ArgumentError,
  DeviceError,
  DTypeError,
  GradError,
  IndexError,
  LoopgradError,
  ReleasedError,
  ShapeError,
} from "./errors.ts";
export { fromHalf, toHalf } from "./half.ts";
export type { NumberArray } from "./host-data.ts";
// tensors, devices, memory
export { getDevice, type InitOptions, init, setDevice, withDevice } from "./init.ts";
export * from "./ops/activation.ts";
export * from "./ops/advanced-indexing.ts";
export * from "./ops/aliases.ts";
export * from "./ops/arithmetic.ts";
export * from "./ops/attention.ts";
export * from "./ops/compare.ts";
export * from "./ops/contraction.ts";
export * from "./ops/convolution.ts";
export * from "./ops/diagonal.ts";
export * from "./ops/distance.ts";
export * from "./ops/einsum.ts";
export * from "./ops/indexing.ts";
export * from "./ops/join.ts";
export * from "./ops/likeness.ts";
export * from "./ops/linalg.ts";
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
} from "./ops/movement.ts";
export { cast, literal, literalLike, type Operand, resultDType, scalar } from "./ops/operand.ts";
export * from "./ops/order.ts";
export { pack, unpack } from "./ops/pack.ts";
export { type PadOptions, pad } from "./ops/padding.ts";
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
} from "./ops/pooling.ts";
export { type IndexedAxis, positions, surelyWithout } from "./ops/positions.ts";
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
} from "./ops/reduce.ts";
export * from "./ops/resize.ts";
export * from "./ops/scan.ts";
export { type ScatterReduceOptions, type ScatterReduction, scatterReduce } from "./ops/scatter-reduce.ts";

export type { Shorthands } from "./ops/shorthands.ts";
export * from "./ops/softmax.ts";
export type { TensorMethods } from "./ops/tensor-methods.ts";
export * from "./ops/unary.ts";
export * from "./ops/unpool.ts";
export { fold, type UnfoldOptions, unfold, unfoldDim } from "./ops/windows.ts";
export { checkDevice, checkOptions } from "./options.ts";
export * from "./primitives.ts";
export * from "./random.ts";
export type { Change } from "./record/unconfirmed.ts";
export type { Value } from "./record/value.ts";
export { currentScope, keep, Scope, scope, syncScope, visitTensors, withinScope } from "./scope.ts";
export * from "./shape.ts";
export { defineKind, type Parameter, type Signature, signaturesOf } from "./signature.ts";
export { replaceStandIn, withStandIns } from "./stand-in.ts";
// `export *`, and not by name: only so can @loopgrad/autograd merge its methods into the class.
export * from "./tensor.ts";
export { tracked } from "./tracked.ts";
