/**
 * Packs: many tensors as one long vector, for work that does the same to every element of all of them.
 *
 * Packing costs no kernel, and neither does unpacking: what makes a piece writes it where it belongs, and a stored piece
 * is a part of the pack's buffer. Packs are unknown to the tape.
 */
import { bindUntracked } from "../bind.ts";
import { ShapeError } from "../errors.ts";
import { packLayout, packP, reshapeP, sliceP } from "../primitives.ts";
import { numel, type Shape, sameShape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Tensors of one dtype as the pieces of one vector, with zeros between them; off the tape.
 *
 * @param tensors  at least one, of any shapes
 * @example        const grads = pack(params.map((p) => p.grad)); // one vector
 *                 const clipped = unpack(grads.mul(factor), params.map((p) => p.shape));
 */
export function pack(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new ShapeError("pack: got no tensors");
  return bindUntracked(packP, tensors);
}

/**
 * The pieces of a vector that `pack` made, or that was computed from such a one; off the tape.
 *
 * @param shapes  the pieces' shapes, all of them
 * @throws        ShapeError if the vector's length is another than that of a pack of these shapes
 */
export function unpack(packed: Tensor, shapes: readonly Shape[]): Tensor[] {
  const sizes = shapes.map(numel);
  const { starts, length } = packLayout(sizes, packed.dtype);
  if (packed.rank !== 1 || packed.size !== length) {
    throw new ShapeError(`unpack: ${show(packed.shape)}: a pack of these ${shapes.length} shapes is [${length}]`);
  }
  return shapes.map((shape, i) => {
    const piece = bindUntracked(sliceP, [packed], [starts[i], sizes[i], 1]);
    return sameShape(shape, piece.shape) ? piece : bindUntracked(reshapeP, [piece], shape);
  });
}
