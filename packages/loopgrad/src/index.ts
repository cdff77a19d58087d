/**
 * loopgrad: gradients through training loops. Everything, from one import.
 */
export * from "@loopgrad/autograd";
export * from "@loopgrad/higher";
export * from "@loopgrad/nn";
export * from "@loopgrad/optim";
export * from "@loopgrad/tensor";
