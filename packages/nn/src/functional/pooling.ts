/**
 * Adaptive max-pooling: the largest element of windows that are as many as wanted, and as wide as that takes.
 */
import { ArgumentError, max, ShapeError, show, stack, type Tensor } from "@loopgrad/tensor";

/** Sizes of the result by spatial dimension; null keeps the input's. */
export type OutputSize = number | null | readonly (number | null)[];

/** [N, C, L] or [C, L] → […, outputSize]. @see torch.nn.functional.adaptive_max_pool1d */
export const adaptiveMaxPool1d = (x: Tensor, outputSize: OutputSize): Tensor =>
  adaptiveMaxPool("adaptiveMaxPool1d", 1, x, outputSize);

/** [N, C, H, W] or [C, H, W] → […, outputSize]. Of equal elements the first counts. @see torch.nn.functional.adaptive_max_pool2d */
export const adaptiveMaxPool2d = (x: Tensor, outputSize: OutputSize): Tensor =>
  adaptiveMaxPool("adaptiveMaxPool2d", 2, x, outputSize);

/** Window i of o along n elements is [⌊i n / o⌋, ⌈(i + 1) n / o⌉). The last axis first, so that ties go row by row. */
function adaptiveMaxPool(op: string, dims: number, x: Tensor, outputSize: OutputSize): Tensor {
  if (x.rank !== dims + 1 && x.rank !== dims + 2) {
    throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${dims + 1} or ${dims + 2}`);
  }
  const sizes = Array.isArray(outputSize)
    ? outputSize
    : new Array<number | null>(dims).fill(outputSize as number | null);
  if (sizes.length !== dims) throw new ArgumentError(`${op}: outputSize has ${sizes.length} numbers, wanted ${dims}`);
  let y = x;
  for (let axis = x.rank - 1; axis >= x.rank - dims; axis--) {
    const n = x.shape[axis];
    const o = sizes[axis - (x.rank - dims)] ?? n;
    if (!Number.isInteger(o) || o < 1) throw new ArgumentError(`${op}: outputSize ${o}: wanted an integer >= 1`);
    const before = y;
    const window = (i: number): Tensor => {
      const start = Math.floor((i * n) / o);
      return max(before.narrow(axis, start, Math.ceil(((i + 1) * n) / o) - start), axis)[0];
    };
    y =
      o === n
        ? y
        : stack(
            Array.from({ length: o }, (_, i) => window(i)),
            axis,
          );
  }
  return y;
}
