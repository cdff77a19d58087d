/**
 * The closed table of primitives: all that devices must know how to compute.
 *
 * A *primitive* has a name, a code (its number in records and plan keys), a kind (how it is lowered) and
 * a shape rule. Its attributes are integers, so that a record is a few integers. Everything else in
 * loopgrad is composed of these in plain TypeScript. Derivative rules stand in `@loopgrad/autograd`.
 * What elementwise primitives do to numbers stands in the table of scalar functions in `@loopgrad/kernels`.
 *
 * Elementwise primitives broadcast their inputs. Reductions keep the reduced dimensions as size 1.
 */
import {
  BINARY,
  type BinaryName,
  COMPARE,
  type CompareName,
  type ScalarFunction,
  UNARY,
  type UnaryName,
} from "@loopgrad/kernels/scalar";
import { DTYPES, type DType, dtypeCode, isFloat } from "./dtype.ts";
import { DTypeError, ShapeError } from "./errors.ts";
import { elementBytes } from "./half.ts";
import { broadcastShapes, numel, type Shape, sameShape, show } from "./shape.ts";

export { type BinaryName, type CompareName, SCALARS, type UnaryName } from "@loopgrad/kernels/scalar";

export type Kind =
  | "constant"
  | "unary"
  | "binary"
  | "compare"
  | "where"
  | "cast"
  | "check"
  | "reduce"
  | "movement"
  | "pack"
  | "matmul"
  | "conv"
  | "gather"
  | "scatter"
  | "scan"
  | "sort"
  | "random";

/** What is known of an operand before it is computed. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Attrs = readonly number[];

interface Of<K extends Kind, N extends string> {
  readonly name: N;
  readonly code: number;
  readonly kind: K;
  /** Shape and dtype of the result; throws where the inputs do not fit. */
  readonly infer: (inputs: readonly Spec[], attrs: Attrs) => Spec;
}

/** Primitives of these kinds compute a scalar function at each place: their names are those of its entry in @loopgrad/kernels. */
export type Elementwise =
  | Of<"unary", UnaryName>
  | Of<"binary", BinaryName>
  | Of<"compare", CompareName>
  | Of<"where", "where">
  | Of<"cast", "cast">;

export type Primitive = Elementwise | Of<Exclude<Kind, Elementwise["kind"]>, string>;

/** Every primitive, by code. */
export const PRIMITIVES: Primitive[] = [];

function define<K extends Kind, N extends string>(name: N, kind: K, infer: Primitive["infer"]): Of<K, N> {
  const primitive = { name, code: PRIMITIVES.length, kind, infer };
  PRIMITIVES.push(primitive as Primitive);
  return primitive;
}

/** Defines a primitive for every entry of a table, in its order. */
function defineAll<K extends Kind, N extends string>(
  kind: K,
  table: Readonly<Record<N, ScalarFunction>>,
  inferOf: (name: N, entry: ScalarFunction) => Primitive["infer"],
): { readonly [M in N]: Of<K, M> } {
  const defined: Partial<Record<N, unknown>> = {};
  for (const name of Object.keys(table) as N[]) defined[name] = define(name, kind, inferOf(name, table[name]));
  return defined as { readonly [M in N]: Of<K, M> };
}

// ---- constants -------------------------------------------------------------------------------------------------

/** A 0-d tensor whose number is given when a plan is replayed: it is not part of the plan's key. Attrs: [dtype]. */
export const scalarP = define("scalar", "constant", (_, [dtype]) => ({ shape: [], dtype: DTYPES[dtype] }));

/** A 0-d integer-valued constant that is part of the plan's key and may be simplified away. Attrs: [dtype, value]. */
export const literalP = define("literal", "constant", (_, [dtype]) => ({ shape: [], dtype: DTYPES[dtype] }));

/** 0, 1, …, n − 1. Attrs: [dtype, n]. */
export const iotaP = define("iota", "constant", (_, [dtype, n]) => {
  checkSizes("iota", [n], 1);
  return { shape: [n], dtype: DTYPES[dtype] };
});

// ---- elementwise -----------------------------------------------------------------------------------------------

/** The dtypes that a scalar function takes, and how messages call them. */
const TAKES: { readonly [T in ScalarFunction["takes"]]: { test: (dtype: DType) => boolean; words: string } } = {
  floats: { test: isFloat, words: "floats" },
  numbers: { test: (dtype) => dtype !== "bool", words: "numbers" },
  integers: { test: (dtype) => dtype === "int32" || dtype === "uint32", words: "integers" },
  bits: { test: (dtype) => !isFloat(dtype), words: "integers or bool" },
  bools: { test: (dtype) => dtype === "bool", words: "bool" },
  all: { test: () => true, words: "any" },
};

