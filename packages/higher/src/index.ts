/**
 * @loopgrad/higher: gradients through training loops.
 */
export * from "./create-differentiable.ts";
export * from "./differentiable.ts";
export * from "./flatten.ts";
export {
  type FunctionalizeOptions,
  FunctionalModule,
  type FunctionalView,
  functionalize,
  type Initial,
} from "./functional-module.ts";
export * from "./hyperparameters.ts";
export * from "./inner-loop.ts";
export { type Override, type OverrideValue, PerParameter, perParameter } from "./override.ts";
