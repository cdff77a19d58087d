/**
 * The operations as methods: `x.add(y)` is `add(x, y)`. What each does is said at the function of that name.
 */
import { isFloatingPoint, to } from "../creation.ts";
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { relu, softplus } from "./activation.ts";
import {
  add,
  addcdiv,
  addcmul,
  atan2,
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  div,
  floorDivide,
  fmod,
  hypot,
  lerp,
  logaddexp,
  maximum,
  minimum,
  mul,
  pow,
  remainder,
  sub,
  xlogy,
} from "./arithmetic.ts";
import {
  clamp,
  eq,
  ge,
  gt,
  isfinite,
  isinf,
  isnan,
  le,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  lt,
  maskedFill,
  nanToNum,
  ne,
} from "./compare.ts";
import { bmm, dot, matmul, mm, mv, outer } from "./contraction.ts";
import { diag, diagEmbed, diagonal, trace, tril, triu } from "./diagonal.ts";
import { gather, indexAdd, indexSelect, scatter, scatterAdd, takeAlongDim } from "./indexing.ts";
import { chunk, repeat, repeatInterleave, roll, rot90, split, tile, unbind } from "./join.ts";
import {
  broadcastTo,
  expand,
  expandAs,
  flatten,
  flip,
  movedim,
  narrow,
  permute,
  reshape,
  select,
  slice,
  squeeze,
  swapaxes,
  t,
  transpose,
  unflatten,
  unsqueeze,
} from "./movement.ts";
import { cast, type Operand } from "./operand.ts";
import { argmax, argmin, argsort, max, min, type SortOptions, sort, topk } from "./order.ts";
import {
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
  sum,
  type VarianceOptions,
  variance,
} from "./reduce.ts";
import { cumprod, cumsum } from "./scan.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import {
  abs,
  acos,
  acosh,
  asin,
  asinh,
  atan,
  atanh,
  ceil,
  cos,
  cosh,
  erf,
  erfc,
  exp,
  exp2,
  expm1,
  floor,
  frac,
  log,
  log1p,
  log2,
  log10,
  logit,
  neg,
  reciprocal,
  round,
  rsqrt,
  safeSqrt,
  sigmoid,
  sign,
  sin,
  sinc,
  sinh,
  sqrt,
  square,
  tan,
  tanh,
  trunc,
} from "./unary.ts";
import { unfoldDim } from "./windows.ts";

type Alpha = { alpha?: Operand };

/** Operations that are methods of every tensor. */
export interface TensorMethods {
  // arithmetic
  add(other: Operand, options?: Alpha): Tensor;
  sub(other: Operand, options?: Alpha): Tensor;
  mul(other: Operand): Tensor;
  div(other: Operand, options?: { roundingMode?: "floor" | "trunc" | null }): Tensor;
  floorDivide(other: Operand): Tensor;
  fmod(other: Operand): Tensor;
  remainder(other: Operand): Tensor;
  pow(exponent: Operand): Tensor;
  maximum(other: Operand): Tensor;
  minimum(other: Operand): Tensor;
  atan2(other: Operand): Tensor;
  hypot(other: Operand): Tensor;
  logaddexp(other: Operand): Tensor;
  xlogy(other: Operand): Tensor;
  lerp(end: Tensor, weight: Operand): Tensor;
  addcmul(a: Tensor, b: Tensor, options?: { value?: Operand }): Tensor;
  addcdiv(a: Tensor, b: Tensor, options?: { value?: Operand }): Tensor;
  bitwiseAnd(other: Operand): Tensor;
  bitwiseOr(other: Operand): Tensor;
  bitwiseXor(other: Operand): Tensor;
  bitwiseNot(): Tensor;

