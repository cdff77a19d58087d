/**
 * nn.functional: layers and losses as functions of tensors. The operations that `@loopgrad/tensor` has
 * already are here again, so that a port from torch finds them where it looks.
 */
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  bilinear,
  celu,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  cosineSimilarity,
  elu,
  embedding,
  fold,
  gelu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  interpolate,
  leakyRelu,
  linear,
  logSoftmax,
  logsigmoid,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  maxUnpool1d,
  maxUnpool2d,
  maxUnpool3d,
  mish,
  normalize,
  oneHot,
  pad,
  pairwiseDistance,
  pixelShuffle,
  pixelUnshuffle,
  prelu,
  relu,
  relu6,
  scaledDotProductAttention,
  selu,
  sigmoid,
  silu,
  softmax,
  softmin,
  softplus,
  softshrink,
  softsign,
  tanh,
  tanhshrink,
  threshold,
  unfold,
} from "@loopgrad/tensor";
export * from "./class-margin-losses.ts";
export * from "./dropout.ts";
export * from "./likelihood-losses.ts";
export * from "./losses.ts";
export * from "./margin-losses.ts";
export * from "./norms.ts";
export * from "./pooling.ts";
export type { Reduction, ReductionOptions } from "./reduction.ts";
