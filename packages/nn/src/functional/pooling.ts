/**
 * Adaptive max-pooling: the largest element of windows that are as many as wanted, and as wide as that takes.
 */
import {
  ArgumentError,
  arange,
  gather,
  max,
  numel,
  operation,
  ShapeError,
  show,
  stack,
  type Tensor,
  type WithIndices,
} from "@loopgrad/tensor";

/** Sizes of the result by spatial dimension; null keeps the input's. */
export type OutputSize = number | null | readonly (number | null)[];

/** Options of adaptive max-pooling. */
export interface AdaptiveMaxOptions {
  /** Whether to give the places of the elements as well, as `maxUnpool2d` takes them. Default false. */
  returnIndices?: boolean;
}

/** An adaptive max-pooling function. */
export interface AdaptiveMaxPool {
  (x: Tensor, outputSize: OutputSize, options: WithIndices<AdaptiveMaxOptions>): [Tensor, Tensor];
  (x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxOptions): Tensor;
}

function pooling(dims: number): AdaptiveMaxPool {
  const op = `adaptiveMaxPool${dims}d`;
  return operation(
    `${op}(x: tensor, outputSize: number|list|null, options?: { returnIndices: boolean })`,
    (x: Tensor, outputSize: OutputSize, options?: AdaptiveMaxOptions) =>
      adaptiveMaxPool(op, dims, x, outputSize, options),
  ) as AdaptiveMaxPool;
}

/**
 * [N, C, L] or [C, L] → […, outputSize]; with `returnIndices` [values, places], int32.
 *
 * @see torch.nn.functional.adaptive_max_pool1d
 */
export const adaptiveMaxPool1d = pooling(1);

/** [N, C, H, W] or [C, H, W] → […, outputSize]. Of equal elements the first counts. @see torch.nn.functional.adaptive_max_pool2d */
export const adaptiveMaxPool2d = pooling(2);

/** [N, C, D, H, W] or [C, D, H, W] → […, outputSize]. @see torch.nn.functional.adaptive_max_pool3d */
export const adaptiveMaxPool3d = pooling(3);

/** Window i of o along n elements is [⌊i n / o⌋, ⌈(i + 1) n / o⌉). The last axis first, so that ties go row by row. */
function adaptiveMaxPool(
  op: string,
  dims: number,
  x: Tensor,
  outputSize: OutputSize,
  options?: AdaptiveMaxOptions,
): Tensor | [Tensor, Tensor] {
  const { returnIndices = false } = options ?? {};
  if (x.rank !== dims + 1 && x.rank !== dims + 2) {
    throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${dims + 1} or ${dims + 2}`);
  }
  const sizes = Array.isArray(outputSize)
    ? outputSize
    : new Array<number | null>(dims).fill(outputSize as number | null);
  if (sizes.length !== dims) throw new ArgumentError(`${op}: outputSize has ${sizes.length} numbers, wanted ${dims}`);
  let y = x;
  let places = returnIndices ? numbered(x, dims) : null;
  for (let axis = x.rank - 1; axis >= x.rank - dims; axis--) {
    const n = x.shape[axis];
    const o = sizes[axis - (x.rank - dims)] ?? n;
    if (!Number.isInteger(o) || o < 1) throw new ArgumentError(`${op}: outputSize ${o}: wanted an integer >= 1`);
    if (o === n) continue;
    const [before, numbers] = [y, places];
    const windows = Array.from({ length: o }, (_, i) => {
      const start = Math.floor((i * n) / o);
      const size = Math.ceil(((i + 1) * n) / o) - start;
      const [value, at] = max(before.narrow(axis, start, size), axis);
      const place = numbers && gather(numbers.narrow(axis, start, size), axis, at.unsqueeze(axis)).squeeze(axis);
      return { value, place };
    });
    y = stack(
      windows.map(({ value }) => value),
      axis,
    );
    if (places !== null) {
      places = stack(
        windows.flatMap(({ place }) => place ?? []),
        axis,
      );
    }
  }
  return places === null ? y : [y, places];
}

/** The place of every element in its plane of `dims` dims, row by row. */
function numbered(x: Tensor, dims: number): Tensor {
  const plane = x.shape.slice(-dims);
  return arange(numel(plane), { dtype: "int32", device: x.device }).reshape(plane).expand(x.shape);
}