  // elementwise
  neg(): Tensor;
  abs(): Tensor;
  sign(): Tensor;
  square(): Tensor;
  sqrt(): Tensor;
  safeSqrt(): Tensor;
  rsqrt(): Tensor;
  reciprocal(): Tensor;
  exp(): Tensor;
  exp2(): Tensor;
  expm1(): Tensor;
  log(): Tensor;
  log1p(): Tensor;
  log2(): Tensor;
  log10(): Tensor;
  sin(): Tensor;
  cos(): Tensor;
  tan(): Tensor;
  asin(): Tensor;
  acos(): Tensor;
  atan(): Tensor;
  sinh(): Tensor;
  cosh(): Tensor;
  tanh(): Tensor;
  asinh(): Tensor;
  acosh(): Tensor;
  atanh(): Tensor;
  erf(): Tensor;
  erfc(): Tensor;
  sigmoid(): Tensor;
  logit(options?: { eps?: number }): Tensor;
  floor(): Tensor;
  ceil(): Tensor;
  round(): Tensor;
  trunc(): Tensor;
  frac(): Tensor;
  sinc(): Tensor;
  relu(): Tensor;
  softplus(options?: { beta?: number; threshold?: number }): Tensor;

  // comparison and choice
  eq(other: Operand): Tensor;
  ne(other: Operand): Tensor;
  lt(other: Operand): Tensor;
  le(other: Operand): Tensor;
  gt(other: Operand): Tensor;
  ge(other: Operand): Tensor;
  logicalAnd(other: Tensor): Tensor;
  logicalOr(other: Tensor): Tensor;
  logicalXor(other: Tensor): Tensor;
  logicalNot(): Tensor;
  isnan(): Tensor;
  isinf(): Tensor;
  isfinite(): Tensor;
  maskedFill(mask: Tensor, value: Operand): Tensor;
  clamp(min?: Operand | null, max?: Operand | null): Tensor;
  nanToNum(options?: { nan?: number; posinf?: number; neginf?: number }): Tensor;

  // reductions
  sum(dim?: Dims, options?: ReduceOptions): Tensor;
  mean(dim?: Dims, options?: ReduceOptions): Tensor;
  prod(dim?: Dims, options?: ReduceOptions): Tensor;
  amax(dim?: Dims, options?: ReduceOptions): Tensor;
  amin(dim?: Dims, options?: ReduceOptions): Tensor;
  all(dim?: Dims, options?: ReduceOptions): Tensor;
  any(dim?: Dims, options?: ReduceOptions): Tensor;
  countNonzero(dim?: Dims): Tensor;
  var(dim?: Dims, options?: VarianceOptions): Tensor;
  std(dim?: Dims, options?: VarianceOptions): Tensor;
  logsumexp(dim?: Dims, options?: ReduceOptions): Tensor;
  norm(dim?: Dims, options?: NormOptions): Tensor;

