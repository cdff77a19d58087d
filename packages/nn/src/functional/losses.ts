/**
 * Losses of regression and of classes. Each takes a *reduction*: "mean" and "sum" over all elements (over the batch,
 * for losses of class indices), or "none".
 *
 * Class indices select by a mask that compares the target with 0, 1, …, C − 1: no gather, so the derivative is no
 * scatter, and all of it fuses with the softmax. A class out of range is an error: at once where the host knows the
 * target's elements, at the next read where only the device does. It matches no class, so its loss has been 0.
 *
 * The *ignored index*, −100 unless given, marks samples that count for nothing, not even in the mean's divisor. A
 * target that is known to be without −100 needs no second mask, and none is recorded for it. One
 * that only the device knows gets the mask: some elementwise operations, and a sum for the mean's divisor.
 */
import {
  ArgumentError,
  arange,
  DTypeError,
  isFloat,
  numel,
  operation,
  positions,
  type Shape,
  ShapeError,
  sameShape,
  show,
  surelyWithout,
  type Tensor,
  where,
} from "@loopgrad/tensor";
import { asClasses, classShape } from "./class-targets.ts";
import { checkSame, checkWeightFits, commonShape, type Reduction, type ReductionOptions, reduce } from "./reduction.ts";

/**
 * Squared error (x − y)².
 *
 * @param input   float, any shape
 * @param target  float, the same shape
 * @returns       scalar, or the input's shape for "none"
 * @throws        ShapeError if the shapes differ: broadcasting here is nearly always a mistake
 * @see           torch.nn.functional.mse_loss
 */
