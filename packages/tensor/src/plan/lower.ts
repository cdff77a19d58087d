/**
 * Lowering: from primitives to the few kinds of work that kernels do.
 *
 * A *ref* is how one piece of work reads another: a node, and the movement operations between the two. Movement
 * thereby vanishes into refs, where it costs nothing. Convolutions become contractions of window views; long
 * reductions and deep contractions are cut into partial results and a sum over them, which bounds rounding errors
 * and gives every processor something to do.
 */
import { applyMoves, type Chain, chainKey, contiguous, isIdentity, isMasked, type Move, type View } from "@loopgrad/kernels";
import type { DType } from "../dtype.ts";
import {
  type Attrs,
  convGeometry,
  convP,
  convInputP,
  iotaP,
  literalP,
  maxP,
  mulP,
  type Primitive,
  prodP,
  scalarP,
  sumP,
} from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { contiguousStrides, numel, sameShape, type Shape } from "../shape.ts";

/** A node seen through movement operations. */
export interface Ref {
  readonly node: number;
  readonly moves: readonly Move[];
}

interface Common {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type Work = Common &
  (
    | { readonly kind: "leaf"; readonly slot: number }
    | { readonly kind: "scalar"; readonly slot: number }
    | { readonly kind: "literal"; readonly value: number }
    | { readonly kind: "iota" }
    /** Elementwise; every argument has the node's shape. `store`: it must be stored, not computed where it is read. */
    | { readonly kind: "map"; readonly op: string; readonly args: readonly Ref[]; readonly store: boolean }
    /** x at index along an axis; x must be stored, row-major. */
    | { readonly kind: "gather"; readonly x: Ref; readonly index: Ref; readonly axis: number }
    | { readonly kind: "random"; readonly key: Ref }
    /** Over the last `axes` dimensions of the argument's shape. */
    | { readonly kind: "reduce"; readonly op: "sum" | "prod" | "max" | "argmax"; readonly arg: Ref; readonly axes: number }
    | {
        readonly kind: "contract";
        readonly a: Ref;
        readonly b: Ref;
        readonly batch: Shape;
        readonly m: Shape;
        readonly n: Shape;
        readonly k: Shape;
        readonly strides: { readonly batch: number[]; readonly m: number[]; readonly n: number[] };
      }
    | { readonly kind: "scan"; readonly x: Ref; readonly axis: number }
    | { readonly kind: "sort"; readonly x: Ref; readonly axis: number; readonly descending: boolean }
    | { readonly kind: "scatter"; readonly x: Ref; readonly index: Ref; readonly source: Ref; readonly axis: number }
  );

export interface Lowered {
  readonly work: readonly Work[];
  readonly outputs: readonly Ref[];
}

/** Terms a single reduction or contraction adds up; beyond it is cut into parts. */
const LONGEST_REDUCTION = 4096;
const DEEPEST_CONTRACTION = 2048;

/** The chain of a ref: from an index of its last shape to an element of the node's row-major value. */
export const chainOf = (work: readonly Work[], ref: Ref, start?: View): Chain =>
  applyMoves([start ?? contiguous(work[ref.node].shape)], ref.moves);

const reshapeTo = (shape: Shape): Move => ({ name: "reshape", attrs: shape, shape });
const expandTo = (shape: Shape): Move => ({ name: "expand", attrs: shape, shape });
const permuteBy = (perm: readonly number[], shape: Shape): Move => ({
  name: "permute",
  attrs: perm,
  shape: perm.map((axis) => shape[axis]),
});

export function lower(graph: Graph): Lowered {
  const lowering = new Lowering();
  for (const node of graph.nodes) lowering.refs.push(lowering.lower(node));
  return { work: lowering.work, outputs: graph.outputs.map((i) => lowering.refs[i]) };
}

class Lowering {
  readonly work: Work[] = [];
  /** For every node of the graph, where its value is found. */
  readonly refs: Ref[] = [];
  readonly #copies = new Map<string, Ref>();

