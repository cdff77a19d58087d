/**
 * @loopgrad/optim: update rules, the optimizers made of them, gradient clipping, learning-rate schedules.
 */
export {
  CheckpointError,
  type CheckpointParts,
  checkpointBlob,
  type LoadCheckpointOptions,
  loadCheckpoint,
  type Saveable,
  type SaveCheckpointOptions,
  type Stateful,
  saveCheckpoint,
} from "./checkpoint.ts";
export * from "./clip.ts";
export {
  checkRange,
  type Hyperparameter,
  Optimizer,
  type OptimizerStateDict,
  type ParamGroup,
  type Params,
  type State,
  type Updated,
} from "./optimizer.ts";
export * from "./plateau.ts";
export { Adadelta, type AdadeltaHyper } from "./rules/adadelta.ts";
export { Adagrad, type AdagradHyper } from "./rules/adagrad.ts";
export { Adam, type AdamHyper, AdamW } from "./rules/adam.ts";
export { Adamax, type AdamaxHyper } from "./rules/adamax.ts";
export { ASGD, type ASGDHyper } from "./rules/asgd.ts";
export { NAdam, type NAdamHyper } from "./rules/nadam.ts";
export { RAdam, type RAdamHyper } from "./rules/radam.ts";
export { RMSprop, type RMSpropHyper } from "./rules/rmsprop.ts";
export { Rprop, type RpropHyper } from "./rules/rprop.ts";
export { SGD, type SGDHyper } from "./rules/sgd.ts";
export * from "./scalar.ts";
export {
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  LRScheduler,
  MultiStepLR,
  OneCycleLR,
  type OneCycleOptions,
  PolynomialLR,
  type Scheduled,
  SequentialLR,
  StepLR,
} from "./schedules.ts";
