/**
 * The table of scalar functions: what elementwise primitives do to numbers.
 *
 * An entry has parts, each in the file of whoever needs it, so that a program loads no WGSL before it runs on WebGPU:
 *
 *     unary.ts, binary.ts, compare.ts   the name; what it takes, what it costs
 *     javascript.ts                     its formula
 *     wgsl.ts                           its WGSL
 *
 * The names are closed unions, and each part is a `Record` over them: a part that is missing does not compile. So do the
 * tables elsewhere that have something to say of each function, as the derivatives in @loopgrad/autograd.
 */
import { BINARY, type BinaryName } from "./binary.ts";
import { CHOICE, type ChoiceName, COMPARE, type CompareName } from "./compare.ts";
import type { ScalarFunction } from "./function.ts";
import { UNARY, type UnaryName } from "./unary.ts";

export type ScalarName = UnaryName | BinaryName | CompareName | ChoiceName;

/** All entries. */
export const SCALARS: { readonly [N in ScalarName]: ScalarFunction } = { ...UNARY, ...BINARY, ...COMPARE, ...CHOICE };

export type { ScalarFunction } from "./function.ts";
export {
  binaryFormula,
  castFormula,
  type Formula1,
  type Formula2,
  type NumberType,
  unaryFormula,
} from "./javascript.ts";
export { BINARY, type BinaryName, COMPARE, type CompareName, UNARY, type UnaryName };
