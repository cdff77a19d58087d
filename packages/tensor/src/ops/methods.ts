/**
 * The operations as methods. `x.add(y)` is `add(x, y)`, and its documentation is that of the function.
 *
 * Functions that were defined through `method` (see method.ts) are methods by that. Here stands what is not so simple: several
 * ways of being called, whose types no mapped type can take over, names that a function cannot have or has for something else,
 * and another order of the arguments.
 */
// Where they are defined, methods are installed.
import "./activation.ts";
import "./advanced-indexing.ts";
import "./arithmetic.ts";
import "./compare.ts";
import "./contraction.ts";
import "./diagonal.ts";
import "./indexing.ts";
import "./join.ts";
import "./movement.ts";
import "./operand.ts";
import "./order.ts";
import "./reduce.ts";
import "./scan.ts";
import "./scatter-reduce.ts";
import "./softmax.ts";
import "./unary.ts";

import type * as creation from "../creation.ts";
import { isFloatingPoint, to } from "../creation.ts";
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type * as activation from "./activation.ts";
import type * as advancedIndexing from "./advanced-indexing.ts";
import { nonzero } from "./advanced-indexing.ts";
import type * as arithmetic from "./arithmetic.ts";
import type * as compare from "./compare.ts";
import type * as contraction from "./contraction.ts";
import type * as diagonal from "./diagonal.ts";
import type * as indexing from "./indexing.ts";
import type * as join from "./join.ts";
import { install, type MethodsOf } from "./method.ts";
import type * as movement from "./movement.ts";
import { broadcastTo, reshape, swapaxes } from "./movement.ts";
import type * as operand from "./operand.ts";
import type * as order from "./order.ts";
import { max, median, min, nanmedian } from "./order.ts";
import type * as reduce from "./reduce.ts";
import { type Dims, type ReduceOptions, type VarianceOptions, variance } from "./reduce.ts";
import type * as scan from "./scan.ts";
import type * as scatterReduce from "./scatter-reduce.ts";
import type * as softmax from "./softmax.ts";
import type * as unary from "./unary.ts";
import { polygamma } from "./unary.ts";
import { unfoldDim } from "./windows.ts";

/** Of two elements with a place, or of a pair. */
interface Extreme {
  (): Tensor;
  (other: Tensor): Tensor;
  (dim: number, options?: ReduceOptions): [Tensor, Tensor];
}

interface Median {
  (): Tensor;
  (dim: number, options?: ReduceOptions): [Tensor, Tensor];
}

/** Several ways of being called, or the tensor not first. */
interface Overloads {
  max: Extreme;
  min: Extreme;
  median: Median;
  nanmedian: Median;
  nonzero: {
    (options?: { asTuple?: false }): Promise<Tensor>;
    (options: { asTuple: true }): Promise<Tensor[]>;
  };
  to: {
    (dtype: DType): Tensor;
    (device: Device): Promise<Tensor>;
  };
  isFloatingPoint: () => boolean;
  polygamma: (n: number) => Tensor;
}

/** Functions of a module with the types that they have as methods. A mapped type over the module, for the documentation. */
type Documented<M, Types> = { [K in keyof M]: K extends keyof Types ? Types[K] : never };

/** Operations that are methods of every tensor. */
export interface TensorMethods
  extends MethodsOf<typeof activation>,
    MethodsOf<typeof advancedIndexing>,
    MethodsOf<typeof arithmetic>,
    MethodsOf<typeof compare>,
    MethodsOf<typeof contraction>,
    MethodsOf<typeof diagonal>,
    MethodsOf<typeof indexing>,
    MethodsOf<typeof join>,
    MethodsOf<typeof movement>,
    MethodsOf<typeof operand>,
    MethodsOf<typeof order>,
    MethodsOf<typeof reduce>,
    MethodsOf<typeof scan>,
    MethodsOf<typeof scatterReduce>,
    MethodsOf<typeof softmax>,
    MethodsOf<typeof unary>,
    Documented<Pick<typeof order, "max" | "min" | "median" | "nanmedian">, Overloads>,
    Documented<Pick<typeof advancedIndexing, "nonzero">, Overloads>,
    Documented<Pick<typeof creation, "to" | "isFloatingPoint">, Overloads>,
    Documented<Pick<typeof unary, "polygamma">, Overloads> {
  /**
   * Variance.
   *
   * @throws   DTypeError for integers
   * @example  x.var(0, { correction: 0 })
   * @see      torch.var
   */
  var(dim?: Dims, options?: VarianceOptions): Tensor;
  /** The same elements in another shape: {@link reshape}. @see torch.Tensor.view */
  view(shape: Shape): Tensor;
  /**
   * All windows along a dim, as a new last dim: the function `unfoldDim`.
   *
   * @returns the dim holds the number of windows, the last dim has length `size`
   * @see     torch.Tensor.unfold
   */
  unfold(dimension: number, size: number, step: number): Tensor;
}

declare module "../tensor.ts" {
  interface Tensor extends TensorMethods {}
}

const others = { broadcastTo, isFloatingPoint, max, median, min, nanmedian, nonzero, swapaxes, to };
for (const [name, operation] of Object.entries(others)) install(name, operation);
install("polygamma", (x: Tensor, n: number) => polygamma(n, x));
install("unfold", unfoldDim);
install("var", variance);
install("view", reshape);
