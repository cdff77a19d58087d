/**
 * Pooling layers: the largest or the mean of a sliding window. The stride is the window's size by default.
 *
 * An *adaptive* layer is told the size of its result, and picks its windows accordingly.
 */

import type { AvgPool2dOptions, AvgPoolOptions, MaxPoolOptions, Tensor } from "@loopgrad/tensor";
import * as ops from "@loopgrad/tensor";
import type { Layer } from "../containers.ts";
import { adaptiveMaxPool1d, adaptiveMaxPool2d, type OutputSize } from "../functional/pooling.ts";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";
import { settings } from "../repr.ts";
import type { Extent } from "./conv.ts";

/** What a pooling layer is. */
export interface PoolLayer<O> extends Layer {
  readonly kernelSize: Extent;
  readonly options: Readonly<O>;
}

/**
 * A class that pools by a function.
 *
 * @param defaults  the options there are; `stride: null` is the window's size
 * @param shown     the options that are part of its text
 */
function pooling<O extends object>(
  fn: (x: Tensor, kernelSize: Extent, options: O) => Tensor,
  defaults: Required<O>,
  shown: readonly (keyof O & string)[],
): new (
  kernelSize: Extent,
  options?: O,
) => PoolLayer<Required<O>> {
  return class extends Module {
    readonly options: Readonly<Required<O>>;

    constructor(
      readonly kernelSize: Extent,
      options: O = {} as O,
    ) {
      super();
      this.options = withDefaults(this.constructor.name, defaults, options as Partial<Required<O>>);
    }

    override forward(x: Tensor): Tensor {
      return fn(x, this.kernelSize, this.options);
    }

    override extraRepr(): string {
      const { kernelSize, options } = this;
      const given = Object.fromEntries(shown.map((name) => [name, options[name] ?? kernelSize]));
      return settings({ kernelSize, ...given });
    }
  };
}

const MAX: Required<MaxPoolOptions> = { stride: null, padding: 0, dilation: 1, ceilMode: false };
const AVERAGE: Required<AvgPoolOptions> = { stride: null, padding: 0, ceilMode: false, countIncludePad: true };
const AVERAGE_OF_MANY: Required<AvgPool2dOptions> = { ...AVERAGE, divisorOverride: null };
const MAX_SHOWN = ["stride", "padding", "dilation", "ceilMode"] as const;
const AVERAGE_SHOWN = ["stride", "padding"] as const;

/** As torch prints the numbers of one-dimensional average pooling, and of no other. */
const tupled = (x: Extent): Extent => (typeof x === "number" ? [x] : x);

/** [N, C, L] → [N, C, L′]. @see torch.nn.MaxPool1d */
export class MaxPool1d extends pooling(ops.maxPool1d, MAX, MAX_SHOWN) {}
/** [N, C, H, W] → [N, C, H′, W′]. The gradient goes to the first of equal values. @see torch.nn.MaxPool2d */
export class MaxPool2d extends pooling(ops.maxPool2d, MAX, MAX_SHOWN) {}
/** [N, C, D, H, W] → [N, C, D′, H′, W′]. @see torch.nn.MaxPool3d */
export class MaxPool3d extends pooling(ops.maxPool3d, MAX, MAX_SHOWN) {}

/** [N, C, L] → [N, C, L′]. @see torch.nn.AvgPool1d */
export class AvgPool1d extends pooling(ops.avgPool1d, AVERAGE, AVERAGE_SHOWN) {
  override extraRepr(): string {
    const { kernelSize, options } = this;
    const { stride, padding } = options;
    return settings({ kernelSize: tupled(kernelSize), stride: tupled(stride ?? kernelSize), padding: tupled(padding) });
  }
}
/** [N, C, H, W] → [N, C, H′, W′]. @see torch.nn.AvgPool2d */
export class AvgPool2d extends pooling(ops.avgPool2d, AVERAGE_OF_MANY, AVERAGE_SHOWN) {}
/** [N, C, D, H, W] → [N, C, D′, H′, W′]. @see torch.nn.AvgPool3d */
export class AvgPool3d extends pooling(ops.avgPool3d, AVERAGE_OF_MANY, AVERAGE_SHOWN) {}

/** What an adaptive pooling layer is. */
export interface AdaptivePoolLayer<Size> extends Layer {
  readonly outputSize: Size;
}

/** A class that pools to a size by a function. */
function adaptive<Size>(
  fn: (x: Tensor, outputSize: Size) => Tensor,
): new (
  outputSize: Size,
) => AdaptivePoolLayer<Size> {
  return class extends Module {
    constructor(readonly outputSize: Size) {
      super();
    }

    override forward(x: Tensor): Tensor {
      return fn(x, this.outputSize);
    }

    override extraRepr(): string {
      return settings({ outputSize: this.outputSize });
    }
  };
}

/** [N, C, L] → [N, C, outputSize]. @see torch.nn.AdaptiveAvgPool1d */
export class AdaptiveAvgPool1d extends adaptive(ops.adaptiveAvgPool1d) {}
/** [N, C, H, W] → [N, C, …outputSize]; null keeps a size. @see torch.nn.AdaptiveAvgPool2d */
export class AdaptiveAvgPool2d extends adaptive(ops.adaptiveAvgPool2d) {}
/** [N, C, D, H, W] → [N, C, …outputSize]; null keeps a size. @see torch.nn.AdaptiveAvgPool3d */
export class AdaptiveAvgPool3d extends adaptive(ops.adaptiveAvgPool3d) {}
/** [N, C, L] → [N, C, outputSize]. @see torch.nn.AdaptiveMaxPool1d */
export class AdaptiveMaxPool1d extends adaptive<OutputSize>(adaptiveMaxPool1d) {}
/** [N, C, H, W] → [N, C, …outputSize]; null keeps a size. @see torch.nn.AdaptiveMaxPool2d */
export class AdaptiveMaxPool2d extends adaptive<OutputSize>(adaptiveMaxPool2d) {}
