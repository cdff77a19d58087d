/**
 * Shorthands: methods of tensors for which there is no function, or that a function of another name computes. Of casts
 * (`float()`), of shapes (`numel()`, `T`), of tensors made like this one (`newZeros`).
 */
import type { DType } from "../dtype.ts";
import { Tensor } from "../tensor.ts";
import type * as likeness from "./likeness.ts";
import { reshapeAs } from "./likeness.ts";
import { install, type MethodsOf } from "./method.ts";
import { permute, transpose } from "./movement.ts";
import { cast } from "./operand.ts";

/** What this file adds to a tensor. */
export interface Shorthands extends MethodsOf<typeof likeness> {
  /** In the shape of another tensor: {@link reshapeAs}. @see torch.Tensor.view_as */
  viewAs(other: Tensor): Tensor;
  /** Number of elements. */
  numel(): number;
  /** Number of dims. */
  dim(): number;
  /** As float32. */
  float(): Tensor;
  /** As float64, which the cpu device has. */
  double(): Tensor;
  /** As float16, where the device has it. */
  half(): Tensor;
  /** As int32. */
  int(): Tensor;
  /** As int32: there are no integers of 64 bits. */
  long(): Tensor;
  /** As bool: true for all but 0. */
  bool(): Tensor;
  /** Number of dims. */
  readonly ndim: number;
  /** All dims in reverse order. @see torch.Tensor.T */
  readonly T: Tensor;
  /** The last two dims swapped. @see torch.Tensor.mT */
  readonly mT: Tensor;
}

declare module "../tensor.ts" {
  interface Tensor extends Shorthands {}
}

const CASTS = {
  float: "float32",
  double: "float64",
  half: "float16",
  int: "int32",
  long: "int32",
  bool: "bool",
} satisfies Partial<Record<keyof Shorthands, DType>>;

const define = (name: string, value: unknown): void => {
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true });
};

install("viewAs", reshapeAs);
for (const [name, dtype] of Object.entries(CASTS)) {
  const to = function (this: Tensor): Tensor {
    return cast(this, dtype);
  };
  define(name, to);
}
const numel = function (this: Tensor): number {
  return this.size;
};
const dim = function (this: Tensor): number {
  return this.rank;
};
define("numel", numel);
define("dim", dim);

Object.defineProperties(Tensor.prototype, {
  ndim: {
    get(this: Tensor): number {
      return this.rank;
    },
    configurable: true,
  },
  T: {
    get(this: Tensor): Tensor {
      return permute(
        this,
        this.shape.map((_, i) => this.rank - 1 - i),
      );
    },
    configurable: true,
  },
  mT: {
    get(this: Tensor): Tensor {
      return transpose(this, -2, -1);
    },
    configurable: true,
  },
});
