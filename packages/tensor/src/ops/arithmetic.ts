/**
 * Arithmetic of two operands. Shapes broadcast by NumPy's rule, dtypes promote, either side may be a number.
 */

import { bind, bindUntracked, untracked } from "../bind.ts";
import { isFloat } from "../dtype.ts";
import { ArgumentError, DTypeError } from "../errors.ts";
import {
  absP,
  addP,
  andP,
  atan2P,
  divP,
  eqP,
  fmodP,
  isinfP,
  logP,
  ltP,
  maximumP,
  minimumP,
  mulP,
  negP,
  neP,
  notP,
  orP,
  powP,
  scalarP,
  softplusP,
  subP,
  whereP,
  xorP,
} from "../primitives.ts";
import { intRange } from "../record/int-range.ts";
import { Tensor } from "../tensor.ts";
import { method } from "./method.ts";
import { expandTo } from "./movement.ts";
import { asFloat, binary, cast, constantOf, literalLike, meet, type Operand, scalar, unchanged } from "./operand.ts";
import { reciprocal, round, safeSqrt, sqrt, trunc } from "./unary.ts";

/** a + alpha · b. */
export const add = method(
  "add(a: operand, b: operand, options?: { alpha: operand })",
  (a: Operand, b: Operand, options?: { alpha?: Operand }): Tensor =>
    binary(addP, a, options?.alpha === undefined ? b : scaled(b, options.alpha)),
);

/** a − alpha · b. */
export const sub = method(
  "sub(a: operand, b: operand, options?: { alpha: operand })",
  (a: Operand, b: Operand, options?: { alpha?: Operand }): Tensor =>
    binary(subP, a, options?.alpha === undefined ? b : scaled(b, options.alpha)),
);

const scaled = (b: Operand, alpha: Operand): Operand =>
  typeof b === "number" && typeof alpha === "number" ? b * alpha : binary(mulP, b, alpha);

/** a · b. */
export const mul = method("mul(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => binary(mulP, a, b));

/** How a quotient is rounded. */
export interface RoundingOptions {
  /** "floor": towards −∞; "trunc": towards 0. Default null: not at all. */
  roundingMode?: "floor" | "trunc" | null;
}

/**
 * a / b. Integers give floats, as in torch, unless a rounding mode is given.
 */
export const div = method(
  "div(a: operand, b: operand, options?: { roundingMode: string|null })",
  (a: Operand, b: Operand, options?: RoundingOptions): Tensor => {
    const [p, q] = meet("div", a, b);
    const mode = options?.roundingMode ?? null;
    if (mode === null) return bind(divP, [asFloat(p), asFloat(q)]);
    if (mode !== "floor" && mode !== "trunc") {
      throw new ArgumentError(`div: roundingMode is ${JSON.stringify(mode)}: wanted "floor", "trunc" or null`);
    }
    if (isFloat(p.dtype)) {
      // A step function: the quotient is off the tape, so that a division by 0 makes no NaN of the derivative 0.
      return constantOf(
        untracked(() => (mode === "floor" ? floorQuotient(p, q) : trunc(bind(divP, [p, q])))),
        p,
        q,
      );
    }
    wantDivisor("div", q);
    return bind(divP, [mode === "floor" ? bind(subP, [p, remainder(p, q)]) : p, q]);
  },
);

/**
 * ⌊a / b⌋ of the exact quotient: the remainder is taken off first, because a / b may be rounded up to a whole number.
 * ±∞ or NaN for a division by 0.
 */
function floorQuotient(a: Tensor, b: Tensor): Tensor {
  const rest = bind(fmodP, [a, b]);
  const zero = literalLike(b, 0);
  const truncated = round(bind(divP, [bind(subP, [a, rest]), b]));
  const below = bind(andP, [bind(neP, [rest, zero]), bind(xorP, [bind(ltP, [rest, zero]), bind(ltP, [b, zero])])]);
  const quotient = bind(whereP, [below, bind(subP, [truncated, literalLike(b, 1)]), truncated]);
  return bind(whereP, [bind(eqP, [b, zero]), bind(divP, [a, b]), quotient]);
}

/** Rejects integer divisors with a 0 among them, where the elements are still on the host. */
function wantDivisor(op: string, divisor: Tensor): void {
  const value = divisor._live();
  if (isFloat(divisor.dtype)) return;
  const isZero = value.primitive === scalarP ? value.scalar === 0 : (value.host?.includes(0) ?? false);
  if (isZero) throw new ArgumentError(`${op}: a division of integers by 0; cast to a float dtype for ∞`);
}

/**
 * ⌊a / b⌋, also where a / b itself is rounded up: 1 // 0.1 is 9, as in Python.
 *
 * @throws  ArgumentError for integers if b has a 0 among its elements and they are still on the host; where only the
 *          device knows them, the result there is 0
 */
export const floorDivide = method(
  "floorDivide(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => div(a, b, { roundingMode: "floor" }),
);

/** Remainder with the sign of the dividend, as C's fmod. Of integers by 0: see {@link floorDivide}. */
export const fmod = method("fmod(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => {
  const [p, q] = meet("fmod", a, b);
  wantDivisor("fmod", q);
  return bind(fmodP, [p, q]);
});

