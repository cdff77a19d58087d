/**
 * Losses with a margin as modules: labelled scores, pairs and triplets.
 */
import type { Tensor } from "@loopgrad/tensor";
import * as F from "../functional/margin-losses.ts";
import type { ReductionOptions } from "../functional/reduction.ts";
import { Loss } from "./loss-module.ts";

type Pair = [input1: Tensor, input2: Tensor, target: Tensor];
type Triplet = [anchor: Tensor, positive: Tensor, negative: Tensor];

/** @see {@link F.hingeEmbeddingLoss}, torch.nn.HingeEmbeddingLoss */
export class HingeEmbeddingLoss extends Loss<F.MarginOptions> {
  constructor(options: F.MarginOptions = {}) {
    super("HingeEmbeddingLoss", F.hingeEmbeddingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.marginRankingLoss}, torch.nn.MarginRankingLoss */
export class MarginRankingLoss extends Loss<F.MarginOptions, Pair> {
  constructor(options: F.MarginOptions = {}) {
    super("MarginRankingLoss", F.marginRankingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.softMarginLoss}, torch.nn.SoftMarginLoss */
export class SoftMarginLoss extends Loss<ReductionOptions> {
  constructor(options: ReductionOptions = {}) {
    super("SoftMarginLoss", F.softMarginLoss, ["reduction"], options);
  }
}

/** @see {@link F.cosineEmbeddingLoss}, torch.nn.CosineEmbeddingLoss */
export class CosineEmbeddingLoss extends Loss<F.MarginOptions, Pair> {
  constructor(options: F.MarginOptions = {}) {
    super("CosineEmbeddingLoss", F.cosineEmbeddingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.tripletMarginLoss}, torch.nn.TripletMarginLoss */
export class TripletMarginLoss extends Loss<F.TripletMarginOptions, Triplet> {
  constructor(options: F.TripletMarginOptions = {}) {
    super("TripletMarginLoss", F.tripletMarginLoss, ["reduction", "margin", "p", "eps", "swap"], options);
  }
}
