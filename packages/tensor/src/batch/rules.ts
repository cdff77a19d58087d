/**
 * Batching rules: what a primitive on tensors of each task is, in primitives on values that lead with task axes.
 *
 * Axes shift by the number of levels. An operand that is the same for all tasks has no task axes: it broadcasts, and where
 * a primitive does not do that, it is repeated by a stride of 0. What is composed of primitives needs no rule.
 */
import { bind } from "../bind.ts";
import { LoopgradError } from "../errors.ts";
import type { Attrs, Kind, Primitive } from "../primitives.ts";
import { addP, expandP, gatherP, matmulP, orP, packLayout, padP, permuteP, reshapeP, sliceP } from "../primitives.ts";
import { numel, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { convolution } from "./convolution.ts";
import { type Level, levelsOf, sizesOf } from "./level.ts";

/** The values with which a rule works. What it makes on its way is released when it ends. */
export class Work {
  readonly #made: Tensor[] = [];

  /** @param levels  all that an operand has, outermost first */
  constructor(readonly levels: readonly Level[]) {}

  /** How many axes come before those that a program sees. */
  get count(): number {
    return this.levels.length;
  }

  /** Their sizes. */
  get sizes(): number[] {
    return sizesOf(this.levels);
  }

  /** An operation on values. */
  bind(primitive: Primitive, inputs: readonly Tensor[], attrs?: Attrs): Tensor {
    const made = bind(primitive, inputs, attrs);
    this.#made.push(made);
    return made;
  }

  reshape(x: Tensor, shape: Shape): Tensor {
    return this.bind(reshapeP, [x], shape);
  }

  permute(x: Tensor, axes: readonly number[]): Tensor {
    return axes.every((axis, i) => axis === i) ? x : this.bind(permuteP, [x], axes);
  }

  /** With an axis for every level, of size 1 for those that the operand has not, and its own dims filled up to a rank. */
  led(x: Tensor, rank = x.rank): Tensor {
    const own = levelsOf(x);
    const shape = x._shape;
    if (own.length === this.count && shape.length === rank) return x;
    const sizes = this.levels.map((level) => (own.includes(level) ? level.size : 1));
    return this.reshape(x, [...sizes, ...new Array<number>(rank - shape.length).fill(1), ...shape]);
  }

  /** With all task axes, and its own dims filled up to a rank: repeated where it is the same for all tasks. */
  spread(x: Tensor, rank = x.rank): Tensor {
    const led = this.led(x, rank);
    if (levelsOf(x).length === this.count) return led;
    return this.bind(expandP, [led], [...this.sizes, ...valueShape(led).slice(this.count)]);
  }

  /** With the task axes as one, and all of them. */
  joined(x: Tensor): Tensor {
    const spread = this.spread(x);
    return this.count === 1 ? spread : this.reshape(spread, [numel(this.sizes), ...x._shape]);
  }

  /** The task axes in place of the one that they were joined to. */
  parted(x: Tensor): Tensor {
    return this.count === 1 ? x : this.reshape(x, [...this.sizes, ...valueShape(x).slice(1)]);
  }

  /** Releases everything that was made, but for the result. */
  end(result: Tensor): void {
    for (const made of this.#made) if (made !== result) made._release();
  }
}

/** The shape that the value of a handle has, task axes and all. */
export const valueShape = (x: Tensor): Shape => x._live().shape;

/** The result's value, with all task axes of the operands. */
type Rule = (primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs, work: Work) => Tensor;

/** Operands of fewer dims than the result get dims of size 1, behind their task axes. */
const elementwise: Rule = (primitive, inputs, attrs, work) => {
  let rank = 0;
  for (const x of inputs) rank = Math.max(rank, x.rank);
  const operands = inputs.map((x) => (levelsOf(x).length === 0 ? x : work.led(x, rank)));
  return work.bind(primitive, operands, attrs);
};

/** Every attribute is an axis. */
const axes: Rule = (primitive, [x], attrs, work) =>
  work.bind(
    primitive,
    [x],
    attrs.map((axis) => axis + work.count),
  );

/** The first attribute is an axis. */
const axis: Rule = (primitive, [x], [first, ...rest], work) => work.bind(primitive, [x], [first + work.count, ...rest]);

/** Attributes are a shape. */
const shape: Rule = (primitive, [x], attrs, work) => work.bind(primitive, [x], [...work.sizes, ...attrs]);

/** Lists of one attribute a dim: starts, sizes and steps of a slice, zeros before and after of a pad. */
const lists: Rule = (primitive, [x], attrs, work) => {
  const rank = x.rank;
  const none = new Array<number>(work.count).fill(0);
  const part = (i: number): Attrs => attrs.slice(i * rank, (i + 1) * rank);
  const led =
    primitive === sliceP
      ? [...none, ...part(0), ...work.sizes, ...part(1), ...none.map(() => 1), ...part(2)]
      : [...none, ...part(0), ...none, ...part(1)];
  return work.bind(primitive, [x], led);
};

const permutation: Rule = (primitive, [x], attrs, work) =>
  work.bind(primitive, [x], [...work.levels.keys(), ...attrs.map((axis) => axis + work.count)]);

const MOVES: Readonly<Record<string, Rule>> = {
  reshape: shape,
  expand: shape,
  permute: permutation,
  slice: lists,
  pad: lists,
  flip: axes,
};

const movement: Rule = (primitive, inputs, attrs, work) => MOVES[primitive.name](primitive, inputs, attrs, work);

/** A matrix that all tasks share takes the rows of all of them in one product. */
const product: Rule = (_, [a, b], __, work) => {
  if (a.rank > 2 || levelsOf(b).length > 0) return work.bind(matmulP, [work.led(a), work.led(b)]);
  const [rows, inner] = a._shape;
  const all = work.bind(matmulP, [work.reshape(a, [numel(work.sizes) * rows, inner]), b]);
  return work.reshape(all, [...work.sizes, rows, b._shape[1]]);
};

/** A table that all tasks share takes the indices of all of them, side by side along the axis. */
const lookUp: Rule = (_, [x, index], [axis], work) => {
  if (levelsOf(x).length > 0) {
    return work.bind(gatherP, [work.spread(x), work.spread(index)], [axis + work.count]);
  }
  const tasks = numel(work.sizes);
  const dims = index._shape;
  const joined = work.joined(index);
  // [tasks, …before, n, …after] → […before, tasks, n, …after]
  const order = dims.map((_, i) => (i < axis ? i + 1 : i === axis ? 0 : i));
  const side = work.permute(joined, [...order, dims.length]);
  const at = work.reshape(side, dims.with(axis, tasks * dims[axis]));
  const found = work.bind(gatherP, [x, at], [axis]);
  const apart = work.reshape(found, [...dims.slice(0, axis), tasks, ...dims.slice(axis)]);
  const back = [axis, ...dims.map((_, i) => (i < axis ? i : i + 1))];
  return work.parted(work.permute(apart, back));
};

/** Operands that the primitive does not broadcast. */
const spreadOut: Rule = (primitive, inputs, [axis], work) =>
  work.bind(
    primitive,
    inputs.map((x) => work.spread(x)),
    [axis + work.count],
  );

/** Each task has a vector of its pieces. */
const pieces: Rule = (_, inputs, __, work) => {
  const sizes = inputs.map((x) => x.size);
  const { starts, length } = packLayout(sizes, inputs[0].dtype);
  const none = work.sizes.map(() => 0);
  const sum = inputs[0].dtype === "bool" ? orP : addP;
  return inputs
    .map((x, i) => {
      const row = work.reshape(work.spread(x), [...work.sizes, sizes[i]]);
      return work.bind(padP, [row], [...none, starts[i], ...none, length - starts[i] - sizes[i]]);
    })
    .reduce((before, row) => work.bind(sum, [before, row]));
};

const refused: Rule = ({ name }) => {
  throw new LoopgradError(`internal: ${name} has no operands, and no batching rule`);
};

/** By the kind of primitive: a kind without a rule does not compile. */
const RULES: Readonly<Record<Kind, Rule>> = {
  // Neither has inputs, so neither can have task axes. Random numbers: see random.ts.
  constant: refused,
  random: refused,
  unary: elementwise,
  binary: elementwise,
  compare: elementwise,
  where: elementwise,
  cast: elementwise,
  check: elementwise,
  reduce: axes,
  movement,
  pack: pieces,
  matmul: product,
  conv: convolution,
  gather: lookUp,
  scatter: spreadOut,
  scan: axis,
  sort: axis,
};

/** Runs a primitive's rule. */
export const batched: Rule = (primitive, inputs, attrs, work) => RULES[primitive.kind](primitive, inputs, attrs, work);
