/**
 * The operations that are methods of every tensor, as an interface. `methods.ts` installs them.
 */
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { Index } from "./advanced-indexing.ts";
import type { ScatterOptions } from "./indexing.ts";
import type { Operand } from "./operand.ts";
import type { SortOptions } from "./order.ts";
import type { Dims, NormOptions, ReduceOptions, TotalOptions, VarianceOptions } from "./reduce.ts";
import type { ScanOptions } from "./scan.ts";
import type { ScatterReduceOptions, ScatterReduction } from "./scatter-reduce.ts";
import type { SoftmaxOptions } from "./softmax.ts";

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
  digamma(): Tensor;
  polygamma(n: number): Tensor;
  sigmoid(): Tensor;
  logit(options?: { eps?: number }): Tensor;
  floor(): Tensor;
  ceil(): Tensor;
  round(options?: { decimals?: number }): Tensor;
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
  sum(dim?: Dims, options?: TotalOptions): Tensor;
  mean(dim?: Dims, options?: TotalOptions): Tensor;
  prod(dim?: Dims, options?: TotalOptions): Tensor;
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
  max(other: Tensor): Tensor;
  max(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  min(): Tensor;
  min(other: Tensor): Tensor;
  min(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  median(): Tensor;
  median(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  nanmedian(): Tensor;
  nanmedian(dim: number, options?: ReduceOptions): [Tensor, Tensor];
  argmax(dim?: number | null, options?: ReduceOptions): Tensor;
  argmin(dim?: number | null, options?: ReduceOptions): Tensor;
  sort(dim?: number, options?: SortOptions): [Tensor, Tensor];
  argsort(dim?: number, options?: SortOptions): Tensor;
  topk(k: number, dim?: number, options?: { largest?: boolean }): [Tensor, Tensor];
  cumsum(dim: number, options?: ScanOptions): Tensor;
  cumprod(dim: number, options?: ScanOptions): Tensor;
  softmax(dim: number, options?: SoftmaxOptions): Tensor;
  logSoftmax(dim: number, options?: SoftmaxOptions): Tensor;

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
  slice(dim: number, start?: number | Tensor | null, stop?: number | Tensor | null, step?: number): Tensor;
  narrow(dim: number, start: number | Tensor, length: number): Tensor;
  select(dim: number, index: number): Tensor;
  flip(dims: number | readonly number[]): Tensor;
  split(sizes: number | readonly number[], dim?: number): Tensor[];
  chunk(chunks: number, dim?: number): Tensor[];
  unbind(dim?: number): Tensor[];
  repeat(repeats: readonly number[]): Tensor;
  tile(repeats: readonly number[]): Tensor;
  repeatInterleave(repeats: number | Tensor, dim?: number | null): Tensor;
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
  index(indices: readonly Index[]): Tensor;
  indexPut(indices: readonly Index[], values: Operand, options?: { accumulate?: boolean }): Tensor;
  nonzero(options?: { asTuple?: false }): Promise<Tensor>;
  nonzero(options: { asTuple: true }): Promise<Tensor[]>;
  maskedSelect(mask: Tensor): Promise<Tensor>;
  gather(dim: number, index: Tensor): Tensor;
  takeAlongDim(index: Tensor, dim?: number | null): Tensor;
  scatter(dim: number, index: Tensor, source: Operand, options?: ScatterOptions): Tensor;
  scatterReduce(
    dim: number,
    index: Tensor,
    source: Tensor,
    reduce: ScatterReduction,
    options?: ScatterReduceOptions,
  ): Tensor;
  scatterAdd(dim: number, index: Tensor, source: Operand): Tensor;
  indexSelect(dim: number, index: Tensor): Tensor;
  indexAdd(dim: number, index: Tensor, source: Tensor, options?: Alpha): Tensor;

  // dtype and device
  cast(dtype: DType): Tensor;
  to(dtype: DType): Tensor;
  to(device: Device): Promise<Tensor>;
  isFloatingPoint(): boolean;
}
