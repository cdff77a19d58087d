/**
 * The tape: what was computed from what.
 *
 * Whenever `bind` records an operation and some input requires a gradient, the tape notes a *node*: the primitive, the
 * nodes of its inputs (its *parents*), and those values that its derivatives will read (the *saved* ones). Tensors
 * that a user asked gradients for stand on *leaves*. Nothing is linked forwards; a tensor points at its node
 * (`Tensor._link`), a node at its parents, and a gradient is a walk from a result backwards (see walk.ts).
 *
 * Memory is counted, not collected. A node lives while a tensor handle or a child node points at it. When the last one
 * lets go, it drops its saved values and lets go of its parents in turn. A saved output is held as a value,
 * not as a handle, so a node never holds itself.
 */
import type { Attrs, BindListener, Device, DType, Primitive, Shape, TapeLink, Value } from "@loopgrad/tensor";
import {
  aliasP,
  GradError,
  isFloat,
  levelsAround,
  levelsOf,
  markTasks,
  onBind,
  setLeafHook,
  show,
  spreadOver,
  Tensor,
  watching,
} from "@loopgrad/tensor";
import { currentGroup, type Group } from "./group.ts";
import { isNoted } from "./mode.ts";
import { printGraph } from "./print.ts";
import { OUTPUT, RULES } from "./rules/index.ts";
import { type Recipe, recipeFor } from "./saving.ts";
import { type Sources, sourcesOf } from "./sources.ts";

/** Called with a gradient on its way; a tensor that it returns takes the gradient's place. */
export type Hook = (grad: Tensor) => Tensor | null | undefined;

const NO_PARENTS: readonly (Node | null)[] = [];

let sequence = 0;
let section: Section = { loop: null };

/** A loop of steps. */
export interface StepLoop {
  /** Updates that began. One alone repeats nothing, and has no seams. */
  updates: number;
  /** It has submitted steps before its end. */
  isLong: boolean;
}

/**
 * What is noted between two updates of a loop: an update, the forward pass after it, and its gradient. In a backward pass
 * this is where least has to be handed on: an update's shares are computed together with what they are computed from.
 */
interface Section {
  /** null if no update of a loop has ended it. */
  loop: StepLoop | null;
}
let sourceCount = 0;

/** A place on the tape. */
export class Node implements TapeLink {
  /** Handles and child nodes that point here. */
  refs = 0;
  /** Increases from parent to child: descending order is an order in which to walk back. */
  readonly seq = ++sequence;
  hooks: Hook[] | null = null;
  /** The handle that wants the gradient of `backward()` in its `grad`; set for leaves and by `retainGrad()`. */
  owner: Tensor | null = null;
  /** Its number among the sources, the places at which gradients are asked for (see sources.ts); 0 for none. */
  source = 0;
  /** The section in which it was made; see `beginUpdate`. */
  readonly section = section;
  /** The part of a printed graph that it belongs to. */
  readonly group: Group | null = currentGroup();

  /** @internal The walk that last came by, and the node's number in it. */
  walk = 0;
  /** @internal */ index = 0;

  constructor(
    /** null for a leaf, and for a call of a user's function. */
    readonly primitive: Primitive | null,
    readonly attrs: Attrs,
    /** For each input where it was made; null where no gradient flows. */
    readonly parents: readonly (Node | null)[],
    /** The values that derivatives read: by input, the output's last. A flush stores them. */
    public saved: (Value | null)[] | null,
    /** How those are saved that are not saved as they are, by the same places; see saving.ts. */
    public recipes: (Recipe | null)[] | null,
    readonly shape: Shape,
    readonly dtype: DType,
    readonly device: Device,
    public sources: Sources | null,
  ) {}

  retain(): void {
    this.refs++;
  }