  // order and scans
  max(): Tensor;
  max(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  min(): Tensor;
  min(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  argmax(dim?: number | null, options?: ReduceOptions): Tensor;
  argmin(dim?: number | null, options?: ReduceOptions): Tensor;
  sort(dim?: number, options?: SortOptions): [Tensor, Tensor];
  argsort(dim?: number, options?: SortOptions): Tensor;
  topk(k: number, dim?: number, options?: { largest?: boolean }): [Tensor, Tensor];
  cumsum(dim: number): Tensor;
  cumprod(dim: number): Tensor;
  softmax(dim: number): Tensor;
  logSoftmax(dim: number): Tensor;

  // contraction
  matmul(other: Tensor): Tensor;
  mm(other: Tensor): Tensor;
  bmm(other: Tensor): Tensor;
  mv(other: Tensor): Tensor;
  dot(other: Tensor): Tensor;
  outer(other: Tensor): Tensor;

  // movement
  reshape(shape: Shape): Tensor;
  view(shape: Shape): Tensor;
  flatten(startDim?: number, endDim?: number): Tensor;
  unflatten(dim: number, sizes: Shape): Tensor;
  squeeze(dim?: number | readonly number[] | null): Tensor;
  unsqueeze(dim: number): Tensor;
  permute(dims: readonly number[]): Tensor;
  transpose(dim0: number, dim1: number): Tensor;
  swapaxes(dim0: number, dim1: number): Tensor;
  t(): Tensor;
  movedim(source: number | readonly number[], destination: number | readonly number[]): Tensor;
  expand(shape: Shape): Tensor;
  expandAs(other: Tensor): Tensor;
  broadcastTo(shape: Shape): Tensor;
  slice(dim: number, start?: number | null, stop?: number | null, step?: number): Tensor;
  narrow(dim: number, start: number, length: number): Tensor;
  select(dim: number, index: number): Tensor;
  flip(dims: number | readonly number[]): Tensor;
  split(sizes: number | readonly number[], dim?: number): Tensor[];
  chunk(chunks: number, dim?: number): Tensor[];
  unbind(dim?: number): Tensor[];
  repeat(repeats: readonly number[]): Tensor;
  tile(repeats: readonly number[]): Tensor;
  repeatInterleave(repeats: number, dim?: number | null): Tensor;
  roll(shifts: number | readonly number[], dims?: number | readonly number[] | null): Tensor;
  rot90(k?: number, dims?: readonly [number, number]): Tensor;
  tril(diagonal?: number): Tensor;
  triu(diagonal?: number): Tensor;
  diagonal(offset?: number, dim1?: number, dim2?: number): Tensor;
  diagEmbed(offset?: number, dim1?: number, dim2?: number): Tensor;
  diag(offset?: number): Tensor;
  trace(): Tensor;
  /** Sliding windows along a dim: the function `unfoldDim`. */
  unfold(dimension: number, size: number, step: number): Tensor;

  // indexing
  gather(dim: number, index: Tensor): Tensor;
  takeAlongDim(index: Tensor, dim: number): Tensor;
  scatter(dim: number, index: Tensor, source: Operand): Tensor;
  scatterAdd(dim: number, index: Tensor, source: Operand): Tensor;
  indexSelect(dim: number, index: Tensor): Tensor;
  indexAdd(dim: number, index: Tensor, source: Tensor, options?: Alpha): Tensor;

  // dtype and device
  cast(dtype: DType): Tensor;
  to(dtype: DType): Tensor;
  to(device: Device): Promise<Tensor>;
  isFloatingPoint(): boolean;
}

declare module "../tensor.ts" {
  interface Tensor extends TensorMethods {}
}

/** The functions of these names, which take the tensor first. */
const METHODS = {
  abs,
  acos,
  acosh,
  add,
  addcdiv,
  addcmul,
  all,
  amax,
  amin,
  any,
  argmax,
  argmin,
  argsort,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  bmm,
  broadcastTo,
  cast,
  ceil,
  chunk,
  clamp,
  cos,
  cosh,
  countNonzero,
  cumprod,
  cumsum,
  diag,
  diagEmbed,
  diagonal,
  div,
  dot,
  eq,
  erf,
  erfc,
  exp,
  exp2,
  expand,
  expandAs,
  expm1,
  flatten,
  flip,
  floor,
  floorDivide,
  fmod,
  frac,
  gather,
  ge,
  gt,
  hypot,
  indexAdd,
  indexSelect,
  isfinite,
  isFloatingPoint,
  isinf,
  isnan,
  le,
  lerp,
  log,
  log10,
  log1p,
  log2,
  logaddexp,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  logit,
  logSoftmax,
  logsumexp,
  lt,
  maskedFill,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mm,
  movedim,
  mul,
  mv,
  nanToNum,
  narrow,
  ne,
  neg,
  norm,
  outer,
  permute,
  pow,
  prod,
  reciprocal,
  relu,
  remainder,
  repeat,
  repeatInterleave,
  reshape,
  roll,
  rot90,
  round,
  rsqrt,
  safeSqrt,
  scatter,
  scatterAdd,
  select,
  sigmoid,
  sign,
  sin,
  sinc,
  sinh,
  slice,
  softmax,
  softplus,
  sort,
  split,
  sqrt,
  square,
  squeeze,
  std,
  sub,
  sum,
  swapaxes,
  t,
  takeAlongDim,
  tan,
  tanh,
  tile,
  to,
  topk,
  trace,
  transpose,
  tril,
  triu,
  trunc,
  unbind,
  unflatten,
  unsqueeze,
  xlogy,
  // Names that a function cannot have, or has for something else.
  var: variance,
  unfold: unfoldDim,
  view: reshape,
} satisfies Record<keyof TensorMethods, (x: Tensor, ...rest: never[]) => unknown>;

for (const [name, operation] of Object.entries(METHODS)) {
  const fn = operation as (x: Tensor, a: unknown, b: unknown, c: unknown, d: unknown) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    // Four parameters rather than a rest list: no array is made per call.
    value(this: Tensor, a: unknown, b: unknown, c: unknown, d: unknown) {
      return fn(this, a, b, c, d);
    },
    writable: true,
    configurable: true,
  });
}