/** All functions of one number, by name. */
export const unaryP = defineAll("unary", UNARY, (name, { takes, gives }) => {
  const { test, words } = TAKES[takes];
  return ([x]) => {
    if (!test(x.dtype)) {
      const wanted = takes === "floats" ? "a float tensor" : words;
      const advice = takes === "numbers" ? "; cast first" : "";
      throw new DTypeError(`${name}: wanted ${wanted}, got ${x.dtype} ${show(x.shape)}${advice}`);
    }
    return gives === undefined ? x : { shape: x.shape, dtype: gives };
  };
});

/** All functions of two numbers, by name. */
export const binaryP = defineAll("binary", BINARY, (name, { takes }) => {
  const { test, words } = TAKES[takes];
  return ([a, b]) => {
    if (a.dtype !== b.dtype) throw new DTypeError(`${name}: dtypes ${a.dtype} and ${b.dtype} differ`);
    if (!test(a.dtype)) throw new DTypeError(`${name}: wanted ${words}, got ${a.dtype}`);
    return sameShape(a.shape, b.shape) ? a : { shape: broadcastShapes(a.shape, b.shape, name), dtype: a.dtype };
  };
});

/** All comparisons, by name. */
export const compareP = defineAll("compare", COMPARE, (name) => ([a, b]) => {
  if (a.dtype !== b.dtype) throw new DTypeError(`${name}: dtypes ${a.dtype} and ${b.dtype} differ`);
  return { shape: broadcastShapes(a.shape, b.shape, name), dtype: "bool" };
});

// By names of their own, for whoever composes operations of them.
export const {
  alias: aliasP,
  neg: negP,
  abs: absP,
  sign: signP,
  floor: floorP,
  round: roundP,
  sqrt: sqrtP,
  exp: expP,
  expm1: expm1P,
  log: logP,
  log1p: log1pP,
  sin: sinP,
  cos: cosP,
  tanh: tanhP,
  erfc: erfcP,
  sigmoid: sigmoidP,
  softplus: softplusP,
  logistic: logisticP,
  sech2: sech2P,
  isnan: isnanP,
  isinf: isinfP,
  not: notP,
} = unaryP;
export const {
  add: addP,
  sub: subP,
  mul: mulP,
  div: divP,
  pow: powP,
  maximum: maximumP,
  minimum: minimumP,
  fmod: fmodP,
  atan2: atan2P,
  and: andP,
  or: orP,
  xor: xorP,
  shr: shrP,
} = binaryP;
export const { eq: eqP, ne: neP, lt: ltP, le: leP } = compareP;

/** condition ? a : b, broadcasting all three; the branch not taken has no influence, NaN included. */
export const whereP = define("where", "where", ([c, a, b]) => {
  if (c.dtype !== "bool") throw new DTypeError(`where: the condition is ${c.dtype}, wanted bool`);
  if (a.dtype !== b.dtype) throw new DTypeError(`where: dtypes ${a.dtype} and ${b.dtype} differ`);
  return { shape: broadcastShapes(c.shape, broadcastShapes(a.shape, b.shape, "where"), "where"), dtype: a.dtype };
});

/** Change of dtype: floats truncate to integers, anything but 0 becomes true. Attrs: [dtype]. */
export const castP = define("cast", "cast", ([x], [dtype]) => ({ shape: x.shape, dtype: DTYPES[dtype] }));

// ---- axes: an axis that the operand does not have would send a planner astray, so none gets into a record --------

function checkAxis(name: string, x: Spec, axis: number): void {
  const rank = x.shape.length;
  if (!(Number.isInteger(axis) && axis >= 0 && axis < rank)) {
    throw new ShapeError(`${name}: ${show(x.shape)} has no axis ${axis}: wanted one of its ${rank} dims`);
  }
}

/** Ascending, none twice. */
function checkAxes(name: string, x: Spec, axes: Attrs): void {
  for (let i = 0; i < axes.length; i++) {
    checkAxis(name, x, axes[i]);
    if (i > 0 && axes[i] <= axes[i - 1]) {
      throw new ShapeError(`${name}: axes ${show(axes)} of ${show(x.shape)}: wanted each once, ascending`);
    }
  }
}

/** Whole numbers from 0 on: sizes, or counts. */
function checkSizes(name: string, sizes: Attrs, count: number): void {
  if (sizes.length !== count || !sizes.every((d) => Number.isInteger(d) && d >= 0)) {
    throw new ShapeError(`${name}: ${show(sizes)}: wanted ${count} integers >= 0`);
  }
}