  /** One pointer less. At none the node, and all that only it held, is given back; without recursion. */
  release(): void {
    if (--this.refs > 0) return;
    const stack: Node[] = [this];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      node.free();
      for (const parent of node.parents) if (parent !== null && --parent.refs === 0) stack.push(parent);
    }
  }

  /** Lets go of the saved values: the graph was walked, and is not needed again. */
  free(): void {
    const { saved, recipes, device } = this;
    if (saved === null) return;
    this.saved = null;
    this.recipes = null;
    for (let i = 0; i < saved.length; i++) {
      const value = saved[i];
      if (value === null) continue;
      const recipe = recipes === null ? null : recipes[i];
      if (recipe === null || recipe === undefined) device.unsaved(value);
      else {
        for (const step of recipe.steps) device.unrecorded(step);
        for (const root of recipe.roots) device.unsaved(root);
      }
    }
  }

  /** The values that are stored because this node has saved them, or what they are computed from. */
  *held(): Generator<Value> {
    for (const [i, value] of this.saved?.entries() ?? []) {
      if (value !== null) yield* this.recipes?.[i]?.roots ?? [value];
    }
  }

  /** Has it saved anything? For audits, as what follows. */
  get _isHolding(): boolean {
    return this.saved !== null;
  }

  _holding(): { by: () => string; saves: Iterable<Value>; recipes: Iterable<Value> } {
    const steps = this.recipes?.flatMap((recipe) => [...(recipe?.steps ?? [])]) ?? [];
    return { by: () => this.label(), saves: this.held(), recipes: steps };
  }

  /** Makes this a place at which gradients are asked for. */
  markSource(): void {
    this.source = ++sourceCount;
    const own = sourcesOf(this.source);
    this.sources = this.sources === null ? own : this.sources.union(own);
  }

  /** The primitive's name, or what else made the tensor. */
  get name(): string {
    return this.primitive?.name ?? "leaf";
  }

  /** What the tensor was computed from, for people: the places that calls put in between are left out. */
  get inputs(): readonly (Node | null)[] {
    return this.parents.map((parent) => {
      let node = parent;
      while (node instanceof Place) [node] = node.parents;
      return node;
    });
  }

  /** Name and shape, for messages. */
  label(): string {
    return `${this.name} ${show(this.shape)}`;
  }

  /** The graph below, one node a line; see print.ts. */
  toString(): string {
    return printGraph(this);
  }
}

/** A node without parents: a tensor that a user asked gradients for. Its handle may be rebound to another value. */
export class Leaf extends Node {
  /** `Tensor._rebind` looks for this. */
  readonly leaf = true;

  constructor(tensor: Tensor) {
    const { shape, dtype, device } = tensor._live();
    super(null, [], NO_PARENTS, null, null, shape, dtype, device, null);
    this.owner = tensor;
    this.markSource();
  }
}

/** Where the tensor was made; null if no gradient flows through it. */
export const nodeOf = (tensor: Tensor): Node | null => (tensor._standIn ?? tensor)._link as Node | null;

/** Puts a handle at a place on the tape. Returns the handle. */
export function attach(tensor: Tensor, node: Node): Tensor {
  tensor._link = node;
  node.refs++;
  return tensor;
}

/** A node that passes a value on as it is, without an operation. */
class Place extends Node {}

/** A place of its own for a value. It retains its parent. */
export function passNode({ shape, dtype, device }: Value, parent: Node | null): Node {
  if (parent !== null) parent.refs++;
  return new Place(aliasP, [], [parent], null, null, shape, dtype, device, parent?.sources ?? null);
}

/** A number between those of the nodes made before and those made after. */
export const timeMark = (): number => ++sequence;

/**
 * Says that the gradient of a loop's step is there, and its update follows. A walk through the loop gives the device a seam
 * here: so a longer loop has the same kernels, and more of them.
 */
export function beginUpdate(loop: StepLoop): void {
  loop.updates++;
  section.loop = loop;
  section = { loop: null };
}

