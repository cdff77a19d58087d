/**
 * Loops over one row: what the cpu device runs for elementwise primitives.
 *
 * A *row loop* computes `n` elements. Each operand is an array, a position and a stride; a stride of 0 repeats
 * one element. Common primitives have loops of their own, because an engine does not inline a formula that
 * varies from call to call, and boxes the numbers that go through it. The rest call their formula.
 */
import {
  type BinaryName,
  binaryFormula,
  type CompareName,
  castFormula,
  type Formula1,
  type Formula2,
  type NumberType,
  type UnaryName,
  unaryFormula,
} from "@loopgrad/kernels/scalar";
import { type DType, type HostArray, isFloat } from "../../dtype.ts";
import { type Attrs, maxP, type Primitive, prodP, sumP } from "../../primitives.ts";
import type { GraphNode } from "../../record/backend.ts";
import type { Arithmetic } from "../elementwise.ts";
import { noteOutside } from "../positions.ts";

/** Writes n elements of `o` from position i with stride s; x, y and z are read likewise. Unused operands are ignored. */
export type RowLoop = (
  n: number,
  o: HostArray,
  i: number,
  s: number,
  x: HostArray,
  xi: number,
  xs: number,
  y: HostArray,
  yi: number,
  ys: number,
  z: HostArray,
  zi: number,
  zs: number,
) => void;

const numberType = (dtype: DType): NumberType =>
  dtype === "int32" || dtype === "uint32" || dtype === "bool" ? dtype : "float";

/** The device's formulas: those of the table of scalar functions. */
export const formulas: Arithmetic = {
  unary: unaryFormula,
  binary: (name, dtype) => binaryFormula(name, numberType(dtype)),
  cast: (from, to) => castFormula(numberType(from), numberType(to)),
};

/** The loop for an elementwise node whose inputs have the dtype. */
export function rowLoop(node: GraphNode, dtype: DType): RowLoop {
  const primitive = node.primitive as Primitive;
  switch (primitive.kind) {
    case "unary":
      return UNARY[primitive.name] ?? mapping1(formulas.unary(primitive.name));
    case "cast":
      return (isFloat(dtype) && !isFloat(node.dtype)) || node.dtype === "bool"
        ? mapping1(formulas.cast(dtype, node.dtype))
        : copyRow;
    case "binary":
    case "compare":
      return (
        (primitive.kind === "binary" && isFloat(dtype) ? FLOAT[primitive.name] : undefined) ??
        BINARY[primitive.name] ??
        mapping2(formulas.binary(primitive.name, dtype))
      );
    case "where":
      return whereRow;
    case "check":
      return positionRow(node.attrs);
    default:
      throw new Error(`internal: ${primitive.name} is not elementwise`);
  }
}

/** The loop that adds a row to totals, for a reduction of floats or a sum of integers; null if there is none. */
export function totalLoop(primitive: Primitive, dtype: DType): { loop: RowLoop; identity: number } | null {
  switch (primitive) {
    case sumP:
      return { loop: sumRow, identity: 0 };
    case maxP:
      return { loop: maxRow, identity: isFloat(dtype) ? -Infinity : dtype === "int32" ? -(2 ** 31) : 0 };
    case prodP:
      return isFloat(dtype) ? { loop: prodRow, identity: 1 } : null;
    default:
      return null;
  }
}

const sumRow: RowLoop = (n, o, i, s, x, xi, xs) => {
  if (s !== 0) {
    for (; n > 0; n--, i += s, xi += xs) o[i] += x[xi];
    return;
  }
  let [a, b, c, d] = [0, 0, 0, 0];
  for (; n > 3; n -= 4, xi += 4 * xs) {
    a += x[xi];
    b += x[xi + xs];
    c += x[xi + 2 * xs];
    d += x[xi + 3 * xs];
  }
  for (; n > 0; n--, xi += xs) a += x[xi];
  o[i] += a + b + (c + d);
};

const maxRow: RowLoop = (n, o, i, s, x, xi, xs) => {
  for (; n > 0; n--, i += s, xi += xs) o[i] = Math.max(o[i], x[xi]);
};

const prodRow: RowLoop = (n, o, i, s, x, xi, xs) => {
  for (; n > 0; n--, i += s, xi += xs) o[i] *= x[xi];
};

export const copyRow: RowLoop = (n, o, i, s, x, xi, xs) => {
  for (; n > 0; n--, i += s, xi += xs) o[i] = x[xi];
};

/** Both branches are read before the choice, which then needs no jump. */
const whereRow: RowLoop = (n, o, i, s, x, xi, xs, y, yi, ys, z, zi, zs) => {
  for (; n > 0; n--, i += s, xi += xs, yi += ys, zi += zs) {
    const a = y[yi];
    const b = z[zi];
    o[i] = x[xi] !== 0 ? a : b;
  }
};

function positionRow(attrs: Attrs): RowLoop {
  const [size, fromEnd] = attrs;
  const lowest = fromEnd !== 0 ? -size : 0;
  return (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) {
      const index = x[xi];
      if (index >= lowest && index < size) o[i] = index < 0 ? index + size : index;
      else {
        noteOutside(attrs, index);
        o[i] = -1;
      }
    }
  };
}

const UNARY: { readonly [N in UnaryName]?: RowLoop } = {
  alias: copyRow,
  neg: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = -x[xi];
  },
  abs: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.abs(x[xi]);
  },
  sqrt: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.sqrt(x[xi]);
  },
  exp: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.exp(x[xi]);
  },
  log: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.log(x[xi]);
  },
  sin: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.sin(x[xi]);
  },
  cos: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.cos(x[xi]);
  },
  tanh: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.tanh(x[xi]);
  },
  sign: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = Math.sign(x[xi]);
  },
  not: (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = 1 - x[xi];
  },
};

/** Loops that are right for floats and for integers. */
const BINARY: { readonly [N in BinaryName | CompareName]?: RowLoop } = {
  add: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] + y[yi];
  },
  sub: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] - y[yi];
  },
  maximum: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = Math.max(x[xi], y[yi]);
  },
  minimum: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = Math.min(x[xi], y[yi]);
  },
  and: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] & y[yi];
  },
  or: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] | y[yi];
  },
  eq: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] === y[yi] ? 1 : 0;
  },
  ne: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] === y[yi] ? 0 : 1;
  },
  lt: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] < y[yi] ? 1 : 0;
  },
  le: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] <= y[yi] ? 1 : 0;
  },
};

/** Loops for floats only. */
const FLOAT: { readonly [N in BinaryName]?: RowLoop } = {
  mul: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] * y[yi];
  },
  div: (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = x[xi] / y[yi];
  },
};

const mapping1 =
  (f: Formula1): RowLoop =>
  (n, o, i, s, x, xi, xs) => {
    for (; n > 0; n--, i += s, xi += xs) o[i] = f(x[xi]);
  };

const mapping2 =
  (f: Formula2): RowLoop =>
  (n, o, i, s, x, xi, xs, y, yi, ys) => {
    for (; n > 0; n--, i += s, xi += xs, yi += ys) o[i] = f(x[xi], y[yi]);
  };
