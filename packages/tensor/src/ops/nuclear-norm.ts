/**
 * The nuclear norm: the sum of a matrix's singular values.
 *
 * With the *polar factor* Q of A (A = Q P, where QᵀQ = 1 and P is symmetric and has no negative eigenvalue) it is the trace of
 * P: Σ Q ∘ A. Q is what A becomes when all singular values are moved to 1, which odd polynomials of A do: first steep ones, that
 * lift small values quickly to the neighbourhood of 1, then Newton and Schulz's, which converges there. All are matrix
 * products, so every order of derivative exists: the first one is Q.
 */
import { bind } from "../bind.ts";
import { ShapeError } from "../errors.ts";
import { addP, divP, mulP, sumP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { matmul } from "./contraction.ts";
import { reshapeTo, transpose } from "./movement.ts";
import { binary, scalar } from "./operand.ts";
import { safeSqrt } from "./unary.ts";

/** Slope 3.4 at 0, and all of (0, 1.2] stays between 0.6 and 1.3 once it is there. */
const STEEP = [3.4445, -4.775, 2.0315];
/** Steps of it: what they do not lift lies below 10⁻⁹ of the matrix, and so does its part in the norm. */
const STEEP_STEPS = 17;
/** Steps of x (3 − x²) / 2, from 0.6 or 1.3 to 1 up to the last digit of float64. */
const NEWTON_STEPS = 7;

/**
 * Σ σ of […, m, n] over its last two dims: […].
 *
 * Singular values below 10⁻⁹ of the largest count as less than they are. Of a matrix whose rank is not full it has a first
 * derivative that counts directions without a singular value as 0, and no second one.
 */
export function nuclearNorm(a: Tensor): Tensor {
  const { rank, shape } = a;
  if (rank < 2) throw new ShapeError(`norm: ${show(shape)}: the nuclear norm is that of a matrix, […, m, n]`);
  const batch = shape.slice(0, -2);
  const length = safeSqrt(bind(sumP, [bind(mulP, [a, a])], [rank - 2, rank - 1]));
  // A zero matrix stays as it is: it is divided by 1 in place of 0.
  let q = bind(divP, [a, binary(addP, length, length.eq(0).to(a.dtype))]);
  const isTall = shape[rank - 2] >= shape[rank - 1];
  const square = (x: Tensor): Tensor => (isTall ? matmul(transpose(x, -1, -2), x) : matmul(x, transpose(x, -1, -2)));
  const times = (x: Tensor, s: Tensor): Tensor => (isTall ? matmul(x, s) : matmul(s, x));
  const multiple = (x: Tensor, factor: number): Tensor => bind(mulP, [x, scalar(x.device, x.dtype, factor)]);
  const [first, second, third] = STEEP;
  for (let i = 0; i < STEEP_STEPS; i++) {
    const s = square(q);
    const t = bind(addP, [multiple(s, second), multiple(matmul(s, s), third)]);
    q = bind(addP, [multiple(q, first), times(q, t)]);
  }
  for (let i = 0; i < NEWTON_STEPS; i++) q = bind(addP, [multiple(q, 1.5), multiple(times(q, square(q)), -0.5)]);
  return reshapeTo(bind(sumP, [bind(mulP, [q, a])], [rank - 2, rank - 1]), batch);
}
