/**
 * Convolutions (cross-correlations, as everywhere in the field) over one, two or three spatial dimensions, and their
 * transposes, which map sizes the other way.
 */
import {
  ArgumentError,
  admit,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  numel,
  type PadOptions,
  pad,
  ShapeError,
  show,
  type Tensor,
} from "@loopgrad/tensor";
import { uniform } from "../init.ts";
import { Module } from "../module.ts";
import { checkSizes, checkWord, PLACEMENT, type PlacementOptions, placement, tuple, withDefaults } from "../options.ts";
import { changed, listed, settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const CONVOLVE = Symbol("convolve");

/** One number for all spatial dimensions, or one each. */
export type Extent = number | readonly number[];

/** What is added around an input before a convolution. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

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
  /** Added on both sides; "same" keeps the size (with stride 1), "valid" is 0. Default 0. */
  padding?: Extent | "same" | "valid";
  /** What is added. Default "zeros". */
  paddingMode?: PaddingMode;
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

  /** @param channels  the weight's first two dimensions */
  constructor(
    who: string,
    n: number,
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Extent,
    options: Required<Omit<CommonOptions, keyof PlacementOptions>> & PlacementOptions,
    channels: (groups: number) => [number, number],
  ) {
    super();
    const { stride, dilation, groups, bias, device, dtype } = options;
    checkSizes(who, { inChannels, outChannels, groups });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(`${who}: ${inChannels} and ${outChannels} channels do not divide into ${groups} groups`);
    }
    this.kernelSize = tuple(who, "kernelSize", kernelSize, n, 1);
    this.stride = tuple(who, "stride", stride, n, 1);
    this.dilation = tuple(who, "dilation", dilation, n, 1);
    this.groups = groups;
    const where = placement(who, { device, dtype });
    const [rows, columns] = channels(groups);
    this.weight = blankParameter([rows, columns, ...this.kernelSize], where);
    this.bias = bias ? blankParameter([outChannels], where) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, ".resetParameters()", this);
    const { weight, bias } = this;
    // The fan-in as torch counts it: of a transposed convolution too, from the weight's second dimension.
    const bound = 1 / Math.sqrt(numel(weight.shape.slice(1)));
    uniform(weight, -bound, bound);
    if (bias !== null) uniform(bias, -bound, bound);
  }

  protected get geometry(): { stride: number[]; dilation: number[]; groups: number } {
    return { stride: [...this.stride], dilation: [...this.dilation], groups: this.groups };
  }

  /** Settings beyond those that all have, in torch's order: before dilation, after it, and at the end. */
  protected abstract get more(): [object, object, object];

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, dilation, groups, bias } = this;
    const [first, second, last] = this.more;
    const zeros = kernelSize.map(() => 0);
    return listed(
      `${inChannels}, ${outChannels}`,
      settings({ kernelSize, stride }),
      changed(
        { ...first, dilation, ...second, groups, bias: bias !== null, ...last },
        {
          padding: zeros,
          dilation: kernelSize.map(() => 1),
          outputPadding: zeros,
          groups: 1,
          bias: true,
          paddingMode: "zeros",
        },
      ),
    );
  }
}

const COMMON = { stride: 1 as Extent, dilation: 1 as Extent, groups: 1, bias: true, ...PLACEMENT };

abstract class Conv extends ConvBase {
  readonly padding: readonly number[] | "same" | "valid";
  readonly paddingMode: PaddingMode;
  declare private readonly [CONVOLVE]: typeof conv1d;

  constructor(
    who: string,
    convolve: typeof conv1d,
    n: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Extent,
    options: ConvOptions,
  ) {
    const defaults = { ...COMMON, padding: 0 as Extent | "same" | "valid", paddingMode: "zeros" as PaddingMode };
    const { padding, paddingMode, ...rest } = withDefaults(who, defaults, options);
    super(who, n, inChannels, outChannels, kernelSize, rest, (groups) => [outChannels, inChannels / groups]);
    checkWord(who, "paddingMode", paddingMode, ["zeros", "reflect", "replicate", "circular"]);
    if (typeof padding === "string") checkWord(who, "padding", padding, ["same", "valid"]);
    if (padding === "same" && this.stride.some((s) => s !== 1)) {
      throw new ArgumentError(
        `${who}: padding "same" with stride ${show(this.stride)}: the size can be kept at stride 1`,
      );
    }
    this.padding = typeof padding === "string" ? padding : tuple(who, "padding", padding, n, 0);
    this.paddingMode = paddingMode;
    this[CONVOLVE] = convolve;
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, ".forward(x: tensor)", this);
    const [input, padding] = this._padded(x);
    return this[CONVOLVE](input, this.weight, this.bias, { ...this.geometry, padding });
  }

  /** The input, and the padding that is left to do: none if it is not of zeros. */
  private _padded(x: Tensor): [Tensor, Extent | "same" | "valid"] {
    const { padding, paddingMode } = this;
    if (paddingMode === "zeros") return [x, padding];
    const amounts = this.kernelSize.map((k, i) => {
      if (padding === "valid") return [0, 0];
      const total = this.dilation[i] * (k - 1);
      if (padding === "same") return [Math.floor(total / 2), Math.ceil(total / 2)];
      return [padding[i], padding[i]];
    });
    return [pad(x, amounts.reverse().flat(), { mode: paddingMode } as PadOptions), 0];
  }

  protected override get more(): [object, object, object] {
    return [{ padding: this.padding }, {}, { paddingMode: this.paddingMode }];
  }
}

