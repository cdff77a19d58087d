/**
 * Losses of class scores: a sample's own class, or classes, should score higher than the others by a margin.
 *
 * *Multi-class*: a sample has one class. *Multi-label*: it has any number of them, given as flags or as a list of indices
 * that ends at the first −1.
 */
import {
  ArgumentError,
  arange,
  cumsum,
  DTypeError,
  logsigmoid,
  operation,
  positions,
  ShapeError,
  sameShape,
  show,
  type Tensor,
  where,
} from "@loopgrad/tensor";
import { asClasses } from "./class-targets.ts";
import { checkWeightFits, commonShape, type ReductionOptions, reduce } from "./reduction.ts";

/** Scores as [N, C], and targets with a batch dimension as well. One score is that of one class, as in torch. */
function batched(op: string, input: Tensor, target: Tensor, targetRank: number): [Tensor, Tensor] {
  target = asClasses(op, target, target.shape);
  if (target.dtype !== "int32")
    throw new DTypeError(`${op}: the target is ${target.dtype}, wanted int32 class indices`);
  const isOne = input.rank < 2 && target.rank < 2 && (targetRank === 2 || target.size === 1);
  const [scores, labels] = isOne
    ? [input.reshape([1, input.size]), target.reshape(targetRank === 1 ? [1] : [1, target.size])]
    : [input, target];
  const wanted = targetRank === 1 ? scores.shape.slice(0, 1) : scores.shape;
  if (scores.rank !== 2 || !sameShape(labels.shape, wanted)) {
    throw new ShapeError(
      `${op}: input ${show(input.shape)}, target ${show(target.shape)}: wanted [N, C] and ${show(wanted)}`,
    );
  }
  return [scores, labels];
}

/** Options of {@link multiMarginLoss}. */
export interface MultiMarginOptions extends ReductionOptions {
  /** Power of the hinges, 1 or 2. Default 1. */
  p?: 1 | 2;
  /** Default 1. */
  margin?: number;
  /** float [C]: each class's weight. */
  weight?: Tensor;
}

/**
 * Σ max(0, margin − x[y] + x[i])ᵖ / C over the other classes i.
 *
 * @param input   float scores, [N, C], [C] or []
 * @param target  int32 class indices, [N]; [] or [1] for one sample
 * @returns       scalar, or the target's shape for "none"
 * @throws        ShapeError if they do not go together; ArgumentError for another p
 * @throws        IndexError for a class out of range: at once where the host knows it, else at the next read
 * @see           torch.nn.functional.multi_margin_loss
 * @example       const loss = multiMarginLoss(model.forward(x), y, { p: 2 });
 */
export const multiMarginLoss = operation(
  "multiMarginLoss(input: tensor, target: tensor, options?: { p: number, margin: number, weight: tensor, reduction: string })",
  (input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor => {
    const op = "multiMarginLoss";
    const [scores, labels] = batched(op, input, target, 1);
    const { p = 1, margin = 1, weight } = options;
    if (p !== 1 && p !== 2) throw new ArgumentError(`${op}: p is ${String(p)}, wanted 1 or 2`);
    const classes = scores.shape[1];
    if (weight !== undefined && !sameShape(weight.shape, [classes])) {
      throw new ShapeError(`${op}: weight ${show(weight.shape)}: wanted one number for each of ${classes} classes`);
    }
    const named = positions(op, labels, { n: classes, kind: "class" });
    const own = named.unsqueeze(1).eq(arange(classes, { dtype: "int32", device: scores.device }));
    const score = where(own, scores, 0).sum(1, { keepdim: true });
    const hinge = scores.sub(score).add(margin).clamp(0);
    let terms = where(own, 0, p === 1 ? hinge : hinge.square());
    if (weight !== undefined) terms = terms.mul(where(own, weight, 0).sum(1, { keepdim: true }));
    const loss = terms.sum(1).div(classes);
    return reduce(op, input.rank < 2 ? loss.reshape(target.shape) : loss, options.reduction);
  },
);

/**
 * Σ max(0, 1 − (x[j] − x[i])) / C over a sample's classes j and the others i.
 *
 * @param input   float scores, [N, C], [C] or []
 * @param target  int32, the same shape: the sample's classes, then −1; what follows counts for nothing
 * @returns       scalar, or [N] or [] for "none"
 * @throws        IndexError for a number outside [−1, C): at once where the host knows it, else at the next read
 * @see           torch.nn.functional.multilabel_margin_loss
 */
export const multilabelMarginLoss = operation(
  "multilabelMarginLoss(input: tensor, target: tensor, options?: { reduction: string })",
  (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor => {
    const op = "multilabelMarginLoss";
    const [scores, labels] = batched(op, input, target, 2);
    const classes = scores.shape[1];
    const listed = cumsum(labels.eq(-1).to("int32"), 1).eq(0);
    // [N, place in the list, class]
    const index = arange(classes, { dtype: "int32", device: scores.device });
    const named = positions(op, labels, { n: classes, kind: "class", ignored: -1 });
    const here = named.unsqueeze(2).eq(index).logicalAnd(listed.unsqueeze(2));
    const other = here.any(1).logicalNot();
    const score = where(here, scores.unsqueeze(1), 0).sum(2, { keepdim: true });
    const hinge = scores.unsqueeze(1).sub(score).add(1).clamp(0);
    const counts = listed.unsqueeze(2).logicalAnd(other.unsqueeze(1));
    const loss = where(counts, hinge, 0).sum([1, 2]).div(classes);
    return reduce(op, input.rank < 2 ? loss.squeeze(0) : loss, options.reduction);
  },
);

/**
 * −Σ (y log σ(x) + (1 − y) log σ(−x)) / C over the classes.
 *
 * @param input    float logits, [N, C] or any [..., C]
 * @param target   flags or probabilities, the same shape
 * @param options  `weight`: float [C], each class's
 * @returns        scalar, or the shape without classes for "none"
 * @see            torch.nn.functional.multilabel_soft_margin_loss
 */
export const multilabelSoftMarginLoss = operation(
  "multilabelSoftMarginLoss(input: tensor, target: tensor, options?: { reduction: string, weight: tensor })",
  (input: Tensor, target: Tensor, options: ReductionOptions & { weight?: Tensor } = {}): Tensor => {
    commonShape("multilabelSoftMarginLoss", { input, target });
    checkWeightFits("multilabelSoftMarginLoss", "weight", options.weight, input);
    const off = target.neg().add(1);
    const terms = target
      .mul(logsigmoid(input))
      .add(off.mul(logsigmoid(input.neg())))
      .neg();
    const weighted = options.weight === undefined ? terms : terms.mul(options.weight);
    return reduce("multilabelSoftMarginLoss", weighted.mean(-1), options.reduction);
  },
);
