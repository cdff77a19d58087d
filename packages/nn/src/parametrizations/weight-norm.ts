/**
 * Weight norm: a weight's length and direction as parameters of their own, w = g v / ‖v‖.
 *
 * Salimans and Kingma, "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
 * Networks", 2016.
 */
import { ArgumentError, admit, norm, type Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";
import { registerParametrization } from "./parametrize.ts";

/** Options of {@link weightNorm}. */
export interface WeightNormOptions {
  /** The parameter. Default "weight". */
  name?: string;
  /** One length for each index of this dimension; null: one for the whole weight. Default 0. */
  dim?: number | null;
}

class WeightNorm extends Module {
  constructor(readonly dim: number | null) {
    super();
  }

  /** Length over all dimensions but `dim`, which are kept as 1. */
  private _length(v: Tensor): Tensor {
    const { dim } = this;
    if (dim === null) return norm(v);
    const others = v.shape.flatMap((_, axis) => (axis === dim ? [] : [axis]));
    return norm(v, others, { keepdim: true });
  }

  override forward(g: Tensor, v: Tensor): Tensor {
    return v.mul(g.div(this._length(v)));
  }

  rightInverse(weight: Tensor): [g: Tensor, v: Tensor] {
    return [this._length(weight), weight];
  }

  protected override typeName(): string {
    return "_WeightNorm";
  }
}

/**
 * Learns a layer's weight by length g (`original0`) and direction v (`original1`): w = g v / ‖v‖.
 *
 * @returns  the layer, whose weight is the same as before
 * @see      torch.nn.utils.parametrizations.weight_norm
 * @example  const layer = weightNorm(new Linear(20, 40)); // parametrizations.weight.original0: [40, 1]
 */
export function weightNorm<M extends Module>(module: M, options: WeightNormOptions = {}): M {
  admit(arguments, "weightNorm(module: module, options?: { name: string, dim: number|null })");
  const { name, dim } = withDefaults("weightNorm", { name: "weight", dim: 0 as number | null }, options);
  const weight = (module as unknown as Record<string, Tensor | undefined>)[name];
  const rank = weight?.shape?.length ?? 0;
  // torch reads −1 as null.
  if (dim === null || dim === -1) return registerParametrization(module, name, new WeightNorm(null));
  if (weight !== undefined && !(Number.isInteger(dim) && dim >= -rank && dim < rank)) {
    throw new ArgumentError(`weightNorm: dim ${dim}: ${name} has rank ${rank}`);
  }
  return registerParametrization(module, name, new WeightNorm(dim < 0 ? dim + rank : dim));
}
