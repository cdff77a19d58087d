/**
 * Forward hooks: functions that run before or after a module's forward.
 *
 * A *pre-hook* sees the arguments and may replace them; a *hook* sees arguments and output and may replace the output.
 *
 * There is no separate way to call a module with its hooks: `module.forward(x)` runs them. A module with hooks has a
 * `forward` of its own, an object's property that shadows the class's method, and loses it with its last hook. So a
 * module without hooks pays nothing, a subclass may override `forward` and use `#private` fields as it likes,
 * `super.forward()` inside it runs no hooks twice, and hooks run wherever a forward does: under `functionalCall`, in
 * an inner loop, when a `checkpoint` computes again.
 */
import { ArgumentError } from "@loopgrad/tensor";
import type { Module } from "./module.ts";

/** Ends what it stands for: `handle.remove()`, or `using _ = module.registerForwardHook(…)`. */
export interface RemovableHandle extends Disposable {
  /** Takes the hook off. A second time does nothing. */
  remove(): void;
}

/** When a hook runs among others. */
export interface HookOptions {
  /** Before the hooks that are there already. Default false. */
  prepend?: boolean;
}

/** What a pre-hook gets and returns: an array replaces all arguments, anything else but undefined the only one. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks returns nothing
export type ForwardPreHook<M extends Module> = (module: M, args: Parameters<M["forward"]>) => unknown | void;

/** What a hook gets and returns: anything but undefined replaces the output. */
export type ForwardHook<M extends Module> = (
  module: M,
  args: Parameters<M["forward"]>,
  output: ReturnType<M["forward"]>,
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks returns nothing
) => ReturnType<M["forward"]> | undefined | void;

type AnyPreHook = (module: Module, args: unknown[]) => unknown;
type AnyHook = (module: Module, args: unknown[], output: unknown) => unknown;

const hooked = new WeakMap<Module, HookedForward>();

/** Adds a pre-hook: see {@link Module.registerForwardPreHook}. */
export const addForwardPreHook = (module: Module, hook: AnyPreHook, options: HookOptions): RemovableHandle =>
  add("registerForwardPreHook", module, "before", hook, options);

/** Adds a hook: see {@link Module.registerForwardHook}. */
export const addForwardHook = (module: Module, hook: AnyHook, options: HookOptions): RemovableHandle =>
  add("registerForwardHook", module, "after", hook, options);

/** Registers the hooks of one module at another: as entries of its own, so that a removal takes no other off. */
export function copyHooks(from: Module, to: Module): void {
  const forward = hooked.get(from);
  if (forward === undefined) return;
  for (const { hook } of forward.before) addForwardPreHook(to, hook, {});
  for (const { hook } of forward.after) addForwardHook(to, hook, {});
}

function add(
  who: string,
  module: Module,
  when: "before" | "after",
  hook: AnyPreHook | AnyHook,
  options: HookOptions,
): RemovableHandle {
  const { prepend = false } = options;
  if (typeof hook !== "function") throw new ArgumentError(`${who}: the hook is ${typeof hook}, wanted a function`);
  const forward = hooked.get(module) ?? new HookedForward(module);
  // An entry of its own, so that one function may be registered twice and removed once.
  const entry = { hook };
  const list = forward[when] as { hook: AnyPreHook | AnyHook }[];
  if (prepend) list.unshift(entry);
  else list.push(entry);
  const remove = (): void => {
    const at = list.indexOf(entry);
    if (at < 0) return;
    list.splice(at, 1);
    forward.uninstallIfIdle();
  };
  return { remove, [Symbol.dispose]: remove };
}

/** What a hook returned. An async hook would replace the output by its promise. */
function synchronous<T>(returned: T): T {
  if (!(returned instanceof Promise)) return returned;
  returned.catch(() => {});
  throw new ArgumentError("forward hook: the hook is async: keep(output) in it, and await the values outside");
}

/** A module's forward between its hooks. */
class HookedForward {
  readonly before: { hook: AnyPreHook }[] = [];
  readonly after: { hook: AnyHook }[] = [];
  readonly #module: Module;
  /** The module's own `forward` where it was a field, such as an arrow function. */
  readonly #field: PropertyDescriptor | undefined;
  readonly #shadow: (...args: unknown[]) => unknown;

  constructor(module: Module) {
    this.#module = module;
    this.#field = Object.getOwnPropertyDescriptor(module, "forward");
    const forward = module.forward as (...args: unknown[]) => unknown;
    this.#shadow = (...args) => this.#run(forward, args);
    Object.defineProperty(module, "forward", {
      value: this.#shadow,
      configurable: true,
      writable: true,
      enumerable: false,
    });
    hooked.set(module, this);
  }

  #run(forward: (...args: unknown[]) => unknown, given: unknown[]): unknown {
    const module = this.#module;
    let args = given;
    // Copies: a hook may remove itself.
    for (const { hook } of [...this.before]) {
      const replaced = synchronous(hook(module, args));
      if (replaced !== undefined) args = Array.isArray(replaced) ? replaced : [replaced];
    }
    let output = forward.apply(module, args);
    // A pre-hook may have taken the last one off, and put others on.
    for (const { hook } of [...(hooked.get(module) ?? this).after]) {
      const replaced = synchronous(hook(module, args, output));
      if (replaced !== undefined) output = replaced;
    }
    return output;
  }

  /** Gives the module its own forward back once no hook is left. */
  uninstallIfIdle(): void {
    if (this.before.length > 0 || this.after.length > 0) return;
    hooked.delete(this.#module);
    if (Object.getOwnPropertyDescriptor(this.#module, "forward")?.value !== this.#shadow) return;
    delete (this.#module as Partial<Module>).forward;
    if (this.#field !== undefined) Object.defineProperty(this.#module, "forward", this.#field);
  }
}