  add(work: Work): Ref {
    this.work.push(work);
    return { node: this.work.length - 1, moves: [] };
  }

  shapeOf(ref: Ref): Shape {
    return ref.moves.length === 0 ? this.work[ref.node].shape : ref.moves[ref.moves.length - 1].shape;
  }

  move(ref: Ref, ...moves: Move[]): Ref {
    const useful = moves.filter((move, i) => {
      const before = i === 0 ? this.shapeOf(ref) : moves[i - 1].shape;
      const idle = move.name === "reshape" || move.name === "expand" || move.name === "pad" || move.name === "slice";
      return !(idle && sameShape(before, move.shape));
    });
    return useful.length === 0 ? ref : { node: ref.node, moves: [...ref.moves, ...useful] };
  }

  /** The ref broadcast to a shape. */
  fit(ref: Ref, shape: Shape): Ref {
    const own = this.shapeOf(ref);
    if (sameShape(own, shape)) return ref;
    const aligned = new Array<number>(shape.length - own.length).fill(1).concat(own);
    return this.move(ref, reshapeTo(aligned), expandTo(shape));
  }

  /** A ref to a stored copy, where the ref pads or cannot be said with strides; else the ref itself. */
  strided(ref: Ref): Ref {
    const { kind } = this.work[ref.node];
    const start = kind === "literal" || kind === "scalar" || kind === "iota";
    const chain = chainOf(this.work, ref);
    return start || chain.length > 1 || isMasked(chain) ? this.stored(ref) : ref;
  }

  /** A ref to a stored, row-major copy; the ref itself where it is one. */
  whole(ref: Ref): Ref {
    const { kind } = this.work[ref.node];
    const isStored = kind !== "literal" && kind !== "scalar" && kind !== "iota";
    return isStored && isIdentity(chainOf(this.work, ref)) ? ref : this.stored(ref);
  }

  /** A stored copy; the same one for the same ref. */
  stored(ref: Ref): Ref {
    const { dtype, shape } = this.work[ref.node];
    const key = `${ref.node}@${chainKey(applyMoves([contiguous(shape)], ref.moves))}`;
    let copy = this.#copies.get(key);
    if (copy === undefined) {
      copy = this.add({ kind: "map", op: "alias", args: [ref], store: true, shape: this.shapeOf(ref), dtype });
      this.#copies.set(key, copy);
    }
    return copy;
  }

  lower(node: GraphNode): Ref {
    const { primitive, attrs, shape, dtype } = node;
    if (primitive === null) return this.add({ kind: "leaf", slot: node.slot, shape, dtype });
    const inputs = node.inputs.map((i) => this.refs[i]);
    switch (primitive.kind) {
      case "constant":
        return this.#constant(primitive, node);
      case "unary":
      case "binary":
      case "compare":
      case "where":
      case "cast": {
        const args = inputs.map((ref) => this.fit(ref, shape));
        return this.add({ kind: "map", op: primitive.name, args, store: false, shape, dtype });
      }
      case "movement":
        return this.move(inputs[0], { name: primitive.name, attrs, shape });
      case "reduce":
        return this.#reduce(primitive, inputs[0], attrs, shape, dtype);
      case "matmul":
        return this.#matmul(inputs[0], inputs[1], shape, dtype);
      case "conv":
        return this.#conv(primitive, inputs, attrs, shape, dtype);
      case "gather":
        return this.add({ kind: "gather", x: this.whole(inputs[0]), index: inputs[1], axis: attrs[0], shape, dtype });
      case "scatter": {
        const [x, index, source] = inputs.map((ref) => this.whole(ref));
        return this.add({ kind: "scatter", x, index, source, axis: attrs[0], shape, dtype });
      }
      case "scan":
        return this.add({ kind: "scan", x: this.whole(inputs[0]), axis: attrs[0], shape, dtype });
      case "sort": {
        const descending = attrs[1] !== 0;
        return this.add({ kind: "sort", x: this.whole(inputs[0]), axis: attrs[0], descending, shape, dtype });
      }
      case "random":
        return this.add({ kind: "random", key: this.whole(inputs[0]), shape, dtype });
      default:
        primitive.kind satisfies never;
        throw new Error(`no lowering for ${primitive.name}`);
    }
  }

