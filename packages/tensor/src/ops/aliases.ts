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
import type { TensorMethods } from "./methods.ts";

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
  /** Another name of `abs`. */
  absolute: "abs",
  /** Another name of `acos`. */
  arccos: "acos",
  /** Another name of `acosh`. */
  arccosh: "acosh",
  /** Another name of `asin`. */
  arcsin: "asin",
  /** Another name of `asinh`. */
  arcsinh: "asinh",
  /** Another name of `atan`. */
  arctan: "atan",
  /** Another name of `atan2`. */
  arctan2: "atan2",
  /** Another name of `atanh`. */
  arctanh: "atanh",
  /** Another name of `clamp`. */
  clip: "clamp",
  /** Another name of `div`. */
  divide: "div",
  /** Another name of `sigmoid`. */
  expit: "sigmoid",
  /** Another name of `trunc`. */
  fix: "trunc",
  /** Another name of `outer`. */
  ger: "outer",
  /** Another name of `gt`. */
  greater: "gt",
  /** Another name of `ge`. */
  greaterEqual: "ge",
  /** Another name of `lt`. */
  less: "lt",
  /** Another name of `le`. */
  lessEqual: "le",
  /** Another name of `movedim`. */
  moveaxis: "movedim",
  /** Another name of `mul`. */
  multiply: "mul",
  /** Another name of `neg`. */
  negative: "neg",
  /** Another name of `ne`. */
  notEqual: "ne",
  /** Another name of `sub`. */
  subtract: "sub",
  /** Another name of `transpose`. */
  swapdims: "transpose",
  /** Another name of `div`. */
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
