/**
 * What operations with indices share: a 0-d tensor counts as a vector of one, as in torch; an index is checked against its
 * axis; and of a source as much is used as the index covers.
 */
import { bind } from "../bind.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { reshapeP } from "../primitives.ts";
import { sameShape, show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { expandTo } from "./movement.ts";
import { type Operand, toScalar } from "./operand.ts";
import { positions } from "./positions.ts";

/** Positions along an axis of x. What does not fit x otherwise is for the primitive to reject. */
export const along = (op: string, x: Tensor, axis: number, index: Tensor): Tensor =>
  positions(op, index, { n: x.shape[axis] ?? 1, kind: "position" });

/** A 0-d tensor as a vector of one: it has a dim 0 to index, as in torch. */
export const raised = (x: Tensor): Tensor => (x.rank === 0 ? bind(reshapeP, [x], [1]) : x);

/** The same elements in a shape. */
export const shaped = (x: Tensor, shape: readonly number[]): Tensor =>
  sameShape(x.shape, shape) ? x : bind(reshapeP, [x], shape);

/** What is scattered into, where, and what: none of rank 0. */
export function scattered(
  op: string,
  x: Tensor,
  axis: number,
  index: Tensor,
  source: Operand,
): [x: Tensor, at: Tensor, source: Tensor] {
  const to = raised(x);
  const places = raised(index);
  if (places.rank !== to.rank || places.shape.some((d, i) => i !== axis && d > to.shape[i])) {
    throw new ShapeError(`${op}: index ${show(index.shape)} does not fit ${show(x.shape)} along axis ${axis}`);
  }
  const at = along(op, to, axis, places);
  return [to, at, sourceFor(op, to, at, source instanceof Tensor ? raised(source) : source)];
}

/** The part of the source that the index covers. */
export function sourceFor(op: string, x: Tensor, index: Tensor, source: Operand): Tensor {
  if (!(source instanceof Tensor)) return expandTo(toScalar(op, source, x), index.shape);
  if (source.dtype !== x.dtype) throw new DTypeError(`${op}: x is ${x.dtype}, source ${source.dtype}: wanted the same`);
  if (sameShape(source.shape, index.shape)) return source;
  if (source.rank !== index.rank || source.shape.some((d, i) => d < index.shape[i])) {
    throw new ShapeError(`${op}: source ${show(source.shape)} is smaller than index ${show(index.shape)}`);
  }
  let part = source;
  for (let axis = 0; axis < index.rank; axis++) part = part.narrow(axis, 0, index.shape[axis]);
  return part;
}
