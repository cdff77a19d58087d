/**
 * The walk: from results back to where gradients were asked for.
 *
 * It has two passes over the tape, neither of them recursive. The first finds the nodes that stand between the results
 * and the *wanted* nodes. The second visits these from the youngest to the oldest, so that a node is reached only when
 * everything computed from it has given its share. The shares add up to the node's *cotangent*; hooks see it,
 * and the primitive's rule turns it into shares for the node's parents.
 *
 * Where to look: a node is worth visiting only if a wanted one can lie behind it. For wanted sources its source set
 * says so. For wanted nodes in the middle of a graph (fast weights: the results of an earlier step) their age does:
 * nothing older than the oldest of them is looked at. So the cost of a gradient depends on the part of the graph
 * between results and wanted nodes, not on the length of the history before them.
 *
 * What a rule makes on its way is released when the rule ends, a cotangent when its node was visited. Hooks run in
 * the caller's scope.
 */
import {
  add,
  bind,
  GradError,
  literals,
  type Primitive,
  reshapeP,
  type Shape,
  sameShape,
  scope,
  show,
  sumP,
  syncScope,
  Tensor,
  type Value,
  wrap,
} from "@loopgrad/tensor";
import { Call, Result } from "./call.ts";
import { within } from "./mode.ts";
import { OUTPUT, RULES } from "./rules/index.ts";
import type { Sources } from "./sources.ts";
import { attach, type Hook, type Node, nodeOf } from "./tape.ts";

/** Counts since the program started, for tests of a walk's extent. */
export const walkCounts = {
  walks: 0,
  /** Nodes that first passes looked at. */
  visited: 0,
  /** Rules that second passes ran. */
  applied: 0,
};

export interface WalkOptions {
  /** Put the gradients' own computation on the tape. */
  readonly createGraph: boolean;
  /** Leave saved values in place for another walk. */
  readonly retainGraph: boolean;
}

/** A result, and the cotangent that it starts with; null for ones. */
export interface Seed {
  readonly node: Node;
  readonly cotangent: Tensor | null;
}

/**
 * Cotangents of the wanted nodes, in their order; null for one that the results don't depend on. They are fresh handles
 * in the current scope.
 */
export function walk(seeds: readonly Seed[], wanted: readonly Node[], options: WalkOptions): (Tensor | null)[] {
  const route = survey(seeds, new Aim(wanted));
  const captured = within(options.createGraph, () => unwind(route, seeds, options));
  const handed = new Set<Tensor>();
  return wanted.map((node) => {
    const place = route.wanted.get(node);
    const cotangent = place === undefined ? undefined : captured.get(place);
    if (cotangent === undefined) return null;
    if (handed.has(cotangent)) return handleOf(cotangent, options.createGraph); // asked for twice
    handed.add(cotangent);
    return cotangent;
  });
}

/** Like `walk`, for every leaf below the results and every node with an owner (see `retainGrad`). */
export function walkToOwners(seeds: readonly Seed[], options: WalkOptions): [Node, Tensor][] {
  const route = survey(seeds, null);
  const captured = within(options.createGraph, () => unwind(route, seeds, options));
  return [...captured].map(([at, cotangent]) => [route.nodes[at], cotangent]);
}

// ---- the first pass ---------------------------------------------------------------------------------------------

/** What a walk looks for, and the questions it puts to a node. Answers are kept with the source sets. */
class Aim {
  readonly #id = ++aims;
  readonly #wanted: Set<Node>;
  /** Numbers of the wanted sources. */
  readonly #sources: readonly number[];
  /** Of the wanted nodes that are no sources: the number of the oldest, and their source sets. */
  readonly #floor: number;
  readonly #inner: ReadonlySet<Sources>;

