/**
 * Pooling layers: the largest or the mean of a sliding window. The stride is the window's size by default.
 */
import {
  type AvgPoolOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  type MaxPoolOptions,
  maxPool1d,
  maxPool2d,
  type Tensor,
} from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";

type Extent = number | readonly number[];

abstract class Pool<O extends object> extends Module {
  readonly options: O;

  constructor(
    who: string,
    readonly kernelSize: Extent,
    defaults: Required<O>,
    options: O,
  ) {
    super();
    withDefaults(who, defaults, options as Partial<Required<O>>);
    this.options = { ...options };
  }

  override extraRepr(): string {
    const settings = Object.entries({ kernelSize: this.kernelSize, ...this.options });
    return settings.map(([name, value]) => `${name}=${String(value)}`).join(", ");
  }
}

const MAX: Required<MaxPoolOptions> = { stride: 0, padding: 0, dilation: 1, ceilMode: false };
const AVERAGE: Required<AvgPoolOptions> = { stride: 0, padding: 0, ceilMode: false, countIncludePad: true };

/** [N, C, L] → [N, C, L′]. @see torch.nn.MaxPool1d */
export class MaxPool1d extends Pool<MaxPoolOptions> {
  constructor(kernelSize: Extent, options: MaxPoolOptions = {}) {
    super("MaxPool1d", kernelSize, MAX, options);
  }

  override forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** [N, C, H, W] → [N, C, H′, W′]. The gradient goes to the first of equal values. @see torch.nn.MaxPool2d */
export class MaxPool2d extends Pool<MaxPoolOptions> {
  constructor(kernelSize: Extent, options: MaxPoolOptions = {}) {
    super("MaxPool2d", kernelSize, MAX, options);
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** [N, C, L] → [N, C, L′]. @see torch.nn.AvgPool1d */
export class AvgPool1d extends Pool<AvgPoolOptions> {
  constructor(kernelSize: Extent, options: AvgPoolOptions = {}) {
    super("AvgPool1d", kernelSize, AVERAGE, options);
  }

  override forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** [N, C, H, W] → [N, C, H′, W′]. @see torch.nn.AvgPool2d */
export class AvgPool2d extends Pool<AvgPoolOptions> {
  constructor(kernelSize: Extent, options: AvgPoolOptions = {}) {
    super("AvgPool2d", kernelSize, AVERAGE, options);
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** [N, C, L] → [N, C, outputSize]. @see torch.nn.AdaptiveAvgPool1d */
export class AdaptiveAvgPool1d extends Module {
  constructor(readonly outputSize: number | readonly (number | null)[]) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize);
  }

  override extraRepr(): string {
    return `outputSize=${String(this.outputSize)}`;
  }
}

/** [N, C, H, W] → [N, C, …outputSize]. @see torch.nn.AdaptiveAvgPool2d */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly outputSize: number | readonly (number | null)[]) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }

  override extraRepr(): string {
    return `outputSize=${String(this.outputSize)}`;
  }
}