// ---- reductions: attrs are the axes, ascending; reduced dimensions stay as 1 ------------------------------------

function reduced(name: string, x: Spec, axes: Attrs): number[] {
  checkAxes(name, x, axes);
  const shape = [...x.shape];
  for (const axis of axes) shape[axis] = 1;
  return shape;
}
function reduceOf(name: string): Primitive {
  return define(name, "reduce", ([x], axes) => {
    if (x.dtype === "bool") throw new DTypeError(`${name}: wanted numbers, got bool; cast first`);
    return { shape: reduced(name, x, axes), dtype: x.dtype };
  });
}
export const sumP = reduceOf("sum");
/** The largest; NaN if there is one. Of nothing: −Infinity, or the smallest integer. */
export const maxP = reduceOf("max");
export const prodP = reduceOf("prod");
/** Index of the first largest (the first NaN, if there is one) along one axis, int32. Attrs: [axis]. */
export const argmaxP = define("argmax", "reduce", ([x], axes) => {
  if (axes.length !== 1) throw new ShapeError(`argmax: axes ${show(axes)} of ${show(x.shape)}: wanted one`);
  if (x.dtype === "bool") throw new DTypeError(`argmax: wanted numbers, got bool ${show(x.shape)}; cast first`);
  const shape = reduced("argmax", x, axes);
  if (x.shape[axes[0]] === 0) throw new ShapeError(`argmax: axis ${axes[0]} of ${show(x.shape)} is empty`);
  return { shape, dtype: "int32" };
});

// ---- movement: index transforms, never a copy by themselves -----------------------------------------------------

/** Attrs: the new shape. */
export const reshapeP = define("reshape", "movement", ([x], shape) => {
  if (numel(shape) !== numel(x.shape)) {
    throw new ShapeError(`reshape: ${show(x.shape)} to ${show(shape)}: ${numel(x.shape)} and ${numel(shape)} elements`);
  }
  checkSizes("reshape", shape, shape.length);
  return { shape, dtype: x.dtype };
});
/** Attrs: for each new axis, the old one. */
export const permuteP = define("permute", "movement", ([x], perm) => {
  for (const axis of perm) checkAxis("permute", x, axis);
  if (perm.length !== x.shape.length || new Set(perm).size !== perm.length) {
    throw new ShapeError(`permute: ${show(perm)} is no order of the dims of ${show(x.shape)}`);
  }
  return { shape: perm.map((axis) => x.shape[axis]), dtype: x.dtype };
});
/** Repeats dimensions of size 1. The rank stays. Attrs: the new shape. */
export const expandP = define("expand", "movement", ([x], shape) => {
  if (shape.length !== x.shape.length || shape.some((d, i) => d !== x.shape[i] && x.shape[i] !== 1)) {
    throw new ShapeError(`expand: ${show(x.shape)} to ${show(shape)}: only dimensions of size 1 can be repeated`);
  }
  return { shape, dtype: x.dtype };
});
/** Attrs: rank starts, rank sizes, rank steps (steps >= 1). */
export const sliceP = define("slice", "movement", ([x], attrs) => {
  const rank = x.shape.length;
  checkSizes("slice", attrs, 3 * rank);
  for (let i = 0; i < rank; i++) {
    const [start, size, step] = [attrs[i], attrs[rank + i], attrs[2 * rank + i]];
    if (start < 0 || step < 1 || size < 0 || (size > 0 && start + (size - 1) * step >= x.shape[i])) {
      throw new ShapeError(`slice: start ${start}, size ${size}, step ${step} leaves axis ${i} of ${show(x.shape)}`);
    }
  }
  return { shape: attrs.slice(rank, 2 * rank), dtype: x.dtype };
});
/** Zeros before and after. Attrs: rank counts before, rank counts after (>= 0). */
export const padP = define("pad", "movement", ([x], attrs) => {
  const rank = x.shape.length;
  checkSizes("pad", attrs, 2 * rank);
  return { shape: x.shape.map((d, i) => attrs[i] + d + attrs[rank + i]), dtype: x.dtype };
});
/** Reverses. Attrs: the axes. */
export const flipP = define("flip", "movement", ([x], axes) => {
  checkAxes("flip", x, axes);
  return x;
});

// ---- packs -----------------------------------------------------------------------------------------------------

/** Bytes at whose multiples the pieces of a pack start: there, every WebGPU device can bind them by themselves. */
export const PIECE_ALIGNMENT = 256;

/**
 * Where pieces of these sizes start in a pack, and how long it is, in elements: one after another, each at the
 * next multiple of 256 bytes.
 */
