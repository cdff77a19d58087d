/**
 * Copies of modules, as torch's deepcopy makes them: parameters, buffers and submodules are new, and what was one object in
 * the original (a submodule in two places, tied weights) is one in the copy. Functions and plain tensors are shared.
 */
import { ArgumentError, Tensor } from "@loopgrad/tensor";
import { copyHooks } from "./hooks.ts";
import type { Module } from "./module.ts";
import { Buffer, Parameter } from "./slot.ts";

/** Copies by their originals. */
export type Copies = Map<object, unknown>;

/** A module's copy: whole, or an instance of its class without the fields. */
interface Begun {
  readonly copy: Module;
  readonly isWhole: boolean;
}

/**
 * A copy of a value that a module may hold.
 *
 * @param begin  makes an instance of a module's class without running the constructor of that class; null for what is no
 *               module
 */
export function copied<T>(value: T, copies: Copies, begin: (item: object) => Begun | null): T {
  const copy = (item: unknown): unknown => {
    if (typeof item !== "object" || item === null) return item;
    const known = copies.get(item);
    if (known !== undefined) return known;
    const note = <C>(made: C): C => {
      copies.set(item, made);
      return made;
    };
    if (item instanceof Parameter) return note(new Parameter(item, { requiresGrad: item.requiresGrad }));
    if (item instanceof Buffer) return note(new Buffer(item));
    if (item instanceof Tensor) return item;
    if (Array.isArray(item)) {
      const list: unknown[] = note([]);
      for (const each of item) list.push(copy(each));
      return list;
    }
    if (item instanceof Map) {
      const map = note(new Map());
      for (const [key, each] of item) map.set(copy(key), copy(each));
      return map;
    }
    if (item instanceof Set) {
      const set = note(new Set());
      for (const each of item) set.add(copy(each));
      return set;
    }
    const begun = begin(item);
    if (begun !== null) {
      note(begun.copy);
      return begun.isWhole ? begun.copy : filled(item as Module, begun.copy, copy);
    }
    if (Object.getPrototypeOf(item) !== Object.prototype) return item;
    const object: Record<string, unknown> = note({});
    for (const [key, each] of Object.entries(item)) object[key] = copy(each);
    return object;
  };
  return copy(value) as T;
}

/** The copy with the original's fields and hooks. */
function filled(from: Module, to: Module, copy: (item: unknown) => unknown): Module {
  to._copyRegistered(copy);
  for (const key of Reflect.ownKeys(from)) {
    const field = Object.getOwnPropertyDescriptor(from, key) as PropertyDescriptor;
    // A forward that is not seen among the fields is that of hooks, which follow.
    if (key === "forward" && !field.enumerable) continue;
    if (!("value" in field)) {
      throw new ArgumentError(
        `clone: ${from.constructor.name}.${String(key)} is computed, as parametrizations are: removeParametrizations() first`,
      );
    }
    Object.defineProperty(to, key, { ...field, value: copy(field.value) });
  }
  copyHooks(from, to);
  return to;
}

/** A private name where a class declares or reads it. */
const PRIVATE = /(?:\.|^\s*(?:async |get |set |\*)?)#[A-Za-z_$]/m;

/** Throws if a class of the module, above the base class, has fields that only its own code can copy. */
export function wantPlainFields(module: Module, base: typeof Module): void {
  for (let type = module.constructor; type !== base; type = Object.getPrototypeOf(type)) {
    if (!PRIVATE.test(Function.prototype.toString.call(type))) continue;
    throw new ArgumentError(
      `clone: ${type.name} has #private fields, which no other code can copy: make them plain fields, or give the class a ` +
        "clone() of its own",
    );
  }
}
