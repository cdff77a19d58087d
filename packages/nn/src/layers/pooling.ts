/**
 * Pooling layers: the largest or the mean of a sliding window. The stride is the window's size by default.
 *
 * An *adaptive* layer is told the size of its result, and picks its windows accordingly.
 */

import type { AvgPool2dOptions, AvgPoolOptions, MaxPoolOptions, Tensor, UnpoolOptions } from "@loopgrad/tensor";
import * as ops from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import type { Layer } from "../containers.ts";
import {
  type AdaptiveMaxOptions,
  type AdaptiveMaxPool,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type OutputSize,
} from "../functional/pooling.ts";
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
      admit(arguments, "(kernelSize: number|numbers, options?: object)", this);
      this.options = withDefaults(this.constructor.name, defaults, options as Partial<Required<O>>);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x, this.kernelSize, this.options);
    }

    override extraRepr(): string {
      const { kernelSize, options } = this;
      const given = Object.fromEntries(shown.map((name) => [name, options[name] ?? kernelSize]));
      return settings({ kernelSize, ...given });
    }
  };
}

const MAX: Required<MaxPoolOptions> = {
  stride: null,
  padding: 0,
  dilation: 1,
  ceilMode: false,
  returnIndices: false,
};
const AVERAGE: Required<AvgPoolOptions> = { stride: null, padding: 0, ceilMode: false, countIncludePad: true };
const AVERAGE_OF_MANY: Required<AvgPool2dOptions> = { ...AVERAGE, divisorOverride: null };
const MAX_SHOWN = ["stride", "padding", "dilation", "ceilMode"] as const;
const AVERAGE_SHOWN = ["stride", "padding"] as const;

/** As torch prints the numbers of one-dimensional average pooling, and of no other. */
const tupled = (x: Extent): Extent => (typeof x === "number" ? [x] : x);

/** A max-pooling layer; R is [Tensor, Tensor] where `returnIndices` asks for places as well. */
export interface MaxPoolLayer<R = Tensor> extends Module {
  readonly kernelSize: Extent;
  readonly options: Readonly<Required<MaxPoolOptions>>;
  forward(x: Tensor): R;
}

type MaxPoolClass = new <R = Tensor>(kernelSize: Extent, options?: MaxPoolOptions) => MaxPoolLayer<R>;

const maxPooling = (fn: ops.MaxPool): MaxPoolClass =>
  pooling<MaxPoolOptions>(fn, MAX, MAX_SHOWN) as unknown as MaxPoolClass;

const [Max1d, Max2d, Max3d] = [ops.maxPool1d, ops.maxPool2d, ops.maxPool3d].map(maxPooling);

/** [N, C, L] → [N, C, L′]. @see torch.nn.MaxPool1d */
export class MaxPool1d<R = Tensor> extends Max1d<R> {}
/**
 * [N, C, H, W] → [N, C, H′, W′]. The gradient goes to the first of equal values.
 *
 * @see     torch.nn.MaxPool2d
 * @example const [y, places] = new MaxPool2d<[Tensor, Tensor]>(2, { returnIndices: true }).forward(x);
 */
export class MaxPool2d<R = Tensor> extends Max2d<R> {}
/** [N, C, D, H, W] → [N, C, D′, H′, W′]. @see torch.nn.MaxPool3d */
export class MaxPool3d<R = Tensor> extends Max3d<R> {}

/** Options of unpooling layers: those of the pooling layer that is undone. */
export type UnpoolLayerOptions = Pick<UnpoolOptions, "stride" | "padding">;

/** A layer that undoes max-pooling. */
export interface UnpoolLayer extends Module {
  readonly kernelSize: Extent;
  readonly options: Readonly<Required<UnpoolLayerOptions>>;
  /**
   * @param indices  what the pooling layer gave with `returnIndices`
   * @param options  `outputSize`: that of what was pooled, where several give the same pooled size
   */
  forward(x: Tensor, indices: Tensor, options?: Pick<UnpoolOptions, "outputSize">): Tensor;
}

