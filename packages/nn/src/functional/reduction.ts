/**
 * What all losses share: a *reduction*, which makes one number of the elements' losses or leaves them, and the
 * refusal to broadcast, which in a loss is nearly always a mistake.
 */
import { ArgumentError, ShapeError, sameShape, show, type Tensor } from "@loopgrad/tensor";

export type Reduction = "mean" | "sum" | "none";

/** How a loss is reduced. */
export interface ReductionOptions {
  /** Default "mean". */
  reduction?: Reduction;
}

/** The mean or the sum of all elements, or the elements. */
export function reduce(op: string, loss: Tensor, reduction: Reduction = "mean"): Tensor {
  switch (reduction) {
    case "mean":
      return loss.mean();
    case "sum":
      return loss.sum();
    case "none":
      return loss;
    default:
      reduction satisfies never;
      throw new ArgumentError(`${op}: reduction ${String(reduction)}: wanted "mean", "sum" or "none"`);
  }
}

/** Throws unless a weight broadcasts to the input's shape: a larger one would count elements more than once. */
export function checkWeightFits(op: string, name: string, weight: Tensor | undefined, input: Tensor): void {
  if (weight === undefined || sameShape(weight.shape, input.shape)) return;
  const added = input.rank - weight.rank;
  if (added >= 0 && weight.shape.every((d, i) => d === 1 || d === input.shape[added + i])) return;
  throw new ShapeError(`${op}: ${name} ${show(weight.shape)} does not broadcast to the input, ${show(input.shape)}`);
}

/** Throws unless the tensors have one shape; the names are what the error calls them. */
export function checkSame(
  op: string,
  a: Tensor,
  b: Tensor,
  names: readonly [string, string] = ["input", "target"],
): void {
  if (sameShape(a.shape, b.shape)) return;
  throw new ShapeError(
    `${op}: ${names[0]} ${show(a.shape)} and ${names[1]} ${show(b.shape)} differ; reshape one of them`,
  );
}
