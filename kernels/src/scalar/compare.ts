/**
 * Comparisons, and functions that take or give what is not of the operands' type: choices and changes of type.
 */
import type { ScalarFunction } from "./function.ts";

export const COMPARE = {
  eq: { takes: "all", gives: "bool", cost: 1, cheap: true },
  ne: { takes: "all", gives: "bool", cost: 1, cheap: true },
  lt: { takes: "all", gives: "bool", cost: 1, cheap: true },
  le: { takes: "all", gives: "bool", cost: 1, cheap: true },
} as const satisfies Record<string, ScalarFunction>;

export type CompareName = keyof typeof COMPARE;

export const CHOICE = {
  /** condition ? a : b. Its type is that of a and b. */
  where: { takes: "all", cost: 1, cheap: true },
  /** Change of type: floats truncate to integers, anything but 0 becomes true. */
  cast: { takes: "all", cost: 0.5 },
  /** A number rounded to the nearest half, as f32: a cast to float16. */
  round16: { takes: "all", cost: 12 },
} as const satisfies Record<string, ScalarFunction>;

export type ChoiceName = keyof typeof CHOICE;