/** [N, C, L] → [N, O, L′]. @see torch.nn.Conv1d */
export class Conv1d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    admit(arguments, "Conv1d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)");
    super("Conv1d", conv1d, 1, inChannels, outChannels, kernelSize, options);
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
    admit(arguments, "Conv2d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)");
    super("Conv2d", conv2d, 2, inChannels, outChannels, kernelSize, options);
  }
}

/** [N, C, D, H, W] → [N, O, D′, H′, W′]. @see torch.nn.Conv3d */
export class Conv3d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvOptions = {}) {
    admit(arguments, "Conv3d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)");
    super("Conv3d", conv3d, 3, inChannels, outChannels, kernelSize, options);
  }
}

/** The transposed convolutions; of their weight [inChannels, outChannels / groups, …] the outputs are dimension 1. */
export abstract class ConvTranspose extends ConvBase {
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  declare private readonly [CONVOLVE]: typeof convTranspose1d;

  constructor(
    who: string,
    convolve: typeof convTranspose1d,
    n: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Extent,
    options: ConvTransposeOptions,
  ) {
    const defaults = { ...COMMON, padding: 0 as Extent, outputPadding: 0 as Extent };
    const { padding, outputPadding, ...rest } = withDefaults(who, defaults, options);
    super(who, n, inChannels, outChannels, kernelSize, rest, (groups) => [inChannels, outChannels / groups]);
    this.padding = tuple(who, "padding", padding, n, 0);
    this.outputPadding = tuple(who, "outputPadding", outputPadding, n, 0);
    this[CONVOLVE] = convolve;
  }

  /** @param options.outputSize  spatial size of the result, one of those that the stride leaves open */
  override forward(x: Tensor, options: { outputSize?: readonly number[] } = {}): Tensor {
    admit(arguments, ".forward(x: tensor, options?: { outputSize: numbers })", this);
    const { outputSize } = options;
    const outputPadding = outputSize === undefined ? [...this.outputPadding] : this._upTo(x, outputSize);
    const { geometry, padding } = this;
    return this[CONVOLVE](x, this.weight, this.bias, { ...geometry, padding: [...padding], outputPadding });
  }

  /** The output padding that gives a size. */
  private _upTo(x: Tensor, outputSize: readonly number[]): number[] {
    const { kernelSize, stride, padding, dilation } = this;
    const n = kernelSize.length;
    const least = kernelSize.map(
      (k, i) => (x.shape[x.rank - n + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (k - 1) + 1,
    );
    if (outputSize.length !== n || outputSize.some((size, i) => size < least[i] || size >= least[i] + stride[i])) {
      const most = least.map((size, i) => size + stride[i] - 1);
      throw new ShapeError(
        `${this.constructor.name}: outputSize ${show(outputSize)} from ${show(x.shape)}: wanted ${show(least)} to ${show(most)}`,
      );
    }
    return outputSize.map((size, i) => size - least[i]);
  }

  protected override get more(): [object, object, object] {
    return [{ padding: this.padding }, { outputPadding: this.outputPadding }, {}];
  }
}

/** [N, C, L] → [N, O, L′]. @see torch.nn.ConvTranspose1d */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    admit(
      arguments,
      "ConvTranspose1d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)",
    );
    super("ConvTranspose1d", convTranspose1d, 1, inChannels, outChannels, kernelSize, options);
  }
}

/** [N, C, H, W] → [N, O, H′, W′]. @see torch.nn.ConvTranspose2d */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    admit(
      arguments,
      "ConvTranspose2d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)",
    );
    super("ConvTranspose2d", convTranspose2d, 2, inChannels, outChannels, kernelSize, options);
  }
}

/** [N, C, D, H, W] → [N, O, D′, H′, W′]. @see torch.nn.ConvTranspose3d */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Extent, options: ConvTransposeOptions = {}) {
    admit(
      arguments,
      "ConvTranspose3d(inChannels: number, outChannels: number, kernelSize: number|numbers, options?: object)",
    );
    super("ConvTranspose3d", convTranspose3d, 3, inChannels, outChannels, kernelSize, options);
  }
}
