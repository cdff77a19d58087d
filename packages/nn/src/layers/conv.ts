/**
 * Convolutions (cross-correlations, as everywhere in the field) over one, two or three spatial dimensions.
 */
import { ArgumentError, conv1d, conv2d, conv3d, numel, type Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, tuple, withDefaults } from "../options.ts";
import type { Parameter } from "../slot.ts";
import { uniformParameter } from "./slots.ts";

/** One number for all spatial dimensions, or one each. */
export type Extent = number | readonly number[];

/** Options of the convolution layers. */
export interface ConvOptions extends PlacementOptions {
  /** Default 1. */
  stride?: Extent;
  /** Zeros added on both sides. Default 0. */
  padding?: Extent;
  /** Default 1. */
  dilation?: Extent;
  /** Input and output channels are split into this many independent groups. Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
}

const DEFAULTS = { stride: 1 as Extent, padding: 0 as Extent, dilation: 1 as Extent, groups: 1, bias: true, ...PLACEMENT };

abstract class Conv extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    who: string,
    n: number,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Extent,
    options: ConvOptions,
  ) {
    super();
    const { stride, padding, dilation, groups, bias, ...rest } = withDefaults(who, DEFAULTS, options);
    checkSizes(who, { inChannels, outChannels, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(`${who}: ${inChannels} and ${outChannels} channels do not divide into ${groups} groups`);
    }
    this.kernelSize = tuple(who, "kernelSize", kernelSize, n);
    this.stride = tuple(who, "stride", stride, n);
    this.padding = tuple(who, "padding", padding, n);
    this.dilation = tuple(who, "dilation", dilation, n);
    this.groups = groups;
    const where = placement(who, rest);
    const bound = 1 / Math.sqrt((inChannels / groups) * numel(this.kernelSize));
    this.weight = uniformParameter([outChannels, inChannels / groups, ...this.kernelSize], bound, where);
    this.bias = bias ? uniformParameter([outChannels], bound, where) : null;
  }

  protected get geometry(): { stride: number[]; padding: number[]; dilation: number[]; groups: number } {
    return { stride: [...this.stride], padding: [...this.padding], dilation: [...this.dilation], groups: this.groups };
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    const parts = [`${inChannels}, ${outChannels}, kernelSize=(${kernelSize.join(", ")}), stride=(${stride.join(", ")})`];
    if (padding.some((p) => p !== 0)) parts.push(`padding=(${padding.join(", ")})`);
    if (dilation.some((d) => d !== 1)) parts.push(`dilation=(${dilation.join(", ")})`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (bias === null) parts.push("bias=false");
    return parts.join(", ");
  }
}

/** [N, C, L] → [N, O, L′]. @see torch.nn.Conv1d */
export class Conv1d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    super("Conv1d", 1, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.geometry);
  }
}

/**
 * [N, C, H, W] → [N, O, H′, W′].
 *
 * @see      torch.nn.Conv2d
 * @example  const layer = new Conv2d(3, 64, 3, { padding: 1 });
 */
export class Conv2d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    super("Conv2d", 2, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.geometry);
  }
}

/** [N, C, D, H, W] → [N, O, D′, H′, W′]. @see torch.nn.Conv3d */
export class Conv3d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    super("Conv3d", 3, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv3d(x, this.weight, this.bias, this.geometry);
  }
}
