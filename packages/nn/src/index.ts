/**
 * @loopgrad/nn: modules, layers, losses, initialisation.
 */
export {
  type Layer,
  ModuleDict,
  ModuleList,
  type Named,
  ParameterDict,
  ParameterList,
  Sequential,
} from "./containers.ts";
export * as functional from "./functional/index.ts";
export {
  type FunctionalState,
  functionalCall,
  type GivenTensors,
  type Substituted,
  substitute,
} from "./functional-call.ts";
export type { ForwardHook, ForwardPreHook, HookOptions, RemovableHandle } from "./hooks.ts";
export * as init from "./init.ts";
export * from "./layers/activations.ts";
export * from "./layers/attention.ts";
export * from "./layers/cells.ts";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeOptions,
  type Extent,
} from "./layers/conv.ts";
export * from "./layers/distance.ts";
export * from "./layers/dropout.ts";
export { Embedding, type EmbeddingOptions } from "./layers/embedding.ts";
export * from "./layers/likelihood-losses.ts";
export { Bilinear, Linear, type LinearOptions } from "./layers/linear.ts";
export * from "./layers/losses.ts";
export * from "./layers/margin-losses.ts";
export * from "./layers/norms.ts";
export * from "./layers/padding.ts";
export * from "./layers/pooling.ts";
export * from "./layers/recurrent.ts";
export * from "./layers/resize.ts";
export * from "./layers/sample-norms.ts";
export * from "./layers/shape.ts";
export * from "./layers/transformer.ts";
export { type Member, Module } from "./module.ts";
export type { Destination } from "./moving.ts";
export type { PlacementOptions } from "./options.ts";
export { parametersToVector, vectorToParameters } from "./parameter-vector.ts";
export * from "./parametrizations/index.ts";
export { snakeCase } from "./repr.ts";
export * from "./safetensors/index.ts";
export { Buffer, checkFits, Parameter, Slot } from "./slot.ts";
export type { LoadReport, StateDict } from "./state-dict.ts";
export { Summary, type SummaryOptions, type SummaryRow, summary } from "./summary.ts";
