/**
 * Rules of the elementwise primitives.
 *
 * Where a derivative can be written with the output it is: the output is saved anyway by whatever reads it next. But not
 * where the output has settled to 1 and its derivative has not yet to 0: of 1 − tanh² nothing is left beyond x = 19.
 * Where two one-sided derivatives differ, the rule takes a subgradient: |x| has 0 at 0, and the larger and the smaller
 * of two equal numbers give half to each.
 */
import {
  abs,
  absP,
  acoshP,
  acosP,
  add,
  addP,
  aliasP,
  asinhP,
  asinP,
  atan2P,
  atanhP,
  atanP,
  bind,
  cast,
  castP,
  ceilP,
  cos,
  cosh,
  coshP,
  cosP,
  div,
  divP,
  eq,
  erfcP,
  erfP,
  exp,
  expm1P,
  expP,
  floorP,
  fmodP,
  ge,
  hypot,
  literalLike,
  log,
  log1pP,
  logicalAnd,
  logisticP,
  logP,
  lt,
  maximum,
  maximumP,
  minimumP,
  mul,
  mulP,
  neg,
  negP,
  pow,
  powP,
  roundP,
  sech2P,
  sigmoid,
  sigmoidP,
  sign,
  signP,
  sin,
  sinh,
  sinhP,
  sinP,
  softplusP,
  sqrt,
  sqrtP,
  square,
  sub,
  subP,
  type Tensor,
  tanh,
  tanhP,
  tanP,
  trunc,
  truncP,
  untracked,
  where,
  whereP,
} from "@loopgrad/tensor";
import { d, flat, pass, rule } from "./rule.ts";

const zero = (like: Tensor): Tensor => literalLike(like, 0);
const one = (like: Tensor): Tensor => literalLike(like, 1);
const two = (like: Tensor): Tensor => literalLike(like, 2);

// ---- the same value, sign, steps --------------------------------------------------------------------------------

/** d x = dx. */
rule(aliasP, pass);

/** d(−x) = −dx. */
rule(
  negP,
  d("", (g) => neg(g)),
);

/** d|x| = sign(x) dx; 0 at 0. */
rule(
  absP,
  d("x", (g, { x }) => mul(g, sign(x))),
);

/** Steps are flat almost everywhere. */
for (const step of [signP, floorP, ceilP, roundP, truncP]) rule(step, flat);

/** A change between float dtypes is undone on the way back. */
rule(
  castP,
  d("", (g, { dtype }) => cast(g, dtype)),
);

// ---- powers, exponentials, logarithms ---------------------------------------------------------------------------

/** d √x = dx / 2√x. */
rule(
  sqrtP,
  d("y", (g, { y }) => div(g, mul(two(y), y))),
);

/** d eˣ = eˣ dx. */
rule(
  expP,
  d("y", (g, { y }) => mul(g, y)),
);

/** d(eˣ − 1) = eˣ dx. */
rule(
  expm1P,
  d("x", (g, { x }) => mul(g, exp(x))),
);

/** d log x = dx / x. */
rule(
  logP,
  d("x", (g, { x }) => div(g, x)),
);

/** d log(1 + x) = dx / (1 + x). */
rule(
  log1pP,
  d("x", (g, { x }) => div(g, add(x, one(x)))),
);

// ---- trigonometry -----------------------------------------------------------------------------------------------

/** d sin x = cos x dx. */
rule(
  sinP,
  d("x", (g, { x }) => mul(g, cos(x))),
);

/** d cos x = −sin x dx. */
rule(
  cosP,
  d("x", (g, { x }) => neg(mul(g, sin(x)))),
);

/** d tan x = (1 + tan² x) dx. */
rule(
  tanP,
  d("y", (g, { y }) => mul(g, add(square(y), one(y)))),
);

/** 1 − x² as (1 − x)(1 + x): near ±1 the square would have lost the digits that count. */
const oneLessSquare = (x: Tensor): Tensor => mul(sub(one(x), x), add(one(x), x));

/** d asin x = dx / √(1 − x²). */
rule(
  asinP,
  d("x", (g, { x }) => div(g, sqrt(oneLessSquare(x)))),
);

/** d acos x = −dx / √(1 − x²). */
rule(
  acosP,
  d("x", (g, { x }) => neg(div(g, sqrt(oneLessSquare(x))))),
);

/** d atan x = dx / (1 + x²). */
rule(
  atanP,
  d("x", (g, { x }) => div(g, add(square(x), one(x)))),
);

/**
 * d atan2(a, b) = (b da − a db) / (a² + b²); 0 at the origin, at every order. Both are divided by the larger first (a
 * constant: the angle does not change with it), so that squares neither overflow nor vanish.
 */
function turn(g: Tensor, side: Tensor, a: Tensor, b: Tensor): Tensor {
  const larger = untracked(() => maximum(abs(a), abs(b)));
  const atOrigin = eq(larger, zero(larger));
  const scale = where(atOrigin, one(larger), larger);
  const [x, y, z] = [a, b, side].map((v) => div(v, scale));
  const squares = add(square(x), square(y));
  const slope = div(div(z, where(atOrigin, one(squares), squares)), scale);
  return mul(g, where(atOrigin, zero(slope), slope));
}
rule(
  atan2P,
  d("ab", (g, { a, b }) => turn(g, b, a, b)),
  d("ab", (g, { a, b }) => neg(turn(g, a, a, b))),
);

