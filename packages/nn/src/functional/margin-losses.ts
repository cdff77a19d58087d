/**
 * Losses with a *margin*: how far apart things should be before nothing more is to be gained. A *label* y of 1 says
 * that a pair belongs together (or is in the right order), −1 that it does not.
 *
 * All are hinges max(0, …): flat beyond the margin, with the slope of the other side at the hinge itself. Only
 * `softMarginLoss` is smooth.
 */
import {
  ArgumentError,
  isFloat,
  logsigmoid,
  operation,
  pairwiseDistance,
  ShapeError,
  show,
  type Tensor,
  where,
} from "@loopgrad/tensor";
import { checkRanks, commonShape, type ReductionOptions, reduce } from "./reduction.ts";

/** Options of the losses with a margin. */
export interface MarginOptions extends ReductionOptions {
  /** The distance wanted. Each loss has a default of its own. */
  margin?: number;
}

/** max(x, 0), passing the gradient at 0 as torch's clamp_min does. */
const hinge = (x: Tensor): Tensor => x.clamp(0);

/**
 * A distance x where y = 1, and max(0, margin − x) where y = −1: similar pairs are drawn together, others pushed apart
 * up to the margin.
 *
 * @param input    float distances, any shape
 * @param target   labels 1 or −1; broadcasts with the input; any other number adds both terms
 * @param options  `margin` (1)
 * @returns        scalar, or the common shape for "none"
 * @throws         ShapeError if the shapes do not broadcast
 * @see            torch.nn.functional.hinge_embedding_loss
 * @example        const loss = hingeEmbeddingLoss(pairwiseDistance(a, b), y, { margin: 2 });
 */
export const hingeEmbeddingLoss = operation(
  "hingeEmbeddingLoss(input: tensor, target: tensor, options?: { margin: number, reduction: string })",
  (input: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    commonShape("hingeEmbeddingLoss", { input, target });
    const { margin = 1 } = options;
    const apart = where(target.ne(1), hinge(input.neg().add(margin)), 0);
    const together = where(target.ne(-1), input, 0);
    return reduce("hingeEmbeddingLoss", apart.add(together), options.reduction);
  },
);

/**
 * max(0, margin − y (x₁ − x₂)): for y = 1 the first should rank higher than the second, for y = −1 lower.
 *
 * @param input1   float scores, any shape
 * @param input2   float; broadcasts with input1
 * @param target   labels 1 or −1; broadcasts with the inputs
 * @param options  `margin` (0)
 * @returns        scalar, or the common shape for "none"
 * @throws         ShapeError if the shapes do not broadcast
 * @see            torch.nn.functional.margin_ranking_loss
 * @example        const loss = marginRankingLoss(better, worse, onesLike(better), { margin: 0.1 });
 */
export const marginRankingLoss = operation(
  "marginRankingLoss(input1: tensor, input2: tensor, target: tensor, options?: { margin: number, reduction: string })",
  (input1: Tensor, input2: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    checkRanks("marginRankingLoss", { input1, input2, target });
    commonShape("marginRankingLoss", { input1, input2, target });
    const { margin = 0 } = options;
    const order = input2.sub(input1).mul(target);
    const distance = isFloat(order.dtype) ? order : order.to(order.device.defaultDType);
    return reduce("marginRankingLoss", hinge(distance.add(margin)), options.reduction);
  },
);

/**
 * log(1 + exp(−y x)) = −log σ(y x), the smooth hinge of two classes; finite however large x is.
 *
 * @param input   float scores, any shape
 * @param target  labels 1 or −1; broadcasts with the input
 * @returns       scalar, or the common shape for "none"
 * @throws        ShapeError if the shapes do not broadcast
 * @see           torch.nn.functional.soft_margin_loss
 * @example       const loss = softMarginLoss(model.forward(x).squeeze(1), y);
 */
