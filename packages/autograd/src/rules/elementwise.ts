/**
 * Rules of the elementwise primitives.
 *
 * Where a derivative can be written with the output it is: the output is saved anyway by whatever reads it next. But not
 * where the output has settled to 1 and its derivative has not yet to 0: of 1 − tanh² nothing is left beyond x = 19.
 * Where two one-sided derivatives differ, the rule takes a subgradient: |x| has 0 at 0, and the larger and the smaller
 * of two equal numbers give half to each.
 *
 * The tables have a line for every function of the table of scalar functions: one that is missing does not compile.
 */
import {
  abs,
  add,
  type BinaryName,
  binaryP,
  bind,
  cast,
  castP,
  cos,
  cosh,
  div,
  eq,
  exp,
  ge,
  hypot,
  literalLike,
  log,
  logicalAnd,
  logisticP,
  lt,
  maximum,
  mul,
  neg,
  pow,
  sech2P,
  sigmoid,
  sign,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  type Tensor,
  tanh,
  trunc,
  type UnaryName,
  unaryP,
  untracked,
  where,
  whereP,
} from "@loopgrad/tensor";
import { type Derivative, d, flat, pass, rule } from "./rule.ts";

const zero = (like: Tensor): Tensor => literalLike(like, 0);
const one = (like: Tensor): Tensor => literalLike(like, 1);
const two = (like: Tensor): Tensor => literalLike(like, 2);

// ---- one operand -----------------------------------------------------------------------------------------------

/** 1 − x² as (1 − x)(1 + x): near ±1 the square would have lost the digits that count. */
const oneLessSquare = (x: Tensor): Tensor => mul(sub(one(x), x), add(one(x), x));

/** The density behind erf: 2/√π · e^(−x²). */
const bell = (x: Tensor): Tensor => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));

/** The derivative of each function of one number; null where the result is no float. */
const UNARY = {
  // the same value, sign, steps
  /** d x = dx. */
  alias: pass,
  /** d(−x) = −dx. */
  neg: d("", (g) => neg(g)),
  /** d|x| = sign(x) dx; 0 at 0. */
  abs: d("x", (g, { x }) => mul(g, sign(x))),
  // Steps are flat almost everywhere.
  sign: flat,
  floor: flat,
  ceil: flat,
  round: flat,
  trunc: flat,

  // powers, exponentials, logarithms
  /** d √x = dx / 2√x. */
  sqrt: d("y", (g, { y }) => div(g, mul(two(y), y))),
  /** d eˣ = eˣ dx. */
  exp: d("y", (g, { y }) => mul(g, y)),
  /** d(eˣ − 1) = eˣ dx. */
  expm1: d("x", (g, { x }) => mul(g, exp(x))),
  /** d log x = dx / x. */
  log: d("x", (g, { x }) => div(g, x)),
  /** d log(1 + x) = dx / (1 + x). */
  log1p: d("x", (g, { x }) => div(g, add(x, one(x)))),

  // trigonometry
  /** d sin x = cos x dx. */
  sin: d("x", (g, { x }) => mul(g, cos(x))),
  /** d cos x = −sin x dx. */
  cos: d("x", (g, { x }) => neg(mul(g, sin(x)))),
  /** d tan x = (1 + tan² x) dx. */
  tan: d("y", (g, { y }) => mul(g, add(square(y), one(y)))),
  /** d asin x = dx / √(1 − x²). */
  asin: d("x", (g, { x }) => div(g, sqrt(oneLessSquare(x)))),
  /** d acos x = −dx / √(1 − x²). */
  acos: d("x", (g, { x }) => neg(div(g, sqrt(oneLessSquare(x))))),
  /** d atan x = dx / (1 + x²). */
  atan: d("x", (g, { x }) => div(g, add(square(x), one(x)))),

  // hyperbolic functions
  /** d sinh x = cosh x dx. */
  sinh: d("x", (g, { x }) => mul(g, cosh(x))),
  /** d cosh x = sinh x dx. */
  cosh: d("x", (g, { x }) => mul(g, sinh(x))),
  /** d tanh x = dx / cosh² x: of 1 − tanh² no digit is left where tanh is close to ±1. */
  tanh: d("x", (g, { x }) => mul(g, bind(sech2P, [x]))),
  /** d (1 / cosh² x) = −2 tanh x / cosh² x dx. Of x alone, which tanh has saved. */
  sech2: d("x", (g, { x }) => {
    const share = mul(g, mul(bind(sech2P, [x]), tanh(x)));
    return neg(add(share, share));
  }),
  /** d asinh x = dx / √(x² + 1). */
  asinh: d("x", (g, { x }) => div(g, hypot(x, one(x)))),
  /** d acosh x = dx / √(x² − 1). */
  acosh: d("x", (g, { x }) => div(g, mul(sqrt(sub(x, one(x))), sqrt(add(x, one(x)))))),
  /** d atanh x = dx / (1 − x²). */
  atanh: d("x", (g, { x }) => div(g, oneLessSquare(x))),

  // sigmoids
  /** d erf x = 2/√π · e^(−x²) dx. */
  erf: d("x", (g, { x }) => mul(g, bell(x))),
  /** d erfc x = −d erf x. */
  erfc: d("x", (g, { x }) => neg(mul(g, bell(x)))),
  /** d σ(x) = σ(x) σ(−x) dx: of 1 − σ no digit is left where σ is close to 1. */
  sigmoid: d("x", (g, { x }) => mul(g, bind(logisticP, [x]))),
  /** d (σ(x) σ(−x)) = −tanh(x / 2) σ(x) σ(−x) dx. */
  logistic: d("x", (g, { x }) => neg(mul(g, mul(bind(logisticP, [x]), tanh(div(x, two(x))))))),
  /** d log(1 + eˣ) = σ(x) dx. */
  softplus: d("x", (g, { x }) => mul(g, sigmoid(x))),

  // log Γ
  /** d ψ(x) = ψ′(x) dx. */
  digamma: d("x", (g, { x }) => mul(g, bind(binaryP.polygamma, [one(x), x]))),

  isnan: null,
  isinf: null,
  not: null,
} satisfies Record<UnaryName, Derivative | null>;

