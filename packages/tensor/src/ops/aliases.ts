/**
 * Other names that torch has for operations: each is the operation itself.
 *
 * | alias | operation |
 * | --- | --- |
 * | absolute, negative, multiply, subtract, divide, trueDivide | abs, neg, mul, sub, div |
 * | arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh | acos, acosh, asin, asinh, atan, atan2, atanh |
 * | greater, greaterEqual, less, lessEqual, notEqual | gt, ge, lt, le, ne |
 * | clip, fix, expit | clamp, trunc, sigmoid |
 * | concat, concatenate, moveaxis, swapdims, ger | cat, cat, movedim, transpose, outer |
 */
import { type NestedArray, Tensor } from "../tensor.ts";
import type { TensorMethods } from "./tensor-methods.ts";

export { atan2 as arctan2, div as divide, div as trueDivide, mul as multiply, sub as subtract } from "./arithmetic.ts";
export {
  clamp as clip,
  ge as greaterEqual,
  gt as greater,
  le as lessEqual,
  lt as less,
  ne as notEqual,
} from "./compare.ts";
export { outer as ger } from "./contraction.ts";
export { cat as concat, cat as concatenate } from "./join.ts";
export { movedim as moveaxis, transpose as swapdims } from "./movement.ts";
export {
  abs as absolute,
  acos as arccos,
  acosh as arccosh,
  asin as arcsin,
  asinh as arcsinh,
  atan as arctan,
  atanh as arctanh,
  neg as negative,
  sigmoid as expit,
  trunc as fix,
} from "./unary.ts";

/** Methods under other names: those of the functions above that take a tensor first, and `tolist`. */
const METHODS = {
  absolute: "abs",
  arccos: "acos",
  arccosh: "acosh",
  arcsin: "asin",
  arcsinh: "asinh",
  arctan: "atan",
  arctan2: "atan2",
  arctanh: "atanh",
  clip: "clamp",
  divide: "div",
  expit: "sigmoid",
  fix: "trunc",
  ger: "outer",
  greater: "gt",
  greaterEqual: "ge",
  less: "lt",
  lessEqual: "le",
  moveaxis: "movedim",
  multiply: "mul",
  negative: "neg",
  notEqual: "ne",
  subtract: "sub",
  swapdims: "transpose",
  trueDivide: "div",
} as const satisfies Record<string, keyof TensorMethods>;

/** What {@link METHODS} adds to a tensor. */
export type TensorAliases = { [Alias in keyof typeof METHODS]: TensorMethods[(typeof METHODS)[Alias]] } & {
  /** The elements as nested arrays: `toArray`. */
  tolist(): Promise<NestedArray>;
};

declare module "../tensor.ts" {
  interface Tensor extends TensorAliases {}
}

for (const [alias, name] of Object.entries({ ...METHODS, tolist: "toArray" as const })) {
  const value = Tensor.prototype[name];
  Object.defineProperty(Tensor.prototype, alias, { value, writable: true, configurable: true });
}