export function packLayout(sizes: readonly number[], dtype: DType): { starts: number[]; length: number } {
  const unit = PIECE_ALIGNMENT / elementBytes(dtype);
  const starts = new Array<number>(sizes.length);
  let length = 0;
  for (let i = 0; i < sizes.length; i++) {
    starts[i] = length;
    length += Math.ceil(sizes[i] / unit) * unit;
  }
  return { starts, length };
}

/**
 * Tensors of one dtype and any shapes as the *pieces* of one long vector, at the places that `packLayout` says. Between
 * them lie zeros; or, if the pieces are those of a vector in these places, what it has there: then it is the result.
 * A planner has the kernels that make the pieces write them where they belong. No attrs.
 */
export const packP = define("pack", "pack", (pieces) => {
  const { dtype } = pieces[0];
  const sizes = pieces.map((piece) => {
    if (piece.dtype !== dtype) throw new DTypeError(`pack: dtypes ${dtype} and ${piece.dtype} differ`);
    return numel(piece.shape);
  });
  return { shape: [packLayout(sizes, dtype).length], dtype };
});

// ---- contraction --------------------------------------------------------------------------------------------------

/** [..., M, K] × [..., K, N] → [..., M, N]; ranks are equal, batch dimensions broadcast. No attrs. */
export const matmulP = define("matmul", "matmul", ([a, b]) => {
  const rank = a.shape.length;
  if (a.dtype !== b.dtype) throw new DTypeError(`matmul: dtypes ${a.dtype} and ${b.dtype} differ`);
  if (a.dtype === "bool") throw new DTypeError("matmul: wanted numbers, got bool");
  if (rank < 2 || b.shape.length !== rank) throw new ShapeError(`matmul: ${show(a.shape)} × ${show(b.shape)}`);
  const [k, k2] = [a.shape[rank - 1], b.shape[rank - 2]];
  if (k !== k2)
    throw new ShapeError(`matmul: ${show(a.shape)} × ${show(b.shape)}: inner dimensions ${k} and ${k2} differ`);
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), "matmul");
  return { shape: [...batch, a.shape[rank - 2], b.shape[rank - 1]], dtype: a.dtype };
});

/**
 * Geometry of a convolution over n spatial dimensions, as attributes:
 * [n, groups, stride × n, padding × n, dilation × n, extra × n].
 * `extra` is empty for `conv`, the input's spatial size for `convInput`, the kernel's for `convWeight`.
 */
export interface ConvGeometry {
  readonly n: number;
  readonly groups: number;
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly extra: readonly number[];
}

export function convGeometry(attrs: Attrs): ConvGeometry {
  const n = attrs[0];
  const part = (i: number) => attrs.slice(2 + i * n, 2 + (i + 1) * n);
  return { n, groups: attrs[1], stride: part(0), padding: part(1), dilation: part(2), extra: part(3) };
}

export function convAttrs(g: ConvGeometry): number[] {
  return [g.n, g.groups, ...g.stride, ...g.padding, ...g.dilation, ...g.extra];
}

/** Output size of a convolution or pooling along one dimension. */
export const convOutput = (size: number, kernel: number, stride: number, padding: number, dilation: number): number =>
  Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** Cross-correlation: x [N, C, …], w [O, C / groups, …kernel] → [N, O, …]. */
export const convP = define("conv", "conv", ([x, w], attrs) => {
  const g = convGeometry(attrs);
  const what = `conv${g.n}d: input ${show(x.shape)}, weight ${show(w.shape)}, groups ${g.groups}`;
  if (x.dtype !== w.dtype) throw new DTypeError(`${what}: dtypes ${x.dtype} and ${w.dtype} differ`);
  if (x.dtype === "bool") throw new DTypeError(`${what}: wanted numbers, got bool; cast first`);
  if (x.shape.length !== g.n + 2 || w.shape.length !== g.n + 2) throw new ShapeError(`${what}: wanted rank ${g.n + 2}`);
  const [c, o] = [x.shape[1], w.shape[0]];
  if (c !== w.shape[1] * g.groups || o % g.groups !== 0) {
    throw new ShapeError(`${what}: wanted weight [out, ${c / g.groups}, …] with out divisible by groups`);
  }
  const spatial: number[] = [];
  for (let i = 0; i < g.n; i++) {
    const size = convOutput(x.shape[i + 2], w.shape[i + 2], g.stride[i], g.padding[i], g.dilation[i]);
    if (size < 1) throw new ShapeError(`${what}: the kernel is larger than the padded input along axis ${i + 2}`);
    spatial.push(size);
  }
  return { shape: [x.shape[0], o, ...spatial], dtype: x.dtype };
});
/** Gradient of `conv` with respect to x: g [N, O, …], w [O, C / groups, …] → [N, C, …extra]. */
export const convInputP = define("convInput", "conv", ([g, w], attrs) => {
  const geometry = convGeometry(attrs);
  return { shape: [g.shape[0], w.shape[1] * geometry.groups, ...geometry.extra], dtype: g.dtype };
});
/** Gradient of `conv` with respect to w: x [N, C, …], g [N, O, …] → [O, C / groups, …extra]. */
export const convWeightP = define("convWeight", "conv", ([x, g], attrs) => {
  const geometry = convGeometry(attrs);
  return { shape: [g.shape[1], x.shape[1] / geometry.groups, ...geometry.extra], dtype: x.dtype };
});

