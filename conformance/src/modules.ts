/**
 * Torch's modules as loopgrad's: constructor keywords by position or as options, and models of several modules.
 */
import { type Module, Sequential } from "loopgrad";
import type { HigherCase, Keywords } from "./format.ts";
import { callArguments, exported } from "./names.ts";

/** Constructor keywords that loopgrad takes by position. All others are options. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  AdaptiveAvgPool1d: ["output_size"],
  AdaptiveAvgPool2d: ["output_size"],
  AvgPool1d: ["kernel_size"],
  AvgPool2d: ["kernel_size"],
  BatchNorm1d: ["num_features"],
  BatchNorm2d: ["num_features"],
  Bilinear: ["in1_features", "in2_features", "out_features"],
  Conv1d: ["in_channels", "out_channels", "kernel_size"],
  Conv2d: ["in_channels", "out_channels", "kernel_size"],
  Conv3d: ["in_channels", "out_channels", "kernel_size"],
  ConvTranspose1d: ["in_channels", "out_channels", "kernel_size"],
  ConvTranspose2d: ["in_channels", "out_channels", "kernel_size"],
  Embedding: ["num_embeddings", "embedding_dim"],
  GLU: ["dim"],
  GRU: ["input_size", "hidden_size"],
  GRUCell: ["input_size", "hidden_size"],
  GroupNorm: ["num_groups", "num_channels"],
  InstanceNorm1d: ["num_features"],
  InstanceNorm2d: ["num_features"],
  LSTM: ["input_size", "hidden_size"],
  LSTMCell: ["input_size", "hidden_size"],
  LayerNorm: ["normalized_shape"],
  Linear: ["in_features", "out_features"],
  LogSoftmax: ["dim"],
  MaxPool1d: ["kernel_size"],
  MaxPool2d: ["kernel_size"],
  MultiheadAttention: ["embed_dim", "num_heads"],
  PixelShuffle: ["upscale_factor"],
  RMSNorm: ["normalized_shape"],
  RNN: ["input_size", "hidden_size"],
  RNNCell: ["input_size", "hidden_size"],
  ReflectionPad2d: ["padding"],
  Softmax: ["dim"],
  Threshold: ["threshold", "value"],
  TransformerEncoderLayer: ["d_model", "nhead"],
  Unflatten: ["dim", "unflattened_size"],
  Unfold: ["kernel_size"],
  ZeroPad2d: ["padding"],
};

/**
 * Makes a module.
 *
 * @param name  torch's class name
 * @param args  torch's constructor keywords
 * @throws      NotBuilt if loopgrad has no such module
 */
export function makeModule(name: string, args: Keywords): Module {
  const Class = exported<new (...args: unknown[]) => Module>(name, "module");
  return new Class(...callArguments(args, POSITIONAL[name] ?? []));
}

/** A sequence of modules; entries that `use` an earlier one are the same instance, and tied parameters one slot. */
export function makeModel({ model, tie }: Pick<HigherCase, "model" | "tie">): Sequential {
  const layers: Module[] = [];
  for (const entry of model) layers.push("use" in entry ? layers[entry.use] : makeModule(entry.module, entry.args));
  for (const [alias, original] of tie ?? []) {
    const [[from, field], [to, sameField]] = [original.split("."), alias.split(".")];
    const fields = (layer: string): Record<string, unknown> =>
      layers[Number(layer)] as unknown as Record<string, unknown>;
    fields(to)[sameField] = fields(from)[field];
  }
  return new Sequential(...(layers as never[]));
}