export const mseLoss = operation(
  "mseLoss(input: tensor, target: tensor, options?: { reduction: string })",
  (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor => {
    checkSame("mseLoss", input, target);
    return reduce("mseLoss", input.sub(target).square(), options.reduction);
  },
);

/** Absolute error |x − y|. @see torch.nn.functional.l1_loss */
export const l1Loss = operation(
  "l1Loss(input: tensor, target: tensor, options?: { reduction: string })",
  (input: Tensor, target: Tensor, options: ReductionOptions = {}): Tensor => {
    checkSame("l1Loss", input, target);
    return reduce("l1Loss", input.sub(target).abs(), options.reduction);
  },
);

/** d²/2β for d = |x − y| < β, d − β/2 beyond. `beta` defaults to 1. @see torch.nn.functional.smooth_l1_loss */
export const smoothL1Loss = operation(
  "smoothL1Loss(input: tensor, target: tensor, options?: { reduction: string, beta: number })",
  (input: Tensor, target: Tensor, options: ReductionOptions & { beta?: number } = {}): Tensor => {
    checkSame("smoothL1Loss", input, target);
    const { beta = 1 } = options;
    if (beta < 0) throw new ArgumentError(`smoothL1Loss: beta is ${beta}, wanted >= 0`);
    if (beta === 0) return l1Loss(input, target, { reduction: options.reduction });
    const d = input.sub(target).abs();
    const near = d.lt(beta);
    return reduce(
      "smoothL1Loss",
      where(near, squareWhere(near, d).mul(0.5 / beta), d.sub(0.5 * beta)),
      options.reduction,
    );
  },
);

/** d²/2 for d = |x − y| <= δ, δ(d − δ/2) beyond. `delta` defaults to 1. @see torch.nn.functional.huber_loss */
export const huberLoss = operation(
  "huberLoss(input: tensor, target: tensor, options?: { reduction: string, delta: number })",
  (input: Tensor, target: Tensor, options: ReductionOptions & { delta?: number } = {}): Tensor => {
    checkSame("huberLoss", input, target);
    const { delta = 1 } = options;
    if (!(delta > 0)) throw new ArgumentError(`huberLoss: delta is ${delta}, wanted > 0`);
    const d = input.sub(target).abs();
    const near = d.le(delta);
    return reduce(
      "huberLoss",
      where(near, squareWhere(near, d).mul(0.5), d.sub(0.5 * delta).mul(delta)),
      options.reduction,
    );
  },
);

/** d² where a condition holds, and 0 elsewhere: no ∞², whose derivative would be 0 · ∞ although it is not chosen. */
const squareWhere = (condition: Tensor, d: Tensor): Tensor => where(condition, d, 0).square();

/**
 * −(y log σ(x) + (1 − y) log(1 − σ(x))), computed from logits without overflow.
 *
 * @param input    logits, any shape
 * @param target   probabilities in [0, 1], the same shape
 * @param options  `weight` scales elements, `posWeight` the positive term; both broadcast
 * @see            torch.nn.functional.binary_cross_entropy_with_logits
 */
export const binaryCrossEntropyWithLogits = operation(
  "binaryCrossEntropyWithLogits(input: tensor, target: tensor, options?: { reduction: string, weight: tensor, posWeight: tensor })",
  (input: Tensor, target: Tensor, options: ReductionOptions & { weight?: Tensor; posWeight?: Tensor } = {}): Tensor => {
    checkSame("binaryCrossEntropyWithLogits", input, target);
    const { weight, posWeight } = options;
    checkWeightFits("binaryCrossEntropyWithLogits", "weight", weight, input);
    checkWeightFits("binaryCrossEntropyWithLogits", "posWeight", posWeight, input);
    // softplus(x) − xy; a positive weight w scales the y term: (1 − y)x + (1 + (w − 1)y) softplus(−x).
    let loss =
      posWeight === undefined
        ? softplus(input).sub(input.mul(target))
        : target
            .neg()
            .add(1)
            .mul(input)
            .add(posWeight.sub(1).mul(target).add(1).mul(softplus(input.neg())));
    if (weight !== undefined) loss = loss.mul(weight);
    return reduce("binaryCrossEntropyWithLogits", loss, options.reduction);
  },
);

/** The whole curve: beyond torch's threshold of 20 the loss would have no second derivative. */
const softplus = (x: Tensor): Tensor => x.softplus({ threshold: Number.POSITIVE_INFINITY });

/** As torch clamps logarithms of probabilities, and what it takes for their derivative at 0. */
const LOG_FLOOR = -100;
const STEEPEST = 1e12;

/** log x, but −100 where that is less, with derivative 10¹² there; `log` is given a 1 in place of such x. */
function flooredLog(x: Tensor, tooLow: Tensor, log: (x: Tensor) => Tensor): Tensor {
  const line = x.sub(x.detach()).mul(STEEPEST).add(LOG_FLOOR);
  return where(tooLow, line, log(where(tooLow, 1, x)));
}

/**
 * −(y log x + (1 − y) log(1 − x)) of probabilities x. Logarithms are at least −100; where they are cut off, at 0 and 1,
 * their derivative is 10¹² as in torch, and 0 from the second order on.
 *
 * @see torch.nn.functional.binary_cross_entropy
 */
export const binaryCrossEntropy = operation(
  "binaryCrossEntropy(input: tensor, target: tensor, options?: { reduction: string, weight: tensor })",
  (input: Tensor, target: Tensor, options: ReductionOptions & { weight?: Tensor } = {}): Tensor => {
    checkSame("binaryCrossEntropy", input, target);
    checkWeightFits("binaryCrossEntropy", "weight", options.weight, input);
    // e⁻¹⁰⁰; a float32 below 2⁻¹²⁶ may be taken for 0.
    const least = input.dtype === "float64" ? Math.exp(LOG_FLOOR) : 2 ** -126;
    const logP = flooredLog(input, input.ge(0).logicalAnd(input.lt(least)), (x) => x.log());
    const logQ = flooredLog(input.neg().add(1), input.eq(1), (_) => where(input.eq(1), 0, input).neg().log1p());
    let loss = logP.sub(logQ).mul(target).add(logQ).neg();
    if (options.weight !== undefined) loss = loss.mul(options.weight);
    return reduce("binaryCrossEntropy", loss, options.reduction);
  },
);

/**
 * Kullback-Leibler divergence y (log y − x), with x log-probabilities and 0 log 0 = 0; also where y is 0 and x −∞.
 *
 * @param options  `logTarget`: y is given as log y; reduction may also be "batchmean", the divergence itself
 * @see            torch.nn.functional.kl_div
 */
export const klDiv = operation(
  "klDiv(input: tensor, target: tensor, options?: { reduction: string, logTarget: boolean })",
  (
    input: Tensor,
    target: Tensor,
    options: { reduction?: Reduction | "batchmean"; logTarget?: boolean } = {},
  ): Tensor => {
    commonShape("klDiv", { input, target });
    const { reduction = "mean", logTarget = false } = options;
    const loss = logTarget ? target.exp().mul(target.sub(input)) : divergence(input, target);
    if (reduction === "batchmean") return loss.sum().div(input.shape[0] ?? 1);
    return reduce("klDiv", loss, reduction);
  },
);

/** y (log y − x), and 0 at y = 0 (unless x is NaN). */
function divergence(x: Tensor, y: Tensor): Tensor {
  const none = y.eq(0);
  return where(none.logicalAnd(x.isnan().logicalNot()), 0, y.mul(where(none, 1, y).log().sub(x)));
}

/** Options of the losses of class indices. */
export interface ClassOptions extends ReductionOptions {
  /** float [C]: each class's weight; the mean divides by the sum of the targets' weights. */
  weight?: Tensor;
  /**
   * Samples whose target is this index count for nothing. Default −100; null for none, which saves the mask where
   * only the device knows the target.
   */
  ignoreIndex?: number | null;
}

/** The ignored index where none is given. */
const IGNORED = -100;

/**
 * Negative log-likelihood −w[y] · x[y].
 *
 * @param input   log-probabilities, [C], [N, C] or [N, C, d1, …]
 * @param target  int32 class indices in [0, C), or the ignored index: [], [N] or [N, d1, …]
 * @returns       scalar, or the target's shape for "none"
 * @throws        IndexError for an index out of range: at once where the host knows it, else at the next read
 * @see           torch.nn.functional.nll_loss
 */
export const nllLoss = operation(
  "nllLoss(input: tensor, target: tensor, options?: { weight: tensor, ignoreIndex: number|null, reduction: string })",
  (input: Tensor, target: Tensor, options: ClassOptions = {}): Tensor => {
    const classes = asClasses("nllLoss", target, classShape(input));
    return classLoss("nllLoss", input, classes, { ...options, labelSmoothing: 0 });
  },
);

/**
 * Cross-entropy between logits and class indices, or class probabilities.
 *
 * @param input    logits, [C], [N, C] or [N, C, d1, …]: unnormalised log-probabilities
 * @param target   int32 class indices in [0, C), or the ignored index: [], [N] or [N, d1, …]; floats of that shape
 *                 that the host knows to be whole, `tensor([0, 1])`, are classes too; or float probabilities of the
 *                 input's shape
 * @param options  `labelSmoothing` in [0, 1] mixes the target with the uniform distribution
 * @returns        scalar for "mean" and "sum", the target's shape without classes for "none"; in nats
 * @throws         ShapeError if the batch or trailing dimensions differ
 * @throws         IndexError for an index out of range: at once where the host knows it, else at the next read
 * @see            torch.nn.functional.cross_entropy
 * @example        const loss = crossEntropy(model.forward(x), y, { labelSmoothing: 0.1 });
 */
export const crossEntropy = operation(
  "crossEntropy(input: tensor, target: tensor, options?: { weight: tensor, ignoreIndex: number|null, reduction: string, labelSmoothing: number })",
  (input: Tensor, target: Tensor, options: ClassOptions & { labelSmoothing?: number } = {}): Tensor => {
    const { labelSmoothing = 0 } = options;
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
      throw new ArgumentError(`crossEntropy: labelSmoothing is ${labelSmoothing}, wanted a number in [0, 1]`);
    }
    const settings = { ...options, labelSmoothing };
    const areProbabilities = sameShape(input.shape, target.shape);
    const classes = areProbabilities ? target : asClasses("crossEntropy", target, classShape(input));
    const logP = input.logSoftmax(classAxis(input));
    return isFloat(classes.dtype)
      ? probabilityLoss(logP, classes, settings)
      : classLoss("crossEntropy", logP, classes, settings);
  },
);

