/**
 * @loopgrad/higher: gradients through training loops.
 */
export type { Checkpoint } from "./checkpointed-steps.ts";
export * from "./create-differentiable.ts";
export * from "./differentiable.ts";
export * from "./flatten.ts";
export {
  type FunctionalizeOptions,
  FunctionalModule,
  type FunctionalView,
  functionalize,
  type History,
  type Initial,
} from "./functional-module.ts";
export * from "./hyperparameters.ts";
export * from "./inner-loop.ts";
export * from "./meta-loss.ts";
export { type Override, type OverrideValue, PerParameter, perParameter } from "./override.ts";
