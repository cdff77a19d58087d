/**
 * Simplifying: a smaller graph with the same values, on the same primitives.
 *
 * The graph is rebuilt from its inputs up. Every node is first offered to the rewrites of its primitive, then
 * looked up among the nodes already built (common subexpressions), and only then added. Second-order graphs are
 * full of symbolic zeros and ones, of sums over expanded axes and of reshapes of reshapes: that is what the
 * rewrites are about. Numbers given by the user are never looked at: they are not part of a plan.
 */
import { DTYPES, type DType, dtypeCode, isFloat } from "../dtype.ts";
import {
  type Attrs,
  addP,
  aliasP,
  castP,
  divP,
  expandP,
  flipP,
  type Kind,
  literalP,
  matmulP,
  maxP,
  mulP,
  negP,
  type Primitive,
  packLayout,
  packP,
  padP,
  permuteP,
  prodP,
  reshapeP,
  scalarP,
  sliceP,
  subP,
  sumP,
  whereP,
} from "../primitives.ts";
import type { Graph, GraphNode } from "../record/backend.ts";
import { numel, type Shape, sameShape } from "../shape.ts";
import { joinPieces } from "./join.ts";

/** A rewrite: the position of an equal, simpler node, or −1 where the rule has nothing to say. */
type Rewrite = (b: Builder, inputs: readonly number[], attrs: Attrs, shape: Shape, dtype: DType) => number;

const REWRITES = new Map<Primitive, Rewrite[]>();

/** Adds a rewrite for a primitive. Rules are tried in the order of this file. */
function rewrite(primitive: Primitive, rule: Rewrite): void {
  const rules = REWRITES.get(primitive);
  if (rules === undefined) REWRITES.set(primitive, [rule]);
  else rules.push(rule);
}

/** The graph being rebuilt. */
class Builder {
  readonly nodes: GraphNode[] = [];
  /** Of the node that is being rebuilt. */
  section = 0;
  readonly #known = new Map<string, number>();

