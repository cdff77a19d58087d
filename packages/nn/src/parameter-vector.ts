/**
 * Parameters as one vector, and back: for methods that see a model as a point in space.
 */
import { ArgumentError, admit, cat, ShapeError, scope, show, Tensor } from "@loopgrad/tensor";
import { Slot } from "./slot.ts";

/**
 * All elements of the parameters in one tensor, in their order, on the tape.
 *
 * @see      torch.nn.utils.parameters_to_vector
 * @example  const length = parametersToVector(model.parameters()).square().sum().sqrt();
 */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  admit(arguments, "parametersToVector(parameters: iterable)");
  const pieces = [...parameters].map((p, i) => {
    if (p instanceof Tensor) return p.reshape([-1]);
    throw new ArgumentError(`parametersToVector: item ${i} is ${String(p)}: wanted a parameter`);
  });
  if (pieces.length === 0) throw new ArgumentError("parametersToVector: got no parameters");
  return cat(pieces);
}

/**
 * Assigns the pieces of a vector to parameters, in their order, off the tape.
 *
 * @param vector  as many elements as the parameters have together
 * @throws        ShapeError if it has more or fewer; nothing is assigned then
 * @see           torch.nn.utils.vector_to_parameters
 */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Slot>): void {
  admit(arguments, "vectorToParameters(vector: tensor, parameters: iterable)");
  const slots = [...parameters];
  for (const [i, slot] of slots.entries()) {
    if (!(slot instanceof Slot)) {
      throw new ArgumentError(`vectorToParameters: item ${i} is ${String(slot)}: wanted a parameter`);
    }
  }
  const size = slots.reduce((sum, slot) => sum + slot.size, 0);
  if (vector.rank !== 1 || vector.size !== size) {
    throw new ShapeError(`vectorToParameters: vector ${show(vector.shape)}, the parameters have ${size} elements`);
  }
  scope(() => {
    const pieces = vector.detach().split(slots.map((slot) => slot.size));
    for (const [i, slot] of slots.entries()) slot.assign(pieces[i].reshape([...slot.shape]));
  });
}
