/**
 * @loopgrad/tensor: immutable tensors on a device, the primitives, and all operations composed of them.
 */
import "./surface.ts";

export { changing, isTrial } from "./batch/fitting.ts";
export {
  currentLevel,
  type Level,
  levelsOf,
  levelsOfAll,
  markTasks,
  openLevels,
  type Randomness,
} from "./batch/level.ts";
// the interception point, for the tape and for transforms
export { insideVmap, levelsAround, spreadOver, valueFor, withTasks } from "./batch/tasks.ts";
export { type VmapAxes, type VmapOptions, vmap } from "./batch/vmap.ts";
export {
  type BindListener,
  bind,
  bindConstant,
  bindUntracked,
  type Interpreter,
  interpreted,
  onBind,
  untracked,
} from "./bind.ts";
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
export * from "./ops/index.ts";
export { renormalized } from "./ops/indexing.ts";
export { literal, literalLike, resultDType, scalar } from "./ops/operand.ts";
export { firstLargest } from "./ops/order.ts";
export { pack, unpack } from "./ops/pack.ts";
export { type IndexedAxis, positions, surelyWithout } from "./ops/positions.ts";
export { INTERPOLATE } from "./ops/resize.ts";
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