/** Remainder with the sign of the divisor: a − b ⌊a / b⌋. Of integers by 0: see {@link floorDivide}. */
export const remainder = method("remainder(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => {
  const [p, q] = meet("remainder", a, b);
  wantDivisor("remainder", q);
  const r = bind(fmodP, [p, q]);
  const zero = literalLike(r, 0);
  const signsDiffer = bind(xorP, [bind(ltP, [r, zero]), bind(ltP, [q, zero])]);
  return bind(addP, [r, bind(whereP, [bind(andP, [bind(neP, [r, zero]), signsDiffer]), q, zero])]);
});

/**
 * base ** exponent; either may be a number.
 *
 * The exponents −1, 0, ½, 1, 2 and 3 as numbers are products, quotients and roots, exact also below 0. Integers to the
 * power of integers stay integers, and wrap as products do; a negative exponent in a tensor then leaves only 1 and −1.
 *
 * @throws ArgumentError for integers and a negative whole number as the exponent, as torch: cast them to floats first
 */
export const pow = method("pow(base: operand, exponent: operand)", (base: Operand, exponent: Operand): Tensor => {
  if (base instanceof Tensor && base.dtype === "bool" && typeof exponent === "number") base = cast(base, "int32");
  if (base instanceof Tensor && typeof exponent === "number") {
    if (!isFloat(base.dtype) && Number.isInteger(exponent) && exponent < 0) {
      throw new ArgumentError(
        `pow: ${base.dtype} to the power of ${exponent} is no integer: cast to a float first, x.to("float32")`,
      );
    }
    switch (exponent) {
      case 0:
        return constantOf(expandTo(literalLike(base, 1), base.shape), base);
      case 0.5:
        return sqrt(base);
      case 1:
        return unchanged(base);
      case 2:
        return bind(mulP, [base, base]);
      case 3:
        return bind(mulP, [bind(mulP, [base, base]), base]);
      case -1:
        return reciprocal(base);
    }
    if (!isFloat(base.dtype) && Number.isInteger(exponent) && exponent > 0) return integerPower(base, exponent);
  }
  const [p, q] = meet("pow", base, exponent);
  if (p.dtype === "bool") throw new DTypeError("pow: wanted numbers, got bool; cast it first");
  return isFloat(p.dtype) ? bind(powP, [p, q]) : integerPowers(p, q);
});

/** By squaring, bit by bit of the exponents: of as many bits as they may have. */
function integerPowers(base: Tensor, exponent: Tensor): Tensor {
  const { dtype } = base;
  const range = intRange(exponent._live());
  const most = range === null || range.max > 2 ** 31 ? (dtype === "uint32" ? 32 : 31) : Math.max(range.max, 1);
  const bits = range === null || range.max > 2 ** 31 ? most : Math.ceil(Math.log2(most + 1));
  const [zero, one] = [literalLike(base, 0), literalLike(base, 1)];
  let result: Tensor = one;
  let square = base;
  for (let bit = 0; bit < bits; bit++) {
    if (bit > 0) square = bind(mulP, [square, square]);
    const isSet = bind(neP, [bind(andP, [exponent, scalar(base.device, dtype, 2 ** bit)]), zero]);
    result = bind(whereP, [isSet, bind(mulP, [result, square]), result]);
  }
  if (dtype === "uint32" || (range !== null && range.min >= 0)) return result;
  // 1 / base^n, rounded towards zero.
  const odd = bind(neP, [bind(andP, [exponent, one]), zero]);
  const minusOne = literalLike(base, -1);
  const ofMinusOne = bind(whereP, [odd, minusOne, one]);
  const inverse = bind(whereP, [
    bind(eqP, [base, one]),
    one,
    bind(whereP, [bind(eqP, [base, minusOne]), ofMinusOne, zero]),
  ]);
  return bind(whereP, [bind(ltP, [exponent, zero]), inverse, result]);
}

/** By squaring: log₂(exponent) products. */
function integerPower(base: Tensor, exponent: number): Tensor {
  let result: Tensor | null = null;
  for (let square = base, rest = exponent; ; square = bind(mulP, [square, square])) {
    if (rest % 2 === 1) result = result === null ? square : bind(mulP, [result, square]);
    rest = Math.floor(rest / 2);
    if (rest === 0) return result as Tensor;
  }
}

/** The larger; NaN if either is. Equal values share the gradient. */
export const maximum = method(
  "maximum(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => binary(maximumP, a, b),
);

/** The smaller; NaN if either is. Equal values share the gradient. */
export const minimum = method(
  "minimum(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => binary(minimumP, a, b),
);

