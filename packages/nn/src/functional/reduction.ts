/**
 * What all losses share: a *reduction*, which makes one number of the elements' losses or leaves them, and shapes. Where torch
 * warns of broadcasting (between a prediction and what it should be, nearly always a mistake) the shapes must be the same;
 * where torch broadcasts as a matter of course, so do these losses.
 */
import { ArgumentError, broadcastShapes, type Shape, ShapeError, sameShape, show, type Tensor } from "@loopgrad/tensor";

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

/** The shape in which all of them meet; throws where they do not broadcast together. The names are what the error calls them. */
export function commonShape(op: string, tensors: Readonly<Record<string, Tensor>>): Shape {
  const list = Object.entries(tensors);
  let common: Shape = [];
  for (const [i, [name, { shape }]] of list.entries()) {
    const other = list.slice(0, i).find(([, before]) => !broadcast(before.shape, shape));
    if (other !== undefined) {
      const [first, { shape: given }] = other;
      throw new ShapeError(
        `${op}: ${first} ${show(given)} and ${name} ${show(shape)} do not broadcast; reshape one of them`,
      );
    }
    common = broadcastShapes(common, shape, op);
  }
  return common;
}

/** Do dims, counted from the last, agree or have size 1? */
function broadcast(a: Shape, b: Shape): boolean {
  const n = Math.min(a.length, b.length);
  const [p, q] = [a.slice(a.length - n), b.slice(b.length - n)];
  return p.every((d, i) => d === q[i] || d === 1 || q[i] === 1);
}

/** Throws unless the tensors have equally many dims: then they may broadcast. */
export function checkRanks(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  const list = Object.entries(tensors);
  if (list.every(([, x]) => x.rank === list[0][1].rank)) return;
  throw new ShapeError(`${op}: ${list.map(([name, x]) => `${name} ${show(x.shape)}`).join(" and ")}: the ranks differ`);
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
