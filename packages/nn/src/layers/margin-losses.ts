/**
 * Losses with a margin as modules: labelled scores, pairs, triplets and classes.
 */

import type { Tensor } from "@loopgrad/tensor";
import { admit } from "@loopgrad/tensor";
import {
  type MultiMarginOptions,
  multilabelMarginLoss,
  multilabelSoftMarginLoss,
  multiMarginLoss,
} from "../functional/class-margin-losses.ts";
import * as F from "../functional/margin-losses.ts";
import type { ReductionOptions } from "../functional/reduction.ts";
import { Loss } from "./loss-module.ts";

type Pair = [input1: Tensor, input2: Tensor, target: Tensor];
type Triplet = [anchor: Tensor, positive: Tensor, negative: Tensor];

/** @see {@link F.hingeEmbeddingLoss}, torch.nn.HingeEmbeddingLoss */
export class HingeEmbeddingLoss extends Loss<F.MarginOptions> {
  constructor(options: F.MarginOptions = {}) {
    admit(arguments, "HingeEmbeddingLoss(options?: object)");
    super("HingeEmbeddingLoss", F.hingeEmbeddingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.marginRankingLoss}, torch.nn.MarginRankingLoss */
export class MarginRankingLoss extends Loss<F.MarginOptions, Pair> {
  constructor(options: F.MarginOptions = {}) {
    admit(arguments, "MarginRankingLoss(options?: object)");
    super("MarginRankingLoss", F.marginRankingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.softMarginLoss}, torch.nn.SoftMarginLoss */
export class SoftMarginLoss extends Loss<ReductionOptions> {
  constructor(options: ReductionOptions = {}) {
    admit(arguments, "SoftMarginLoss(options?: object)");
    super("SoftMarginLoss", F.softMarginLoss, ["reduction"], options);
  }
}

/** @see {@link F.cosineEmbeddingLoss}, torch.nn.CosineEmbeddingLoss */
export class CosineEmbeddingLoss extends Loss<F.MarginOptions, Pair> {
  constructor(options: F.MarginOptions = {}) {
    admit(arguments, "CosineEmbeddingLoss(options?: object)");
    super("CosineEmbeddingLoss", F.cosineEmbeddingLoss, ["reduction", "margin"], options);
  }
}

/** @see {@link F.tripletMarginLoss}, torch.nn.TripletMarginLoss */
export class TripletMarginLoss extends Loss<F.TripletMarginOptions, Triplet> {
  constructor(options: F.TripletMarginOptions = {}) {
    admit(arguments, "TripletMarginLoss(options?: object)");
    super("TripletMarginLoss", F.tripletMarginLoss, ["reduction", "margin", "p", "eps", "swap"], options);
  }
}

/** @see {@link F.tripletMarginWithDistanceLoss}, torch.nn.TripletMarginWithDistanceLoss */
export class TripletMarginWithDistanceLoss extends Loss<F.TripletDistanceOptions, Triplet> {
  readonly usesDefaultDistance: boolean;

  constructor(options: F.TripletDistanceOptions = {}) {
    admit(arguments, "TripletMarginWithDistanceLoss(options?: object)");
    const known = ["reduction", "distanceFunction", "margin", "swap"] as const;
    super("TripletMarginWithDistanceLoss", F.tripletMarginWithDistanceLoss, known, options);
    this.usesDefaultDistance = options.distanceFunction === undefined;
  }

  /** Unless the distance is a function of the user's, it is shown as torch does. */
  protected override childTexts(): [string, string][] {
    return this.usesDefaultDistance ? [["distance_function", "PairwiseDistance()"]] : super.childTexts();
  }
}

/** @see {@link multiMarginLoss}, torch.nn.MultiMarginLoss */
export class MultiMarginLoss extends Loss<MultiMarginOptions> {
  constructor(options: MultiMarginOptions = {}) {
    admit(arguments, "MultiMarginLoss(options?: object)");
    super("MultiMarginLoss", multiMarginLoss, ["reduction", "p", "margin", "weight"], options);
  }
}

/** @see {@link multilabelMarginLoss}, torch.nn.MultiLabelMarginLoss */
export class MultiLabelMarginLoss extends Loss<ReductionOptions> {
  constructor(options: ReductionOptions = {}) {
    admit(arguments, "MultiLabelMarginLoss(options?: object)");
    super("MultiLabelMarginLoss", multilabelMarginLoss, ["reduction"], options);
  }
}

/** @see {@link multilabelSoftMarginLoss}, torch.nn.MultiLabelSoftMarginLoss */
export class MultiLabelSoftMarginLoss extends Loss<ReductionOptions & { weight?: Tensor }> {
  constructor(options: ReductionOptions & { weight?: Tensor } = {}) {
    admit(arguments, "MultiLabelSoftMarginLoss(options?: object)");
    super("MultiLabelSoftMarginLoss", multilabelSoftMarginLoss, ["reduction", "weight"], options);
  }
}
