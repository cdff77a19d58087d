/**
 * Resizing of images and signals, [N, C, …spatial dims].
 */
import { tensor } from "../creation.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { numel, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { indexSelect } from "./indexing.ts";
import { repeatInterleave } from "./join.ts";
import { permuteTo, reshapeTo } from "./movement.ts";
import { alongAxis } from "./pooling.ts";
import { spatial } from "./windows.ts";

export interface InterpolateOptions {
  /** Spatial size of the result. Give this or `scaleFactor`. */
  size?: number | readonly number[];
  scaleFactor?: number | readonly number[];
  /** "nearest" (default); "linear" for 1, "bilinear" for 2, "trilinear" for 3 spatial dims. */
  mode?: "nearest" | "linear" | "bilinear" | "trilinear";
  /** Whether the corner elements keep their places, for the linear modes. */
  alignCorners?: boolean;
}

const LINEAR = ["linear", "bilinear", "trilinear"];

/**
 * x with its spatial dims resized.
 *
 * @param x  [N, C, L], [N, C, H, W] or [N, C, D, H, W]
 * @throws   ArgumentError if neither or both of size and scaleFactor are given, or the mode is not one of this rank
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkOptions("interpolate", options, ["size", "scaleFactor", "mode", "alignCorners"]);
  const { size, scaleFactor, mode = "nearest", alignCorners = false } = options;
  const n = x.rank - 2;
  if (n < 1 || n > 3) throw new ShapeError(`interpolate: ${show(x.shape)}: wanted [N, C] and 1 to 3 spatial dims`);
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new ArgumentError("interpolate: give either size or scaleFactor");
  }
  if (mode !== "nearest" && mode !== LINEAR[n - 1]) {
    throw new ArgumentError(`interpolate: mode "${mode}" for ${show(x.shape)}: wanted "nearest" or "${LINEAR[n - 1]}"`);
  }
  if (alignCorners && mode === "nearest") throw new ArgumentError('interpolate: mode "nearest" takes no alignCorners');
  const scales = typeof scaleFactor === "number" ? new Array<number>(n).fill(scaleFactor) : scaleFactor;
  const to = spatial(
    "interpolate",
    "size",
    size ?? (scales as number[]).map((s, i) => Math.floor(x.shape[i + 2] * s)),
    n,
    1,
  );
  let y = x;
  for (let i = 0; i < n; i++) {
    const from = x.shape[i + 2];
    // A given scale is used as it is; a size makes one.
    const step = scales === undefined ? from / to[i] : 1 / scales[i];
    if (mode === "nearest") y = nearest(y, i + 2, to[i], step);
    else y = linear(y, i + 2, to[i], alignCorners ? (to[i] > 1 ? (from - 1) / (to[i] - 1) : 0) : step, alignCorners);
  }
  return y;
}

/** Element i from ⌊i · step⌋. */
function nearest(x: Tensor, axis: number, to: number, step: number): Tensor {
  const from = x.shape[axis];
  if (to % from === 0 && step === from / to) return repeatInterleave(x, to / from, axis);
  const index = Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor(i * step), from - 1));
  return indexSelect(x, axis, tensor(index, { device: x.device }));
}

/** Element i between its two neighbours at i · step, or from centre to centre: (i + ½) step − ½. */
function linear(x: Tensor, axis: number, to: number, step: number, alignCorners: boolean): Tensor {
  const from = x.shape[axis];
  const weights = new Float64Array(from * to);
  for (let i = 0; i < to; i++) {
    const place = alignCorners ? i * step : Math.max(0, (i + 0.5) * step - 0.5);
    const low = Math.min(Math.floor(place), from - 1);
    const high = Math.min(low + 1, from - 1);
    weights[low * to + i] += 1 - (place - low);
    weights[high * to + i] += place - low;
  }
  return alongAxis(x, axis, tensor(weights, { shape: [from, to], dtype: x.dtype, device: x.device }));
}

/**
 * Channels rearranged into space: [N, C · r², H, W] → [N, C, H · r, W · r].
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const r = upscaleFactor;
  const lead = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  if (x.rank < 3 || !Number.isInteger(r) || r < 1 || c % (r * r) !== 0) {
    throw new ShapeError(`pixelShuffle: ${show(x.shape)} by ${r}: wanted channels divisible by ${r * r}`);
  }
  const batch = numel(lead);
  const parts = permuteTo(reshapeTo(x, [batch, c / (r * r), r, r, h, w]), [0, 1, 4, 2, 5, 3]);
  return reshapeTo(parts, [...lead, c / (r * r), h * r, w * r]);
}

/** Space rearranged into channels: [N, C, H · r, W · r] → [N, C · r², H, W]. */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const r = downscaleFactor;
  const lead = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  if (x.rank < 3 || !Number.isInteger(r) || r < 1 || h % r !== 0 || w % r !== 0) {
    throw new ShapeError(`pixelUnshuffle: ${show(x.shape)} by ${r}: wanted height and width divisible by ${r}`);
  }
  const batch = numel(lead);
  const parts = permuteTo(reshapeTo(x, [batch, c, h / r, r, w / r, r]), [0, 1, 3, 5, 2, 4]);
  return reshapeTo(parts, [...lead, c * r * r, h / r, w / r]);
}
