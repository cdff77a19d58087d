/**
 * The scalar functions in WGSL: an expression of the operands, and the functions of `wgsl/math.wgsl` that it calls.
 *
 * WGSL has many of them itself, but with too little accuracy for derivatives, or undefined where IEEE 754 has a value.
 */
import type { ScalarType } from "../description.ts";
import type { BINARY } from "./binary.ts";
import type { CHOICE, COMPARE } from "./compare.ts";
import type { Types } from "./function.ts";
import type { ScalarName } from "./index.ts";
import type { UNARY } from "./unary.ts";

/** Functions of math.wgsl that kernels call; each brings along those that it calls itself. */
export type MathFunction =
  | `${Elementary}_of`
  | `${"div" | "mod"}_${"i32" | "u32"}`
  | `${"i32" | "u32"}_of`
  | `${"max" | "min"}_nan`
  | `is_${"nan" | "inf"}`
  | "infinity"
  | "logistic"
  | "round_to_half"
  | "sech2"
  | "sigmoid"
  | "softplus"
  | "threefry";

type Elementary =
  | ("sign" | "exp" | "expm1" | "log" | "log1p" | "sin" | "cos" | "tan" | "asin" | "acos" | "atan" | "atan2")
  | ("sinh" | "cosh" | "tanh" | "asinh" | "acosh" | "atanh" | "erf" | "erfc" | "pow" | "fmod")
  | ("digamma" | "polygamma");

export interface Wgsl {
  /** An expression of the operands' texts. */
  readonly text: (...operands: string[]) => string;
  readonly calls: readonly MathFunction[];
}

type Entries = typeof UNARY & typeof BINARY & typeof COMPARE & typeof CHOICE;

/** One text for all types, or one for each type that the function takes; or it depends on the result's type as well. */
type Written<N extends ScalarName> =
  | Wgsl
  | { readonly [T in Types[Entries[N]["takes"]]]: Wgsl }
  | ((from: ScalarType, to: ScalarType) => Wgsl);

const expression = (text: Wgsl["text"]): Wgsl => ({ text, calls: [] });

/** A function of WGSL itself. */
const builtIn = (name: string): Wgsl => expression((...operands) => `${name}(${operands.join(", ")})`);

const call = (name: MathFunction): Wgsl => ({ ...builtIn(name), calls: [name] });

const itself = expression((x) => x);
const never = expression(() => "false");

const WGSL: { readonly [N in ScalarName]: Written<N> } = {
  alias: itself,
  neg: { f32: expression((x) => `-(${x})`), i32: expression((x) => `-(${x})`), u32: expression((x) => `(0u - ${x})`) },
  abs: { f32: builtIn("abs"), i32: builtIn("abs"), u32: itself },
  sign: { f32: call("sign_of"), i32: builtIn("sign"), u32: expression((x) => `min(${x}, 1u)`) },
  floor: builtIn("floor"),
  ceil: builtIn("ceil"),
  round: builtIn("round"),
  trunc: builtIn("trunc"),
  sqrt: builtIn("sqrt"),
  exp: call("exp_of"),
  expm1: call("expm1_of"),
  log: call("log_of"),
  log1p: call("log1p_of"),
  sin: call("sin_of"),
  cos: call("cos_of"),
  tan: call("tan_of"),
  asin: call("asin_of"),
  acos: call("acos_of"),
  atan: call("atan_of"),
  sinh: call("sinh_of"),
  cosh: call("cosh_of"),
  tanh: call("tanh_of"),
  asinh: call("asinh_of"),
  acosh: call("acosh_of"),
  atanh: call("atanh_of"),
  erf: call("erf_of"),
  erfc: call("erfc_of"),
  sigmoid: call("sigmoid"),
  softplus: call("softplus"),
  logistic: call("logistic"),
  sech2: call("sech2"),
  digamma: call("digamma_of"),
  isnan: { f32: call("is_nan"), i32: never, u32: never, bool: never },
  isinf: { f32: call("is_inf"), i32: never, u32: never, bool: never },
  not: expression((x) => `!(${x})`),

  add: expression((x, y) => `${x} + ${y}`),
  sub: expression((x, y) => `${x} - ${y}`),
  mul: expression((x, y) => `${x} * ${y}`),
  div: { f32: expression((x, y) => `${x} / ${y}`), i32: call("div_i32"), u32: call("div_u32") },
  pow: call("pow_of"),
  maximum: { f32: call("max_nan"), i32: builtIn("max"), u32: builtIn("max") },
  minimum: { f32: call("min_nan"), i32: builtIn("min"), u32: builtIn("min") },
  fmod: { f32: call("fmod_of"), i32: call("mod_i32"), u32: call("mod_u32") },
  atan2: call("atan2_of"),
  polygamma: call("polygamma_of"),
  and: expression((x, y) => `${x} & ${y}`),
  or: expression((x, y) => `${x} | ${y}`),
  xor: {
    i32: expression((x, y) => `${x} ^ ${y}`),
    u32: expression((x, y) => `${x} ^ ${y}`),
    bool: expression((x, y) => `${x} != ${y}`),
  },
  shl: expression((x, y) => `${x} << (u32(${y}) & 31u)`),
  shr: expression((x, y) => `${x} >> (u32(${y}) & 31u)`),

  eq: expression((x, y) => `${x} == ${y}`),
  // A device may compare in order, and NaN differs from all.
  ne: (from) => expression((x, y) => (from === "f32" ? `!(${x} == ${y})` : `${x} != ${y}`)),
  lt: (from) => expression((x, y) => (from === "bool" ? `!${x} & ${y}` : `${x} < ${y}`)),
  le: (from) => expression((x, y) => (from === "bool" ? `!${x} | ${y}` : `${x} <= ${y}`)),

  where: expression((condition, x, y) => `select(${y}, ${x}, ${condition})`),
  cast,
  round16: (from) => {
    const { text, calls } = cast(from, "f32");
    return { text: (x) => `round_to_half(${text(x)})`, calls: ["round_to_half", ...calls] };
  },
};

function cast(from: ScalarType, to: ScalarType): Wgsl {
  if (from === to) return itself;
  // Not `x != 0.0`: a device may compare in order, and NaN is true.
  if (to === "bool") return expression((x) => `!(${x} == ${zero(from)})`);
  if (from === "bool") return expression((x) => `select(${literal(0, to)}, ${literal(1, to)}, ${x})`);
  return from === "f32" && to !== "f32" ? call(`${to}_of`) : builtIn(to);
}

/** A function for operands of type `from` (of `where`: of the choices) and a result of type `to`. */
export function wgslOf<N extends ScalarName>(name: N, from: ScalarType, to: ScalarType): Wgsl {
  const written: Written<N> = WGSL[name];
  if (typeof written === "function") return written(from, to);
  if ("text" in written) return written as Wgsl;
  const own = (written as Partial<Record<ScalarType, Wgsl>>)[from];
  if (own === undefined) throw new Error(`${name} takes no ${from}`);
  return own;
}

export const zero = (type: ScalarType): string => literal(0, type);

export function literal(value: number, type: ScalarType): string {
  switch (type) {
    case "f32":
      return Number.isInteger(value) ? `${value}.0` : `${value}`;
    case "i32":
      return `${value}`;
    case "u32":
      return `${value}u`;
    case "bool":
      return value !== 0 ? "true" : "false";
    default:
      (type) satisfies never;
      throw new Error(`unknown type ${String(type)}`);
  }
}
