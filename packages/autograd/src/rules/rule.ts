/**
 * Rules: how a cotangent passes through a primitive.
 *
 * The *cotangent* of a tensor is the gradient of the final result with respect to it. For y = f(a, b, c) a rule gives,
 * for each input, a function from the cotangent g of y to the cotangent of that input: one derivative, one line.
 * It is written in public operations, so that it can be put on the tape and differentiated again, to any order.
 *
 *     rule(mulP, d("b", (g, { b }) => mul(g, b)), d("a", (g, { a }) => mul(g, a)));
 *
 * reads: the derivative by a needs b to be saved; the one by b needs a. Only what the derivatives in demand read is
 * saved: in `mul(x, mask)`, where only x requires a gradient, x itself is not. A derivative that uses what it did not
 * declare doesn't compile.
 *
 * Rules need not think of broadcasting: the tape sums a cotangent over the axes along which its input was repeated.
 * A whole number in a formula is a `literalLike`: the planner knows it, and simplifies 0 + x and 1 · x away. A plain
 * number would be a runtime scalar, of which it knows nothing.
 */
import { type Attrs, type DType, literals, type Primitive, type Shape, type Tensor } from "@loopgrad/tensor";

/** What a derivative may read: the inputs a (also x, where it is the only one), b, c, and the output y. */
export interface Operands {
  readonly x: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor;
  readonly y: Tensor;
}

/** What every derivative knows without saving anything. */
export interface Site {
  /** The primitive's attributes. */
  readonly attrs: Attrs;
  /** Shape of the input that the derivative is by. */
  readonly shape: Shape;
  /** Dtype of the input that the derivative is by. */
  readonly dtype: DType;
}

/** The names in a string such as "ay". */
type Named<S extends string> = S extends `${infer L}${infer Rest}`
  ? (L extends keyof Operands ? L : never) | Named<Rest>
  : never;

/** The derivative by one input. */
export interface Derivative {
  /** Bit i: reads input i; bit 3: reads the output. */
  readonly reads: number;
  readonly apply: (g: Tensor, at: Operands & Site) => Tensor;
}

/** Bit of the output in `Derivative.reads`. */
export const OUTPUT = 8;

const BITS: Record<string, number> = { x: 1, a: 1, b: 2, c: 4, y: OUTPUT };

/** Every rule, by the primitive's code: for each input its derivative; null for conditions and indices. */
export const RULES: (readonly (Derivative | null)[] | undefined)[] = [];

/** Gives a primitive its rule: a derivative for each input, in their order. */
export function rule(primitive: Primitive, ...derivatives: (Derivative | null)[]): void {
  RULES[primitive.code] = derivatives;
}

/** A derivative, and the operands that it reads. */
export function d<S extends string>(
  reads: S,
  apply: (g: Tensor, at: Pick<Operands, Named<S>> & Site) => Tensor,
): Derivative {
  let bits = 0;
  for (const name of reads) bits |= BITS[name];
  return { reads: bits, apply };
}

/** The derivative 1: the cotangent passes as it is. */
export const pass: Derivative = d("", (g) => g);

/** The derivative 0 of a step function. */
export const flat: Derivative = d("", (g, { shape, dtype }) => literals(0, shape, { device: g.device, dtype }));