/** A class that undoes max-pooling of n dims. */
function unpooling(
  n: number,
  fn: typeof ops.maxUnpool1d,
): new (
  kernelSize: Extent,
  options?: UnpoolLayerOptions,
) => UnpoolLayer {
  /** As torch prints them: a number for each dim. */
  const perDim = (value: Extent): Extent => (typeof value === "number" ? new Array<number>(n).fill(value) : value);
  return class extends Module {
    readonly options: Readonly<Required<UnpoolLayerOptions>>;

    constructor(
      readonly kernelSize: Extent,
      options: UnpoolLayerOptions = {},
    ) {
      super();
      admit(arguments, "(kernelSize: number|numbers, options?: object)", this);
      const defaults: Required<UnpoolLayerOptions> = { stride: null, padding: 0 };
      this.options = withDefaults(this.constructor.name, defaults, options);
    }

    override forward(x: Tensor, indices: Tensor, options: Pick<UnpoolOptions, "outputSize"> = {}): Tensor {
      admit(arguments, ".forward(x: tensor, indices: tensor, options?: { outputSize: numbers|null })", this);
      return fn(x, indices, this.kernelSize, { ...this.options, ...options });
    }

    override extraRepr(): string {
      const { kernelSize, options } = this;
      const { stride, padding } = options;
      return settings({
        kernelSize: perDim(kernelSize),
        stride: perDim(stride ?? kernelSize),
        padding: perDim(padding),
      });
    }
  };
}

/** [N, C, L] → [N, C, L′]. @see torch.nn.MaxUnpool1d */
export class MaxUnpool1d extends unpooling(1, ops.maxUnpool1d) {}
/** [N, C, H, W] → [N, C, H′, W′]: elements at their places, 0 elsewhere. @see torch.nn.MaxUnpool2d */
export class MaxUnpool2d extends unpooling(2, ops.maxUnpool2d) {}
/** [N, C, D, H, W] → [N, C, D′, H′, W′]. @see torch.nn.MaxUnpool3d */
export class MaxUnpool3d extends unpooling(3, ops.maxUnpool3d) {}

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
      admit(arguments, "(outputSize: number|list)", this);
    }

    override forward(x: Tensor): Tensor {
      admit(arguments, ".forward(x: tensor)", this);
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

/** An adaptive max-pooling layer; R is [Tensor, Tensor] where `returnIndices` asks for places as well. */
export interface AdaptiveMaxPoolLayer<R = Tensor> extends Module {
  readonly outputSize: OutputSize;
  readonly returnIndices: boolean;
  forward(x: Tensor): R;
}

type AdaptiveMaxClass = new <R = Tensor>(
  outputSize: OutputSize,
  options?: AdaptiveMaxOptions,
) => AdaptiveMaxPoolLayer<R>;

const adaptiveMax = (fn: AdaptiveMaxPool): AdaptiveMaxClass =>
  class extends Module {
    readonly returnIndices: boolean;

    constructor(
      readonly outputSize: OutputSize,
      options: AdaptiveMaxOptions = {},
    ) {
      super();
      admit(arguments, "(outputSize: number|list|null, options?: object)", this);
      const { returnIndices } = withDefaults(this.constructor.name, { returnIndices: false }, options);
      this.returnIndices = returnIndices;
    }

    override forward(x: Tensor): never {
      admit(arguments, ".forward(x: tensor)", this);
      return fn(x, this.outputSize, { returnIndices: this.returnIndices }) as never;
    }

    override extraRepr(): string {
      return settings({ outputSize: this.outputSize });
    }
  };

const [AdaptiveMax1d, AdaptiveMax2d, AdaptiveMax3d] = [adaptiveMaxPool1d, adaptiveMaxPool2d, adaptiveMaxPool3d].map(
  adaptiveMax,
);

/** [N, C, L] → [N, C, outputSize]. @see torch.nn.AdaptiveMaxPool1d */
export class AdaptiveMaxPool1d<R = Tensor> extends AdaptiveMax1d<R> {}
/** [N, C, H, W] → [N, C, …outputSize]; null keeps a size. @see torch.nn.AdaptiveMaxPool2d */
export class AdaptiveMaxPool2d<R = Tensor> extends AdaptiveMax2d<R> {}
/** [N, C, D, H, W] → [N, C, …outputSize]; null keeps a size. @see torch.nn.AdaptiveMaxPool3d */
export class AdaptiveMaxPool3d<R = Tensor> extends AdaptiveMax3d<R> {}
