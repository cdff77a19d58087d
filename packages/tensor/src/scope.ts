/**
 * Scopes: who releases tensors.
 *
 * Every tensor handle made while a *scope* is open belongs to the innermost one, and is released when that
 * scope ends, except what lives on: what `scope(fn)` returns, what `keep` marks, and what a parameter, a
 * gradient, an optimizer or the tape holds (those hold handles of their own). Outside any scope a tensor
 * lives until `dispose()`, or until the garbage collector gets to it.
 */
import "./dispose.ts";
import type { Tensor } from "./tensor.ts";

/** An open scope: `using _ = scope()`. */
export class Scope {
  /** @internal */ readonly handles: Tensor[] = [];
  /** @internal */ readonly parent: Scope | null = current;
  #open = true;

  constructor() {
    current = this;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.#open;
  }

  /** @internal Whether it was opened in another one. */
  isInside(outer: Scope): boolean {
    for (let s = this.parent; s !== null; s = s.parent) if (s === outer) return true;
    return false;
  }

  /** @internal Releases the tensor, which belongs to no scope, when it ends. */
  adopt(tensor: Tensor): void {
    tensor._scope = this;
    this.handles.push(tensor);
  }

  /** Releases what was made inside. Ending a scope also ends those opened inside it and still open. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    for (let s = current; s !== null; s = s.parent) {
      if (s === this) {
        while (current !== null && current !== this) current.end();
        current = this.parent;
        break;
      }
    }
    for (const tensor of this.handles) if (tensor._scope === this) tensor._release();
    this.handles.length = 0;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

let current: Scope | null = null;

/** @internal The innermost open scope. */
export const currentScope = (): Scope | null => current;

/**
 * Opens a scope for a block, or runs a function in one and returns its result, whose tensors live on.
 *
 * @example
 * for (const task of tasks) {
 *   using _ = scope();
 *   const loss = crossEntropy(model.forward(task.x), task.y);
 *   loss.backward();
 *   optimizer.step();
 * } // everything made inside is released; parameters and their gradients stay
 */
export function scope(): Scope;
export function scope<T>(fn: () => T): T;
export function scope<T>(fn?: () => T): T | Scope {
  const s = new Scope();
  if (fn === undefined) return s;
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new TypeError("scope(fn): fn is async; use `using _ = scope()` inside it instead");
    }
    visitTensors(result, (tensor) => moveTo(tensor, s, s.parent));
    return result;
  } finally {
    s.end();
  }
}

/** Lets tensors outlive the scopes they were made in. Returns its argument. */
export function keep<T>(value: T): T {
  visitTensors(value, (tensor) => {
    tensor._scope = null;
    tensor._kept = true;
    // A gradient: it may outlive the tensor that it belongs to.
    if (tensor._takenIn !== null && !tensor._released) tensor.device.want(tensor._value);
  });
  return value;
}

function moveTo(tensor: Tensor, from: Scope, to: Scope | null): void {
  if (tensor._takenIn === from) {
    if (to === null) keep(tensor);
    else tensor._takenIn = to;
  }
  if (tensor._scope !== from) return;
  tensor._scope = to;
  if (to !== null) to.handles.push(tensor);
}

/** Calls `visit` with every tensor in nested arrays, maps and plain objects. */
export function visitTensors(value: unknown, visit: (tensor: Tensor) => void): void {
  if (typeof value !== "object" || value === null) return;
  if ("_value" in value) visit(value as Tensor);
  else if (Array.isArray(value)) for (const item of value) visitTensors(item, visit);
  else if (value instanceof Map) for (const item of value.values()) visitTensors(item, visit);
  else if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    for (const item of Object.values(value)) visitTensors(item, visit);
  }
}
