/**
 * Linear maps. First weights are drawn as torch draws them: U(−1/√fan-in, 1/√fan-in).
 */
import { admit, bilinear, linear, type Tensor } from "@loopgrad/tensor";
import { uniform } from "../init.ts";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { settings } from "../repr.ts";
import type { Parameter } from "../slot.ts";
import { blankParameter } from "./slots.ts";

/** Options of {@link Linear}. */
export interface LinearOptions extends PlacementOptions {
  /** Default true. */
  bias?: boolean;
}

/** Draws weight and bias from U(−1/√fan-in, 1/√fan-in). */
function drawn({ weight, bias }: { weight: Parameter; bias: Parameter | null }, fanIn: number): void {
  const bound = 1 / Math.sqrt(fanIn);
  uniform(weight, -bound, bound);
  if (bias !== null) uniform(bias, -bound, bound);
}

/**
 * y = x Wᵀ + b, for x [..., inFeatures].
 *
 * @see      torch.nn.Linear
 * @example  const layer = new Linear(784, 10);
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: LinearOptions = {},
  ) {
    admit(arguments, "Linear(inFeatures: number, outFeatures: number, options?: object)");
    super();
    checkSizes("Linear", { inFeatures, outFeatures });
    const { bias, ...rest } = withDefaults("Linear", { bias: true, ...PLACEMENT }, options);
    const where = placement("Linear", rest);
    this.weight = blankParameter([outFeatures, inFeatures], where);
    this.bias = bias ? blankParameter([outFeatures], where) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "Linear.resetParameters()");
    drawn(this, this.inFeatures);
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Linear.forward(x: tensor)");
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures, bias } = this;
    return settings({ inFeatures, outFeatures, bias: bias !== null });
  }
}

/**
 * yₖ = aᵀ Wₖ b + cₖ, for a [..., in1Features] and b [..., in2Features].
 *
 * @see torch.nn.Bilinear
 */
export class Bilinear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    readonly in1Features: number,
    readonly in2Features: number,
    readonly outFeatures: number,
    options: LinearOptions = {},
  ) {
    admit(arguments, "Bilinear(in1Features: number, in2Features: number, outFeatures: number, options?: object)");
    super();
    checkSizes("Bilinear", { in1Features, in2Features, outFeatures });
    const { bias, ...rest } = withDefaults("Bilinear", { bias: true, ...PLACEMENT }, options);
    const where = placement("Bilinear", rest);
    this.weight = blankParameter([outFeatures, in1Features, in2Features], where);
    this.bias = bias ? blankParameter([outFeatures], where) : null;
    this.resetParameters();
  }

  override resetParameters(): void {
    admit(arguments, "Bilinear.resetParameters()");
    drawn(this, this.in1Features);
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    admit(arguments, "Bilinear.forward(a: tensor, b: tensor)");
    return bilinear(a, b, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return settings({ in1Features, in2Features, outFeatures, bias: bias !== null });
  }
}
