/**
 * Layers that add a border to images, resize them, or rearrange their pixels.
 */
import {
  type InterpolateOptions,
  interpolate,
  type PadOptions,
  pad,
  pixelShuffle,
  type Tensor,
  type UnfoldOptions,
  unfold,
} from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { tuple } from "../options.ts";

/** [left, right, top, bottom], or one number for all sides. */
export type Border = number | readonly number[];

abstract class Pad2d extends Module {
  readonly padding: readonly number[];

  constructor(
    padding: Border,
    readonly settings: Readonly<PadOptions>,
  ) {
    super();
    this.padding = tuple(this.constructor.name, "padding", padding, 4);
  }

  override forward(x: Tensor): Tensor {
    return pad(x, this.padding, this.settings);
  }

  override extraRepr(): string {
    return `(${this.padding.join(", ")})`;
  }
}

/** A border of zeros. @see torch.nn.ZeroPad2d */
export class ZeroPad2d extends Pad2d {
  constructor(padding: Border) {
    super(padding, { mode: "constant" });
  }
}

/** A border of one number. @see torch.nn.ConstantPad2d */
export class ConstantPad2d extends Pad2d {
  constructor(padding: Border, value: number) {
    super(padding, { mode: "constant", value });
  }
}

/** The image mirrored at its edge. @see torch.nn.ReflectionPad2d */
export class ReflectionPad2d extends Pad2d {
  constructor(padding: Border) {
    super(padding, { mode: "reflect" });
  }
}

/** The edge repeated. @see torch.nn.ReplicationPad2d */
export class ReplicationPad2d extends Pad2d {
  constructor(padding: Border) {
    super(padding, { mode: "replicate" });
  }
}

/** Resizes the spatial dimensions. @see torch.nn.Upsample */
export class Upsample extends Module {
  constructor(readonly options: Readonly<InterpolateOptions>) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }

  override extraRepr(): string {
    return Object.entries(this.options)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(", ");
  }
}

/** [N, C r², H, W] → [N, C, H r, W r]. @see torch.nn.PixelShuffle */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor);
  }

  override extraRepr(): string {
    return `upscaleFactor=${this.upscaleFactor}`;
  }
}

/** Sliding windows as columns: [N, C, H, W] → [N, C · window, windows]. @see torch.nn.Unfold */
export class Unfold extends Module {
  constructor(
    readonly kernelSize: number | readonly number[],
    readonly options: Readonly<UnfoldOptions> = {},
  ) {
    super();
  }

  override forward(x: Tensor): Tensor {
    return unfold(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    return `kernelSize=${String(this.kernelSize)}`;
  }
}
