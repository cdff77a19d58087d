/**
 * Gradient clipping: in place of the gradients that `backward()` left, or as pure functions, which can be
 * differentiated, for the `gradCallback` of an inner loop.
 */
import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, pack, scope, type Tensor, unpack } from "@loopgrad/tensor";
import { inReach } from "./cohort.ts";

/** Keeps the quotient finite where all gradients are 0. */
const NORM_EPS = 1e-6;

/** The 2-norm of all gradients together, as a scalar. Its derivative at 0 is 0. */
export function gradNorm(grads: readonly (Tensor | null)[]): Tensor {
  const present = grads.filter((grad) => grad !== null);
  if (present.length === 0) throw new ArgumentError("gradNorm: there are no gradients");
  let total = present[0].square().sum();
  for (const grad of present.slice(1)) total = total.add(grad.square().sum());
  return total.safeSqrt();
}

/**
 * The gradients scaled so that their common 2-norm is at most `maxNorm`; null stays null. Pure.
 *
 * @example  diffopt.step(loss, { gradCallback: (grads) => clippedByNorm(grads.map(({ grad }) => grad), 1) });
 */
export function clippedByNorm<G extends Tensor | null>(grads: readonly G[], maxNorm: number | Tensor): G[] {
  const factor = gradNorm(grads).add(NORM_EPS).reciprocal().mul(maxNorm).minimum(1);
  return grads.map((grad) => (grad === null ? grad : grad.mul(factor)) as G);
}

/** The gradients with each element clamped to [−clipValue, clipValue]; null stays null. Pure. */
export const clippedByValue = <G extends Tensor | null>(grads: readonly G[], clipValue: number | Tensor): G[] =>
  grads.map((grad) => (grad === null ? grad : clamped(grad, clipValue)) as G);

const clamped = (grad: Tensor, bound: number | Tensor): Tensor =>
  typeof bound === "number" ? grad.clamp(-bound, bound) : grad.clamp(bound.neg(), bound);

/**
 * Scales the gradients of parameters so that their common 2-norm is at most `maxNorm`.
 *
 * @returns  the norm before, a scalar
 * @see      torch.nn.utils.clip_grad_norm_
 */
export function clipGradNorm(params: Iterable<Tensor>, maxNorm: number): Tensor {
  if (!(maxNorm >= 0)) throw new ArgumentError(`clipGradNorm: maxNorm is ${maxNorm}, wanted >= 0`);
  const list = [...params].filter((param) => param.grad !== null);
  return scope(() => {
    using _ = noGrad();
    const sets = setsOf(list);
    const vectors = sets.map((set) => pack(set.map(({ grad }) => grad as Tensor)));
    const norm = gradNorm(vectors);
    const factor = norm.add(NORM_EPS).reciprocal().mul(maxNorm).minimum(1);
    for (const [i, vector] of vectors.entries()) replaceGrads(sets[i], vector.mul(factor));
    return norm;
  });
}

/** Clamps each element of the parameters' gradients to [−clipValue, clipValue]. @see torch.nn.utils.clip_grad_value_ */
export function clipGradValue(params: Iterable<Tensor>, clipValue: number): void {
  if (!(clipValue >= 0)) throw new ArgumentError(`clipGradValue: clipValue is ${clipValue}, wanted >= 0`);
  using _scope = scope();
  using _mode = noGrad();
  for (const set of setsOf([...params].filter((param) => param.grad !== null))) {
    replaceGrads(set, pack(set.map(({ grad }) => grad as Tensor)).clamp(-clipValue, clipValue));
  }
}

/** Parameters whose gradients can be packed into one vector: of one dtype and device, and not too many. */
function setsOf(params: readonly Tensor[]): Tensor[][] {
  const kinds = new Map<string, Tensor[]>();
  for (const param of params) {
    const { dtype, device } = param.grad as Tensor;
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
    params.map(({ grad }) => (grad as Tensor).shape),
  );
  for (const [i, param] of params.entries()) replaceGrad(param, pieces[i]);
}

/** The new gradient lives outside every scope, as the old one did. */
function replaceGrad(param: Tensor, grad: Tensor): void {
  const before = param.grad;
  param.grad = grad._share();
  before?.dispose();
}
