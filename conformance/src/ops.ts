/**
 * Torch's operations as calls of loopgrad.
 *
 * Most operations follow one rule: inputs by position, then the keywords of `POSITIONAL` by position, then options.
 * The few that do not stand in `SPECIAL`.
 */
import { type Module, substitute, type Tensor } from "loopgrad";
import type { Keywords } from "./format.ts";
import { callArguments, camelCase, exported, options } from "./names.ts";

/** An operation's input: a tensor, a list of them (cat, stack, einsum), or null where it is absent. */
export type Input = Tensor | Tensor[] | null;

type Result = Tensor | Tensor[];

/** Keywords that loopgrad takes by position, after the inputs. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  adaptive_avg_pool1d: ["output_size"],
  adaptive_avg_pool2d: ["output_size"],
  all: ["dim"],
  amax: ["dim"],
  amin: ["dim"],
  any: ["dim"],
  argmax: ["dim"],
  argmin: ["dim"],
  avg_pool1d: ["kernel_size"],
  avg_pool2d: ["kernel_size"],
  cat: ["dim"],
  chunk: ["chunks", "dim"],
  clamp: ["min", "max"],
  count_nonzero: ["dim"],
  cumprod: ["dim"],
  cumsum: ["dim"],
  diag: ["diagonal"],
  diag_embed: ["offset"],
  diagonal: ["offset", "dim1", "dim2"],
  expand: ["size"],
  flatten: ["start_dim", "end_dim"],
  flip: ["dims"],
  fold: ["output_size", "kernel_size"],
  glu: ["dim"],
  lerp: ["weight"],
  log_softmax: ["dim"],
  logsumexp: ["dim"],
  masked_fill: ["value"],
  max: ["dim"],
  max_pool1d: ["kernel_size"],
  max_pool2d: ["kernel_size"],
  mean: ["dim"],
  min: ["dim"],
  movedim: ["source", "destination"],
  narrow: ["dim", "start", "length"],
  norm: ["dim"],
  one_hot: ["num_classes"],
  pad: ["pad"],
  permute: ["dims"],
  pixel_shuffle: ["upscale_factor"],
  pow: ["exponent"],
  prod: ["dim"],
  repeat: ["repeats"],
  repeat_interleave: ["repeats", "dim"],
  reshape: ["shape"],
  roll: ["shifts", "dims"],
  rot90: ["k", "dims"],
  slice: ["dim", "start", "stop", "step"],
  softmax: ["dim"],
  sort: ["dim"],
  split: ["split_size_or_sections", "dim"],
  squeeze: ["dim"],
  stack: ["dim"],
  std: ["dim"],
  sum: ["dim"],
  swapaxes: ["axis0", "axis1"],
  take_along_dim: ["dim"],
  tensordot: ["dims"],
  threshold: ["threshold", "value"],
  tile: ["dims"],
  topk: ["k", "dim"],
  transpose: ["dim0", "dim1"],
  tril: ["diagonal"],
  triu: ["diagonal"],
  unbind: ["dim"],
  unfold: ["kernel_size"],
  unfold_dim: ["dimension", "size", "step"],
  unsqueeze: ["dim"],
  var: ["dim"],
  var_mean: ["dim"],
};

/** Operations that do not take their inputs first, or have another name or other results. */
const SPECIAL: Readonly<Record<string, (inputs: readonly Input[], attrs: Keywords) => Result>> = {
  // The dim stands between the tensors.
  gather: ([x, index], { dim }) => call("gather", x, dim, index),
  index_select: ([x, index], { dim }) => call("indexSelect", x, dim, index),
  index_add: ([x, index, source], { dim, ...rest }) => call("indexAdd", x, dim, index, source, options(rest)),
  scatter: ([x, index, source], { dim }) => call("scatter", x, dim, index, source),
  scatter_add: ([x, index, source], { dim }) => call("scatterAdd", x, dim, index, source),
  // So do shapes and groups of norms.
  layer_norm: ([x, weight, bias], { normalized_shape: shape, ...rest }) =>
    call("layerNorm", x, shape, weight, bias, options(rest)),
  rms_norm: ([x, weight], { normalized_shape: shape, ...rest }) => call("rmsNorm", x, shape, weight, options(rest)),
  group_norm: ([x, weight, bias], { num_groups: groups, ...rest }) =>
    call("groupNorm", x, groups, weight, bias, options(rest)),
  einsum: ([operands], { equation }) => call("einsum", equation, operands),
  pow_scalar_base: ([x], { base }) => call("pow", base, x),
  slogdet: ([x]) => (call("slogdet", x) as Tensor[])[1],
  // Weights are options.
  cross_entropy: ([x, y, weight], attrs) => call("crossEntropy", x, y, withTensors(attrs, { weight })),
  nll_loss: ([x, y, weight], attrs) => call("nllLoss", x, y, withTensors(attrs, { weight })),
  binary_cross_entropy: ([x, y, weight], attrs) => call("binaryCrossEntropy", x, y, withTensors(attrs, { weight })),
  binary_cross_entropy_with_logits: ([x, y, weight, posWeight], attrs) =>
    call("binaryCrossEntropyWithLogits", x, y, withTensors(attrs, { weight, posWeight })),
  instance_norm: ([x, weight, bias], attrs) =>
    (call("instanceNorm", x, weight, bias, options(attrs)) as unknown as { output: Tensor }).output,
  batch_norm: batchNorm,
};

/**
 * Applies the operation of a golden case.
 *
 * @param op      torch's name
 * @param inputs  in the case's order
 * @param attrs   torch's keyword arguments
 * @returns       all results, in torch's order
 * @throws        NotBuilt if loopgrad has no such operation
 */
export function applyOp(op: string, inputs: readonly Input[], attrs: Keywords): Tensor[] {
  const special = Object.hasOwn(SPECIAL, op) ? SPECIAL[op] : undefined;
  const result =
    special?.(inputs, attrs) ?? call(camelCase(op), ...inputs, ...callArguments(attrs, POSITIONAL[op] ?? []));
  return Array.isArray(result) ? result : [result];
}

const call = (name: string, ...args: unknown[]): Result =>
  exported<(...args: unknown[]) => Result>(name, "operation")(...args);

/** Options with the tensors that are not absent. */
const withTensors = (
  attrs: Keywords,
  tensors: Readonly<Record<string, Input | undefined>>,
): Record<string, unknown> => ({
  ...options(attrs),
  ...present(tensors),
});

/**
 * Batch norm with running statistics that come out as results: the layer, under a functional call.
 *
 * @returns y, and the running mean and variance afterwards if they were given
 */
function batchNorm([x, mean, variance, weight, bias]: readonly Input[], attrs: Keywords): Tensor[] {
  const { training, ...rest } = options(attrs);
  const { shape } = x as Tensor;
  const Layer = exported<new (n: number, options: object) => Module>(`BatchNorm${shape.length < 4 ? 1 : 2}d`, "module");
  const layer = new Layer(shape[1], { ...rest, affine: weight !== null, trackRunningStats: mean !== null });
  layer.train(training as boolean);
  const { output, buffers } = substitute(
    layer,
    {
      params: present({ weight, bias }),
      buffers:
        mean === null
          ? {}
          : { ...present({ running_mean: mean, running_var: variance }), num_batches_tracked: layer.buffers()[2] },
    },
    (module) => module.forward(...([x] as never[])) as Tensor,
  );
  return mean === null ? [output] : [output, buffers.running_mean, buffers.running_var];
}

/** The tensors that are not absent. */
const present = (tensors: Readonly<Record<string, Input | undefined>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).filter(([, tensor]) => tensor != null)) as Record<string, Tensor>;
