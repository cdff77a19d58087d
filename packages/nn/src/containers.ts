/**
 * Containers: modules made of modules or parameters. Their items are named by index or key, as in torch.
 *
 * An item is reached by `at(index)` or `get(key)`; `layer.at(-1)` is the last. Containers may grow while a model is
 * being built, and are found anew whenever somebody asks for parameters.
 */
import { ArgumentError, admit, type Tensor } from "@loopgrad/tensor";
import { type Member, Module } from "./module.ts";
import { Parameter, type Slot } from "./slot.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const ITEMS = Symbol("items");

/** A module of one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/** Items by name. */
export type Named<T> = Readonly<Record<string, T>> | ReadonlyMap<string, T>;

function entriesOf<T>(who: string, items: Named<T>): [string, T][] {
  if (typeof items !== "object" || items === null) {
    throw new ArgumentError(`${who}: got ${String(items)}, wanted an object or a map of names`);
  }
  return items instanceof Map ? [...items] : Object.entries(items as Readonly<Record<string, T>>);
}

/** Throws unless it is an array, or another iterable. */
function wantItems(who: string, items: unknown, kind: string): void {
  if (typeof (items as Iterable<unknown> | null)?.[Symbol.iterator] === "function") return;
  throw new ArgumentError(`${who}: got ${String(items)}, wanted an array of ${kind}`);
}

/** The item at an index; negative ones count from the end. */
function itemAt<T>(who: string, items: readonly T[], index: number, kind: string): T {
  const item = items.at(index);
  if (item === undefined) throw new ArgumentError(`${who}: index ${index}: there are ${items.length} ${kind}`);
  return item;
}

/** The item of a name. */
function itemOf<T>(who: string, items: ReadonlyMap<string, T>, name: string): T {
  const item = items.get(String(name));
  if (item === undefined) throw new ArgumentError(`${who}: no ${name}: there are ${[...items.keys()].join(", ")}`);
  return item;
}

/** Throws for an item that is no module, such as a bare function. */
function checkModule(who: string, name: string, item: unknown): void {
  if (item instanceof Module) return;
  throw new ArgumentError(
    `${who}: ${name} is ${typeof item === "function" ? "a function" : String(item)}, wanted a module`,
  );
}

/** Throws for a name that would not be one part of a path. */
function checkName(who: string, name: string): void {
  if (name === "" || name.includes(".")) {
    throw new ArgumentError(`${who}: name "${name}": wanted one that is not empty and has no dot`);
  }
}

/**
 * Modules run one after the other.
 *
 * @see      torch.nn.Sequential
 * @example  const model = new Sequential(new Linear(2, 16), new ReLU(), new Linear(16, 1));
 * @example  const model = new Sequential({ hidden: new Linear(2, 16), act: new Tanh(), out: new Linear(16, 1) });
 */
export class Sequential extends Module {
  declare private readonly [ITEMS]: Map<string, Layer>;

  /** @param layers  modules, named 0, 1, …; or one object or map of modules by name */
  constructor(...layers: Layer[] | [Named<Layer>]) {
    admit(arguments, "Sequential(...layers: any)");
    super();
    this[ITEMS] = new Map<string, Layer>();
    const [first] = layers;
    if (layers.length === 1 && typeof first === "object" && !(first instanceof Module)) {
      for (const [name, layer] of entriesOf("Sequential", first as Named<Layer>)) {
        checkName("Sequential", name);
        checkModule("Sequential", name, layer);
        this[ITEMS].set(name, layer);
      }
    } else this.push(...(layers as Layer[]));
  }

  override *members(): Generator<[string, Member]> {
    yield* this[ITEMS];
    yield* super.members();
  }

  override forward(x: Tensor): Tensor {
    admit(arguments, "Sequential.forward(x: any)");
    let y = x;
    for (const layer of this[ITEMS].values()) y = layer.forward(y);
    return y;
  }

  get length(): number {
    return this[ITEMS].size;
  }

  /** The i-th module; negative indices count from the end. */
  at(index: number): Layer {
    admit(arguments, "Sequential.at(index: number)");
    return itemAt("Sequential", [...this[ITEMS].values()], index, "modules");
  }

  /** The module of a name. */
  get(name: string): Layer {
    admit(arguments, "Sequential.get(name: string|number)");
    return itemOf("Sequential", this[ITEMS], name);
  }

  /** Adds modules at the end, named by their place. */
  push(...layers: Layer[]): this {
    admit(arguments, "Sequential.push(...layers: any)");
    for (const layer of layers) {
      const name = String(this[ITEMS].size);
      checkModule("Sequential", name, layer);
      this[ITEMS].set(name, layer);
    }
    return this;
  }

  [Symbol.iterator](): IterableIterator<Layer> {
    return this[ITEMS].values();
  }
}

/**
 * A list of modules, to be run by its owner.
 *
 * @see      torch.nn.ModuleList
 * @example  readonly blocks = new ModuleList(Array.from({ length: 6 }, () => new Block(64)));
 */
export class ModuleList<M extends Module = Module> extends Module {
  declare private readonly [ITEMS]: M[];

  constructor(items: Iterable<M> = []) {
    admit(arguments, "ModuleList(items?: any)");
    super();
    this[ITEMS] = [];
    wantItems("ModuleList", items, "modules");
    this.push(...items);
  }

  override *members(): Generator<[string, Member]> {
    for (const [i, item] of this[ITEMS].entries()) yield [String(i), item];
    yield* super.members();
  }

  get length(): number {
    return this[ITEMS].length;
  }

