/**
 * @loopgrad/nn: modules, layers, losses, initialisation.
 */
export { type Layer, ModuleList, Sequential } from "./containers.ts";
export * as functional from "./functional/index.ts";
export {
  type FunctionalState,
  functionalCall,
  type GivenTensors,
  substitute,
  withStandIns,
} from "./functional-call.ts";
export * as init from "./init.ts";
export * from "./layers/activations.ts";
export * from "./layers/attention.ts";
export * from "./layers/conv.ts";
export * from "./layers/distance.ts";
export { Embedding, type EmbeddingOptions } from "./layers/embedding.ts";
export * from "./layers/likelihood-losses.ts";
export { Bilinear, Linear, type LinearOptions } from "./layers/linear.ts";
export * from "./layers/losses.ts";
export * from "./layers/margin-losses.ts";
export * from "./layers/norms.ts";
export * from "./layers/pooling.ts";
export * from "./layers/recurrent.ts";
export * from "./layers/resize.ts";
export * from "./layers/shape.ts";
export { type Member, Module, type StateDict, snakeCase } from "./module.ts";
export type { PlacementOptions } from "./options.ts";
export { Buffer, checkFits, Parameter, Slot } from "./slot.ts";
