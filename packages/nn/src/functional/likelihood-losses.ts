/**
 * Losses of predicted distributions: the *negative log-likelihood* of a target under a distribution whose parameters
 * the model gives. Terms that do not depend on the model are left out, unless `full` asks for them.
 */
import { ArgumentError, operation, ShapeError, sameShape, show, type Tensor, where } from "@loopgrad/tensor";
import { commonShape, type ReductionOptions, reduce } from "./reduction.ts";

/** Options of the losses of predicted distributions. */
export interface LikelihoodOptions extends ReductionOptions {
  /** Whether to add the terms that are constant in the model. Default false. */
  full?: boolean;
  /** Keeps a logarithm or a division finite. Each loss has a default of its own. */
  eps?: number;
}

/**
 * (log v + (x − y)²/v) / 2: of a normal distribution with mean x and variance v. A variance below `eps` counts as
 * `eps`, but its gradient is not cut off there: that of `eps` goes to it, as in torch.
 *
 * @param input     float means, any shape
 * @param target    float; broadcasts with the input
 * @param variance  float, the same shape, or with last dim 1 or without the last dim: one variance for the whole of it;
 *                  or one number for all
 * @param options   `full` adds log(2π)/2; `eps` (1e-6), the least variance
 * @returns         scalar, or the input's shape for "none"
 * @throws          ShapeError if the shapes do not go together
 * @throws          ArgumentError for a negative variance, where its elements are still on the host
 * @see             torch.nn.functional.gaussian_nll_loss
 * @example         const [mean, raw] = model.forward(x).chunk(2, 1);
 *                  const loss = gaussianNllLoss(mean, y, raw.softplus());
 */
export const gaussianNllLoss = operation(
  "gaussianNllLoss(input: tensor, target: tensor, variance: tensor|number, options?: { full: boolean, eps: number, reduction: string })",
  (input: Tensor, target: Tensor, variance: Tensor | number, options: LikelihoodOptions = {}): Tensor => {
    const op = "gaussianNllLoss";
    commonShape(op, { input, target });
    const { full = false, eps = 1e-6 } = options;
    checkVariance(op, variance);
    const v = typeof variance === "number" ? Math.max(variance, eps) : raised(alongLast(op, variance, input), eps);
    const scaled = input.sub(target).square().div(v);
    const twice = scaled.add(typeof v === "number" ? Math.log(v) : v.log());
    return reduce(op, (full ? twice.add(Math.log(2 * Math.PI)) : twice).mul(0.5), options.reduction);
  },
);

/** v, or eps where v is less; with derivative 1 everywhere. */
const raised = (v: Tensor, eps: number): Tensor => v.add(v.detach().neg().add(eps).relu());

/** The variance in the input's rank: equal shapes, or one for the last dim. */
function alongLast(op: string, variance: Tensor, input: Tensor): Tensor {
  if (sameShape(variance.shape, input.shape)) return variance;
  const batch = input.shape.slice(0, -1);
  if (input.rank > 0 && sameShape(variance.shape, batch)) return variance.unsqueeze(-1);
  if (input.rank > 0 && sameShape(variance.shape, [...batch, 1])) return variance;
  // As in torch: one variance for all that stands along a dim.
  const others = variance.shape.filter((d, i) => d !== input.shape[i]);
  if (variance.rank === input.rank && others.length === 1 && others[0] === 1) return variance;
  throw new ShapeError(
    `${op}: input ${show(input.shape)} wants variance ${show(input.shape)}, ${show([...batch, 1])} or ${show(batch)}, ` +
      `got ${show(variance.shape)}`,
  );
}

function checkVariance(op: string, variance: Tensor | number): void {
  const seen = typeof variance === "number" ? [variance] : (variance._live().host ?? []);
  for (const v of seen) {
    if (v < 0) throw new ArgumentError(`${op}: a variance is ${v}, wanted >= 0; softplus or exp makes it so`);
  }
}

/** Options of {@link poissonNllLoss}. */
export interface PoissonOptions extends LikelihoodOptions {
  /** Whether the input is the logarithm of the rate. Default true. */
  logInput?: boolean;
}

/**
 * λ − y log λ: of a Poisson distribution with rate λ = exp(x), or λ = x.
 *
 * @param input    float, any shape: log-rates, or rates if `logInput` is false
 * @param target   counts, the same shape
 * @param options  `logInput` (true); `full` adds Stirling's y log y − y + log(2πy)/2 where y > 1; `eps` (1e-8) is added
 *                 to a rate before its logarithm
 * @returns        scalar, or the input's shape for "none"
 * @throws         ShapeError if the shapes differ
 * @see            torch.nn.functional.poisson_nll_loss
 * @example        const loss = poissonNllLoss(model.forward(x), counts, { full: true });
 */
export const poissonNllLoss = operation(
  "poissonNllLoss(input: tensor, target: tensor, options?: { logInput: boolean, full: boolean, eps: number, reduction: string })",
  (input: Tensor, target: Tensor, options: PoissonOptions = {}): Tensor => {
    commonShape("poissonNllLoss", { input, target });
    const { logInput = true, full = false, eps = 1e-8 } = options;
    const loss = logInput ? input.exp().sub(target.mul(input)) : input.sub(target.mul(input.add(eps).log()));
    return reduce("poissonNllLoss", full ? loss.add(stirling(target)) : loss, options.reduction);
  },
);

/** log y! as y log y − y + log(2πy)/2 for y > 1, else 0. */
function stirling(y: Tensor): Tensor {
  // Not y > 1, which NaN is not.
  const few = y.le(1);
  const logY = where(few, 1, y).log();
  return where(
    few,
    0,
    y
      .add(0.5)
      .mul(logY)
      .sub(y)
      .add(0.5 * Math.log(2 * Math.PI)),
  );
}
