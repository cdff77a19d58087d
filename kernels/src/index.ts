/**
 * Kernel descriptions in, WGSL source out. Pure: no tensors, no tape, no GPU objects.
 *
 * What scalar functions are is an entry of its own, `@loopgrad/kernels/scalar`: who computes without WebGPU needs no more.
 *
 * Read `description.ts` for the vocabulary, `scalar/` for what scalar functions are, `view.ts` for index transforms,
 * `print.ts` for how scalar code becomes text, `roles.ts` for the loop of each role, and `wgsl/` for the skeletons themselves.
 */
export * from "./description.ts";
export { printKernel } from "./roles.ts";
export type { ScalarFunction } from "./scalar/function.ts";
export {
  applyMove,
  applyMoves,
  type Chain,
  chainKey,
  coalesce,
  contiguous,
  isIdentity,
  isMasked,
  type Move,
  rangeStart,
  type View,
} from "./view.ts";
