/**
 * Resizing of images and signals, [N, C, …spatial dims].
 */
import { operation } from "../checked.ts";
import { tensor } from "../creation.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { numel, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { bicubicWeights } from "./bicubic.ts";
import { indexSelect } from "./indexing.ts";
import { repeatInterleave } from "./join.ts";
import { permuteTo, reshapeTo } from "./movement.ts";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d, alongAxis } from "./pooling.ts";
import { spatial } from "./windows.ts";

export interface InterpolateOptions {
  /** Spatial size of the result. Give this or `scaleFactor`. */
  size?: number | readonly number[];
  scaleFactor?: number | readonly number[];
  /**
   * "nearest" (default), or "nearest-exact", which measures from the elements' centres; "linear" for 1, "bilinear" or
   * "bicubic" for 2, "trilinear" for 3 spatial dims; "area": the mean of what falls into an element.
   */
  mode?: "nearest" | "nearest-exact" | "linear" | "bilinear" | "bicubic" | "trilinear" | "area";
  /** Whether the corner elements keep their places, for the linear modes and "bicubic". */
  alignCorners?: boolean | null;
  /** Whether the scale is that between the sizes, which are whole, rather than `scaleFactor`. Default false. */
  recomputeScaleFactor?: boolean | null;
}

/** The names of {@link InterpolateOptions}. */
export const INTERPOLATE = ["size", "scaleFactor", "mode", "alignCorners", "recomputeScaleFactor"];

/** Modes by the number of spatial dims: those that place elements between others take `alignCorners`. */
const BETWEEN = [["linear"], ["bilinear", "bicubic"], ["trilinear"]];
const AT = ["nearest", "nearest-exact", "area"];

/**
 * x with its spatial dims resized.
 *
 * @param x  [N, C, L], [N, C, H, W] or [N, C, D, H, W]
 * @throws   ArgumentError if neither or both of size and scaleFactor are given, or the mode is not one of this rank
 */
export const interpolate = operation(
  "interpolate(x: tensor, options: { size: number|numbers, scaleFactor: number|numbers, mode: string, alignCorners: boolean|null, recomputeScaleFactor: boolean|null })",
  (x: Tensor, options: InterpolateOptions): Tensor => {
    const { size, scaleFactor, mode = "nearest" } = options;
    const alignCorners = options.alignCorners ?? false;
    const n = x.rank - 2;
    if (n < 1 || n > 3) throw new ShapeError(`interpolate: ${show(x.shape)}: wanted [N, C] and 1 to 3 spatial dims`);
    if ((size === undefined) === (scaleFactor === undefined)) {
      throw new ArgumentError("interpolate: give either size or scaleFactor");
    }
    const modes = [...AT, ...BETWEEN[n - 1]];
    if (!modes.includes(mode)) {
      throw new ArgumentError(
        `interpolate: mode "${mode}" for ${show(x.shape)}: wanted one of "${modes.join('", "')}"`,
      );
    }
    if (alignCorners && AT.includes(mode)) {
      throw new ArgumentError(`interpolate: mode "${mode}" takes no alignCorners`);
    }
    const recomputed = options.recomputeScaleFactor ?? false;
    if (recomputed && scaleFactor === undefined) {
      throw new ArgumentError("interpolate: recomputeScaleFactor is for a scaleFactor, not for a size");
    }
    const scales = typeof scaleFactor === "number" ? new Array<number>(n).fill(scaleFactor) : scaleFactor;
    const to = spatial(
      "interpolate",
      "size",
      size ?? (scales as number[]).map((s, i) => Math.floor(x.shape[i + 2] * s)),
      n,
      1,
    );
    if (mode === "area") return [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][n - 1](x, to);
    let y = x;
    for (let i = 0; i < n; i++) {
      const from = x.shape[i + 2];
      // A given scale is used as it is; a size makes one.
      const step = scales === undefined || recomputed ? from / to[i] : 1 / scales[i];
      if (mode === "nearest" || mode === "nearest-exact") {
        y = nearest(y, i + 2, to[i], step, mode === "nearest" ? 0 : 0.5);
        continue;
      }
      const corners = to[i] > 1 ? (from - 1) / (to[i] - 1) : 0;
      y =
        mode === "bicubic"
          ? cubic(y, i + 2, to[i], alignCorners ? corners : step, alignCorners)
          : linear(y, i + 2, to[i], alignCorners ? corners : step, alignCorners);
    }
    return y;
  },
);

/** Element i from ⌊(i + offset) · step⌋. */
function nearest(x: Tensor, axis: number, to: number, step: number, offset: number): Tensor {
  const from = x.shape[axis];
  if (to % from === 0 && step === from / to) return repeatInterleave(x, to / from, axis);
  const index = Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor((i + offset) * step), from - 1));
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

/** Element i among its four neighbours, at i · step or from centre to centre. */
function cubic(x: Tensor, axis: number, to: number, step: number, alignCorners: boolean): Tensor {
  const from = x.shape[axis];
  const weights = bicubicWeights(from, to, (i) => (alignCorners ? i * step : (i + 0.5) * step - 0.5));
  return alongAxis(x, axis, tensor(weights, { shape: [from, to], dtype: x.dtype, device: x.device }));
}

/**
 * Channels rearranged into space: [N, C · r², H, W] → [N, C, H · r, W · r].
 */
export const pixelShuffle = operation(
  "pixelShuffle(x: tensor, upscaleFactor: number)",
  (x: Tensor, upscaleFactor: number): Tensor => {
    const r = upscaleFactor;
    const lead = x.shape.slice(0, -3);
    const [c, h, w] = x.shape.slice(-3);
    if (x.rank < 3 || !Number.isInteger(r) || r < 1 || c % (r * r) !== 0) {
      throw new ShapeError(`pixelShuffle: ${show(x.shape)} by ${r}: wanted channels divisible by ${r * r}`);
    }
    const batch = numel(lead);
    const parts = permuteTo(reshapeTo(x, [batch, c / (r * r), r, r, h, w]), [0, 1, 4, 2, 5, 3]);
    return reshapeTo(parts, [...lead, c / (r * r), h * r, w * r]);
  },
);

/** Space rearranged into channels: [N, C, H · r, W · r] → [N, C · r², H, W]. */
export const pixelUnshuffle = operation(
  "pixelUnshuffle(x: tensor, downscaleFactor: number)",
  (x: Tensor, downscaleFactor: number): Tensor => {
    const r = downscaleFactor;
    const lead = x.shape.slice(0, -3);
    const [c, h, w] = x.shape.slice(-3);
    if (x.rank < 3 || !Number.isInteger(r) || r < 1 || h % r !== 0 || w % r !== 0) {
      throw new ShapeError(`pixelUnshuffle: ${show(x.shape)} by ${r}: wanted height and width divisible by ${r}`);
    }
    const batch = numel(lead);
    const parts = permuteTo(reshapeTo(x, [batch, c, h / r, r, w / r, r]), [0, 1, 3, 5, 2, 4]);
    return reshapeTo(parts, [...lead, c * r * r, h / r, w / r]);
  },
);