  /** The node for a primitive applied to nodes: an equal one if there is one, else a new one. */
  make(primitive: Primitive, inputs: readonly number[], attrs: Attrs = [], slot = -1): number {
    const { shape, dtype } = primitive.infer(
      inputs.map((i) => this.nodes[i]),
      attrs,
    );
    const rules = REWRITES.get(primitive);
    if (rules !== undefined) {
      for (const rule of rules) {
        const found = rule(this, inputs, attrs, shape, dtype);
        if (found >= 0) return found;
      }
    }
    const key = `${primitive.code}:${inputs}:${attrs}:${slot}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const position = this.add({ primitive, inputs, attrs, shape, dtype, slot });
    this.#known.set(key, position);
    return position;
  }

  add(node: GraphNode): number {
    this.nodes.push({ ...node, section: this.section });
    return this.nodes.length - 1;
  }

  is(i: number, primitive: Primitive): boolean {
    return this.nodes[i].primitive === primitive;
  }

  /** The number that every element of a node is known to be at planning; null where it is not. */
  known(i: number): number | null {
    let node = this.nodes[i];
    while (node.primitive === expandP || node.primitive === reshapeP) node = this.nodes[node.inputs[0]];
    return node.primitive === literalP ? node.attrs[1] : null;
  }

  literal(value: number, shape: Shape, dtype: DType): number {
    return this.fit(this.make(literalP, [], [dtypeCode(dtype), value]), shape);
  }

  /** The node reshaped and expanded to a shape that it broadcasts to. */
  fit(i: number, shape: Shape): number {
    const own = this.nodes[i].shape;
    if (sameShape(own, shape)) return i;
    const aligned = new Array<number>(shape.length - own.length).fill(1).concat(own);
    return this.make(expandP, [this.make(reshapeP, [i], aligned)], shape as number[]);
  }
}

/** A tensor and its image are one value. */
rewrite(aliasP, (_, [x]) => x);

/** x + 0 = x: symbolic zeros come from cotangents that nothing reached. */
rewrite(addP, (b, [x, y], _, shape) => (b.known(x) === 0 ? b.fit(y, shape) : b.known(y) === 0 ? b.fit(x, shape) : -1));

/** x − 0 = x, 0 − x = −x. */
rewrite(subP, (b, [x, y], _, shape) => {
  if (b.known(y) === 0) return b.fit(x, shape);
  return b.known(x) === 0 ? b.make(negP, [b.fit(y, shape)]) : -1;
});

/** x · 1 = x, x · 0 = 0: only the tape's own symbols, never a user's zero, which must meet NaN and infinity. */
rewrite(mulP, (b, [x, y], _, shape, dtype) => {
  const [s, t] = [b.known(x), b.known(y)];
  if (s === 1) return b.fit(y, shape);
  if (t === 1) return b.fit(x, shape);
  if (s === 0 || t === 0) return b.literal(0, shape, dtype);
  return s !== null && t !== null && Math.abs(s * t) < 2 ** 20 ? b.literal(s * t, shape, dtype) : -1;
});

/** x · −1 = −x. */
rewrite(mulP, (b, [x, y], _, shape) => {
  if (b.known(x) === -1) return b.make(negP, [b.fit(y, shape)]);
  return b.known(y) === -1 ? b.make(negP, [b.fit(x, shape)]) : -1;
});

/** x / 1 = x, 0 / x = 0 is left alone: x may be 0. */
rewrite(divP, (b, [x, y], _, shape) => (b.known(y) === 1 ? b.fit(x, shape) : -1));

/** −(−x) = x; minus a literal is a literal. */
rewrite(negP, (b, [x], _, shape, dtype) => {
  if (b.is(x, negP)) return b.nodes[x].inputs[0];
  const value = b.known(x);
  return value === null || dtype === "uint32" ? -1 : b.literal(-value, shape, dtype);
});

/** x + (−y) = x − y, (−x) + y = y − x: one operation less. */
rewrite(addP, (b, [x, y]) => {
  if (b.is(y, negP)) return b.make(subP, [x, b.nodes[y].inputs[0]]);
  return b.is(x, negP) ? b.make(subP, [y, b.nodes[x].inputs[0]]) : -1;
});

/** x − (−y) = x + y. */
rewrite(subP, (b, [x, y]) => (b.is(y, negP) ? b.make(addP, [x, b.nodes[y].inputs[0]]) : -1));

/** (−x)(−y) = xy. */
rewrite(mulP, (b, [x, y]) =>
  b.is(x, negP) && b.is(y, negP) ? b.make(mulP, [b.nodes[x].inputs[0], b.nodes[y].inputs[0]]) : -1,
);

/** A cast to the same dtype, and of a literal that the other dtype holds as it is. */
rewrite(castP, (b, [x], [to], shape) => {
  if (b.nodes[x].dtype === DTYPES[to]) return x;
  const value = b.known(x);
  if (value === null || (DTYPES[to] === "uint32" && value < 0) || DTYPES[to] === "bool") return -1;
  return b.literal(value, shape, DTYPES[to]);
});

/** where(c, x, x) = x; a condition known at planning picks its branch. */
rewrite(whereP, (b, [c, x, y], _, shape) => {
  if (x === y && sameShape(b.nodes[x].shape, shape)) return x;
  const known = b.known(c);
  return known === null ? -1 : b.fit(known !== 0 ? x : y, shape);
});

/** where(c, where(c, x, y), z) = where(c, x, z), and the like on the other branch. */
rewrite(whereP, (b, [c, x, y], _, shape) => {
  const inner = (i: number, branch: number) =>
    b.is(i, whereP) && b.nodes[i].inputs[0] === c && sameShape(b.nodes[i].shape, shape) ? b.nodes[i].inputs[branch] : i;
  const [x2, y2] = [inner(x, 1), inner(y, 2)];
  if (x2 === x && y2 === y) return -1;
  return b.fit(b.make(whereP, [c, x2, y2]), shape);
});

/** A reshape to the same shape is nothing; a reshape of a reshape is one; so is that of a literal's expansion. */
rewrite(reshapeP, (b, [x], _, shape) => {
  if (sameShape(b.nodes[x].shape, shape)) return x;
  if (b.is(x, reshapeP)) return b.make(reshapeP, [b.nodes[x].inputs[0]], shape as number[]);
  const value = b.known(x);
  return value !== null && b.is(x, expandP) ? b.literal(value, shape, b.nodes[x].dtype) : -1;
});

/** A permutation that changes nothing; two in a row are one; moving only dimensions of size 1 is a reshape. */
rewrite(permuteP, (b, [x], perm, shape) => {
  if (perm.every((axis, i) => axis === i)) return x;
  if (b.is(x, permuteP)) {
    const { inputs, attrs } = b.nodes[x];
    return b.make(
      permuteP,
      inputs,
      perm.map((axis) => attrs[axis]),
    );
  }
  const own = b.nodes[x].shape;
  const long = perm.filter((axis) => own[axis] !== 1);
  if (long.every((axis, i) => i === 0 || axis > long[i - 1])) return b.make(reshapeP, [x], shape as number[]);
  const value = b.known(x);
  return value === null ? -1 : b.literal(value, shape, b.nodes[x].dtype);
});

/** An expansion that changes nothing; two in a row are one. */
rewrite(expandP, (b, [x], _, shape) => {
  if (sameShape(b.nodes[x].shape, shape)) return x;
  return b.is(x, expandP) ? b.make(expandP, b.nodes[x].inputs, shape as number[]) : -1;
});

/** A slice of everything. */
rewrite(sliceP, (b, [x], _, shape) => {
  if (sameShape(b.nodes[x].shape, shape)) return x;
  const value = b.known(x);
  return value === null ? -1 : b.literal(value, shape, b.nodes[x].dtype);
});

/** Padding by nothing, and padding of zeros. */
rewrite(padP, (b, [x], _, shape) => {
  if (sameShape(b.nodes[x].shape, shape)) return x;
  return b.known(x) === 0 ? b.literal(0, shape, b.nodes[x].dtype) : -1;
});

/** A vector's pieces packed again in their places are that vector, with whatever it has between them. */
rewrite(packP, (b, pieces, _, shape, dtype) => {
  const { starts } = layoutOf(b, pieces, dtype);
  let whole = -1;
  for (const [k, piece] of pieces.entries()) {
    const part = rangeOf(b, piece);
    if (part === null || part.start !== starts[k] || (whole >= 0 && whole !== part.of)) return -1;
    whole = part.of;
  }
  return whole >= 0 && sameShape(b.nodes[whole].shape, shape) ? whole : -1;
});

/**
 * Pieces of a pack, packed anew: the kernels that made them can write them there as well. Also pieces of a vector that
 * elementwise work, the same for every element, made of a pack: gradients that were clipped.
 */
rewrite(packP, (b, pieces, _, __, dtype) => {
  const vector = rangeOf(b, pieces[0])?.of;
  const work = vector === undefined ? null : workOnPack(b, vector);
  if (work === null || b.nodes[work.pack].dtype !== dtype) return -1;
  const { inputs } = b.nodes[work.pack];
  const byStart = new Map(layoutOf(b, inputs, dtype).starts.map((start, k) => [start, inputs[k]]));
  const originals: number[] = [];
  for (const piece of pieces) {
    const part = rangeOf(b, piece);
    const original = part?.of === vector ? byStart.get(part?.start ?? -1) : undefined;
    if (original === undefined || numel(b.nodes[original].shape) !== numel(b.nodes[piece].shape)) return -1;
    originals.push(original);
  }
  const again = new Map([[work.pack, b.make(packP, originals)]]);
  for (const i of work.steps) {
    const { primitive, attrs } = b.nodes[i];
    const args = b.nodes[i].inputs.map((input) => again.get(input) ?? input);
    again.set(i, b.make(primitive as Primitive, args, attrs));
  }
  return again.get(vector as number) as number;
});

/** The pack that a vector is computed from, element by element and with scalars, and the nodes between; else null. */
function workOnPack(b: Builder, vector: number): { pack: number; steps: number[] } | null {
  const steps = new Set<number>();
  let pack = -1;
  const stack = [vector];
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    const { primitive, inputs, shape } = b.nodes[i];
    if (shape.length === 0 || steps.has(i) || i === pack) continue;
    if (primitive === packP && pack < 0) pack = i;
    else if (ELEMENTWISE.has(primitive?.kind) && steps.size < MOST_STEPS) {
      steps.add(i);
      stack.push(...inputs);
    } else return null;
  }
  return { pack, steps: [...steps].sort((i, j) => i - j) };
}

const ELEMENTWISE: ReadonlySet<Kind | undefined> = new Set<Kind>(["unary", "binary", "compare", "where"]);
/** Nodes that are worth being computed once more. */
const MOST_STEPS = 16;

const layoutOf = (b: Builder, pieces: readonly number[], dtype: DType) =>
  packLayout(
    pieces.map((i) => numel(b.nodes[i].shape)),
    dtype,
  );

/** The vector that a node is a range of, and the element with which it begins; null where it is no such thing. */
function rangeOf(b: Builder, i: number): { of: number; start: number } | null {
  const slice = b.is(i, reshapeP) ? b.nodes[i].inputs[0] : i;
  const { inputs, attrs } = b.nodes[slice];
  const isRange = b.is(slice, sliceP) && attrs.length === 3 && attrs[2] === 1;
  return isRange ? { of: inputs[0], start: attrs[0] } : null;
}

/** Flipping nothing, or only dimensions of size 1, or what is the same everywhere. */
rewrite(flipP, (b, [x], axes, shape) => (axes.every((axis) => shape[axis] === 1) || b.known(x) !== null ? x : -1));

/** A reduction over nothing, or over dimensions of size 1, is its argument. */
for (const primitive of [sumP, maxP, prodP]) {
  rewrite(primitive, (b, [x], axes) => (axes.every((axis) => b.nodes[x].shape[axis] === 1) ? x : -1));
}

/** The sum over an axis along which x repeats is a multiplication: second-order graphs are full of these. */
rewrite(sumP, (b, [x], axes, _, dtype) => {
  if (!b.is(x, expandP)) return -1;
  const [inner] = b.nodes[x].inputs;
  const own = b.nodes[inner].shape;
  const full = b.nodes[x].shape;
  const repeated = axes.filter((axis) => own[axis] === 1 && full[axis] !== 1);
  if (repeated.length === 0) return -1;
  const count = repeated.reduce((n, axis) => n * full[axis], 1);
  if (!isFloat(dtype) || count >= 2 ** 24) return -1;
  const rest = axes.filter((axis) => !repeated.includes(axis));
  const target = full.map((d, axis) => (repeated.includes(axis) ? 1 : d));
  const sum = b.make(sumP, [b.make(expandP, [inner], target)], rest);
  return b.make(mulP, [sum, b.literal(count, [], dtype)]);
});

/** A sum of sums is one sum. */
rewrite(sumP, (b, [x], axes) => {
  if (!b.is(x, sumP)) return -1;
  const { inputs, attrs } = b.nodes[x];
  return b.make(
    sumP,
    inputs,
    [...new Set([...attrs, ...axes])].sort((p, q) => p - q),
  );
});

/** The sum of −x is −sum(x): the sign then meets others on the way out. */
rewrite(sumP, (b, [x], axes) => (b.is(x, negP) ? b.make(negP, [b.make(sumP, b.nodes[x].inputs, axes)]) : -1));

/** A product with a zero matrix. */
rewrite(matmulP, (b, [x, y], _, shape, dtype) =>
  b.known(x) === 0 || b.known(y) === 0 ? b.literal(0, shape, dtype) : -1,
);

/** Signs are moved out of contractions: (−A) B = −(A B). */
rewrite(matmulP, (b, [x, y]) => {
  if (b.is(x, negP)) return b.make(negP, [b.make(matmulP, [b.nodes[x].inputs[0], y])]);
  return b.is(y, negP) ? b.make(negP, [b.make(matmulP, [x, b.nodes[y].inputs[0]])]) : -1;
});

/** A smaller graph with equal outputs. Leaves and scalars keep their slots, whether or not they are still used. */
export function simplify(recorded: Graph): Graph {
  const graph = joinPieces(recorded);
  const live = reachable(graph.nodes, graph.outputs);
  const builder = new Builder();
  const place = new Int32Array(graph.nodes.length);
  graph.nodes.forEach((node, i) => {
    if (!live[i]) return;
    builder.section = node.section ?? builder.section;
    if (node.primitive === null) place[i] = builder.add(node);
    else if (node.primitive === scalarP) place[i] = builder.make(scalarP, [], node.attrs, node.slot);
    else
      place[i] = builder.make(
        node.primitive,
        node.inputs.map((input) => place[input]),
        node.attrs,
      );
  });
  const outputs = graph.outputs.map((i) => place[i]);
  return { ...graph, ...compact(builder.nodes, outputs) };
}

function reachable(nodes: readonly GraphNode[], outputs: readonly number[]): Uint8Array {
  const live = new Uint8Array(nodes.length);
  for (const i of outputs) live[i] = 1;
  for (let i = nodes.length - 1; i >= 0; i--) if (live[i]) for (const input of nodes[i].inputs) live[input] = 1;
  return live;
}

/** Rewrites leave nodes behind that nothing needs any more. */
function compact(nodes: readonly GraphNode[], outputs: readonly number[]): { nodes: GraphNode[]; outputs: number[] } {
  const live = reachable(nodes, outputs);
  const place = new Int32Array(nodes.length);
  const kept: GraphNode[] = [];
  nodes.forEach((node, i) => {
    if (!live[i]) return;
    place[i] = kept.length;
    kept.push({ ...node, inputs: node.inputs.map((input) => place[input]) });
  });
  return { nodes: kept, outputs: outputs.map((i) => place[i]) };
}