export const softMarginLoss = operation(
  "softMarginLoss(input: tensor, target: tensor, options?: { reduction: string })",
  (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor => {
    commonShape("softMarginLoss", { input, target });
    return reduce("softMarginLoss", logsigmoid(input.mul(target)).neg(), options.reduction);
  },
);

/** Added to squared lengths, as torch does: the cosine with a zero vector is 0, and so is its derivative. */
const LENGTH_EPS = 1e-12;

/**
 * 1 − cos(x₁, x₂) where y = 1, and max(0, cos(x₁, x₂) − margin) where y = −1.
 *
 * @param input1   float vectors, [N, D] or [D]
 * @param input2   float; of the same rank, and broadcasts with input1
 * @param target   labels 1 or −1, [N] or []; any other number gives loss 0
 * @param options  `margin` (0), a cosine in [−1, 1]
 * @returns        scalar, or the target's shape for "none"
 * @throws         ShapeError if the inputs do not broadcast, are not [N, D] or [D], or do not go with the target
 * @see            torch.nn.functional.cosine_embedding_loss
 * @example        const loss = cosineEmbeddingLoss(embed(a), embed(b), y, { margin: 0.5 });
 */
export const cosineEmbeddingLoss = operation(
  "cosineEmbeddingLoss(input1: tensor, input2: tensor, target: tensor, options?: { margin: number, reduction: string })",
  (input1: Tensor, input2: Tensor, target: Tensor, options: MarginOptions = {}): Tensor => {
    const op = "cosineEmbeddingLoss";
    checkRanks(op, { input1, input2 });
    const shape = commonShape(op, { input1, input2 });
    if (input1.rank < 1 || input1.rank > 2)
      throw new ShapeError(`${op}: inputs ${show(input1.shape)}: wanted [N, D] or [D]`);
    const wanted = shape.slice(0, -1);
    if (target.rank !== wanted.length || target.shape.some((d, i) => d !== wanted[i] && d !== 1 && wanted[i] !== 1)) {
      throw new ShapeError(`${op}: inputs ${show(shape)} want target ${show(wanted)}, got ${show(target.shape)}`);
    }
    const { margin = 0 } = options;
    const squaredLength = (x: Tensor): Tensor => x.square().sum(-1).add(LENGTH_EPS);
    const [a, b] = [input1.expand(shape), input2.expand(shape)];
    const cosine = a
      .mul(b)
      .sum(-1)
      .div(squaredLength(a).mul(squaredLength(b)).sqrt());
    const together = where(target.eq(1), cosine.neg().add(1), 0);
    const apart = where(target.eq(-1), hinge(cosine.sub(margin)), 0);
    return reduce(op, together.add(apart), options.reduction);
  },
);

/** Options of {@link tripletMarginLoss}. */
export interface TripletMarginOptions extends MarginOptions {
  /** Of the norm that measures distances. Default 2. */
  p?: number;
  /** Added to differences, so that distances have derivatives at 0. Default 1e-6. */
  eps?: number;
  /** Whether the negative is also held away from the positive: the smaller distance counts. Default false. */
  swap?: boolean;
}

/**
 * max(0, d(a, p) − d(a, n) + margin): an anchor should be nearer to its positive than to its negative.
 *
 * @param anchor    float vectors, [N, D] or [D]; any dims before the last are a batch
 * @param positive  float, the same shape
 * @param negative  float, the same shape
 * @param options   `margin` (1, > 0), and the distance: `p`, `eps`, `swap`
 * @returns         scalar, or the shape without its last dim for "none"
 * @throws          ShapeError if the shapes differ; ArgumentError if the margin is not > 0
 * @see             torch.nn.functional.triplet_margin_loss
 * @example         const loss = tripletMarginLoss(embed(a), embed(p), embed(n), { margin: 0.2, swap: true });
 */
export const tripletMarginLoss = operation(
  "tripletMarginLoss(anchor: tensor, positive: tensor, negative: tensor, options?: { p: number, eps: number, swap: boolean, margin: number, reduction: string })",
  (anchor: Tensor, positive: Tensor, negative: Tensor, options: TripletMarginOptions = {}): Tensor => {
    const { p, eps, ...rest } = options;
    const distance = (a: Tensor, b: Tensor): Tensor => pairwiseDistance(a, b, { p, eps });
    return triplet("tripletMarginLoss", distance, [anchor, positive, negative], rest);
  },
);

/** Options of {@link tripletMarginWithDistanceLoss}. */
export interface TripletDistanceOptions extends MarginOptions {
  /** Maps two tensors to their distances. Default {@link pairwiseDistance}. */
  distanceFunction?: (a: Tensor, b: Tensor) => Tensor;
  /** Whether the negative is also held away from the positive: the smaller distance counts. Default false. */
  swap?: boolean;
}

/**
 * As {@link tripletMarginLoss}, with any distance.
 *
 * @param options  `distanceFunction`, `margin` (1, > 0), `swap`
 * @see            torch.nn.functional.triplet_margin_with_distance_loss
 * @example        tripletMarginWithDistanceLoss(a, p, n, { distanceFunction: (x, y) => x.sub(y).abs().amax(-1) });
 */
export const tripletMarginWithDistanceLoss = operation(
  "tripletMarginWithDistanceLoss(anchor: tensor, positive: tensor, negative: tensor, options?: { distanceFunction: function, swap: boolean, margin: number, reduction: string })",
  (anchor: Tensor, positive: Tensor, negative: Tensor, options: TripletDistanceOptions = {}): Tensor => {
    const { distanceFunction = (a, b) => pairwiseDistance(a, b), ...rest } = options;
    return triplet("tripletMarginWithDistanceLoss", distanceFunction, [anchor, positive, negative], rest);
  },
);

function triplet(
  op: string,
  distance: (a: Tensor, b: Tensor) => Tensor,
  [anchor, positive, negative]: readonly [Tensor, Tensor, Tensor],
  options: MarginOptions & { swap?: boolean },
): Tensor {
  checkRanks(op, { anchor, positive, negative });
  commonShape(op, { anchor, positive, negative });
  const { margin = 1, swap = false } = options;
  if (!(margin > 0)) throw new ArgumentError(`${op}: margin is ${margin}, wanted > 0`);
  const near = distance(anchor, positive);
  const far = distance(anchor, negative);
  const least = swap ? far.minimum(distance(positive, negative)) : far;
  return reduce(op, hinge(near.sub(least).add(margin)), options.reduction);
}
