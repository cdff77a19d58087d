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
import { admit, type Device, type DType, defineKind, LoopgradError } from "@loopgrad/tensor";
import { type Copies, copied, wantPlainFields } from "./clone.ts";
import {
  addForwardHook,
  addForwardPreHook,
  type ForwardHook,
  type ForwardPreHook,
  type HookOptions,
  type RemovableHandle,
} from "./hooks.ts";
import { convert, type Destination, destination, transfer } from "./moving.ts";
import { tree } from "./repr.ts";
import { Buffer, Parameter, Slot } from "./slot.ts";
import { type LoadReport, loadInto, type StateDict, stateDictOf } from "./state-dict.ts";

/** What a module is made of. */
export type Member = Parameter | Buffer | Module;

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
    admit(arguments, "Module.forward(..._args: object)");
    throw new LoopgradError(`${this.constructor.name} has no forward`);
  }

  /**
   * Gives the module's own parameters first values, as its constructor did; buffers of norms start anew too. Modules
   * without parameters of their own have none, so for a whole tree:
   *
   * @example  model.apply((m) => m.resetParameters?.());
   * @see      reset_parameters of torch's layers
   */
  resetParameters?(): void;

  // ---- members -----------------------------------------------------------------------------------------------

  /** The module's own members, in order of definition. Containers override it to name their items. */
  *members(): Generator<[string, Member]> {
    const found: [string, Member][] = [];
    for (const field of Object.keys(this)) {
      const value: unknown = this[field as keyof this];
      if (typeof value === "object" && value !== null) collect(found, this.stateName(field), value, []);
    }
    yield* found;
    if (this.#registered !== null) yield* this.#registered;
  }

  /** The name of a field in state dicts. The library's layers give torch's, such as `running_mean`. */
  stateName(field: string): string {
    return field;
  }

  /** Adds a member that is not in a visible field, such as a `#private` one. Returns it. */
  register<M extends Member>(name: string, member: M): M {
    admit(arguments, "Module.register(name: string, member: tensor|module)");
    for (const [taken] of this.members()) {
      if (taken === name) throw new LoopgradError(`register: ${this.constructor.name} already has a member ${name}`);
    }
    this.#registered ??= new Map();
    this.#registered.set(name, member);
    return member;
  }

  /** This module and all below it with their names, parents first, each once. */
  namedModules(): [string, Module][] {
    admit(arguments, "Module.namedModules()");
    return Array.from(this.#tree(), ([module, { name }]) => [name, module]);
  }

  /** This module and all below it, parents first, each once, with its name and its members. */
  #tree(): Map<Module, { readonly name: string; readonly members: readonly (readonly [string, Member])[] }> {
    const found = new Map<Module, { name: string; members: [string, Member][] }>();
    const visit = (name: string, module: Module): void => {
      if (found.has(module)) return;
      const members = [...module.members()];
      found.set(module, { name, members });
      for (const [key, member] of members) if (member instanceof Module) visit(join(name, key), member);
    };
    visit("", this);
    return found;
  }

  /** All modules of the tree, this one first. */
  modules(): Module[] {
    admit(arguments, "Module.modules()");
    return this.namedModules().map(([, module]) => module);
  }

  /** The direct submodules with their names. */
  namedChildren(): [string, Module][] {
    admit(arguments, "Module.namedChildren()");
    const found = new Map<Module, string>();
    for (const [name, member] of this.members()) {
      if (member instanceof Module && !found.has(member)) found.set(member, name);
    }
    return [...found].map(([module, name]) => [name, module]);
  }

  /** The direct submodules. */
  children(): Module[] {
    admit(arguments, "Module.children()");
    return this.namedChildren().map(([, module]) => module);
  }

  /** All parameters with their names, in torch's order: a module's own before its children's. A shared one comes once. */
  namedParameters(): [string, Parameter][] {
    admit(arguments, "Module.namedParameters()");
    return this.#slots(Parameter);
  }

  /** All parameters, in the order of `namedParameters`. */
  parameters(): Parameter[] {
    admit(arguments, "Module.parameters()");
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** All buffers with their names; a shared one comes once. */
  namedBuffers(): [string, Buffer][] {
    admit(arguments, "Module.namedBuffers()");
    return this.#slots(Buffer);
  }

  /** All buffers, in the order of `namedBuffers`. */
  buffers(): Buffer[] {
    admit(arguments, "Module.buffers()");
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  #slots<S extends Slot>(kind: new (...args: never[]) => S): [string, S][] {
    const found = new Map<S, string>();
    for (const { name: prefix, members } of this.#tree().values()) {
      for (const [name, member] of members) {
        if (member instanceof kind && !found.has(member)) found.set(member, join(prefix, name));
      }
    }
    return [...found].map(([slot, name]) => [name, slot]);
  }

  // ---- modes ---------------------------------------------------------------------------------------------------

  /** Sets training mode for the whole tree. Returns the module. */
  train(training = true): this {
    admit(arguments, "Module.train(training?: boolean)");
    for (const module of this.modules()) module.training = training;
    return this;
  }

  /** Sets evaluation mode for the whole tree. Returns the module. */
  eval(): this {
    admit(arguments, "Module.eval()");
    return this.train(false);
  }

  /** Freezes (`false`) or unfreezes all parameters. Returns the module. */
  requiresGrad_(requiresGrad = true): this {
    admit(arguments, "Module.requiresGrad_(requiresGrad?: boolean)");
    for (const parameter of this.parameters()) parameter.requiresGrad_(requiresGrad);
    return this;
  }

  /** Drops the gradients of all parameters. */
  zeroGrad(): void {
    admit(arguments, "Module.zeroGrad()");
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Calls a function with every module of the tree, children first, as torch does. Returns the module. */
  apply(fn: (module: Module) => void): this {
    admit(arguments, "Module.apply(fn: function)");
    for (const module of this.modules().reverse()) fn(module);
    return this;
  }

  // ---- state ---------------------------------------------------------------------------------------------------

  /**
   * A snapshot of all parameters and buffers, under torch's names; a shared one under each of its names.
   * The tensors belong to the current scope and do not change when the module does.
   *
   * @see torch.nn.Module.state_dict
   */
  stateDict(): StateDict {
    admit(arguments, "Module.stateDict()");
    return stateDictOf(this);
  }

  /**
   * Assigns parameters and buffers from tensors by name. A shared one may be given under any of its names. Floats of
   * another precision are converted.
   *
   * @param options.strict  missing and unknown names are errors (default true)
   * @returns               the names that were missing and unknown
   * @throws                LoopgradError that lists all missing and unknown names; ShapeError that lists them and all
   *                        tensors that do not fit. Nothing is loaded then.
   * @see                   torch.nn.Module.load_state_dict
   */
  loadStateDict(state: StateDict, options: { strict?: boolean } = {}): LoadReport {
    admit(arguments, "Module.loadStateDict(state: any, options?: { strict: boolean })");
    return loadInto(this, state, options);
  }

  /**
   * Converts the float parameters and buffers to a dtype, at once; or moves all of them to a device, or both, which
   * takes a read of every value. Parameters stay the same objects, so an optimizer goes on with them; its own state
   * does not move: move the module first. Gradients move along.
   *
   * @returns  the module; a promise of it if a device is given
   * @throws   DTypeError if the device has no such dtype (float64 is on the cpu only)
   * @see      torch.nn.Module.to
   * @example  model.to("float64"); // on the cpu
   * @example  await model.to(await init({ device: "webgpu" }));
   */
  to(dtype: DType): this;
  to(target: Device | (Destination & { device: Device })): Promise<this>;
  to(target: DType | Device | Destination): this | Promise<this> {
    admit(arguments, "Module.to(target: string|device|object)");
    const { device, dtype } = destination(target);
    if (device !== undefined) return transfer(this, device, dtype).then(() => this);
    if (dtype !== undefined) convert(this, dtype);
    return this;
  }

  /** @internal Every slot under every path that leads to it; a module's own before its children's. */
  *_everyName(prefix = "", path: readonly Module[] = []): Generator<[string, Slot]> {
    if (path.includes(this)) return;
    const members = [...this.members()];
    for (const [name, member] of members) if (member instanceof Slot) yield [join(prefix, name), member];
    for (const [name, member] of members) {
      if (member instanceof Module) yield* member._everyName(join(prefix, name), [...path, this]);
    }
  }

  /** Gives back the storage of all parameters, buffers and gradients. The module cannot be used any more. */
  dispose(): void {
    admit(arguments, "Module.dispose()");
    for (const parameter of this.parameters()) parameter.dispose();
    for (const buffer of this.buffers()) buffer.dispose();
  }

  /** `using model = new Linear(2, 1)`: disposed of at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  // ---- copies --------------------------------------------------------------------------------------------------

  /**
   * Another module with the same values: parameters, buffers and submodules are copies, and what is one object here is
   * one there. Hooks come along; gradients and the tape do not. Functions and plain tensors are shared.
   *
   * @throws   ArgumentError for a module with parametrizations, and for a class with #private fields, which nobody else
   *           can copy: such a class has a `clone` of its own
   * @see      copy.deepcopy of a torch module
   * @example  const target = model.clone().requiresGrad_(false);
   */
  clone(): this {
    admit(arguments, "Module.clone()");
    const copies: Copies = new Map();
    return copied(this, copies, (item) => {
      if (!(item instanceof Module)) return null;
      if (item !== this && item.clone !== Module.prototype.clone) return { copy: item.clone(), isWhole: true };
      wantPlainFields(item, Module);
      const copy: Module = Reflect.construct(Module, [], item.constructor);
      if (item.#registered !== null) copy.#registered = new Map(item.#registered);
      return { copy, isWhole: false };
    });
  }

  /** @internal Members without a field of their own become copies of those that they are now. */
  _copyRegistered(copy: (item: unknown) => unknown): void {
    for (const [name, member] of this.#registered ?? []) this.#registered?.set(name, copy(member) as Member);
  }

  // ---- hooks ---------------------------------------------------------------------------------------------------

  /**
   * Has a function run before every forward of this module, with the module and its arguments. What it returns
   * replaces the arguments: an array all of them, anything else but undefined the only one.
   *
   * Hooks run however a forward is entered: called directly, by a parent, in a functional call, in an inner loop.
   *
   * @see      torch.nn.Module.register_forward_pre_hook
   * @example  using _ = model.encoder.registerForwardPreHook((_module, [x]) => x.sub(0.5));
   */
  registerForwardPreHook<M extends Module>(
    this: M,
    hook: ForwardPreHook<M>,
    options: HookOptions = {},
  ): RemovableHandle {
    admit(arguments, "Module.registerForwardPreHook(hook: function, options?: { prepend: boolean })");
    return addForwardPreHook(this, hook as (module: Module, args: unknown[]) => unknown, options);
  }

  /**
   * Has a function run after every forward of this module, with the module, its arguments and its output. What it
   * returns, if not undefined, replaces the output. A tensor that a hook puts aside lives as long as its scope:
   * `keep(output)` or `output.detach()` outside of one.
   *
   * @see      torch.nn.Module.register_forward_hook
   * @example
   * const shapes: string[] = [];
   * const handle = layer.registerForwardHook((_module, _args, y) => void shapes.push(String(y.shape)));
   * model.forward(x);
   * handle.remove();
   */
  registerForwardHook<M extends Module>(this: M, hook: ForwardHook<M>, options: HookOptions = {}): RemovableHandle {
    admit(arguments, "Module.registerForwardHook(hook: function, options?: { prepend: boolean })");
    return addForwardHook(this, hook as (module: Module, args: unknown[], output: unknown) => unknown, options);
  }

  // ---- text ----------------------------------------------------------------------------------------------------

  /** How many numbers the parameters hold; a shared one counts once. `trainable` leaves out the frozen ones. */
  parameterCount(options: { trainable?: boolean } = {}): number {
    admit(arguments, "Module.parameterCount(options?: { trainable: boolean })");
    const counted = this.parameters().filter((p) => !options.trainable || p.requiresGrad);
    return counted.reduce((count, p) => count + p.size, 0);
  }

  /** The module's settings, for `toString`. */
  extraRepr(): string {
    return "";
  }

  /** The module's name, for `toString`. */
  protected typeName(): string {
    return Object.hasOwn(this, "parametrizations") ? `Parametrized${this.constructor.name}` : this.constructor.name;
  }

  /** The children's names and texts, for `toString`. */
  protected childTexts(): [string, string][] {
    const children = [...this.members()].filter((entry): entry is [string, Module] => entry[1] instanceof Module);
    return children.map(([name, child]) => [name, child.toString()]);
  }

  /** The tree as torch prints it. */
  toString(): string {
    if (printing.has(this)) return `${this.typeName()}(…)`;
    printing.add(this);
    try {
      return tree(this.typeName(), this.extraRepr(), this.childTexts());
    } finally {
      printing.delete(this);
    }
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** Modules whose text is being made: one that holds its parent must not print it again. */
const printing = new Set<Module>();

/**
 * Finds the members in a field's value: itself, or items of a collection.
 *
 * @param path  the collections around it: one may hold itself
 */
function collect(found: [string, Member][], name: string, value: object, path: readonly object[]): void {
  if (value instanceof Slot || value instanceof Module) {
    found.push([name, value as Member]);
    return;
  }
  const isCollection =
    Array.isArray(value) || value instanceof Map || Object.getPrototypeOf(value) === Object.prototype;
  if (!isCollection || path.includes(value)) return;
  const inner = [...path, value];
  for (const [key, item] of value instanceof Map ? value : Object.entries(value)) {
    if (typeof item === "object" && item !== null) collect(found, join(name, String(key)), item, inner);
  }
}

defineKind("module", "a module", (value) => value instanceof Module);

/** A name below a prefix. */
const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);