// ---- hyperbolic functions ---------------------------------------------------------------------------------------

/** d sinh x = cosh x dx. */
rule(
  sinhP,
  d("x", (g, { x }) => mul(g, cosh(x))),
);

/** d cosh x = sinh x dx. */
rule(
  coshP,
  d("x", (g, { x }) => mul(g, sinh(x))),
);

/** d tanh x = dx / cosh² x: of 1 − tanh² no digit is left where tanh is close to ±1. */
rule(
  tanhP,
  d("x", (g, { x }) => mul(g, bind(sech2P, [x]))),
);

/** d (1 / cosh² x) = −2 tanh x / cosh² x dx. Of x alone, which tanh has saved. */
rule(
  sech2P,
  d("x", (g, { x }) => {
    const share = mul(g, mul(bind(sech2P, [x]), tanh(x)));
    return neg(add(share, share));
  }),
);

/** d asinh x = dx / √(x² + 1). */
rule(
  asinhP,
  d("x", (g, { x }) => div(g, hypot(x, one(x)))),
);

/** d acosh x = dx / √(x² − 1). */
rule(
  acoshP,
  d("x", (g, { x }) => div(g, mul(sqrt(sub(x, one(x))), sqrt(add(x, one(x)))))),
);

/** d atanh x = dx / (1 − x²). */
rule(
  atanhP,
  d("x", (g, { x }) => div(g, oneLessSquare(x))),
);

// ---- sigmoids ---------------------------------------------------------------------------------------------------

/** The density behind erf: 2/√π · e^(−x²). */
const bell = (x: Tensor): Tensor => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));

/** d erf x = 2/√π · e^(−x²) dx. */
rule(
  erfP,
  d("x", (g, { x }) => mul(g, bell(x))),
);

/** d erfc x = −d erf x. */
rule(
  erfcP,
  d("x", (g, { x }) => neg(mul(g, bell(x)))),
);

/** d σ(x) = σ(x) σ(−x) dx: of 1 − σ no digit is left where σ is close to 1. */
rule(
  sigmoidP,
  d("x", (g, { x }) => mul(g, bind(logisticP, [x]))),
);

/** d (σ(x) σ(−x)) = −tanh(x / 2) σ(x) σ(−x) dx. */
rule(
  logisticP,
  d("x", (g, { x }) => neg(mul(g, mul(bind(logisticP, [x]), tanh(div(x, two(x))))))),
);

/** d log(1 + eˣ) = σ(x) dx. */
rule(
  softplusP,
  d("x", (g, { x }) => mul(g, sigmoid(x))),
);

// ---- two operands -----------------------------------------------------------------------------------------------

/** d(a + b) = da + db. */
rule(addP, pass, pass);

/** d(a − b) = da − db. */
rule(
  subP,
  pass,
  d("", (g) => neg(g)),
);

/** d(a · b) = b da + a db. */
rule(
  mulP,
  d("b", (g, { b }) => mul(g, b)),
  d("a", (g, { a }) => mul(g, a)),
);

/** d(a / b) = da / b − (a / b) db / b. */
rule(
  divP,
  d("b", (g, { b }) => div(g, b)),
  d("by", (g, { b, y }) => neg(mul(div(g, b), y))),
);

/**
 * d aᵇ = b aᵇ⁻¹ da + aᵇ log a db.
 *
 * The first is 0 at a = b = 0, where a⁻¹ is infinite; the second is 0 at a = 0, b ≥ 0, where log a is. In both the base
 * is replaced by 1 there before the infinity can arise: hidden by a `where` only afterwards, it would come
 * back as 0 · ∞ at the next order.
 */
rule(
  powP,
  d("ab", (g, { a, b }) => {
    const base = where(logicalAnd(eq(a, zero(a)), eq(b, zero(b))), one(a), a);
    return mul(g, mul(b, pow(base, sub(b, one(b)))));
  }),
  d("aby", (g, { a, b, y }) => {
    const base = where(logicalAnd(eq(a, zero(a)), ge(b, zero(b))), one(a), a);
    return mul(g, mul(y, log(base)));
  }),
);

/** The cotangent where a was not passed over for b (`worse`: a < b or a > b; with NaN neither), half of it where they are equal. */
const chosen = (g: Tensor, worse: Tensor, a: Tensor, b: Tensor): Tensor =>
  where(eq(a, b), div(g, two(g)), where(worse, zero(g), g));

/** d max(a, b) goes to the larger, in halves to equals. */
rule(
  maximumP,
  d("ab", (g, { a, b }) => chosen(g, lt(a, b), a, b)),
  d("ab", (g, { a, b }) => chosen(g, lt(b, a), a, b)),
);

/** d min(a, b) goes to the smaller, in halves to equals. */
rule(
  minimumP,
  d("ab", (g, { a, b }) => chosen(g, lt(b, a), a, b)),
  d("ab", (g, { a, b }) => chosen(g, lt(a, b), a, b)),
);

/** fmod(a, b) = a − b trunc(a / b), and trunc is flat. */
rule(
  fmodP,
  pass,
  d("ab", (g, { a, b }) => neg(mul(g, trunc(div(a, b))))),
);

/** Each branch gets the cotangent where it was taken. */
rule(
  whereP,
  null,
  d("a", (g, { a: condition }) => where(condition, g, zero(g))),
  d("a", (g, { a: condition }) => where(condition, zero(g), g)),
);
