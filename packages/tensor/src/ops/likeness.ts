/**
 * Likeness: tensors made like another, in shape, dtype or value, and questions whether two are alike.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { CREATION, type CreationOptions, full, ones, tensor, zeros } from "../creation.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError } from "../errors.ts";
import { getDevice } from "../init.ts";
import { aliasP } from "../primitives.ts";
import { checkShape, type Shape, sameShape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { nonzero } from "./advanced-indexing.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { eq, isfinite, isnan, le, logicalAnd, logicalNot, logicalOr } from "./compare.ts";
import { method } from "./method.ts";
import { expandTo, reshapeTo } from "./movement.ts";
import { asFloat, meet, type Operand, toTensor } from "./operand.ts";
import { any } from "./reduce.ts";
import { abs } from "./unary.ts";

// ---- copies and shapes ------------------------------------------------------------------------------------------

/** The same elements as another tensor, with a place of its own on the tape; gradients flow through. @see torch.clone */
export const clone = method("clone(x: tensor)", (x: Tensor): Tensor => bind(aliasP, [x]));

/** All elements in one dim. @see torch.ravel */
export const ravel = method("ravel(x: tensor)", (x: Tensor): Tensor => reshapeTo(x, [x.size]));

/** In the shape of another tensor. @see torch.Tensor.reshape_as */
export const reshapeAs = method(
  "reshapeAs(x: tensor, other: tensor)",
  (x: Tensor, other: Tensor): Tensor => reshapeTo(x, [...other.shape]),
);

// ---- tensors of a dtype and device -----------------------------------------------------------------------------

/**
 * A tensor whose elements mean nothing yet. Tensors never change, so there is nothing to be saved by not setting them: they
 * are 0.
 *
 * @see torch.empty
 */
export const empty = operation(
  `empty(shape: numbers, options?: ${CREATION})`,
  (shape: Shape, options: CreationOptions = {}): Tensor => zeros(shape, options),
);

/** {@link empty} in the shape, dtype and device of another tensor. @see torch.empty_like */
export const emptyLike = operation(
  `emptyLike(x: tensor, options?: ${CREATION})`,
  (x: Tensor, options: CreationOptions = {}): Tensor => zeros(x.shape, like(x, options)),
);

/** Zeros of a shape, in the dtype and on the device of a tensor. @see torch.Tensor.new_zeros */
export const newZeros = method(
  `newZeros(x: tensor, shape: numbers, options?: ${CREATION})`,
  (x: Tensor, shape: Shape, options: CreationOptions = {}): Tensor => zeros(shape, like(x, options)),
);

/** Ones of a shape, in the dtype and on the device of a tensor. @see torch.Tensor.new_ones */
export const newOnes = method(
  `newOnes(x: tensor, shape: numbers, options?: ${CREATION})`,
  (x: Tensor, shape: Shape, options: CreationOptions = {}): Tensor => ones(shape, like(x, options)),
);

/** One number in a shape, in the dtype and on the device of a tensor. @see torch.Tensor.new_full */
export const newFull = method(
  `newFull(x: tensor, shape: numbers, value: number|boolean, options?: ${CREATION})`,
  (x: Tensor, shape: Shape, value: number | boolean, options: CreationOptions = {}): Tensor =>
    full(shape, value, like(x, options)),
);

/** {@link empty} of a shape, in the dtype and on the device of a tensor. @see torch.Tensor.new_empty */
export const newEmpty = method(
  `newEmpty(x: tensor, shape: numbers, options?: ${CREATION})`,
  (x: Tensor, shape: Shape, options: CreationOptions = {}): Tensor => zeros(shape, like(x, options)),
);

const like = (x: Tensor, options: CreationOptions): CreationOptions => ({
  dtype: x.dtype,
  device: x.device,
  ...options,
});

/**
 * `steps` numbers from base^start to base^end, whose logarithms are evenly apart; `base` is 10.
 *
 * @see     torch.logspace
 * @example logspace(0, 2, 3) // 1, 10, 100
 */
export const logspace = operation(
  "logspace(start: number, end: number, steps: number, options?: { dtype: string, device: device, requiresGrad: boolean, base: number })",
  (start: number, end: number, steps: number, options: CreationOptions & { base?: number } = {}): Tensor => {
    const { base = 10, ...rest } = options;
    checkShape([steps], "logspace");
    const step = steps > 1 ? (end - start) / (steps - 1) : 0;
    const device = rest.device ?? getDevice();
    const dtype = rest.dtype ?? device.defaultDType;
    const data = Float64Array.from({ length: steps }, (_, i) => {
      const power = base ** (i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step);
      return isFloat(dtype) ? power : Math.trunc(power);
    });
    return tensor(data, { ...rest, device, dtype });
  },
);

// ---- questions --------------------------------------------------------------------------------------------------

/** How near two numbers are to be. */
export interface Closeness {
  /** Relative to |b|. Default 1e-5. */
  rtol?: number;
  /** Default 1e-8. */
  atol?: number;
  /** Is NaN close to NaN? Default false. */
  equalNan?: boolean;
}

/**
 * True where |a − b| <= atol + rtol · |b|, or both are the same infinity.
 *
 * @see torch.isclose
 */
export const isclose = method(
  "isclose(a: tensor, b: operand, options?: { rtol: number, atol: number, equalNan: boolean })",
  (a: Tensor, b: Operand, options: Closeness = {}): Tensor => {
    const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
    for (const [name, value] of Object.entries({ rtol, atol })) {
      if (!(value >= 0)) throw new ArgumentError(`isclose: ${name} is ${value}, wanted a number >= 0`);
    }
    const [x, y] = meet("isclose", a, b);
    const [p, q] = [asFloat(x), asFloat(y)];
    const near = logicalAnd(le(abs(sub(p, q)), add(mul(abs(q), rtol), atol)), logicalAnd(isfinite(p), isfinite(q)));
    const close = logicalOr(eq(x, y), near);
    return equalNan ? logicalOr(close, logicalAnd(isnan(p), isnan(q))) : close;
  },
);

/**
 * Whether two tensors have one shape and the same elements; reads them from the device. NaN equals nothing.
 *
 * @see torch.equal
 */
export const equal = method(
  "equal(a: tensor, b: tensor)",
  async (a: Tensor, b: Tensor): Promise<boolean> => {
    a._live();
    b._live();
    if (!sameShape(a.shape, b.shape)) return false;
    if (a.size === 0) return true;
    return (await logicalNot(any(logicalNot(eq(a, b)))).item()) !== 0;
  },
  "promise",
);

/**
 * True where an element is among those of another tensor.
 *
 * @param options  `invert`: true where it is not
 * @see            torch.isin
 */
export const isin = method(
  "isin(elements: operand, testElements: operand, options?: { invert: boolean, assumeUnique: boolean })",
  (elements: Operand, testElements: Operand, options: { invert?: boolean; assumeUnique?: boolean } = {}): Tensor => {
    const given = [elements, testElements].find((x) => x instanceof Tensor);
    if (!(given instanceof Tensor)) throw new ArgumentError("isin: wanted a tensor among the first two arguments");
    const [x, tests] = [elements, testElements].map((side) => toTensor("isin", side, given));
    const flat = reshapeTo(tests, [tests.size]);
    const pairs = eq(reshapeTo(x, [...x.shape, 1]), expandTo(flat, flat.shape as number[]));
    const found = any(pairs, -1);
    return options.invert ? logicalNot(found) : found;
  },
);

/** The places of elements that are not 0, a row each. @see torch.argwhere */
export const argwhere = method("argwhere(x: tensor)", (x: Tensor): Promise<Tensor> => nonzero(x), "promise");
