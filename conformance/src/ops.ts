/**
 * Torch's operations as calls of loopgrad.
 *
 * Most operations follow one rule: inputs by position, then the keywords of `POSITIONAL` by position, then options.
 * The few that do not stand in `SPECIAL`.
 */
import type { Tensor } from "loopgrad";
import { callArguments, camelCase, exported, options } from "./names.ts";
import type { Keywords } from "./format.ts";

/** An operation's input: a tensor, a list of them (cat, stack, einsum), or null where it is absent. */
export type Input = Tensor | Tensor[] | null;

type Result = Tensor | Tensor[] | { readonly values: Tensor; readonly indices: Tensor };
type Call = (...args: unknown[]) => Result;

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
  count_nonzero: ["dim"],
  cumprod: ["dim"],
  cumsum: ["dim"],
  expand: ["size"],
  flatten: ["start_dim", "end_dim"],
  flip: ["dims"],
  fold: ["output_size", "kernel_size"],
  glu: ["dim"],
  group_norm: ["num_groups"],
  layer_norm: ["normalized_shape"],
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
  one_hot: ["num_classes"],
  pad: ["pad"],
  permute: ["dims"],
  pixel_shuffle: ["upscale_factor"],
  pow: ["exponent"],
  prod: ["dim"],
  repeat: ["repeats"],
  repeat_interleave: ["repeats", "dim"],
  reshape: ["shape"],
  rms_norm: ["normalized_shape"],
  roll: ["shifts", "dims"],
  slice: ["dim", "start", "stop", "step"],
  softmax: ["dim"],
  sort: ["dim"],
  split: ["split_size_or_sections", "dim"],
  squeeze: ["dim"],
  stack: ["dim"],
  std: ["dim"],
  sum: ["dim"],
  swapaxes: ["axis0", "axis1"],
  tensordot: ["dims"],
  threshold: ["threshold", "value"],
  tile: ["dims"],
  topk: ["k", "dim"],
  transpose: ["dim0", "dim1"],
  unbind: ["dim"],
  unfold: ["kernel_size"],
  unfold_dim: ["dimension", "size", "step"],
  unsqueeze: ["dim"],
  var: ["dim"],
  var_mean: ["dim"],
};

/** Operations whose inputs are not simply the first arguments. */
const SPECIAL: Readonly<Record<string, (call: Call, inputs: readonly Input[], attrs: Keywords) => Result>> = {};

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
  const special = SPECIAL[op];
  const call = exported<Call>(camelCase(op), "operation");
  const result = special?.(call, inputs, attrs) ?? call(...inputs, ...callArguments(attrs, POSITIONAL[op] ?? []));
  if (Array.isArray(result)) return result;
  return "values" in result && "indices" in result ? [result.values, result.indices] : [result as Tensor];
}
void options;
