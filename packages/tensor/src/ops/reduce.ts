/**
 * Reductions over one dim, several, or all (the default). `keepdim` leaves the reduced dims as size 1.
 */

import { bind, bindUntracked } from "../bind.ts";
import { operation } from "../checked.ts";
import { type DType, isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../errors.ts";
import {
  absP,
  addP,
  divP,
  eqP,
  expP,
  isinfP,
  logP,
  maxP,
  mulP,
  negP,
  neP,
  type Primitive,
  permuteP,
  powP,
  prodP,
  reshapeP,
  subP,
  sumP,
  whereP,
  xorP,
} from "../primitives.ts";
import { normalizeAxes, type Shape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { nuclearNorm } from "./nuclear-norm.ts";
import { asFloat, binary, cast, constantLike, constantOf, literalLike, scalar, wantFloat } from "./operand.ts";
import { safeSqrt } from "./unary.ts";

/** One dim, several, or all (absent, null or empty). */
export type Dims = number | readonly number[] | null;

export interface ReduceOptions {
  /** Leave the reduced dims as size 1. */
  keepdim?: boolean;
}

/** {@link ReduceOptions} in signatures. */
export const REDUCE = "{ keepdim: boolean }";

export interface TotalOptions extends ReduceOptions {
  /** The dtype in which it is computed, and of the result: x is cast first. */
  dtype?: DType | null;
}

/** {@link TotalOptions} in signatures. */
const TOTAL = "{ dtype: string|null, keepdim: boolean }";

/** The shape without the axes. */
const without = (shape: Shape, axes: readonly number[]): number[] => shape.filter((_, i) => !axes.includes(i));

/** Drops the reduced dims unless they are to be kept. */
export const dropped = (x: Tensor, axes: readonly number[], keepdim: boolean | undefined): Tensor =>
  keepdim || axes.length === 0 ? x : bind(reshapeP, [x], without(x._shape, axes));

/** Rejects a reduction of nothing, where it has no value. */
function wantElements(op: string, x: Tensor, dim: Dims | undefined): void {
  for (const axis of normalizeAxes(dim, x.rank, op)) {
    if (x._shape[axis] === 0)
      throw new ShapeError(`${op}: dim ${axis} of ${show(x._shape)} is empty: nothing to choose from`);
  }
}

function reduce(primitive: Primitive, x: Tensor, dim: Dims | undefined, options: ReduceOptions | undefined): Tensor {
  const axes = normalizeAxes(dim, x.rank, primitive.name);
  return dropped(bind(primitive, [x.dtype === "bool" ? cast(x, "int32") : x], axes), axes, options?.keepdim);
}

/** A sum or product in the dtype that is asked for: x is cast first. Of truths it is "any" or "all" for bool. */
function totalled(primitive: Primitive, x: Tensor, dim: Dims | undefined, options: TotalOptions | undefined): Tensor {
  const { keepdim, dtype = null } = options ?? {};
  if (dtype === null) return reduce(primitive, x, dim, keepdim === undefined ? undefined : { keepdim });
  // Before the cast is recorded.
  normalizeAxes(dim, x.rank, primitive.name);
  if (dtype === "bool") return cast(reduce(primitive, truth(x), dim, { keepdim }), "bool");
  return reduce(primitive, cast(x, dtype), dim, { keepdim });
}

/** How many elements are reduced to one. */
function count(shape: Shape, axes: readonly number[]): number {
  let n = 1;
  for (const axis of axes) n *= shape[axis];
  return n;
}

/**
 * Sum; of nothing 0. Bool counts as int32.
 *
 * @example sum(x, [0, 2], { keepdim: true })
 */
export const sum = method(
  `sum(x: tensor, dim?: number|numbers|null, options?: ${TOTAL})`,
  (x: Tensor, dim?: Dims, options?: TotalOptions): Tensor => totalled(sumP, x, dim, options),
);

/**
 * Arithmetic mean.
 *
 * @throws DTypeError for integers, as torch, unless `dtype` is a float
 */
export const mean = method(
  `mean(x: tensor, dim?: number|numbers|null, options?: ${TOTAL})`,
  (x: Tensor, dim?: Dims, options?: TotalOptions): Tensor => {
    const dtype = options?.dtype ?? null;
    if (dtype === null) wantFloat("mean", x);
    else if (!isFloat(dtype)) throw new DTypeError(`mean: dtype is ${dtype}: wanted a float`);
    const axes = normalizeAxes(dim, x.rank, "mean");
    if (dtype !== null) x = cast(x, dtype);
    const total = dropped(bind(sumP, [x], axes), axes, options?.keepdim);
    return bind(divP, [total, constantLike(x, count(x._shape, axes))]);
  },
);

/** Product; of nothing 1. The derivative is right where factors are 0. */
export const prod = method(
  `prod(x: tensor, dim?: number|numbers|null, options?: ${TOTAL})`,
  (x: Tensor, dim?: Dims, options?: TotalOptions): Tensor => totalled(prodP, x, dim, options),
);

/** The largest; NaN if there is one. Ties share the gradient equally. */
export const amax = method(
  `amax(x: tensor, dim?: number|numbers|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => {
    wantElements("amax", x, dim);
    const largest = reduce(maxP, x, dim, options);
    return x.dtype === "bool" ? cast(largest, "bool") : largest;
  },
);

/** The smallest; NaN if there is one. Ties share the gradient equally. */
export const amin = method(
  `amin(x: tensor, dim?: number|numbers|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => {
    wantElements("amin", x, dim);
    if (x.dtype === "bool") return cast(reversed(reduce(maxP, reversed(cast(x, "int32")), dim, options)), "bool");
    return reversed(reduce(maxP, reversed(x), dim, options));
  },
);

/** A value per element in the opposite order, and back again: −x, or all bits inverted. */
export function reversed(x: Tensor): Tensor {
  if (x.dtype === "int32") return bind(xorP, [x, literalLike(x, -1)]);
  if (x.dtype === "uint32") return bind(xorP, [x, scalar(x.device, "uint32", 0xffffffff)]);
  return bind(negP, [x]);
}

const truth = (x: Tensor): Tensor => cast(cast(x, "bool"), "int32");

/** True where all are true, or other than 0; of nothing true. */
export const all = method(
  `all(x: tensor, dim?: number|numbers|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => cast(reduce(prodP, truth(x), dim, options), "bool"),
);

/** True where at least one is true, or other than 0; of nothing false. */
export const any = method(
  `any(x: tensor, dim?: number|numbers|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => cast(reduce(sumP, truth(x), dim, options), "bool"),
);

/** How many are true, or other than 0: int32. */
export const countNonzero = method(
  "countNonzero(x: tensor, dim?: number|numbers|null)",
  (x: Tensor, dim?: Dims): Tensor => reduce(sumP, truth(x), dim, undefined),
);

export interface VarianceOptions extends ReduceOptions {
  /** Taken off the number of elements in the divisor: 1 (the default) is unbiased, 0 the mean square. */
  correction?: number;
}

const VARIANCE = "{ correction: number, keepdim: boolean }";

/** Variance in two passes, so that a large mean costs no digits, and the mean. Reduced dims stay as 1. */
function moments(x: Tensor, axes: readonly number[], correction: number): { variance: Tensor; average: Tensor } {
  const n = count(x._shape, axes);
  const average = bind(divP, [bind(sumP, [x], axes), constantLike(x, n)]);
  const deviation = bind(subP, [x, average]);
  const squares = bind(sumP, [bind(mulP, [deviation, deviation])], axes);
  return { variance: bind(divP, [squares, constantLike(x, Math.max(0, n - correction))]), average };
}

/**
 * Variance. Named `var` on tensors and in the package's exports.
 *
 * @throws   DTypeError for integers
 * @example  x.var(0, { correction: 0 })
 */
export const variance = operation(
  `var(x: tensor, dim?: number|numbers|null, options?: ${VARIANCE})`,
  (x: Tensor, dim?: Dims, options: VarianceOptions = {}): Tensor => {
    wantFloat("var", x);
    const { correction = 1, keepdim } = options;
    const axes = normalizeAxes(dim, x.rank, "var");
    return dropped(moments(x, axes, correction).variance, axes, keepdim);
  },
);

/** [variance, mean]. */
export const varMean = operation(
  `varMean(x: tensor, dim?: number|numbers|null, options?: ${VARIANCE})`,
  (x: Tensor, dim?: Dims, options: VarianceOptions = {}): [Tensor, Tensor] => {
    wantFloat("varMean", x);
    const { correction = 1, keepdim } = options;
    const axes = normalizeAxes(dim, x.rank, "varMean");
    const { variance, average } = moments(x, axes, correction);
    return [dropped(variance, axes, keepdim), dropped(average, axes, keepdim)];
  },
);

/** Standard deviation; its gradient is 0 where all elements are equal. */
export const std = method(
  `std(x: tensor, dim?: number|numbers|null, options?: ${VARIANCE})`,
  (x: Tensor, dim?: Dims, options?: VarianceOptions): Tensor => safeSqrt(variance(x, dim, options)),
);

/** [standard deviation, mean]. */
export const stdMean = operation(
  `stdMean(x: tensor, dim?: number|numbers|null, options?: ${VARIANCE})`,
  (x: Tensor, dim?: Dims, options?: VarianceOptions): [Tensor, Tensor] => {
    const [v, m] = varMean(x, dim, options);
    return [safeSqrt(v), m];
  },
);

/** log Σ eˣ without overflow. */
export const logsumexp = method(
  `logsumexp(x: tensor, dim?: number|numbers|null, options?: ${REDUCE})`,
  (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => {
    const axes = normalizeAxes(dim, x.rank, "logsumexp");
    x = asFloat(x);
    // The shift cancels out, so it needs no derivative; an infinite one would make ∞ − ∞.
    const largest = bindUntracked(maxP, [x], axes);
    const shift = bind(whereP, [bind(isinfP, [largest]), literalLike(x, 0), largest]);
    const total = bind(sumP, [bind(expP, [bind(subP, [x, shift])])], axes);
    return dropped(bind(addP, [bind(logP, [total]), shift]), axes, options?.keepdim);
  },
);

export interface NormOptions extends TotalOptions {
  /**
   * 2 by default; `Infinity` for the largest |x|, `-Infinity` for the smallest, 0 for the number of non-zeros. Of
   * matrices: "fro", the root of the sum of squares over one or two dims, and "nuc", the sum of singular values over two.
   */
  p?: number | "fro" | "nuc";
}

/**
 * Vector norm (Σ |x|ᵖ)^(1/p) over dims, or a norm of matrices. The gradient at the zero vector is 0, at every order.
 *
 * @throws ShapeError for "fro" of more than two dims, and "nuc" of other than two
 * @see    torch.linalg.vector_norm, torch.norm
 */
export const norm = method(
  "norm(x: tensor, dim?: number|numbers|null, options?: { p: number|string, dtype: string|null, keepdim: boolean })",
  (x: Tensor, dim?: Dims, options: NormOptions = {}): Tensor => {
    const { p = 2, keepdim, dtype = null } = options;
    const axes = normalizeAxes(dim, x.rank, "norm");
    x = asFloat(dtype === null ? x : cast(x, dtype));
    if (p === "nuc") return nuclear(x, dim, axes, keepdim);
    if (p === "fro" && (dim ?? null) !== null && axes.length > 2) {
      throw new ShapeError(`norm: "fro" over ${axes.length} dims of ${show(x.shape)}: wanted one or two`);
    }
    if (p === 2 || p === "fro") return safeSqrt(dropped(bind(sumP, [bind(mulP, [x, x])], axes), axes, keepdim));
    if (p === 0) {
      const nonzero = cast(bind(neP, [x, literalLike(x, 0)]), x.dtype);
      return dropped(bind(sumP, [constantOf(nonzero, x)], axes), axes, keepdim);
    }
    if (typeof p !== "number")
      throw new ArgumentError(`norm: p is ${JSON.stringify(p)}: wanted a number, "fro" or "nuc"`);
    const size = bind(absP, [x]);
    if (p === 1) return dropped(bind(sumP, [size], axes), axes, keepdim);
    if (p === Infinity) return dropped(bind(maxP, [size], axes), axes, keepdim);
    if (p === -Infinity) return dropped(bind(negP, [bind(maxP, [bind(negP, [size])], axes)]), axes, keepdim);
    return dropped(safePower(bind(sumP, [safePower(size, p)], axes), 1 / p), axes, keepdim);
  },
);

/** The nuclear norm over two dims, the last of which holds the columns. */
function nuclear(x: Tensor, dim: Dims | undefined, axes: readonly number[], keepdim: boolean | undefined): Tensor {
  if (axes.length !== 2 || ((dim ?? null) === null && x.rank !== 2)) {
    throw new ShapeError(`norm: "nuc" of ${show(x.shape)} over ${axes.length} dims: wanted two, such as [-2, -1]`);
  }
  const others = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const total = nuclearNorm(bind(permuteP, [x], [...others, ...axes]));
  return keepdim
    ? bind(
        reshapeP,
        [total],
        x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
      )
    : total;
}

/** x^p for x ≥ 0, with derivative 0 at 0 at every order. */
function safePower(x: Tensor, p: number): Tensor {
  const isZero = bind(eqP, [x, literalLike(x, 0)]);
  const power = binary(powP, bind(whereP, [isZero, literalLike(x, 1), x]), p);
  return p < 0
    ? bind(whereP, [isZero, scalar(x.device, x.dtype, Infinity), power])
    : bind(whereP, [isZero, literalLike(x, 0), power]);
}