  /** The i-th module; negative indices count from the end. */
  at(index: number): M {
    admit(arguments, "ModuleList.at(index: number)");
    return itemAt("ModuleList", this[ITEMS], index, "modules");
  }

  push(...items: M[]): this {
    admit(arguments, "ModuleList.push(...items: any)");
    for (const item of items) {
      checkModule("ModuleList", String(this[ITEMS].length), item);
      this[ITEMS].push(item);
    }
    return this;
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this[ITEMS].values();
  }

  /** Neighbours with the same text are printed once: `(0-5): 6 x Block(…)`. */
  protected override childTexts(): [string, string][] {
    const runs: { first: number; last: number; text: string }[] = [];
    for (const [i, [, text]] of super.childTexts().entries()) {
      const run = runs.at(-1);
      if (run?.text === text) run.last = i;
      else runs.push({ first: i, last: i, text });
    }
    return runs.map(({ first, last, text }) =>
      first === last ? [String(first), text] : [`${first}-${last}`, `${last - first + 1} x ${text}`],
    );
  }
}

/** What modules by name and parameters by name have in common. */
abstract class Dict<T extends Module | Parameter> extends Module {
  declare private readonly [ITEMS]: Map<string, T>;

  constructor() {
    super();
    this[ITEMS] = new Map<string, T>();
  }

  override *members(): Generator<[string, Member]> {
    yield* this[ITEMS];
    yield* super.members();
  }

  get length(): number {
    return this[ITEMS].size;
  }

  get(name: string): T {
    return itemOf(this.constructor.name, this[ITEMS], name);
  }

  has(name: string): boolean {
    admit(arguments, ".has(name: string)", this);
    return this[ITEMS].has(name);
  }

  protected put(name: string, item: T): this {
    checkName(this.constructor.name, name);
    this[ITEMS].set(name, item);
    return this;
  }

  /** Takes an item out; false if there was none of that name. */
  delete(name: string): boolean {
    admit(arguments, ".delete(name: string)", this);
    return this[ITEMS].delete(name);
  }

  keys(): IterableIterator<string> {
    admit(arguments, ".keys()", this);
    return this[ITEMS].keys();
  }

  values(): IterableIterator<T> {
    admit(arguments, ".values()", this);
    return this[ITEMS].values();
  }

  /** Names and items. */
  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this[ITEMS].entries();
  }
}

/**
 * Modules by name, to be run by their owner.
 *
 * @see      torch.nn.ModuleDict
 * @example  readonly heads = new ModuleDict({ policy: new Linear(64, 4), value: new Linear(64, 1) });
 */
export class ModuleDict<M extends Module = Module> extends Dict<M> {
  constructor(items: Named<M> = {}) {
    admit(arguments, "ModuleDict(items?: any)");
    super();
    for (const [name, module] of entriesOf("ModuleDict", items)) this.set(name, module);
  }

  /** Adds or replaces a module. */
  set(name: string, module: M): this {
    admit(arguments, "ModuleDict.set(name: string, module: any)");
    checkModule("ModuleDict", name, module);
    return this.put(name, module);
  }
}

const asParameter = (x: Tensor): Parameter => (x instanceof Parameter ? x : new Parameter(x));

const slotText = (slot: Slot): string => `Parameter containing: [${slot.dtype} of size ${slot.shape.join("x")}]`;

/**
 * A list of parameters.
 *
 * @see      torch.nn.ParameterList
 * @example  readonly scales = new ParameterList([ones([4]), ones([8])]); // tensors become parameters
 */
export class ParameterList extends Module {
  declare private readonly [ITEMS]: Parameter[];

  constructor(items: Iterable<Tensor> = []) {
    admit(arguments, "ParameterList(items?: any)");
    super();
    this[ITEMS] = [];
    wantItems("ParameterList", items, "tensors");
    this.push(...items);
  }

  override *members(): Generator<[string, Member]> {
    for (const [i, item] of this[ITEMS].entries()) yield [String(i), item];
    yield* super.members();
  }

  get length(): number {
    return this[ITEMS].length;
  }

  /** The i-th parameter; negative indices count from the end. */
  at(index: number): Parameter {
    admit(arguments, "ParameterList.at(index: number)");
    return itemAt("ParameterList", this[ITEMS], index, "parameters");
  }

  /** Adds parameters at the end; plain tensors become parameters. */
  push(...items: Tensor[]): this {
    admit(arguments, "ParameterList.push(...items: any)");
    this[ITEMS].push(...items.map(asParameter));
    return this;
  }

  [Symbol.iterator](): IterableIterator<Parameter> {
    return this[ITEMS].values();
  }

  protected override childTexts(): [string, string][] {
    return this[ITEMS].map((slot, i) => [String(i), slotText(slot)]);
  }
}

/**
 * Parameters by name.
 *
 * @see      torch.nn.ParameterDict
 * @example  readonly priors = new ParameterDict({ mean: zeros([3]), logVar: zeros([3]) });
 */
export class ParameterDict extends Dict<Parameter> {
  constructor(items: Named<Tensor> = {}) {
    admit(arguments, "ParameterDict(items?: any)");
    super();
    for (const [name, x] of entriesOf("ParameterDict", items)) this.set(name, x);
  }

  /** Adds or replaces a parameter; a plain tensor becomes one. */
  set(name: string, x: Tensor): this {
    admit(arguments, "ParameterDict.set(name: string, x: any)");
    return this.put(name, asParameter(x));
  }

  protected override childTexts(): [string, string][] {
    return [...this].map(([name, slot]) => [name, slotText(slot)]);
  }
}
