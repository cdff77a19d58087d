/**
 * The derivatives of log Γ, in double precision: digamma ψ, and the polygamma functions, ψ's own derivatives.
 *
 * ψ on [1, 2] is a quotient of polynomials times x minus its zero, so that digits stay where ψ vanishes: after J. Maddock,
 * Boost.Math (digamma.hpp). Elsewhere ψ(x + 1) = ψ(x) + 1/x, ψ(1 − x) = ψ(x) + π cot πx, and the expansion at infinity.
 */

/** The zero of ψ in three parts: x less the first is exact. */
const ZERO = [1.4616321446374059, 3.309564688275257e-10, 9.0163120931925896e-20];
const OFFSET = 0.99558162689208984;
const P = [
  -2.0713321167745952e-3, -4.5251321448739056e-2, -0.28919126444774784, -0.65031853770896507, -0.32555031186804491,
  0.25479851061131551,
];
const Q = [
  -5.5789841321675513e-7, 2.1284987017821144e-3, 5.4151797245674225e-2, 0.43593529692665969, 1.4606242909763515,
  2.0767117023730469, 1,
];

/** B₂ₖ / 2k for k = 7, …, 1. */
const AT_INFINITY = [1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12];

/** B₂ₖ / (2k)! for k = 1, …, 7. */
const EULER_MACLAURIN = [
  1 / 12,
  -1 / 720,
  1 / 30240,
  -1 / 1209600,
  1 / 47900160,
  -691 / 1307674368000,
  1 / 74724249600,
];

/** No derivative of this order or above is computed: long before, it is more than a double holds. */
const LARGEST = 1000;

/** Horner's rule, the highest power first. */
const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((y, coefficient) => y * x + coefficient, 0);

/** ψ(x): at 0 infinite with the sign of −x, NaN at negative integers. */
export function digamma(x: number): number {
  if (x === 0) return -1 / x;
  let sum = 0;
  if (x < 0) {
    const rest = x - Math.round(x);
    if (rest === 0 || x === -Infinity) return Number.NaN;
    sum = -Math.PI / Math.tan(Math.PI * rest);
    x = 1 - x;
  }
  if (x >= 10) {
    const z = 1 / (x * x);
    return sum + Math.log(x) - 0.5 / x - z * polynomial(AT_INFINITY, z);
  }
  for (; x > 2; sum += 1 / x) x--;
  if (x < 1) sum -= 1 / x++;
  const fromZero = x - ZERO[0] - ZERO[1] - ZERO[2];
  return sum + fromZero * (OFFSET + polynomial(P, x - 1) / polynomial(Q, x - 1));
}

/** n! / xⁿ⁺¹. */
function term(n: number, x: number): number {
  let y = 1 / x;
  for (let k = 1; k <= n; k++) y *= k / x;
  return y;
}

/** Σ n! / (x + k)ⁿ⁺¹ over k = 0, 1, …, for x > 0: some terms, then the sum formula of Euler and Maclaurin. */
function series(n: number, x: number): number {
  let sum = 0;
  for (; x < 10 + n; x++) sum += term(n, x);
  const first = term(n, x);
  sum += term(n - 1, x) + first / 2;
  let slope = (first * (n + 1)) / x;
  EULER_MACLAURIN.forEach((coefficient, k) => {
    sum += coefficient * slope;
    slope *= ((n + 2 * k + 2) * (n + 2 * k + 3)) / (x * x);
  });
  return sum;
}

/** The n-th derivative of ψ. At 0 and the negative integers infinite, as torch and SciPy have it: of the sign to its right. */
export function polygamma(n: number, x: number): number {
  if (n === 0) return digamma(x);
  if (!(n > 0 && n < LARGEST && Number.isInteger(n) && x > -Infinity)) return Number.NaN;
  const sign = n % 2 === 0 ? -1 : 1;
  if (x > 0) return sign * series(n, x);
  if (Math.floor(x) === x) return sign * Infinity;
  // The terms whose x + k is negative are the first `below` of the series at 1 − (x + below).
  const below = Math.ceil(-x);
  const rest = -x - (below - 1);
  return series(n, rest) + sign * series(n, x + below) - series(n, rest + below);
}