type Settings = ClassOptions & { labelSmoothing: number };

const classAxis = (input: Tensor): number => (input.rank === 1 ? 0 : 1);

/** [C] as [C, 1, …], to broadcast along the class axis of an input. */
const alongClasses = (perClass: Tensor, input: Tensor): Tensor =>
  perClass.reshape([perClass.size, ...new Array<number>(Math.max(input.rank - 2, 0)).fill(1)]);

/** Loss of log-probabilities and class indices. */
function classLoss(op: string, logP: Tensor, target: Tensor, settings: Settings): Tensor {
  const { weight, labelSmoothing, reduction } = settings;
  const axis = classAxis(logP);
  const classes = logP.shape[axis];
  checkTarget(op, logP, target);
  const ignored = ignoredIndex(target, settings.ignoreIndex);
  const named = positions(op, target, { n: classes, kind: "class", ignored, ignorable: true });
  checkWeight(op, weight, classes);
  const index = alongClasses(arange(classes, { dtype: "int32", device: logP.device }), logP);
  const here = named.unsqueeze(axis).eq(index);
  const counted = ignored === null ? null : target.ne(ignored);
  // What each class adds: its target's own log-probability, and with smoothing a share of all.
  const scaled = weight === undefined ? logP : logP.mul(alongClasses(weight, logP));
  let share = where(here, labelSmoothing === 0 ? scaled : scaled.mul(1 - labelSmoothing), 0);
  if (labelSmoothing > 0) share = share.add(scaled.mul(labelSmoothing / classes));
  if (counted !== null) share = where(counted.unsqueeze(axis), share, 0);
  if (reduction === "none") return share.sum(axis).neg();
  const total = share.sum();
  if (reduction === "sum") return total.neg();
  if (reduction !== undefined && reduction !== "mean") return reduce(op, total, reduction);
  if (weight === undefined && counted === null) return total.mul(-1 / numel(target.shape));
  return total.neg().div(countedWeight(logP, here, weight, counted));
}