/** The listener: notes one operation. */
function note(primitive: Primitive, inputs: readonly Tensor[], attrs: Attrs, output: Tensor): void {
  const count = inputs.length;
  let first = 0;
  while (first < count && inputs[first]._link === null) first++;
  if (first === count || !isFloat(output.dtype) || !isNoted(primitive.name)) return;

  const derivatives = RULES[primitive.code];
  const parents = new Array<Node | null>(count);
  let sources: Sources | null = null;
  let reads = 0;
  for (let i = 0; i < count; i++) {
    const parent = inputs[i]._link as Node | null;
    parents[i] = parent;
    if (parent === null) continue;
    parent.refs++;
    sources = sources === null ? parent.sources : sources.union(parent.sources as Sources);
    const derivative = derivatives?.[i];
    if (derivative !== undefined && derivative !== null) reads |= derivative.reads;
  }
  const value = output._value;
  let saved: (Value | null)[] | null = null;
  let recipes: (Recipe | null)[] | null = null;
  if (reads !== 0) {
    saved = new Array<Value | null>(count + 1);
    for (let i = 0; i < count; i++) {
      saved[i] = null;
      if ((reads & (1 << i)) === 0) continue;
      const operand = inputs[i]._value;
      saved[i] = operand;
      const recipe = recipeFor(operand, parents[i]);
      if (recipe === null) operand.saves++;
      else {
        recipes ??= new Array<Recipe | null>(count).fill(null);
        recipes[i] = recipe;
        for (const root of recipe.roots) root.saves++;
        for (const step of recipe.steps) step.recipes++;
      }
    }
    saved[count] = null;
    if ((reads & OUTPUT) !== 0) {
      saved[count] = value;
      value.saves++;
    }
  }
  const { shape, dtype, device } = value;
  const node = new Node(primitive, attrs, parents, saved, recipes, shape, dtype, device, sources);
  attach(output, node);
  if (saved !== null) watching()?.holders.add(node);
}

/** Who else looks at every operation, after the tape; null while no one does. */
let observers: readonly BindListener[] | null = null;

/** Shows every operation, once it is on the tape, to an observer. Returns how to stop. */
export function observe(observer: BindListener): () => void {
  observers = [...(observers ?? []), observer];
  return () => {
    const rest = observers?.filter((other) => other !== observer) ?? [];
    observers = rest.length > 0 ? rest : null;
  };
}

const before = onBind((primitive, inputs, attrs, output, given) => {
  before?.(primitive, inputs, attrs, output, given);
  note(primitive, inputs, attrs, output);
  if (observers !== null) for (const observer of observers) observer(primitive, inputs, attrs, output, given);
});

setLeafHook((tensor) => setRequiresGrad(tensor, true));

/** Lets each task of the vmaps in which a tensor was made have its own: a gradient by it is then each task's own. */
function giveToTasks(tensor: Tensor): void {
  if (tensor.constructor !== Tensor) return;
  const levels = levelsAround(tensor);
  if (levels.length === 0) return;
  const spread = spreadOver(tensor, levels);
  if (spread === tensor) return;
  tensor._rebind(spread._live());
  markTasks(tensor, levelsOf(spread));
  spread.dispose();
}

/** Implements `Tensor.requiresGrad_`. */
export function setRequiresGrad(tensor: Tensor, requires: boolean): void {
  const node = tensor._link as Node | null;
  if (requires) {
    if (!isFloat(tensor.dtype)) {
      throw new GradError(
        `requiresGrad_: the tensor is ${tensor.dtype}: only float tensors have gradients; cast it first`,
      );
    }
    tensor._live();
    if (node !== null) return;
    giveToTasks(tensor);
    attach(tensor, new Leaf(tensor));
  } else if (node !== null) {
    if (!(node instanceof Leaf)) {
      throw new GradError("requiresGrad_(false): the tensor was computed on the tape; detach() gives one that was not");
    }
    tensor._link = null;
    node.release();
  }
}
