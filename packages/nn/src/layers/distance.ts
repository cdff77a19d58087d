/**
 * Angles and distances of pairs of vectors, as modules.
 */
import { admit, cosineSimilarity, pairwiseDistance, type Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";

/**
 * Cosine of the angle between vectors along a dim; the other dims broadcast.
 *
 * @param options  `dim` (1), `eps`: the least length (1e-8)
 * @see            {@link cosineSimilarity}, torch.nn.CosineSimilarity
 * @example        const likeness = new CosineSimilarity({ dim: -1 }).forward(a, b);
 */
export class CosineSimilarity extends Module {
  readonly dim: number;
  readonly eps: number;

  constructor(options: { dim?: number; eps?: number } = {}) {
    admit(arguments, "CosineSimilarity(options?: object)");
    super();
    const { dim, eps } = withDefaults("CosineSimilarity", { dim: 1, eps: 1e-8 }, options);
    this.dim = dim;
    this.eps = eps;
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    admit(arguments, "CosineSimilarity.forward(a: tensor, b: tensor)");
    return cosineSimilarity(a, b, { dim: this.dim, eps: this.eps });
  }
}

/**
 * Length of a − b along the last dim.
 *
 * @param options  `p` of the norm (2), `eps` added to the difference (1e-6), `keepdim` (false)
 * @see            {@link pairwiseDistance}, torch.nn.PairwiseDistance
 * @example        const distances = new PairwiseDistance({ p: 1 }).forward(a, b);
 */
export class PairwiseDistance extends Module {
  readonly p: number;
  readonly eps: number;
  readonly keepdim: boolean;

  constructor(options: { p?: number; eps?: number; keepdim?: boolean } = {}) {
    admit(arguments, "PairwiseDistance(options?: object)");
    super();
    const { p, eps, keepdim } = withDefaults("PairwiseDistance", { p: 2, eps: 1e-6, keepdim: false }, options);
    this.p = p;
    this.eps = eps;
    this.keepdim = keepdim;
  }

  override forward(a: Tensor, b: Tensor): Tensor {
    admit(arguments, "PairwiseDistance.forward(a: tensor, b: tensor)");
    return pairwiseDistance(a, b, { p: this.p, eps: this.eps, keepdim: this.keepdim });
  }
}