  #constant(primitive: Primitive, node: GraphNode): Ref {
    const { shape, dtype } = node;
    if (primitive === scalarP) return this.add({ kind: "scalar", slot: node.slot, shape, dtype });
    if (primitive === literalP) return this.add({ kind: "literal", value: node.attrs[1], shape, dtype });
    if (primitive === iotaP) return this.add({ kind: "iota", shape, dtype });
    throw new Error(`no lowering for the constant ${primitive.name}`);
  }

  // ---- reductions

  #reduce(primitive: Primitive, x: Ref, axes: Attrs, shape: Shape, dtype: DType): Ref {
    const full = this.shapeOf(x);
    const kept = full.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const arg = this.move(x, permuteBy([...kept, ...axes], full));
    const space = this.shapeOf(arg);
    const outer = space.slice(0, kept.length);
    const inner = space.slice(kept.length);
    if (primitive === sumP) {
      const contraction = this.#asContraction(arg, kept.length, shape, dtype);
      if (contraction !== null) return contraction;
    }
    const op = primitive === sumP ? "sum" : primitive === prodP ? "prod" : primitive === maxP ? "max" : "argmax";
    if (op === "argmax") return this.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
    return this.#parts(op, arg, outer, inner, shape, dtype);
  }

  /** A reduction, in two steps where it is long: parts first, then over the parts. */
  #parts(op: "sum" | "prod" | "max", arg: Ref, outer: Shape, inner: Shape, shape: Shape, dtype: DType): Ref {
    if (numel(inner) <= LONGEST_REDUCTION) {
      return this.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
    }
    // Leading reduced dimensions are left to the second step; where one dimension is all there is, it is cut.
    let lead = 0;
    while (lead < inner.length - 1 && numel(inner.slice(lead)) > LONGEST_REDUCTION) lead++;
    if (numel(inner.slice(lead)) > LONGEST_REDUCTION || lead === 0) {
      const last = inner.length - 1;
      const length = inner[last];
      const piece = pieceOf(length, op === "sum" ? LONGEST_REDUCTION / 4 : 0);
      if (piece === 0) return this.add({ kind: "reduce", op, arg, axes: inner.length, shape, dtype });
      const count = Math.ceil(length / piece);
      const rank = outer.length + inner.length;
      const padded = [...outer, ...inner.slice(0, last), count * piece];
      const after = padded.map((_, i) => (i === rank - 1 ? count * piece - length : 0));
      const cut = [...outer, ...inner.slice(0, last), count, piece];
      const moved = this.move(
        arg,
        { name: "pad", attrs: [...padded.map(() => 0), ...after], shape: padded },
        reshapeTo(cut),
      );
      return this.#parts(op, moved, outer, cut.slice(outer.length), shape, dtype);
    }
    const partial = [...outer, ...inner.slice(0, lead)];
    const parts = this.add({ kind: "reduce", op, arg, axes: inner.length - lead, shape: partial, dtype });
    return this.#parts(op, parts, outer, inner.slice(0, lead), shape, dtype);
  }

  /**
   * sum(a · b) as a contraction, where a and b each repeat along dimensions in which the other does not: the outer
   * product is then never made. null where it would gain nothing.
   */
  #asContraction(arg: Ref, outer: number, shape: Shape, dtype: DType): Ref | null {
    const product = this.work[arg.node];
    if (product.kind !== "map" || product.op !== mulP.name || (dtype !== "float32" && dtype !== "float64")) return null;
    const space = this.shapeOf(arg);
    const sides = product.args.map((ref) => this.move(ref, ...arg.moves));
    const chains = sides.map((ref) => chainOf(this.work, ref));
    if (chains.some((chain) => chain.length > 1 || isMasked(chain))) return null;
    if (sides.some(({ node }) => ["literal", "scalar", "iota"].includes(this.work[node].kind))) return null;
    const [a, b] = chains.map(([view]) => space.map((d, i) => d !== 1 && view.strides[i] !== 0));
    const dims = space.map((_, i) => i);
    const reduced = dims.slice(outer);
    const kept = dims.slice(0, outer);
    if (!reduced.every((i) => space[i] === 1 || (a[i] && b[i]))) return null;
    const m = kept.filter((i) => a[i] && !b[i]);
    const n = kept.filter((i) => b[i] && !a[i]);
    if (m.length === 0 || n.length === 0) return null;
    const batch = kept.filter((i) => !m.includes(i) && !n.includes(i));
    const strides = contiguousStrides(kept.map((i) => space[i]));
    const sizes = (list: number[]) => list.map((i) => space[i]);
    const order = (ref: Ref, own: number[], other: number[]) => {
      // The other side's dimensions are dropped: the ref repeats along them.
      const slim = space.map((d, i) => (other.includes(i) ? 1 : d));
      const slice: Move = {
        name: "slice",
        attrs: [...space.map(() => 0), ...slim, ...space.map(() => 1)],
        shape: slim,
      };
      const list = [...batch, ...own, ...reduced];
      return this.move(ref, slice, permuteBy([...list, ...other], slim), reshapeTo(sizes(list)));
    };
    return this.#contract(
      order(sides[0], m, n),
      order(sides[1], n, m),
      { batch: sizes(batch), m: sizes(m), n: sizes(n), k: sizes(reduced) },
      { batch: batch.map((i) => strides[i]), m: m.map((i) => strides[i]), n: n.map((i) => strides[i]) },
      shape,
      dtype,
    );
  }

  // ---- contractions

  #matmul(a: Ref, b: Ref, shape: Shape, dtype: DType): Ref {
    const rank = shape.length;
    const batch = shape.slice(0, -2);
    const [m, n] = shape.slice(-2);
    const k = this.shapeOf(a)[rank - 1];
    const left = this.fit(a, [...batch, m, k]);
    const right = this.fit(b, [...batch, k, n]);
    const swap = [...batch.map((_, i) => i), rank - 1, rank - 2];
    const strides = contiguousStrides(shape);
    if (k === 1) {
      // An outer product: a multiplication, which fuses into whatever reads it.
      const args = [this.fit(left, shape), this.fit(right, shape)];
      return this.add({ kind: "map", op: mulP.name, args, store: false, shape, dtype });
    }
    return this.#contract(
      left,
      this.move(right, permuteBy(swap, [...batch, k, n])),
      { batch, m: [m], n: [n], k: [k] },
      { batch: strides.slice(0, -2), m: [strides[rank - 2]], n: [strides[rank - 1]] },
      shape,
      dtype,
    );
  }

  /** A contraction, in parts along k where it is deep. `a` is [batch, m, k], `b` is [batch, n, k]. */
  #contract(
    a: Ref,
    b: Ref,
    dims: { batch: Shape; m: Shape; n: Shape; k: Shape },
    strides: { batch: number[]; m: number[]; n: number[] },
    shape: Shape,
    dtype: DType,
  ): Ref {
    const { batch, m, n, k } = dims;
    if (numel(k) <= DEEPEST_CONTRACTION) {
      const left = this.strided(a);
      return this.add({ kind: "contract", a: left, b: this.strided(b), ...dims, strides, shape, dtype });
    }
    let lead = 0;
    while (lead < k.length - 1 && numel(k.slice(lead)) > DEEPEST_CONTRACTION) lead++;
    let cut = k;
    if (numel(k.slice(lead)) > DEEPEST_CONTRACTION) {
      const length = k[lead];
      const piece = pieceOf(length, 0);
      const left = this.strided(a);
      if (piece === 0) return this.add({ kind: "contract", a: left, b: this.strided(b), ...dims, strides, shape, dtype });
      cut = [...k.slice(0, lead), length / piece, piece, ...k.slice(lead + 1)];
      lead++;
    }
    // Leading parts of k become leading batch dimensions, and are summed afterwards.
    const parts = cut.slice(0, lead);
    const rest = cut.slice(lead);
    const front = (ref: Ref, own: Shape) => {
      const full = [...batch, ...own, ...cut];
      const at = batch.length + own.length;
      const list = full.map((_, i) => i);
      const perm = [...list.slice(at, at + lead), ...list.slice(0, at), ...list.slice(at + lead)];
      return this.move(ref, reshapeTo(full), permuteBy(perm, full));
    };
    const size = numel(shape);
    const partStrides = contiguousStrides([...parts, size]).slice(0, -1);
    const partial = this.#contract(
      front(a, m),
      front(b, n),
      { batch: [...parts, ...batch], m, n, k: rest },
      { batch: [...partStrides, ...strides.batch], m: strides.m, n: strides.n },
      [...parts, ...shape],
      dtype,
    );
    const all = [...parts, ...shape];
    const perm = [...shape.map((_, i) => i + lead), ...parts.map((_, i) => i)];
    return this.#parts("sum", this.move(partial, permuteBy(perm, all)), shape, parts, shape, dtype);
  }

  /** Convolutions are contractions of windows: see the shapes beside each step. */
  #conv(primitive: Primitive, inputs: readonly Ref[], attrs: Attrs, shape: Shape, dtype: DType): Ref {
    const { n, groups: G, stride, padding, dilation } = convGeometry(attrs);
    const tail = (s: Shape) => s.slice(2);
    const ranks = (from: number) => Array.from({ length: n }, (_, i) => from + i);
    const strides = contiguousStrides(shape);
    if (primitive === convP || primitive === convInputP) {
      let source: Ref;
      let weight: Ref;
      let [kernel, out]: Shape[] = [[], []];
      const w = this.shapeOf(inputs[1]);
      const [O, perGroup] = [w[0] / G, w[1]];
      kernel = tail(w);
      out = tail(shape);
      let [rows, depth] = [O, perGroup];
      // w [G·O, C, …K] → [G, O, C, …K]
      const grouped = [G, O, perGroup, ...kernel];
      if (primitive === convP) {
        source = this.#windows(this.#padded(inputs[0], padding, padding), stride, dilation, out, kernel);
        weight = this.move(inputs[1], reshapeTo(grouped));
      } else {
        // The gradient is spread by the stride, padded, and meets the kernel in reverse.
        const y = tail(this.shapeOf(inputs[0]));
        const before = kernel.map((size, i) => (size - 1) * dilation[i] - padding[i]);
        const after = out.map((size, i) => size - 1 + padding[i] - (y[i] - 1) * stride[i]);
        const spread = this.#padded(this.#spread(inputs[0], stride), before, after);
        source = this.#windows(spread, ranks(0).map(() => 1), dilation, out, kernel);
        const flipped: Move = { name: "flip", attrs: ranks(2), shape: w };
        weight = this.move(
          inputs[1],
          flipped,
          reshapeTo(grouped),
          permuteBy([0, 2, 1, ...ranks(3)], grouped),
        );
        [rows, depth] = [perGroup, O];
      }
      const N = shape[0];
      // windows [N, G·C, …out, …K] → [N, G, C, …out, …K] → [N, G, …out, C, …K]
      const windows = [N, G, depth, ...out, ...kernel];
      const b = this.move(
        source,
        reshapeTo(windows),
        permuteBy([0, 1, ...ranks(3), 2, ...ranks(3 + n)], windows),
      );
      const a = this.move(weight, reshapeTo([1, G, rows, depth, ...kernel]), expandTo([N, G, rows, depth, ...kernel]));
      return this.#contract(
        a,
        b,
        { batch: [N, G], m: [rows], n: out, k: [depth, ...kernel] },
        { batch: [strides[0], rows * strides[1]], m: [strides[1]], n: strides.slice(2) },
        shape,
        dtype,
      );
    }
    // Weight gradient: g [N, G·O, …Y] → [G, O, N, …Y]; windows of x [N, G·C, …K, …Y] → [G, C, …K, N, …Y].
    const gradient = this.shapeOf(inputs[1]);
    const [N, y, kernel] = [gradient[0], tail(gradient), tail(shape)];
    const [O, C] = [shape[0] / G, shape[1]];
    const split = [N, G, O, ...y];
    const a = this.move(inputs[1], reshapeTo(split), permuteBy([1, 2, 0, ...ranks(3)], split));
    const source = this.#windows(this.#padded(inputs[0], padding, padding), stride, dilation, y, kernel);
    const windows = [N, G, C, ...y, ...kernel];
    const b = this.move(source, reshapeTo(windows), permuteBy([1, 2, ...ranks(3 + n), 0, ...ranks(3)], windows));
    return this.#contract(
      a,
      b,
      { batch: [G], m: [O], n: [C, ...kernel], k: [N, ...y] },
      { batch: [O * strides[0]], m: [strides[0]], n: strides.slice(1) },
      shape,
      dtype,
    );
  }

  /** Zeros between the elements of the spatial dimensions, as many as a stride skips. */
  #spread(ref: Ref, stride: readonly number[]): Ref {
    if (stride.every((s) => s === 1)) return ref;
    const shape = this.shapeOf(ref);
    const spatial = shape.slice(2);
    const lead = shape.slice(0, 2);
    const apart = [...lead, ...spatial.flatMap((d) => [d, 1])];
    const spaced = [...lead, ...spatial.flatMap((d, i) => [d, stride[i]])];
    const joined = [...lead, ...spatial.map((d, i) => d * stride[i])];
    const cut = [...lead, ...spatial.map((d, i) => (d - 1) * stride[i] + 1)];
    return this.move(
      ref,
      reshapeTo(apart),
      { name: "pad", attrs: [...apart.map(() => 0), ...spaced.map((d, i) => d - apart[i])], shape: spaced },
      reshapeTo(joined),
      { name: "slice", attrs: [...joined.map(() => 0), ...cut, ...joined.map(() => 1)], shape: cut },
    );
  }

  /** Spatial dimensions padded before and after; negative counts cut. */
  #padded(ref: Ref, before: readonly number[], after: readonly number[]): Ref {
    const shape = this.shapeOf(ref);
    const lo = [0, 0, ...before];
    const hi = [0, 0, ...after];
    const start = lo.map((x) => Math.max(-x, 0));
    const cut = shape.map((d, i) => d - start[i] - Math.max(-hi[i], 0));
    const pads = [...lo, ...hi].map((x) => Math.max(x, 0));
    const full = cut.map((d, i) => d + pads[i] + pads[shape.length + i]);
    return this.move(
      ref,
      { name: "slice", attrs: [...start, ...cut, ...shape.map(() => 1)], shape: cut },
      { name: "pad", attrs: pads, shape: full },
    );
  }

  /** [N, C, …S] → [N, C, …out, …kernel]: overlapping windows, as a view of a stored value. */
  #windows(
    ref: Ref,
    stride: readonly number[],
    dilation: readonly number[],
    out: Shape,
    kernel: Shape,
  ): Ref {
    const base = this.strided(ref);
    const shape = [...this.shapeOf(base).slice(0, 2), ...out, ...kernel];
    return this.move(base, { name: "window", attrs: [...stride, ...dilation], shape });
  }
}

/** A length of pieces near the square root: a divisor, or, where padding is allowed, any; 0 for none. */
function pieceOf(length: number, padTo: number): number {
  const root = Math.ceil(Math.sqrt(length));
  for (let piece = root; piece <= Math.min(length / 2, root * 8); piece++) if (length % piece === 0) return piece;
  for (let piece = root; piece >= 2 && piece > root / 8; piece--) if (length % piece === 0) return piece;
  return padTo > 0 ? Math.min(padTo, root) : 0;
}

