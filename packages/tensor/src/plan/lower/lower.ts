/**
 * Lowering: from primitives to the few kinds of work that kernels do.
 *
 * A *ref* is how one piece of work reads another: a node, and the movement operations between the two. Movement
 * thereby vanishes into refs, where it costs nothing. Convolutions become contractions of window views; long
 * reductions and deep contractions are cut into partial results and a sum over them, which bounds rounding errors
 * and gives every processor something to do.
 */
import { chainKey, isIdentity, isMasked, type Move } from "@loopgrad/kernels";
import { iotaP, literalP, type Primitive, scalarP } from "../../primitives.ts";
import type { Graph, GraphNode } from "../../record/backend.ts";
import { type Shape, sameShape } from "../../shape.ts";
import { matmul } from "./contraction.ts";
import { conv } from "./convolution.ts";
import { piecesOf } from "./pack.ts";
import { reduce } from "./reduction.ts";
import { chainOf, expandTo, FLAG, type Lowered, type Ref, reshapeTo, type Work } from "./work.ts";

export function lower(graph: Graph): Lowered {
  const lowering = new Lowering(graph);
  for (const node of graph.nodes) {
    lowering.section = node.section ?? lowering.section;
    lowering.refs.push(lowering.lower(node));
  }
  return { work: lowering.work, sections: lowering.sections, outputs: graph.outputs.map((i) => lowering.refs[i]) };
}

/** Movement operations between a node and its reader; beyond, a copy is stored. */
const MOST_MOVES = 64;
/** Views in the chain of a load: each costs divisions, and some compilers give up on many. */
const MOST_VIEWS = 2;

/** The work so far, and how to see a node in another shape. */
export class Lowering {
  readonly work: Work[] = [];
  /** The section of each piece of work. */
  readonly sections: number[] = [];
  /** Of the node that is being lowered. */
  section = 0;
  /** For every node of the graph, where its value is found. */
  readonly refs: Ref[] = [];
  readonly #copies = new Map<string, Ref>();
  #flag: Ref | null = null;

  /** For every node of the graph, how many read it; being an output counts as well. */
  readonly uses: readonly number[];

  constructor(readonly graph: Graph) {
    const uses = new Array<number>(graph.nodes.length).fill(0);
    for (const { inputs } of graph.nodes) for (const input of inputs) uses[input]++;
    for (const output of graph.outputs) uses[output]++;
    this.uses = uses;
  }

  add(work: Work): Ref {
    this.work.push(work);
    this.sections.push(this.section);
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
    if (useful.length === 0) return ref;
    const moved = { node: ref.node, moves: [...ref.moves, ...useful] };
    if (ref.moves.length === 0) return moved;
    if (moved.moves.length <= MOST_MOVES && chainOf(this.work, moved).length <= MOST_VIEWS) return moved;
    return { node: this.stored(ref).node, moves: useful };
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
    const { dtype } = this.work[ref.node];
    const key = `${ref.node}@${chainKey(chainOf(this.work, ref))}`;
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
      case "pack":
        return this.add({ kind: "pack", pieces: piecesOf(this, node), shape, dtype });
      case "reduce":
        return reduce(this, primitive, inputs[0], attrs, shape, dtype);
      case "matmul":
        return matmul(this, inputs[0], inputs[1], shape, dtype);
      case "conv":
        return conv(this, primitive, inputs, attrs, shape, dtype);
      case "gather":
        return this.add({ kind: "gather", x: this.whole(inputs[0]), index: inputs[1], axis: attrs[0], shape, dtype });
      case "check":
        return this.#position(inputs[0], attrs, shape);
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
        return this.add({ kind: "random", key: this.whole(inputs[0]), counters: inputs.slice(1), shape, dtype });
      default:
        primitive satisfies never;
        throw new Error("unknown primitive");
    }
  }

  #position(index: Ref, [size, fromEnd, site, ignores, ignored]: readonly number[], shape: Shape): Ref {
    if (site !== 0) this.#flag ??= this.add({ kind: "leaf", slot: FLAG, shape: [2], dtype: "uint32" });
    return this.add({
      kind: "position",
      index,
      flag: site === 0 ? null : this.#flag,
      size,
      fromEnd: fromEnd !== 0,
      site,
      ignored: ignores === 0 ? null : ignored,
      shape,
      dtype: "int32",
    });
  }

  #constant(primitive: Primitive, node: GraphNode): Ref {
    const { shape, dtype } = node;
    if (primitive === scalarP) return this.add({ kind: "scalar", slot: node.slot, shape, dtype });
    if (primitive === literalP) return this.add({ kind: "literal", value: node.attrs[1], shape, dtype });
    if (primitive === iotaP) return this.add({ kind: "iota", shape, dtype });
    throw new Error(`no lowering for the constant ${primitive.name}`);
  }
}
