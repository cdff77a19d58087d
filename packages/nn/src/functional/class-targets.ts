/**
 * Class indices as targets. JavaScript's numbers make float tensors, `tensor([0, 1])`: what is meant are classes 0 and 1.
 */
import { cast, DTypeError, isFloat, type Shape, sameShape, type Tensor, tensor } from "@loopgrad/tensor";

/**
 * The target with int32 classes in place of floats that the host knows to be whole; any other target as it is.
 *
 * @param wanted  the shape of class indices; floats of another shape are left to who reads them
 * @throws        DTypeError for floats with a fraction, and for floats that only the device knows
 */
export function asClasses(op: string, target: Tensor, wanted: Shape): Tensor {
  if (!isFloat(target.dtype) || !sameShape(target.shape, wanted)) return target;
  const { host } = target._live();
  if (host === null) {
    throw new DTypeError(
      `${op}: the target is ${target.dtype}, wanted int32 class indices; use to("int32"), or tensor(data, { dtype: "int32" })`,
    );
  }
  const odd = host.find((x) => !Number.isInteger(x));
  if (odd !== undefined) {
    throw new DTypeError(`${op}: the target is ${target.dtype} and has ${odd} in it, wanted class indices`);
  }
  if (target._tasks !== null) return cast(target, "int32");
  return tensor(Int32Array.from(host), { shape: target.shape, dtype: "int32", device: target.device });
}

/** The shape of class indices for an input [C], [N, C] or [N, C, d1, …]. */
export const classShape = ({ rank, shape }: Tensor): Shape => (rank <= 1 ? [] : [shape[0], ...shape.slice(2)]);
