/**
 * Module: a tree of parameters, buffers and submodules with a `forward`.
 *
 * Its *members* are found in its fields, as they stand when they are asked for: a `Parameter`, `Buffer` or
 * `Module` in a field, or in arrays, maps and plain objects in a field. A member has a *name*: the field, and
 * inside collections the index or key after a dot, as in `layers.0.weight`. Names in state dicts are torch's,
 * so that checkpoints move between the two. Members in `#private` fields cannot be seen: `register` them.
 *
 * Parameters are looked up when a forward runs, so a functional call (see functional-call.ts) may put other
 * tensors in their place, whichever method or submodule is entered.
 */
import { LoopgradError, type Tensor, wrap } from "@loopgrad/tensor";
import { Buffer, Parameter, Slot } from "./slot.ts";

/** What a module is made of. */
export type Member = Parameter | Buffer | Module;

/** Names and values of all parameters and buffers. */
export type StateDict = Record<string, Tensor>;

/**
 * Base class of all layers and models.
 *
 * @see      torch.nn.Module
 * @example
 * class Mlp extends Module {
 *   hidden = new Linear(2, 16);
 *   out = new Linear(16, 1);
 *   forward(x: Tensor): Tensor {
 *     return this.out.forward(this.hidden.forward(x).tanh());
 *   }
 * }
 */
export class Module {
  /** Training mode: dropout drops, batch norm uses the batch's statistics. Set by `train()` and `eval()`. */
  training = true;
  #registered: Map<string, Member> | null = null;

  /** Computes the output. Subclasses give it its own arguments. */
  forward(..._args: never[]): unknown {
    throw new LoopgradError(`${this.constructor.name} has no forward`);
  }

  // ---- members -----------------------------------------------------------------------------------------------

