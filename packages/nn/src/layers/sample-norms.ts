/**
 * Normalisation layers that look at one sample at a time: they have no running statistics, and do the same in training
 * and in evaluation.
 */
import { ArgumentError, admit, type Shape, type Tensor } from "@loopgrad/tensor";
import { groupNorm, layerNorm, localResponseNorm, rmsNorm } from "../functional/norms.ts";
import { ones, zeros } from "../init.ts";
import { Module } from "../module.ts";
import { checkNumbers, checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { float, listed, python, settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

const shapeOf = (shape: number | Shape): Shape => (typeof shape === "number" ? [shape] : [...shape]);

/** Options of {@link LayerNorm}. */
export interface LayerNormOptions extends PlacementOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Learned scale (and shift). Default true. */
  elementwiseAffine?: boolean;
  /** Learned shift, if there is a scale. Default true. */
  bias?: boolean;
}

/**
 * Layer norm over the last dimensions.
 *
 * @see      torch.nn.LayerNorm
 * @example  const layer = new LayerNorm(128);
 */
export class LayerNorm extends Module {
  readonly normalizedShape: Shape;
  readonly eps: number;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    admit(arguments, "LayerNorm(normalizedShape: number|numbers, options?: object)");
    super();
    this.normalizedShape = shapeOf(normalizedShape);
    const defaults = { eps: 1e-5, elementwiseAffine: true, bias: true, ...PLACEMENT };
    const { eps, elementwiseAffine, bias, ...rest } = withDefaults("LayerNorm", defaults, options);
    const where = placement("LayerNorm", rest);
    checkNumbers("LayerNorm", { eps });
    this.eps = eps;
    this.weight = elementwiseAffine ? blankParameter(this.normalizedShape, where) : null;
    this.bias = elementwiseAffine && bias ? blankParameter(this.normalizedShape, where) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "LayerNorm.resetParameters()");
    if (this.weight !== null) ones(this.weight);
    if (this.bias !== null) zeros(this.bias);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "LayerNorm.forward(x: tensor)");
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, { eps: this.eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, weight, bias } = this;
    const flags = { elementwiseAffine: weight !== null, bias: bias !== null };
    return listed(python(normalizedShape), settings({ eps: float(eps), ...flags }));
  }
}

/** Options of {@link RMSNorm}. */
export interface RMSNormOptions extends PlacementOptions {
  /** Added to the mean square; null (default): the spacing of the input's dtype at 1. */
  eps?: number | null;
  /** Learned scale. Default true. */
  elementwiseAffine?: boolean;
}

/** RMS norm over the last dimensions. @see torch.nn.RMSNorm */
export class RMSNorm extends Module {
  readonly normalizedShape: Shape;
  readonly eps: number | null;
  readonly weight: Parameter | null;

  constructor(normalizedShape: number | Shape, options: RMSNormOptions = {}) {
    admit(arguments, "RMSNorm(normalizedShape: number|numbers, options?: object)");
    super();
    this.normalizedShape = shapeOf(normalizedShape);
    const defaults = { eps: null as number | null, elementwiseAffine: true, ...PLACEMENT };
    const { eps, elementwiseAffine, ...rest } = withDefaults("RMSNorm", defaults, options);
    if (eps !== null) checkNumbers("RMSNorm", { eps });
    this.eps = eps;
    this.weight = elementwiseAffine ? blankParameter(this.normalizedShape, placement("RMSNorm", rest)) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "RMSNorm.resetParameters()");
    if (this.weight !== null) ones(this.weight);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "RMSNorm.forward(x: tensor)");
    return rmsNorm(x, this.normalizedShape, this.weight, { eps: this.eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, weight } = this;
    const flags = { eps: eps === null ? null : float(eps), elementwiseAffine: weight !== null };
    return listed(python(normalizedShape), settings(flags));
  }
}

/** Options of {@link GroupNorm}. */
export interface GroupNormOptions extends PlacementOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Learned scale (and shift) of each channel. Default true. */
  affine?: boolean;
  /** Learned shift, if there is a scale. Default true. */
  bias?: boolean;
}

/** Group norm of [N, C, …]. @see torch.nn.GroupNorm */
export class GroupNorm extends Module {
  readonly eps: number;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(
    readonly numGroups: number,
    readonly numChannels: number,
    options: GroupNormOptions = {},
  ) {
    admit(arguments, "GroupNorm(numGroups: number, numChannels: number, options?: object)");
    super();
    const who = "GroupNorm";
    checkSizes(who, { numGroups, numChannels });
    if (numChannels % numGroups !== 0) {
      throw new ArgumentError(`${who}: ${numChannels} channels do not divide into ${numGroups} groups`);
    }
    const { eps, affine, bias, ...rest } = withDefaults(
      who,
      { eps: 1e-5, affine: true, bias: true, ...PLACEMENT },
      options,
    );
    const where = placement(who, rest);
    checkNumbers(who, { eps });
    this.eps = eps;
    this.weight = affine ? blankParameter([numChannels], where) : null;
    this.bias = affine && bias ? blankParameter([numChannels], where) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "GroupNorm.resetParameters()");
    if (this.weight !== null) ones(this.weight);
    if (this.bias !== null) zeros(this.bias);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "GroupNorm.forward(x: tensor)");
    return groupNorm(x, this.numGroups, this.weight, this.bias, { eps: this.eps });
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, weight, bias } = this;
    const flags = { affine: weight !== null, bias: bias !== null };
    return listed(`${numGroups}, ${numChannels}`, settings({ eps: float(eps), ...flags }));
  }
}

/** Options of {@link LocalResponseNorm}. */
export interface LocalResponseNormOptions {
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1. */
  k?: number;
}

/** x / (k + α mean(x² over `size` neighbouring channels))^β of [N, C, …]. @see torch.nn.LocalResponseNorm */
export class LocalResponseNorm extends Module {
  readonly options: Readonly<Required<LocalResponseNormOptions>>;

  constructor(
    readonly size: number,
    options: LocalResponseNormOptions = {},
  ) {
    admit(arguments, "LocalResponseNorm(size: number, options?: object)");
    super();
    checkSizes("LocalResponseNorm", { size });
    this.options = withDefaults("LocalResponseNorm", { alpha: 1e-4, beta: 0.75, k: 1 }, options);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "LocalResponseNorm.forward(x: tensor)");
    return localResponseNorm(x, this.size, this.options);
  }

  override extraRepr(): string {
    const { alpha, beta, k } = this.options;
    return listed(String(this.size), settings({ alpha: float(alpha), beta: float(beta), k: float(k) }));
  }
}
