/**
 * Convolutions (cross-correlations, as everywhere in the field) over one, two or three spatial dimensions, and their
 * transposes, which map sizes the other way.
 */
import {
  ArgumentError,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  numel,
  type PadOptions,
  pad,
  type Tensor,
} from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, tuple, withDefaults } from "../options.ts";
import type { Parameter } from "../slot.ts";
import { uniformParameter } from "./slots.ts";

/** One number for all spatial dimensions, or one each. */
export type Extent = number | readonly number[];

interface CommonOptions extends PlacementOptions {
  /** Default 1. */
  stride?: Extent;
  /** Default 1. */
  dilation?: Extent;
  /** Input and output channels are split into this many independent groups. Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
}

/** Options of the convolution layers. */
export interface ConvOptions extends CommonOptions {
  /** Added on both sides; "same" keeps the size, "valid" is 0. Default 0. */
  padding?: Extent | "same" | "valid";
  /** What is added. Default "zeros". */
  paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

/** Options of the transposed convolution layers. */
export interface ConvTransposeOptions extends CommonOptions {
  /** Cut off both sides. Default 0. */
  padding?: Extent;
  /** Added to one side, where a stride leaves the size open. Default 0. */
  outputPadding?: Extent;
}

/** What the layers of all ranks share: geometry and parameters. */
abstract class ConvBase extends Module {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
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
    options: Required<Omit<CommonOptions, keyof PlacementOptions>> & PlacementOptions,
    transposed: boolean,
  ) {
    super();
    const { stride, dilation, groups, bias, device, dtype } = options;
    checkSizes(who, { inChannels, outChannels, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(`${who}: ${inChannels} and ${outChannels} channels do not divide into ${groups} groups`);
    }
    this.kernelSize = tuple(who, "kernelSize", kernelSize, n);
    this.stride = tuple(who, "stride", stride, n);
    this.dilation = tuple(who, "dilation", dilation, n);
    this.groups = groups;
    const where = placement(who, { device, dtype });
    const channels = transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    // The fan-in as torch counts it: of a transposed convolution too, from the weight's second dimension.
    const bound = 1 / Math.sqrt(channels[1] * numel(this.kernelSize));
    this.weight = uniformParameter([...channels, ...this.kernelSize], bound, where);
    this.bias = bias ? uniformParameter([outChannels], bound, where) : null;
  }

  protected get shared(): { stride: number[]; dilation: number[]; groups: number } {
    return { stride: [...this.stride], dilation: [...this.dilation], groups: this.groups };
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, dilation, groups, bias } = this;
    const parts = [
      `${inChannels}, ${outChannels}, kernelSize=(${kernelSize.join(", ")}), stride=(${stride.join(", ")})`,
    ];
    if (dilation.some((d) => d !== 1)) parts.push(`dilation=(${dilation.join(", ")})`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (bias === null) parts.push("bias=false");
    return parts.join(", ");
  }
}

const COMMON = { stride: 1 as Extent, dilation: 1 as Extent, groups: 1, bias: true, ...PLACEMENT };
const DEFAULTS = {
  ...COMMON,
  padding: 0 as Extent | "same" | "valid",
  paddingMode: "zeros" as NonNullable<ConvOptions["paddingMode"]>,
};

abstract class Conv extends ConvBase {
  readonly padding: readonly number[] | "same" | "valid";
  readonly paddingMode: NonNullable<ConvOptions["paddingMode"]>;

  constructor(
    who: string,
    n: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Extent,
    options: ConvOptions,
  ) {
    const { padding, paddingMode, ...rest } = withDefaults(who, DEFAULTS, options);
    super(who, n, inChannels, outChannels, kernelSize, rest, false);
    this.padding = typeof padding === "string" ? padding : tuple(who, "padding", padding, n);
    this.paddingMode = paddingMode;
  }

  /** The input, and the padding that is left to do: none if it is not of zeros. */
  protected padded(x: Tensor): [Tensor, Extent | "same" | "valid"] {
    const { padding, paddingMode } = this;
    if (paddingMode === "zeros") return [x, padding];
    const amounts = this.kernelSize.flatMap((k, i) => {
      if (padding === "valid") return [[0, 0]];
      const total = this.dilation[i] * (k - 1);
      if (padding === "same") return [[Math.floor(total / 2), total - Math.floor(total / 2)]];
      return [[padding[i], padding[i]]];
    });
    return [pad(x, amounts.reverse().flat(), { mode: paddingMode } as PadOptions), 0];
  }

  override extraRepr(): string {
    const { padding, paddingMode } = this;
    const amount = typeof padding === "string" ? padding : `(${padding.join(", ")})`;
    const some = typeof padding === "string" || padding.some((p) => p !== 0);
    return `${super.extraRepr()}${some ? `, padding=${amount}` : ""}${paddingMode === "zeros" ? "" : `, paddingMode=${paddingMode}`}`;
  }
}

/** [N, C, L] → [N, O, L′]. @see torch.nn.Conv1d */
export class Conv1d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    super("Conv1d", 1, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    const [input, padding] = this.padded(x);
    return conv1d(input, this.weight, this.bias, { ...this.shared, padding });
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
    const [input, padding] = this.padded(x);
    return conv2d(input, this.weight, this.bias, { ...this.shared, padding });
  }
}

/** [N, C, D, H, W] → [N, O, D′, H′, W′]. @see torch.nn.Conv3d */
export class Conv3d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    super("Conv3d", 3, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    const [input, padding] = this.padded(x);
    return conv3d(input, this.weight, this.bias, { ...this.shared, padding });
  }
}

abstract class ConvTranspose extends ConvBase {
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];

  constructor(
    who: string,
    n: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Extent,
    options: ConvTransposeOptions,
  ) {
    const defaults = { ...COMMON, padding: 0 as Extent, outputPadding: 0 as Extent };
    const { padding, outputPadding, ...rest } = withDefaults(who, defaults, options);
    super(who, n, inChannels, outChannels, kernelSize, rest, true);
    this.padding = tuple(who, "padding", padding, n);
    this.outputPadding = tuple(who, "outputPadding", outputPadding, n);
  }

  protected get geometry() {
    return { ...this.shared, padding: [...this.padding], outputPadding: [...this.outputPadding] };
  }
}

/** [N, C, L] → [N, O, L′]. @see torch.nn.ConvTranspose1d */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    super("ConvTranspose1d", 1, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose1d(x, this.weight, this.bias, this.geometry);
  }
}

/** [N, C, H, W] → [N, O, H′, W′]. @see torch.nn.ConvTranspose2d */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    super("ConvTranspose2d", 2, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this.geometry);
  }
}

/** [N, C, D, H, W] → [N, O, D′, H′, W′]. @see torch.nn.ConvTranspose3d */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    super("ConvTranspose3d", 3, inChannels, outChannels, kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose3d(x, this.weight, this.bias, this.geometry);
  }
}
