/**
 * Layers that resize images, or rearrange their pixels.
 */
import {
  ArgumentError,
  admit,
  fold,
  INTERPOLATE,
  type InterpolateOptions,
  interpolate,
  pixelShuffle,
  pixelUnshuffle,
  ShapeError,
  show,
  type Tensor,
  type UnfoldOptions,
  unfold,
} from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkOptions, checkSizes, withDefaults } from "../options.ts";
import { float, quoted, settings } from "../repr.ts";
import type { Extent } from "./conv.ts";

/** Either a size or a factor. */
export type UpsamplingOptions = Pick<InterpolateOptions, "size" | "scaleFactor">;

/**
 * Resizes the spatial dimensions of [N, C, …] to a `size` or by a `scaleFactor`.
 *
 * @param options  `size` or `scaleFactor`; `mode`, "nearest" if absent; `alignCorners` for the linear modes and "bicubic"; `recomputeScaleFactor`
 * @see            torch.nn.Upsample
 * @example        const twice = new Upsample({ scaleFactor: 2, mode: "bilinear" });
 */
export class Upsample extends Module {
  readonly options: Readonly<InterpolateOptions>;

  constructor(options: Readonly<InterpolateOptions>) {
    admit(arguments, "Upsample(options: object)");
    super();
    const who = this.constructor.name;
    checkOptions(who, options, INTERPOLATE);
    if ((options.size === undefined) === (options.scaleFactor === undefined)) {
      throw new ArgumentError(`${who}: give either size or scaleFactor`);
    }
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Upsample.forward(x: tensor)");
    return interpolate(x, this.options);
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode = "nearest" } = this.options;
    const factor = typeof scaleFactor === "number" ? float(scaleFactor) : scaleFactor?.map(float);
    return settings({ ...(size === undefined ? { scaleFactor: factor } : { size }), mode: quoted(mode) });
  }
}

/** Repeats pixels. @see torch.nn.UpsamplingNearest2d */
export class UpsamplingNearest2d extends Upsample {
  constructor(options: UpsamplingOptions) {
    admit(arguments, "UpsamplingNearest2d(options: object)");
    checkOptions("UpsamplingNearest2d", options, ["size", "scaleFactor"]);
    super({ ...options, mode: "nearest" });
  }
}

/** Interpolates between pixels; corners keep their places. @see torch.nn.UpsamplingBilinear2d */
export class UpsamplingBilinear2d extends Upsample {
  constructor(options: UpsamplingOptions) {
    admit(arguments, "UpsamplingBilinear2d(options: object)");
    checkOptions("UpsamplingBilinear2d", options, ["size", "scaleFactor"]);
    super({ ...options, mode: "bilinear", alignCorners: true });
  }
}

/** [N, C r², H, W] → [N, C, H r, W r]. @see torch.nn.PixelShuffle */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    admit(arguments, "PixelShuffle(upscaleFactor: number)");
    super();
    checkSizes("PixelShuffle", { upscaleFactor });
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "PixelShuffle.forward(x: tensor)");
    return pixelShuffle(x, this.upscaleFactor);
  }

  override extraRepr(): string {
    return settings({ upscaleFactor: this.upscaleFactor });
  }
}

/** [N, C, H r, W r] → [N, C r², H, W]. @see torch.nn.PixelUnshuffle */
export class PixelUnshuffle extends Module {
  constructor(readonly downscaleFactor: number) {
    admit(arguments, "PixelUnshuffle(downscaleFactor: number)");
    super();
    checkSizes("PixelUnshuffle", { downscaleFactor });
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "PixelUnshuffle.forward(x: tensor)");
    return pixelUnshuffle(x, this.downscaleFactor);
  }

  override extraRepr(): string {
    return settings({ downscaleFactor: this.downscaleFactor });
  }
}

/** Deals the channels of [N, C, …] out to groups, as one deals cards. @see torch.nn.ChannelShuffle */
export class ChannelShuffle extends Module {
  constructor(readonly groups: number) {
    admit(arguments, "ChannelShuffle(groups: number)");
    super();
    checkSizes("ChannelShuffle", { groups });
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "ChannelShuffle.forward(x: tensor)");
    const { groups } = this;
    const [n, channels, ...spatial] = x.shape;
    if (x.rank < 3 || channels % groups !== 0) {
      throw new ShapeError(`ChannelShuffle: ${show(x.shape)}: wanted channels divisible by ${groups}`);
    }
    return x
      .reshape([n, groups, channels / groups, ...spatial])
      .transpose(1, 2)
      .reshape([...x.shape]);
  }

  override extraRepr(): string {
    return settings({ groups: this.groups });
  }
}

const WINDOWS: Required<UnfoldOptions> = { dilation: 1, padding: 0, stride: 1 };

/** Sliding windows as columns: [N, C, H, W] → [N, C · window, windows]. @see torch.nn.Unfold */
export class Unfold extends Module {
  readonly options: Readonly<Required<UnfoldOptions>>;

  constructor(
    readonly kernelSize: Extent,
    options: Readonly<UnfoldOptions> = {},
  ) {
    admit(arguments, "Unfold(kernelSize: number|numbers, options?: object)");
    super();
    this.options = withDefaults("Unfold", WINDOWS, options);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Unfold.forward(x: tensor)");
    return unfold(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    return settings({ kernelSize: this.kernelSize, ...this.options });
  }
}

/** Windows back to images; where they overlap they add up: [N, C · window, windows] → [N, C, H, W]. @see torch.nn.Fold */
export class Fold extends Module {
  readonly options: Readonly<Required<UnfoldOptions>>;

  constructor(
    readonly outputSize: Extent,
    readonly kernelSize: Extent,
    options: Readonly<UnfoldOptions> = {},
  ) {
    admit(arguments, "Fold(outputSize: number|numbers, kernelSize: number|numbers, options?: object)");
    super();
    this.options = withDefaults("Fold", WINDOWS, options);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Fold.forward(x: tensor)");
    return fold(x, this.outputSize, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    return settings({ outputSize: this.outputSize, kernelSize: this.kernelSize, ...this.options });
  }
}
