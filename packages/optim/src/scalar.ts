/**
 * Scalars: hyperparameters, and what rules compute from them.
 *
 * A *scalar* is a number or a tensor (0-d, or of the parameter's shape for an elementwise value). What is computed
 * from numbers stays a number, and enters the graph as a runtime scalar: a new learning rate makes no new plan. As
 * soon as a tensor takes part, the result is a tensor on the tape: that is how a hyperparameter gets a gradient.
 */
import { div, full, mul, pow, sub, type Tensor } from "@loopgrad/tensor";

export type Scalar = number | Tensor;

/** Whether a term with this factor exists: for a tensor always, also when it holds 0, so that it has its derivative. */
export const isPresent = (x: Scalar): boolean => typeof x !== "number" || x !== 0;

export function plus(a: Scalar, b: Scalar): Scalar {
  if (typeof a === "number") return typeof b === "number" ? a + b : a === 0 ? b : b.add(a);
  return b === 0 ? a : a.add(b);
}

export const minus = (a: Scalar, b: Scalar): Scalar =>
  typeof a === "number" && typeof b === "number" ? a - b : b === 0 ? a : sub(a, b);

export function times(a: Scalar, b: Scalar): Scalar {
  if (typeof a === "number") return typeof b === "number" ? a * b : a === 1 ? b : b.mul(a);
  return b === 1 ? a : mul(a, b);
}

export const over = (a: Scalar, b: Scalar): Scalar =>
  typeof a === "number" && typeof b === "number" ? a / b : b === 1 ? a : div(a, b);

/** aⁿ. */
export const power = (a: Scalar, n: Scalar): Scalar =>
  typeof a === "number" && typeof n === "number" ? a ** n : n === 1 ? a : pow(a, n);

export const squareRoot = (a: Scalar): Scalar => (typeof a === "number" ? Math.sqrt(a) : a.sqrt());

/** 1 − a. */
export const oneMinus = (a: Scalar): Scalar => minus(1, a);

/** The exponential moving average decay·average + (1 − decay)·x; from an average of 0 where there is none yet. */
export function movingAverage(average: Tensor | undefined, x: Tensor, decay: Scalar): Tensor {
  const fresh = x.mul(oneMinus(decay));
  return average === undefined ? fresh : average.mul(decay).add(fresh);
}

/** A gradient with its L2 penalty: g + λ p, of −g if the objective is to be maximized. */
export function penalized(grad: Tensor, param: Tensor, hyper: { weightDecay: Scalar; maximize: boolean }): Tensor {
  const g = hyper.maximize ? grad.neg() : grad;
  return isPresent(hyper.weightDecay) ? g.add(param.mul(hyper.weightDecay)) : g;
}

/** The scalar as a tensor of a parameter's shape. */
export const spread = (x: Scalar, like: Tensor): Tensor =>
  typeof x === "number" ? full(like.shape, x, { dtype: like.dtype, device: like.device }) : x.expandAs(like);