  constructor(wanted: readonly Node[]) {
    this.#wanted = new Set(wanted);
    const nodes = [...this.#wanted];
    this.#sources = nodes.filter((node) => node.source !== 0).map((node) => node.source);
    const inner = nodes.filter((node) => node.source === 0);
    this.#floor = inner.reduce((least, node) => Math.min(least, node.seq), Number.POSITIVE_INFINITY);
    this.#inner = new Set(inner.map((node) => node.sources as Sources));
  }

  wants(node: Node): boolean {
    return this.#wanted.has(node);
  }

  /** Whether a wanted node, other than this one, can lie behind it. */
  liesBehind(node: Node): boolean {
    const sources = node.sources as Sources;
    if (sources.askedBy !== this.#id) this.#ask(sources);
    const itself = node.source !== 0 && this.#wanted.has(node) ? 1 : 0;
    return sources.wanted > itself || (sources.coversInner && node.seq > this.#floor);
  }

  #ask(sources: Sources): void {
    sources.askedBy = this.#id;
    sources.wanted = 0;
    for (const id of this.#sources) if (sources.has(id)) sources.wanted++;
    sources.coversInner = false;
    for (const inner of this.#inner) if (sources.includes(inner)) sources.coversInner = true;
  }
}

let aims = 0;

/** What the first pass found: the nodes that lead to wanted ones, parents before children. */
interface Route {
  readonly nodes: readonly Node[];
  /** For each node the positions of its parents in `nodes`, −1 for one that leads nowhere. */
  readonly edges: readonly (readonly number[])[];
  /** Position of each seed, −1 if it leads nowhere. */
  readonly starts: readonly number[];
  /** Wanted nodes that can be reached, with their positions. */
  readonly wanted: ReadonlyMap<Node, number>;
}

/** @param aim null: every leaf and every node with an owner is wanted */
function survey(seeds: readonly Seed[], aim: Aim | null): Route {
  const mark = ++walkCounts.walks;
  const seen: Node[] = [];
  const stack: Node[] = [];
  const meet = (node: Node): void => {
    if (node.walk === mark) return;
    node.walk = mark;
    stack.push(node);
  };
  for (const { node } of seeds) meet(node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    seen.push(node);
    if (aim !== null && !aim.liesBehind(node)) continue;
    for (const parent of node.parents) {
      if (parent !== null && (aim === null || aim.wants(parent) || aim.liesBehind(parent))) meet(parent);
    }
  }
  walkCounts.visited += seen.length;
  seen.sort((a, b) => a.seq - b.seq);

  const nodes: Node[] = [];
  const edges: (readonly number[])[] = [];
  const wanted = new Map<Node, number>();
  for (const node of seen) {
    const parents = node.parents.map((parent) => (parent !== null && parent.walk === mark ? parent.index : -1));
    const leads = parents.some((place) => place >= 0);
    const isWanted = aim === null ? node.owner !== null : aim.wants(node);
    node.index = leads || isWanted ? nodes.length : -1;
    if (node.index < 0) continue;
    if (isWanted) wanted.set(node, node.index);
    nodes.push(node);
    edges.push(leads ? parents : NONE);
  }
  return { nodes, edges, wanted, starts: seeds.map(({ node }) => node.index) };
}

const NONE: readonly number[] = [];

// ---- the second pass --------------------------------------------------------------------------------------------

/** Returns the cotangents of the wanted nodes by position, as handles in the current scope. */
function unwind(route: Route, seeds: readonly Seed[], { createGraph, retainGraph }: WalkOptions): Map<number, Tensor> {
  const { nodes, edges, wanted, starts } = route;
  const capture = new Set(wanted.values());
  const captured = new Map<number, Tensor>();
  const cotangents = new Cotangents(nodes.length);
  // What was taken from the sums and is not let go of yet: a rule, a hook or a function of the user's may throw.
  let inHand: Tensor | null = null;
  let partsInHand: readonly (Tensor | null)[] | null = null;
  let isDone = false;
  try {
    scope(() =>
      seeds.forEach(({ node, cotangent }, i) => {
        if (starts[i] >= 0) cotangents.add(starts[i], cotangent ?? literals(1, node.shape, node));
      }),
    );
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      const parents = edges[i];
      if (node.section !== nodes[i + 1]?.section) crossSeam(node, nodes[i + 1] ?? null);
      if (node instanceof Call) {
        const parts = cotangents.takeParts(i);
        if (parts === null) continue;
        partsInHand = parts;
        inside(node, () => applyCall(node, parts, parents, createGraph, cotangents));
        if (!retainGraph) node.free();
        partsInHand = null;
        for (const part of parts) if (part !== null) letGo(part);
        continue;
      }
      let g = cotangents.take(i);
      if (g === null) continue;
      if (node.hooks !== null) g = runHooks(node, node.hooks, g, createGraph);
      inHand = g;
      if (capture.has(i)) captured.set(i, handleOf(g, createGraph));
      if (parents.length > 0) {
        const arrived = g;
        inside(node, () => applyRule(node, arrived, parents, createGraph, cotangents));
        if (!retainGraph) node.free();
      }
      inHand = null;
      letGo(g);
    }
    isDone = true;
  } finally {
    cotangents.release();
    if (!isDone) {
      for (const held of [inHand, ...(partsInHand ?? [])]) if (held !== null) letGo(held);
      for (const gradient of captured.values()) gradient._release();
    }
  }
  return captured;
}

/** Operations at which what a walk through a long loop has recorded is submitted, between two steps. */
const MANY = 8192;

/**
 * The walk goes on with a node of another section than the last one. Kernels of two steps of a loop share no work. And as a
 * long loop has submitted its steps one after another, the walk does so as well, and begins with nothing pending: what kernels
 * there are depends on how many steps came before in no way.
 */
function crossSeam({ section, device }: Node, last: Node | null): void {
  if (section.loop === null || section.loop.updates < 2) return;
  const begins = last === null || last.section.loop !== section.loop;
  if (section.loop.isLong && (begins || device.pending > MANY)) device.flush();
  else device.seam();
}

let visiting: Node | null = null;

/** The node whose rule runs now; null outside of walks. */
export const visitedNode = (): Node | null => visiting;

/** Runs a node's rule in a scope of its own. */
function inside(node: Node, rule: () => void): void {
  const outer = visiting;
  const own = syncScope();
  visiting = node;
  try {
    rule();
  } finally {
    visiting = outer;
    own.end();
  }
}

/** A handle of the walk's own, outside every scope. Pinned: a flush on the way stores it, and not how it came about. */
function hold(tensor: Tensor): Tensor {
  const value = tensor._live();
  const handle = wrap(value, null);
  const node = nodeOf(tensor);
  if (node !== null) attach(handle, node);
  value.pins++;
  return handle;
}

function letGo(handle: Tensor): void {
  handle.device.unpinned(handle._value);
  handle._release();
}

/** The sums so far, by position. The walk holds them; whoever adds to one has a scope open. */
class Cotangents {
  readonly #sums: (Tensor | null)[];
  /** Of a call: one for each of its results. */
  readonly #parts = new Map<number, (Tensor | null)[]>();

  constructor(count: number) {
    this.#sums = new Array<Tensor | null>(count).fill(null);
  }

  add(place: number, share: Tensor): void {
    this.#sums[place] = grown(this.#sums[place], share);
  }

  /** Adds to the cotangent of a call's result. */
  addPart(place: number, { at, call }: Result, share: Tensor): void {
    let parts = this.#parts.get(place);
    if (parts === undefined) {
      parts = new Array<Tensor | null>(call.resultCount).fill(null);
      this.#parts.set(place, parts);
    }
    parts[at] = grown(parts[at], share);
  }

  /** Hands over the sum at a position. */
  take(place: number): Tensor | null {
    const sum = this.#sums[place];
    this.#sums[place] = null;
    return sum;
  }

  /** Hands over the sums of a call's results; null if none was reached. */
  takeParts(place: number): (Tensor | null)[] | null {
    const parts = this.#parts.get(place) ?? null;
    this.#parts.delete(place);
    return parts;
  }

  release(): void {
    for (const sum of [this.#sums, ...this.#parts.values()].flat()) if (sum !== null) letGo(sum);
  }
}

/** A sum with one share more, held by the walk. */
function grown(sum: Tensor | null, share: Tensor): Tensor {
  const result = hold(sum === null ? share : add(sum, share));
  if (sum !== null) letGo(sum);
  return result;
}

/** Gives each parent of a call its share, as the call's own backward says. */
function applyCall(
  call: Call,
  parts: readonly (Tensor | null)[],
  places: readonly number[],
  createGraph: boolean,
  cotangents: Cotangents,
): void {
  walkCounts.applied++;
  if (call.saved === null) throw freedError(call.name);
  const gs = parts.map((part) => (part === null ? null : handleOf(part, createGraph)));
  call.backward(gs, createGraph).forEach((share, i) => {
    if (share !== null && places[i] >= 0) cotangents.add(places[i], share);
  });
}

/** Gives each parent that leads somewhere its share of a node's cotangent. */
function applyRule(
  node: Node,
  g: Tensor,
  places: readonly number[],
  createGraph: boolean,
  cotangents: Cotangents,
): void {
  if (node instanceof Result) {
    cotangents.addPart(places[0], node, g);
    return;
  }
  const primitive = node.primitive as Primitive;
  const derivatives = RULES[primitive.code];
  if (derivatives === undefined) throw new GradError(`${primitive.name} has no derivative rule`);
  const { parents, saved, attrs } = node;
  const count = parents.length;
  walkCounts.applied++;

  let reads = 0;
  for (let i = 0; i < count; i++) if (places[i] >= 0) reads |= derivatives[i]?.reads ?? 0;
  if (reads !== 0 && saved === null) throw freedError(primitive.name);

  // A saved value comes back as a handle at the place on the tape where it was made.
  const operand = (i: number, bit: number, made: Node | null): Tensor => {
    if ((reads & bit) === 0) return NOT_SAVED;
    const tensor = wrap((saved as Value[])[i]);
    if (createGraph && made !== null) attach(tensor, made);
    return tensor;
  };
  const a = operand(0, 1, parents[0]);
  const b = operand(1, 2, parents[1]);
  const c = operand(2, 4, parents[2]);
  const y = operand(count, OUTPUT, node);

  for (let i = 0; i < count; i++) {
    const parent = parents[i];
    const derivative = derivatives[i];
    if (places[i] < 0 || parent === null || derivative === null) continue;
    const share = derivative.apply(g, { x: a, a, b, c, y, attrs, shape: parent.shape, dtype: parent.dtype });
    cotangents.add(places[i], sumTo(share, parent.shape));
  }
}

/** What a derivative gets for an operand that it did not declare to read. */
const NOT_SAVED = undefined as unknown as Tensor;

const freedError = (name: string): GradError =>
  new GradError(
    `a second walk through ${name}: its saved tensors were freed by the first; ` +
      "pass { retainGraph: true } to all but the last backward() or grad() through a graph",
  );

/** Sums over the axes along which a tensor of `shape` was repeated to give this one: the adjoint of broadcasting. */
function sumTo(g: Tensor, shape: Shape): Tensor {
  const from = g._shape;
  const extra = from.length - shape.length;
  if (extra === 0 && sameShape(from, shape)) return g;
  const axes: number[] = [];
  for (let i = 0; i < from.length; i++) if (i < extra || (shape[i - extra] === 1 && from[i] !== 1)) axes.push(i);
  const sum = axes.length > 0 ? bind(sumP, [g], axes) : g;
  const result = extra > 0 ? bind(reshapeP, [sum], shape) : sum;
  if (!sameShape(result._shape, shape)) {
    throw new GradError(`internal: a rule gave a cotangent of shape ${show(from)} for an input of ${show(shape)}`);
  }
  return result;
}

/** Shows a gradient to the hooks, as a handle in the caller's scope. Takes over `g`, and hands over what it returns. */
function runHooks(node: Node, hooks: readonly Hook[], g: Tensor, createGraph: boolean): Tensor {
  let grad = g;
  try {
    for (const hook of [...hooks]) {
      const replaced = hook(handleOf(grad, createGraph));
      if (replaced === undefined || replaced === null) continue;
      if (!(replaced instanceof Tensor) || !sameShape(replaced.shape, node.shape) || replaced.dtype !== node.dtype) {
        throw new GradError(
          `a hook returned ${replaced} for the gradient of ${node.label()}: shape and dtype must stay; return nothing to keep it`,
        );
      }
      const next = hold(replaced);
      letGo(grad);
      grad = next;
    }
  } catch (error) {
    letGo(grad);
    throw error;
  }
  return grad;
}

/** Another handle for a tensor, in the current scope; at its place on the tape, if that is wanted. */
function handleOf(tensor: Tensor, onTape: boolean): Tensor {
  const handle = wrap(tensor._live());
  const node = nodeOf(tensor);
  if (onTape && node !== null) attach(handle, node);
  return handle;
}