// ---- indexing, scan, sort, random -----------------------------------------------------------------------------------

function checkIndex(op: string, x: Spec, index: Spec, axis: number): void {
  if (x.shape.length === 0) throw new ShapeError(`${op}: a 0-d tensor has no dim to index`);
  checkAxis(op, x, axis);
  if (index.dtype !== "int32") throw new DTypeError(`${op}: the index is ${index.dtype}, wanted int32`);
  const fits = index.shape.length === x.shape.length && index.shape.every((d, i) => i === axis || d <= x.shape[i]);
  if (!fits) throw new ShapeError(`${op}: index ${show(index.shape)} does not fit ${show(x.shape)} along axis ${axis}`);
}

/**
 * The position that an index names along an axis of n, elementwise: the index itself if it lies in [0, n), n more if it
 * counts from the end, −1 where it is neither. A device notes an index of the last kind at the *site*, unless it is the
 * ignored one, and the next read is an error; at site 0 nothing is noted. Inputs: index (int32). Attrs: [n, whether
 * negative ones count from the end, site (see record/index-sites.ts), whether one index is ignored, which].
 */
export const positionP = define("position", "check", ([index]) => {
  if (index.dtype !== "int32") throw new DTypeError(`position: the index is ${index.dtype}, wanted int32`);
  return index;
});
/** out[…i…] = x[…index[…i…]…] along an axis; an index outside gives 0. Inputs: x, index (int32). Attrs: [axis]. */
export const gatherP = define("gather", "gather", ([x, index], [axis]) => {
  checkIndex("gather", x, index, axis);
  return { shape: index.shape, dtype: x.dtype };
});
/** x with src added at index along an axis; repeated indices add up. Inputs: x, index (int32), src. Attrs: [axis]. */
export const scatterAddP = define("scatterAdd", "scatter", ([x, index, src], [axis]) => {
  checkIndex("scatterAdd", x, index, axis);
  if (!sameShape(index.shape, src.shape)) {
    throw new ShapeError(`scatterAdd: index ${show(index.shape)} and source ${show(src.shape)} differ`);
  }
  if (src.dtype !== x.dtype) throw new DTypeError(`scatterAdd: dtypes ${x.dtype} and ${src.dtype} differ`);
  if (x.dtype === "bool") throw new DTypeError("scatterAdd: wanted numbers, got bool; cast first");
  return x;
});
/** Inclusive running sum. Attrs: [axis]. */
export const cumsumP = define("cumsum", "scan", ([x], [axis]) => {
  if (x.dtype === "bool") throw new DTypeError(`cumsum: wanted numbers, got bool ${show(x.shape)}; cast first`);
  checkAxis("cumsum", x, axis);
  return x;
});
/** Indices that sort along an axis, stable, NaN last; int32. Attrs: [axis, descending]. */
export const argsortP = define("argsort", "sort", ([x], [axis]) => {
  checkAxis("argsort", x, axis);
  return { shape: x.shape, dtype: "int32" };
});
/**
 * Random bits, uint32: element i is the first word of threefry-2x32-20 under `key` at counter (i, 0), or at the two
 * counters that are given for it. Inputs: key, uint32 [2], and maybe two counters, uint32 of the shape. Attrs: the shape.
 */
export const randomBitsP = define("randomBits", "random", ([, ...counters], shape) => {
  checkSizes("randomBits", shape, shape.length);
  if (!counters.every((counter) => counter.dtype === "uint32" && sameShape(counter.shape, shape))) {
    throw new ShapeError(
      `randomBits: counters ${counters.map((c) => show(c.shape)).join(", ")}, wanted ${show(shape)}`,
    );
  }
  return { shape, dtype: "uint32" };
});

export const dtypeAttr = (dtype: DType): number => dtypeCode(dtype);
