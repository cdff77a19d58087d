/**
 * @loopgrad/autograd: reverse-mode differentiation of any order.
 *
 * Importing the package puts the tape behind every operation, and its methods on Tensor.
 */
export { type BackwardOptions, type GradOptions, grad } from "./grad.ts";
export { image } from "./methods.ts";
export { enableGrad, GradMode, isGradEnabled, noGrad } from "./mode.ts";
export type { Hook } from "./tape.ts";
export { walkCounts } from "./walk.ts";
