/**
 * Gradient clipping: in place of the gradients that `backward()` left, or as pure functions, which can be
 * differentiated, for the `gradCallback` of an inner loop.
 */

import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, admit, pack, scope, Tensor, unpack, zeros } from "@loopgrad/tensor";
import { inReach } from "./cohort.ts";

/** Keeps the quotient finite where all gradients are 0. */
const NORM_EPS = 1e-6;

/** Options of the functions that take a norm. */
export interface NormOptions {
  /** p of the p-norm, above 0; Infinity is the largest element. Default 2. */
  normType?: number;
}

/** Checks the options; returns p. */
function normTypeOf(who: string, options: NormOptions): number {
  const { normType = 2 } = options;
  if (typeof normType === "number" && normType > 0) return normType;
  throw new ArgumentError(`${who}: normType is ${String(normType)}, wanted a number > 0, or Infinity`);
}

/** The norm of all gradients together, as a scalar. The derivative of the 2-norm at 0 is 0. */
export function gradNorm(grads: readonly (Tensor | null)[], options: NormOptions = {}): Tensor {
  admit(arguments, "gradNorm(grads: partial, options?: { normType: number })");
  const p = normTypeOf("gradNorm", options);
  const present = grads.filter((grad) => grad !== null);
  if (present.length === 0) throw new ArgumentError("gradNorm: there are no gradients");
  if (p === Number.POSITIVE_INFINITY) {
    return present.map((grad) => grad.abs().amax()).reduce((largest, own) => largest.maximum(own));
  }
  const powers = present.map((grad) => (p === 2 ? grad.square() : p === 1 ? grad.abs() : grad.abs().pow(p)).sum());
  const total = powers.reduce((sum, own) => sum.add(own));
  return p === 2 ? total.safeSqrt() : p === 1 ? total : total.pow(1 / p);
}

/**
 * The gradients scaled so that their common norm is at most `maxNorm`; null stays null. Pure.
 *
 * @example  diffopt.step(loss, { gradCallback: (grads) => clippedByNorm(grads.map(({ grad }) => grad), 1) });
 */
export function clippedByNorm<G extends Tensor | null>(
  grads: readonly G[],
  maxNorm: number | Tensor,
  options: NormOptions = {},
): G[] {
  admit(arguments, "clippedByNorm(grads: partial, maxNorm: tensor|number, options?: { normType: number })");
  if (grads.every((grad) => grad === null)) return [...grads];
  const factor = gradNorm(grads, options).add(NORM_EPS).reciprocal().mul(maxNorm).minimum(1);
  return grads.map((grad) => (grad === null ? grad : grad.mul(factor)) as G);
}

/** The gradients with each element clamped to [−clipValue, clipValue]; null stays null. Pure. */
export function clippedByValue<G extends Tensor | null>(grads: readonly G[], clipValue: number | Tensor): G[] {
  admit(arguments, "clippedByValue(grads: partial, clipValue: tensor|number)");
  return grads.map((grad) => (grad === null ? grad : clamped(grad, clipValue)) as G);
}

const clamped = (grad: Tensor, bound: number | Tensor): Tensor =>
  typeof bound === "number" ? grad.clamp(-bound, bound) : grad.clamp(bound.neg(), bound);

/** The parameters, if that is what was given, that have a gradient. */
function withGrads(who: string, params: Iterable<Tensor> | Tensor): Tensor[] {
  const list = params instanceof Tensor ? [params] : params;
  if (typeof list?.[Symbol.iterator] !== "function" || ![...list].every((param) => param instanceof Tensor)) {
    throw new ArgumentError(`${who}: wanted a tensor, or several such as model.parameters()`);
  }
  return [...list].filter((param) => param._grad !== null);
}

/**
 * Scales the gradients of parameters so that their common norm is at most `maxNorm`.
 *
 * @returns  the norm before, a scalar; 0 if there are no gradients
 * @see      torch.nn.utils.clip_grad_norm_
 * @example  const norm = clipGradNorm(model.parameters(), 1); // between backward() and step()
 */
export function clipGradNorm(params: Iterable<Tensor> | Tensor, maxNorm: number, options: NormOptions = {}): Tensor {
  admit(arguments, "clipGradNorm(params: any, maxNorm: number, options?: { normType: number })");
  if (!(maxNorm >= 0)) throw new ArgumentError(`clipGradNorm: maxNorm is ${maxNorm}, wanted >= 0`);
  normTypeOf("clipGradNorm", options);
  const list = withGrads("clipGradNorm", params);
  if (list.length === 0) return zeros([]);
  return scope(() => {
    using _ = noGrad();
    const sets = setsOf(list);
    const vectors = sets.map((set) => pack(set.map(({ _grad }) => _grad as Tensor)));
    const norm = gradNorm(vectors, options);
    const factor = norm.add(NORM_EPS).reciprocal().mul(maxNorm).minimum(1);
    for (const [i, vector] of vectors.entries()) replaceGrads(sets[i], vector.mul(factor));
    return norm;
  });
}

/** Clamps each element of the parameters' gradients to [−clipValue, clipValue]. @see torch.nn.utils.clip_grad_value_ */
export function clipGradValue(params: Iterable<Tensor> | Tensor, clipValue: number): void {
  admit(arguments, "clipGradValue(params: any, clipValue: number)");
  if (!(clipValue >= 0)) throw new ArgumentError(`clipGradValue: clipValue is ${clipValue}, wanted >= 0`);
  using _scope = scope();
  using _mode = noGrad();
  for (const set of setsOf(withGrads("clipGradValue", params))) {
    replaceGrads(set, pack(set.map(({ _grad }) => _grad as Tensor)).clamp(-clipValue, clipValue));
  }
}

/** Parameters whose gradients can be packed into one vector: of one dtype and device, and not too many. */
function setsOf(params: readonly Tensor[]): Tensor[][] {
  const kinds = new Map<string, Tensor[]>();
  for (const param of params) {
    const { dtype, device } = param._grad as Tensor;
    const kind = `${dtype} ${device}`;
    const set = kinds.get(kind);
    if (set === undefined) kinds.set(kind, [param]);
    else set.push(param);
  }
  return [...kinds.values()].flatMap(inReach);
}

/** Gives the parameters the pieces of a vector as their gradients. */
function replaceGrads(params: readonly Tensor[], vector: Tensor): void {
  const pieces = unpack(
    vector,
    params.map(({ _grad }) => (_grad as Tensor).shape),
  );
  for (const [i, param] of params.entries()) replaceGrad(param, pieces[i]);
}

/** In place, as torch does: who holds the gradient's handle sees it clipped. One on the tape is replaced. */
function replaceGrad(param: Tensor, grad: Tensor): void {
  const before = param._grad;
  if (before !== null && before._link === null) before._regrad(grad);
  else param.grad = grad;
}
