/**
 * Linear maps, and the draw of first weights that torch's layers share: U(−1/√fan-in, 1/√fan-in).
 */
import { linear, rand, scope, type Shape, ShapeError, show, type Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { checkSizes, PLACEMENT, type PlacementOptions, placement, withDefaults } from "../options.ts";
import { Parameter } from "../slot.ts";

/** A parameter drawn from U(−bound, bound). */
export function uniformParameter(shape: Shape, bound: number, where: Required<PlacementOptions>): Parameter {
  return scope(() => new Parameter(rand([...shape], where).mul(2 * bound).sub(bound)));
}

/** Options of {@link Linear}. */
export interface LinearOptions extends PlacementOptions {
  /** Default true. */
  bias?: boolean;
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
    super();
    checkSizes("Linear", { inFeatures, outFeatures });
    const { bias, ...rest } = withDefaults("Linear", { bias: true, ...PLACEMENT }, options);
    const where = placement("Linear", rest);
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = uniformParameter([outFeatures, inFeatures], bound, where);
    this.bias = bias ? uniformParameter([outFeatures], bound, where) : null;
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
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
    super();
    checkSizes("Bilinear", { in1Features, in2Features, outFeatures });
    const { bias, ...rest } = withDefaults("Bilinear", { bias: true, ...PLACEMENT }, options);
    const where = placement("Bilinear", rest);
    const bound = 1 / Math.sqrt(in1Features);
    this.weight = uniformParameter([outFeatures, in1Features, in2Features], bound, where);
    this.bias = bias ? uniformParameter([outFeatures], bound, where) : null;
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    const lead = a.shape.slice(0, -1);
    if (lead.some((d, i) => d !== b.shape[i]) || a.rank !== b.rank) {
      throw new ShapeError(`Bilinear: ${show(a.shape)} and ${show(b.shape)}: leading dimensions differ`);
    }
    const { in1Features, in2Features, outFeatures } = this;
    // a W as [N, out, in2], times b, summed over in2.
    const flat = this.weight.permute([1, 0, 2]).reshape([in1Features, outFeatures * in2Features]);
    const left = a.reshape([-1, in1Features]).matmul(flat).reshape([-1, outFeatures, in2Features]);
    const out = left.mul(b.reshape([-1, 1, in2Features])).sum(2).reshape([...lead, outFeatures]);
    return this.bias === null ? out : out.add(this.bias);
  }

  override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return `in1Features=${in1Features}, in2Features=${in2Features}, outFeatures=${outFeatures}, bias=${bias !== null}`;
  }
}
