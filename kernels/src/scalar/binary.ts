/**
 * Functions of two numbers. The order is that of the primitives' codes.
 */
import type { ScalarFunction } from "./function.ts";

export const BINARY = {
  add: { takes: "numbers", cost: 1, cheap: true },
  sub: { takes: "numbers", cost: 1, cheap: true },
  mul: { takes: "numbers", cost: 1, cheap: true },
  /** Division; for integers rounded towards zero (0 where the divisor is 0). */
  div: { takes: "numbers", cost: 3, cheap: true },
  /** x^y as IEEE pow. */
  pow: { takes: "floats", cost: 12 },
  /** NaN if either is NaN. */
  maximum: { takes: "numbers", cost: 1, cheap: true },
  minimum: { takes: "numbers", cost: 1, cheap: true },
  /** Remainder with the sign of the dividend (C's fmod); 0 for an integer division by 0. */
  fmod: { takes: "numbers", cost: 12 },
  atan2: { takes: "floats", cost: 12 },
  /** The n-th derivative of ψ at x, for n = 0, 1, …; infinite at 0 and the negative integers. */
  polygamma: { takes: "floats", cost: 100 },
  /** Bitwise on integers, logical on bool. */
  and: { takes: "bits", cost: 12 },
  or: { takes: "bits", cost: 12 },
  xor: { takes: "bits", cost: 12 },
  shl: { takes: "integers", cost: 12 },
  /** Arithmetic on int32, logical on uint32. */
  shr: { takes: "integers", cost: 12 },
} as const satisfies Record<string, ScalarFunction>;

export type BinaryName = keyof typeof BINARY;