/** The divisor of the mean: the number, or the weight, of the samples that count. */
function countedWeight(logP: Tensor, here: Tensor, weight: Tensor | undefined, counted: Tensor | null): Tensor {
  if (weight === undefined) return (counted as Tensor).to(logP.dtype).sum();
  const perSample = where(here, alongClasses(weight, logP), 0);
  return (counted === null ? perSample : where(counted.unsqueeze(classAxis(logP)), perSample, 0)).sum();
}

/** −Σ w q log p of class probabilities q. */
function probabilityLoss(logP: Tensor, target: Tensor, settings: Settings): Tensor {
  const { weight, ignoreIndex, labelSmoothing, reduction = "mean" } = settings;
  const op = "crossEntropy";
  checkSame(op, logP, target);
  if (typeof ignoreIndex === "number")
    throw new ArgumentError(`${op}: ignoreIndex needs class indices, the target is probabilities`);
  const axis = classAxis(logP);
  const classes = logP.shape[axis];
  checkWeight(op, weight, classes);
  const smooth = labelSmoothing === 0 ? target : target.mul(1 - labelSmoothing).add(labelSmoothing / classes);
  const scaled = weight === undefined ? logP : logP.mul(alongClasses(weight, logP));
  const terms = scaled.mul(smooth);
  if (reduction === "mean") return terms.sum().mul(-classes / numel(logP.shape));
  return reduce(op, terms.sum(axis).neg(), reduction);
}

function checkTarget(op: string, input: Tensor, target: Tensor): void {
  if (target.dtype !== "int32")
    throw new DTypeError(`${op}: the target is ${target.dtype}, wanted int32 class indices`);
  const wanted: Shape = input.rank === 1 ? [] : [input.shape[0], ...input.shape.slice(2)];
  if (input.rank === 0 || !sameShape(target.shape, wanted)) {
    throw new ShapeError(`${op}: input ${show(input.shape)} wants target ${show(wanted)}, got ${show(target.shape)}`);
  }
}

/** The index to mask; null if none is to be ignored, or the target is known to be without the default one. */
function ignoredIndex(target: Tensor, given: number | null | undefined): number | null {
  if (given !== undefined) return given;
  return surelyWithout(target, IGNORED) ? null : IGNORED;
}

function checkWeight(op: string, weight: Tensor | undefined, classes: number): void {
  if (weight !== undefined && !sameShape(weight.shape, [classes])) {
    throw new ShapeError(`${op}: weight ${show(weight.shape)}: wanted one number for each of ${classes} classes`);
  }
}