/** The angle of the point (x, y), in (−π, π]. */
export const atan2 = method("atan2(y: operand, x: operand)", (y: Operand, x: Operand): Tensor => {
  const [p, q] = meet("atan2", y, x);
  return bind(atan2P, [asFloat(p), asFloat(q)]);
});

/** √(a² + b²) without overflow; ∞ beside NaN, as IEEE 754 has it; gradient 0 at (0, 0). */
export const hypot = method("hypot(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => {
  const [p, q] = meet("hypot", a, b).map(asFloat);
  // Scaling by a constant does not change the function, so the scale needs no derivative.
  const larger = bindUntracked(maximumP, [bindUntracked(absP, [p]), bindUntracked(absP, [q])]);
  const unusable = bind(orP, [bind(isinfP, [larger]), bind(eqP, [larger, literalLike(p, 0)])]);
  const scale = bind(whereP, [unusable, literalLike(p, 1), larger]);
  const [x, y] = [bind(divP, [p, scale]), bind(divP, [q, scale])];
  const length = bind(mulP, [scale, safeSqrt(bind(addP, [bind(mulP, [x, x]), bind(mulP, [y, y])]))]);
  const infinite = bind(orP, [bind(isinfP, [p]), bind(isinfP, [q])]);
  return bind(whereP, [infinite, scalar(p.device, p.dtype, Infinity), length]);
});

/** log(eᵃ + eᵇ) without overflow. */
export const logaddexp = method("logaddexp(a: operand, b: operand)", (a: Operand, b: Operand): Tensor => {
  const [p, q] = meet("logaddexp", a, b).map(asFloat);
  const swap = bind(ltP, [p, q]);
  const [high, low] = [bind(whereP, [swap, q, p]), bind(whereP, [swap, p, q])];
  const equallyInfinite = bind(andP, [bind(isinfP, [high]), bind(eqP, [high, low])]);
  const difference = bind(whereP, [equallyInfinite, literalLike(p, 0), bind(subP, [low, high])]);
  return bind(addP, [high, bind(softplusP, [difference])]);
});

/** x · log(y), and 0 where x is 0, whatever y (except NaN). */
export const xlogy = method("xlogy(x: operand, y: operand)", (x: Operand, y: Operand): Tensor => {
  const [p, q] = meet("xlogy", x, y).map(asFloat);
  const [zero, one] = [literalLike(p, 0), literalLike(p, 1)];
  const logIsInfinite = bind(orP, [bind(ltP, [q, zero]), bind(orP, [bind(eqP, [q, zero]), bind(isinfP, [q])])]);
  const isZero = bind(andP, [bind(eqP, [p, zero]), logIsInfinite]);
  return bind(whereP, [isZero, zero, bind(mulP, [p, bind(logP, [bind(whereP, [isZero, one, q])])])]);
});

/**
 * start + weight · (end − start).
 *
 * @param weight  number or tensor; 0 gives `start`, 1 gives `end`
 */
export const lerp = method(
  "lerp(start: tensor, end: tensor, weight: operand)",
  (start: Tensor, end: Tensor, weight: Operand): Tensor => {
    return binary(addP, start, binary(mulP, binary(subP, end, start), weight));
  },
);

/** x + value · a · b. */
export const addcmul = method(
  "addcmul(x: tensor, a: tensor, b: tensor, options?: { value: operand })",
  (x: Tensor, a: Tensor, b: Tensor, options: { value?: Operand } = {}): Tensor => {
    const { value = 1 } = options;
    const product = binary(mulP, a, b);
    if (product.dtype === "bool") throw new DTypeError("addcmul: wanted numbers, got bool; cast it first");
    return binary(addP, x, value === 1 ? product : binary(mulP, product, value));
  },
);

/** x + value · a / b. */
export const addcdiv = method(
  "addcdiv(x: tensor, a: tensor, b: tensor, options?: { value: operand })",
  (x: Tensor, a: Tensor, b: Tensor, options: { value?: Operand } = {}): Tensor => {
    const { value = 1 } = options;
    const quotient = div(a, b);
    return binary(addP, x, value === 1 ? quotient : binary(mulP, quotient, value));
  },
);

/** Bitwise on integers, logical on bool. */
export const bitwiseAnd = method(
  "bitwiseAnd(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => binary(andP, a, b),
);
/** Bitwise on integers, logical on bool. */
export const bitwiseOr = method(
  "bitwiseOr(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => binary(orP, a, b),
);
/** Bitwise on integers, logical on bool. */
export const bitwiseXor = method(
  "bitwiseXor(a: operand, b: operand)",
  (a: Operand, b: Operand): Tensor => binary(xorP, a, b),
);
/** All bits inverted; the opposite on bool. */
export const bitwiseNot = method("bitwiseNot(x: tensor)", (x: Tensor): Tensor => {
  if (x.dtype === "bool") return bind(notP, [x]);
  if (isFloat(x.dtype)) throw new DTypeError(`bitwiseNot: wanted integers or bool, got ${x.dtype}`);
  return bind(subP, [bind(negP, [x]), literalLike(x, 1)]);
});