// ---- two operands ----------------------------------------------------------------------------------------------

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

/** The cotangent where a was not passed over for b (`worse`: a < b or a > b; with NaN neither), half of it where they are equal. */
const chosen = (g: Tensor, worse: Tensor, a: Tensor, b: Tensor): Tensor =>
  where(eq(a, b), div(g, two(g)), where(worse, zero(g), g));

/** The derivatives of each function of two numbers, by one and by the other; null where the result is no float. */
const BINARY = {
  /** d(a + b) = da + db. */
  add: [pass, pass],
  /** d(a − b) = da − db. */
  sub: [pass, d("", (g) => neg(g))],
  /** d(a · b) = b da + a db. */
  mul: [d("b", (g, { b }) => mul(g, b)), d("a", (g, { a }) => mul(g, a))],
  /** d(a / b) = da / b − (a / b) db / b. */
  div: [d("b", (g, { b }) => div(g, b)), d("by", (g, { b, y }) => neg(mul(div(g, b), y)))],
  /**
   * d aᵇ = b aᵇ⁻¹ da + aᵇ log a db.
   *
   * The first is 0 at a = b = 0, where a⁻¹ is infinite; the second is 0 at a = 0, b ≥ 0, where log a is. In both the base
   * is replaced by 1 there before the infinity can arise: hidden by a `where` only afterwards, it would come
   * back as 0 · ∞ at the next order.
   */
  pow: [
    d("ab", (g, { a, b }) => {
      const base = where(logicalAnd(eq(a, zero(a)), eq(b, zero(b))), one(a), a);
      return mul(g, mul(b, pow(base, sub(b, one(b)))));
    }),
    d("aby", (g, { a, b, y }) => {
      const base = where(logicalAnd(eq(a, zero(a)), ge(b, zero(b))), one(a), a);
      return mul(g, mul(y, log(base)));
    }),
  ],
  /** d max(a, b) goes to the larger, in halves to equals. */
  maximum: [d("ab", (g, { a, b }) => chosen(g, lt(a, b), a, b)), d("ab", (g, { a, b }) => chosen(g, lt(b, a), a, b))],
  /** d min(a, b) goes to the smaller, in halves to equals. */
  minimum: [d("ab", (g, { a, b }) => chosen(g, lt(b, a), a, b)), d("ab", (g, { a, b }) => chosen(g, lt(a, b), a, b))],
  /** fmod(a, b) = a − b trunc(a / b), and trunc is flat. */
  fmod: [pass, d("ab", (g, { a, b }) => neg(mul(g, trunc(div(a, b)))))],
  atan2: [d("ab", (g, { a, b }) => turn(g, b, a, b)), d("ab", (g, { a, b }) => neg(turn(g, a, a, b)))],
  /** d ψ⁽ⁿ⁾(x) = ψ⁽ⁿ⁺¹⁾(x) dx; n is a whole number. */
  polygamma: [null, d("ab", (g, { a, b }) => mul(g, bind(binaryP.polygamma, [add(a, one(a)), b])))],
  and: null,
  or: null,
  xor: null,
  shl: null,
  shr: null,
} satisfies Record<BinaryName, readonly [Derivative | null, Derivative] | null>;

for (const [name, derivative] of entries<UnaryName, Derivative | null>(UNARY)) {
  if (derivative !== null) rule(unaryP[name], derivative);
}
for (const [name, derivatives] of entries<BinaryName, readonly [Derivative | null, Derivative] | null>(BINARY)) {
  if (derivatives !== null) rule(binaryP[name], ...derivatives);
}

function entries<N extends string, T>(table: Readonly<Record<N, T>>): [N, T][] {
  return Object.entries(table) as [N, T][];
}

// ---- changes of dtype, choices -----------------------------------------------------------------------------------

/** A change between float dtypes is undone on the way back. */
rule(
  castP,
  d("", (g, { dtype }) => cast(g, dtype)),
);

/** Each branch gets the cotangent where it was taken. */
rule(
  whereP,
  null,
  d("a", (g, { a: condition }) => where(condition, g, zero(g))),
  d("a", (g, { a: condition }) => where(condition, zero(g), g)),
);
