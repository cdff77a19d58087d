/**
 * @loopgrad/autograd: reverse-mode differentiation of any order.
 *
 * Importing the package puts the tape behind every operation, and its methods on Tensor.
 */
export { type Anomaly, AnomalyDetection, AnomalyError, detectAnomaly } from "./anomaly.ts";
export { CheckpointChain, checkpoint } from "./checkpoint.ts";
export { customFunction, type FunctionContext, type FunctionDefinition } from "./custom.ts";
export { type DotOptions, type Graphviz, makeDot, makeSvg, type NamedTensors, type SvgOptions } from "./dot.ts";
export {
  type FunctionalOptions,
  hessian,
  hvp,
  jacobian,
  jvp,
  type Like,
  type TensorFunction,
  type Tensors,
  vjp,
} from "./functional.ts";
export { type BackwardOptions, type GradOptions, grad } from "./grad.ts";
export { type Checked, type GradcheckOptions, gradcheck, gradgradcheck } from "./gradcheck.ts";
export { graphGroup } from "./group.ts";
export { type Held, heldValues } from "./held.ts";
export { image } from "./methods.ts";
export { enableGrad, GradMode, isGradEnabled, noGrad } from "./mode.ts";
export type { GradFn } from "./print.ts";
export { disposeRecalled, recall, runsAround } from "./surroundings.ts";
export { beginUpdate, type Hook, type StepLoop, timeMark } from "./tape.ts";
/** @internal For tests of a walk's extent. */
export { walkCounts } from "./walk.ts";