  /** The module's own members, in order of definition. Containers override it to name their items. */
  *members(): Generator<[string, Member]> {
    for (const field of Object.keys(this)) yield* membersOf(this.stateName(field), this[field as keyof this], []);
    if (this.#registered !== null) yield* this.#registered;
  }

  /** The name of a field in state dicts. The library's layers give torch's, such as `running_mean`. */
  stateName(field: string): string {
    return field;
  }

  /** Adds a member that is not in a visible field, such as a `#private` one. Returns it. */
  register<M extends Member>(name: string, member: M): M {
    for (const [taken] of this.members()) {
      if (taken === name) throw new LoopgradError(`register: ${this.constructor.name} already has a member ${name}`);
    }
    this.#registered ??= new Map();
    this.#registered.set(name, member);
    return member;
  }

  /** This module and all below it with their names, parents first, each once. */
  namedModules(): [string, Module][] {
    const found = new Map<Module, string>();
    const visit = (name: string, module: Module): void => {
      if (found.has(module)) return;
      found.set(module, name);
      for (const [key, member] of module.members()) if (member instanceof Module) visit(join(name, key), member);
    };
    visit("", this);
    return [...found].map(([module, name]) => [name, module]);
  }

  /** All modules of the tree, this one first. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** The direct submodules with their names. */
  namedChildren(): [string, Module][] {
    const found = new Map<Module, string>();
    for (const [name, member] of this.members()) {
      if (member instanceof Module && !found.has(member)) found.set(member, name);
    }
    return [...found].map(([module, name]) => [name, module]);
  }

  /** The direct submodules. */
  children(): Module[] {
    return this.namedChildren().map(([, module]) => module);
  }

  /** All parameters with their names, in torch's order: a module's own before its children's. A shared one comes once. */
  namedParameters(): [string, Parameter][] {
    return this.#slots(Parameter);
  }

  /** All parameters, in the order of `namedParameters`. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** All buffers with their names; a shared one comes once. */
  namedBuffers(): [string, Buffer][] {
    return this.#slots(Buffer);
  }

  /** All buffers, in the order of `namedBuffers`. */
  buffers(): Buffer[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  #slots<S extends Slot>(kind: new (...args: never[]) => S): [string, S][] {
    const found = new Map<S, string>();
    for (const [prefix, module] of this.namedModules()) {
      for (const [name, member] of module.members()) {
        if (member instanceof kind && !found.has(member)) found.set(member, join(prefix, name));
      }
    }
    return [...found].map(([slot, name]) => [name, slot]);
  }

  // ---- modes ---------------------------------------------------------------------------------------------------

  /** Sets training mode for the whole tree. Returns the module. */
  train(training = true): this {
    for (const module of this.modules()) module.training = training;
    return this;
  }

  /** Sets evaluation mode for the whole tree. Returns the module. */
  eval(): this {
    return this.train(false);
  }

  /** Freezes (`false`) or unfreezes all parameters. Returns the module. */
  requiresGrad_(requiresGrad = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(requiresGrad);
    return this;
  }

  /** Drops the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /** Calls a function with every module of the tree, children first, as torch does. Returns the module. */
  apply(fn: (module: Module) => void): this {
    for (const module of this.modules().reverse()) fn(module);
    return this;
  }

  // ---- state ---------------------------------------------------------------------------------------------------

  /**
   * A snapshot of all parameters and buffers, under torch's names; a shared one under each of its names.
   * The tensors belong to the current scope and do not change when the module does.
   */
  stateDict(): StateDict {
    const state: StateDict = {};
    for (const [name, slot] of this.#everyName()) state[name] = wrap(slot._live());
    return state;
  }

  /**
   * Assigns parameters and buffers from tensors by name. A shared one may be given under any of its names.
   *
   * @param options.strict  missing and unknown names are errors (default true)
   * @returns               the names that were missing and unknown
   * @throws                ShapeError, DTypeError or DeviceError for a tensor that does not fit
   */
  loadStateDict(state: StateDict, options: { strict?: boolean } = {}): { missing: string[]; unexpected: string[] } {
    const unexpected = new Set(Object.keys(state));
    const missing = new Map<Slot, string>();
    const given = new Map<Slot, Tensor>();
    for (const [name, slot] of this.#everyName()) {
      unexpected.delete(name);
      const tensor = state[name];
      if (tensor !== undefined) given.set(slot, tensor);
      else if (!missing.has(slot)) missing.set(slot, name);
    }
    const absent = [...missing].filter(([slot]) => !given.has(slot)).map(([, name]) => name);
    if ((options.strict ?? true) && (absent.length > 0 || unexpected.size > 0)) {
      throw new LoopgradError(
        `loadStateDict: ${this.constructor.name}: missing: ${absent.join(", ") || "none"}; ` +
          `unexpected: ${[...unexpected].join(", ") || "none"}; { strict: false } loads what fits`,
      );
    }
    for (const [slot, tensor] of given) slot.assign(tensor);
    return { missing: absent, unexpected: [...unexpected] };
  }

  /** Every slot under every path that leads to it. */
  *#everyName(): Generator<[string, Slot]> {
    const path: Module[] = [];
    function* visit(prefix: string, module: Module): Generator<[string, Slot]> {
      if (path.includes(module)) return;
      path.push(module);
      const members = [...module.members()];
      for (const [name, member] of members) if (member instanceof Slot) yield [join(prefix, name), member];
      for (const [name, member] of members) if (member instanceof Module) yield* visit(join(prefix, name), member);
      path.pop();
    }
    yield* visit("", this);
  }

  /** Gives back the storage of all parameters, buffers and gradients. The module cannot be used any more. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
    for (const buffer of this.buffers()) buffer.dispose();
  }

  // ---- text ----------------------------------------------------------------------------------------------------

  /** The module's settings, for `toString`. */
  extraRepr(): string {
    return "";
  }

  /** The tree in torch's layout. */
  toString(): string {
    const lines = this.namedChildren().map(
      ([name, child]) => `(${name}): ${child.toString().replaceAll("\n", "\n  ")}`,
    );
    const own = this.extraRepr();
    if (lines.length === 0) return `${this.constructor.name}(${own})`;
    if (own !== "") lines.unshift(own);
    return `${this.constructor.name}(\n  ${lines.join("\n  ")}\n)`;
  }
}

/** Members in a field's value: itself, or items of a collection. `path` guards against collections that hold themselves. */
function* membersOf(name: string, value: unknown, path: object[]): Generator<[string, Member]> {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Slot || value instanceof Module) {
    yield [name, value as Member];
    return;
  }
  const isCollection =
    Array.isArray(value) || value instanceof Map || Object.getPrototypeOf(value) === Object.prototype;
  if (!isCollection || path.includes(value)) return;
  const inner = [...path, value];
  const items = value instanceof Map ? value : Object.entries(value);
  for (const [key, item] of items) yield* membersOf(join(name, String(key)), item, inner);
}

const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);

/** torch's name of a field: `runningMean` → `running_mean`. */
export const snakeCase = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
