/**
 * Functions of one number that `Math` lacks, in double precision.
 *
 * erf and erfc follow W. J. Cody, "Rational Chebyshev approximation for the error function",
 * Mathematics of Computation 23 (1969), 631–637: three intervals, a quotient of polynomials in each.
 */

/** For |x| <= 0.46875: erf(x) = x P(x²) / Q(x²). */
const NEAR_P = [
  1.85777706184603153e-1, 3.1611237438705656, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3,
];
const NEAR_Q = [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];

/** For 0.46875 < x <= 4: erfc(x) = e^(−x²) P(x) / Q(x). */
const MIDDLE_P = [
  2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2,
  8.8195222124176909e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
];
const MIDDLE_Q = [
  1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
  4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
];

/** For x > 4: erfc(x) = e^(−x²) / x (1/√π − x⁻² P(x⁻²) / Q(x⁻²)). */
const FAR_P = [
  1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
  1.60837851487422766e-2, 6.58749161529837803e-4,
];
const FAR_Q = [
  1, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3,
];

/** Horner's rule, the highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  let y = coefficients[0];
  for (let i = 1; i < coefficients.length; i++) y = y * x + coefficients[i];
  return y;
}

/** e^(−x²) for x >= 0: x² is split in a part that is exact and a small rest, as the rounding of x² would be amplified. */
function expMinusSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head));
}

/** erfc(x) for x > 0.46875. */
function tail(x: number): number {
  if (x > 27) return 0;
  if (x <= 4) return (expMinusSquare(x) * polynomial(MIDDLE_P, x)) / polynomial(MIDDLE_Q, x);
  const z = 1 / (x * x);
  const rest = (z * polynomial(FAR_P, z)) / polynomial(FAR_Q, z);
  return (expMinusSquare(x) / x) * (1 / Math.sqrt(Math.PI) - rest);
}

/** 2/√π ∫₀ˣ e^(−t²) dt. */
export function erf(x: number): number {
  const y = Math.abs(x);
  if (y <= 0.46875) return (x * polynomial(NEAR_P, x * x)) / polynomial(NEAR_Q, x * x);
  return Math.sign(x) * (1 - tail(y));
}

/** 1 − erf(x), accurate in the tail. */
export function erfc(x: number): number {
  if (Math.abs(x) <= 0.46875) return 1 - erf(x);
  return x < 0 ? 2 - tail(-x) : tail(x);
}

/** 1 / (1 + e^−x), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** σ(x) σ(−x), accurate in the tails. */
export function logistic(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return e / ((1 + e) * (1 + e));
}

/** 1 / cosh² x, accurate in the tails. */
export const sech2 = (x: number): number => 4 * logistic(2 * x);

/** log(1 + e^x), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** To the nearest integer, halves to the even one. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

/** x^y as IEEE 754 has it: 1 for x = 1 and for (−1)^±∞, where JavaScript gives NaN. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}
