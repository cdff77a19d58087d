/**
 * Unpooling: what max-pooling kept goes back to its place, and all other elements are 0.
 *
 * Windows that overlap may have kept one element several times: then its place is named several times, and has the mean of
 * what is given for it, which is the element itself where nothing has changed (torch leaves open which of them counts).
 */
import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { divP, maximumP, scatterAddP } from "../primitives.ts";
import { numel, type Shape, sameShape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { expandTo, reshapeTo } from "./movement.ts";
import { cast, literal, literalLike, wantFloat } from "./operand.ts";
import { positions } from "./positions.ts";
import { spatial } from "./windows.ts";

export interface UnpoolOptions {
  /** Step of the pooling's window; its size by default. */
  stride?: number | readonly number[] | null;
  /** Of the pooling. Default 0. */
  padding?: number | readonly number[];
  /** Size of what was pooled, of its spatial dims or of all: less than one stride from (in − 1) · stride − 2 · padding + kernelSize. */
  outputSize?: Shape | null;
}

type Unpool = (x: Tensor, indices: Tensor, kernelSize: number | readonly number[], options?: UnpoolOptions) => Tensor;

function maxUnpool(n: number): Unpool {
  const op = `maxUnpool${n}d`;
  return operation(
    `${op}(x: tensor, indices: tensor, kernelSize: number|numbers, options?: { stride: number|numbers|null, padding: number|numbers, outputSize: numbers|null })`,
    (x: Tensor, indices: Tensor, kernelSize: number | readonly number[], options: UnpoolOptions = {}) => {
      wantFloat(op, x);
      if (x.rank !== n + 1 && x.rank !== n + 2) {
        throw new ShapeError(`${op}: ${show(x.shape)}: wanted rank ${n + 2}, or ${n + 1} unbatched`);
      }
      if (!sameShape(indices.shape, x.shape)) {
        throw new ShapeError(`${op}: x ${show(x.shape)} and indices ${show(indices.shape)} differ`);
      }
      const lead = x.shape.slice(0, -n);
      const size = outputSize(op, n, x.shape, kernelSize, options);
      const [rows, columns, plane] = [numel(lead), numel(x.shape.slice(-n)), numel(size)];
      const at = positions(op, reshapeTo(indices, [rows, columns]), { n: plane, kind: "token" });
      const given = reshapeTo(x, [rows, columns]);
      const none = expandTo(literal(x.device, "int32", 0), [rows, plane]);
      const counts = bind(scatterAddP, [none, at, expandTo(literal(x.device, "int32", 1), at.shape)], [1]);
      const total = bind(scatterAddP, [expandTo(literalLike(x, 0), [rows, plane]), at, given], [1]);
      const divisor = cast(bind(maximumP, [counts, literal(x.device, "int32", 1)]), x.dtype);
      return reshapeTo(bind(divP, [total, divisor]), [...lead, ...size]);
    },
  );
}

/** The spatial size of the result. */
function outputSize(
  op: string,
  n: number,
  shape: Shape,
  kernelSize: number | readonly number[],
  options: UnpoolOptions,
): number[] {
  const k = spatial(op, "kernelSize", kernelSize, n, 1);
  const stride = spatial(op, "stride", options.stride ?? k, n, 1);
  const padding = spatial(op, "padding", options.padding ?? 0, n, 0);
  const usual = shape.slice(-n).map((d, i) => (d - 1) * stride[i] - 2 * padding[i] + k[i]);
  const { outputSize: wanted = null } = options;
  if (wanted === null) return usual;
  const size = wanted.length === shape.length ? wanted.slice(-n) : wanted;
  const fits = size.length === n && size.every((d, i) => Number.isInteger(d) && Math.abs(d - usual[i]) < stride[i]);
  if (!fits) {
    throw new ArgumentError(
      `${op}: outputSize ${show(wanted)}: wanted ${n} sizes, each less than stride ${show(stride)} from ${show(usual)}`,
    );
  }
  return [...size];
}

/**
 * The inverse of {@link maxPool1d}, as far as there is one.
 *
 * @param x           [N, C, L], or [C, L]
 * @param indices     int32, x's shape: what maxPool1d with `returnIndices` gave
 * @param kernelSize  of the pooling; `stride` and `padding` likewise
 * @throws            IndexError for a place outside the result: at once where the host knows it, else at the next read
 * @see               torch.nn.functional.max_unpool1d
 * @example           const [y, places] = maxPool1d(x, 2, { returnIndices: true });
 *                    const sparse = maxUnpool1d(y, places, 2, { outputSize: x.shape });
 */
export const maxUnpool1d = maxUnpool(1);

/** The inverse of {@link maxPool2d}; see {@link maxUnpool1d}. */
export const maxUnpool2d = maxUnpool(2);

/** The inverse of {@link maxPool3d}; see {@link maxUnpool1d}. */
export const maxUnpool3d = maxUnpool(3);
