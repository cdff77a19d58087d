/**
 * What an entry of the table of scalar functions says.
 *
 * A *scalar function* is what an elementwise primitive does to the numbers at one place. Its operands have one type (the
 * condition of `where` aside), and its result has the same, or is a bool.
 */
import type { ScalarType } from "../description.ts";

/** The types that operands may have, by the word that stands in an entry. */
export interface Types {
  readonly floats: "f32";
  readonly numbers: "f32" | "i32" | "u32";
  readonly integers: "i32" | "u32";
  readonly bits: "i32" | "u32" | "bool";
  readonly bools: "bool";
  readonly all: ScalarType;
}

export interface ScalarFunction {
  /** What the operands may be. */
  readonly takes: keyof Types;
  /** Given where the result has not the type of the operands. */
  readonly gives?: "bool";
  /** Rough cost of one element, in additions. */
  readonly cost: number;
  /** Nearly free to compute again: the tape keeps how the value is made, and not the value. */
  readonly cheap?: true;
  /** The instruction of WebAssembly that computes it, where there is one. */
  readonly wasm?: string;
}
