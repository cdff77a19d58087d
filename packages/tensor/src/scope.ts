/**
 * Scopes: who releases tensors.
 *
 * Every tensor handle made while a *scope* is open belongs to the innermost one, and is released when that
 * scope ends, except what lives on: what `scope(fn)` returns, what `keep` marks, and what a parameter, a
 * gradient, an optimizer or the tape holds (those hold handles of their own). Outside any scope a tensor
 * lives until `dispose()`, or until the garbage collector gets to it.
 *
 * A scope is a context (see context.ts). While the code of a block waits, its scope adopts nothing: what is made then
 * may be the caller's, and belongs to the next scope around. A scope that is dropped without having been ended is held
 * by nobody: the collector takes it, with what was made in it.
 */
import { admit } from "./checked.ts";
import "./dispose.ts";
import { type Context, enclosed, enter, enterSync, innermost, Kind, linesOf, type Place, placeOf } from "./context.ts";
import type { Tensor } from "./tensor.ts";

/** How a context leads to its scope: weakly for a block, which may never end. */
interface Held {
  deref(): Scope | undefined;
}

const SCOPE = new Kind<Held>("scope");

/** A scope: `using _ = scope()`. */
export class Scope {
  /** @internal */ handles: Tensor[] = [];
  /** @internal What the tensors of the scope point at: they do not hold it. */
  readonly context: Context<Held>;

  /** @internal @param context  null: opens a block */
  constructor(context: Context<Held> | null, opener: (...args: never[]) => unknown = scope) {
    if (context !== null) {
      this.context = context;
      return;
    }
    this.context = enter(SCOPE, new WeakRef(this));
    dropped.register(this, { context: this.context, at: isPlaceNoted() ? placeOf(opener, 3) : null }, this);
  }

  /** Releases what was made inside. Scopes opened inside it and still open go on. */
  end(): void {
    if (!this.context.open) return;
    if (!this.context.isEnclosed) dropped.unregister(this);
    this.context.close();
    this._release();
  }

  /** @internal */
  _release(): void {
    const { handles } = this;
    this.handles = [];
    for (let i = 0; i < handles.length; i++) if (handles[i]._scope === this.context) handles[i]._release();
  }

  /** @internal Makes a tensor the scope's own. */
  _adopt(tensor: Tensor): void {
    tensor._scope = this.context;
    this.handles.push(tensor);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** Blocks opened so far. */
let blocks = 0;
/** Blocks whose places are noted, before only some are. */
const MANY = 128;
/** Of many blocks one in so many is noted: one that is dropped again and again is found all the same. */
const SHARE = 16;
/** One was dropped whose place is not known: from now on all are noted. */
let areAllNoted = false;

const isPlaceNoted = (): boolean => ++blocks <= MANY || blocks % SHARE === 0 || areAllNoted;

const warned = new Set<string>();

/** Scopes that the collector took while they were open. */
const dropped = new FinalizationRegistry<{ context: Context<Held>; at: Place | null }>(({ context, at }) => {
  context.close();
  if (at === null) areAllNoted = true;
  // Behind the first line the way there may differ.
  const place = at === null ? "" : linesOf(at, 1);
  if (warned.has(place)) return;
  warned.add(place);
  console.warn(
    "loopgrad: a scope, or an inner loop, was dropped without having ended: its tensors were not released but left to " +
      `the garbage collector. Open it with \`using\`, call end() or dispose(), or use the function form. ${at === null ? "The next one will be named." : `It was opened\n${linesOf(at, 3)}`}`,
  );
});

/** @internal The scope of a context, if it is open. */
export const scopeOf = (context: Context): Scope | null =>
  context.open ? ((context as Context<Held>).value.deref() ?? null) : null;

/** @internal The innermost open scope that adopts tensors now. */
export function currentScope(): Scope | null {
  return adopting(innermost());
}

function adopting(from: Context | null): Scope | null {
  for (let context = from; context !== null; context = context.parent) {
    if (context.kind !== SCOPE || !context.open || context.waiting > 0) continue;
    const found = (context as Context<Held>).value.deref();
    if (found !== undefined) return found;
  }
  return null;
}

/**
 * Opens a scope for a block, or runs a function in one and returns its result, whose tensors live on.
 *
 * A block that awaits shares its scope with its caller until it goes on: use the function form around an `await`.
 *
 * @param fn  a function, which may be async: what it makes belongs to the scope, whatever else runs meanwhile
 * @returns   the scope, to be ended by `using` or `end()`; with fn, what fn returned (a promise of it, if fn is async)
 * @example
 * for (const task of tasks) {
 *   using _ = scope();
 *   const loss = crossEntropy(model.forward(task.x), task.y);
 *   loss.backward();
 *   optimizer.step();
 * } // everything made inside is released; parameters and their gradients stay
 * @example
 * const accuracy = await scope(async () => {
 *   const right = model.forward(x).argmax(1).eq(y);
 *   return await right.mean().item();
 * });
 */
export function scope(): Scope;
export function scope<T>(fn: () => T): T;
export function scope<T>(fn?: () => T): T | Scope {
  admit(arguments, "scope(fn?: function)");
  return fn === undefined ? new Scope(null, scope) : withinScope(fn);
}

/** @internal A scope of synchronous code that ends it in any case: `using _ = syncScope()`. Costs less than a block's. */
export function syncScope(): Scope {
  const holder = new Holder();
  holder.scope = new Scope(enterSync(SCOPE, holder));
  return holder.scope;
}

/**
 * @internal Runs a function, sync or async, in a scope of its own, and hands what it returned over to the scope around.
 *
 * @param handOver  in place of that: called with the result before the scope ends, and the scope around
 * @param ended     called before the scope's tensors are released, however the function ended
 */
export function withinScope<T>(
  fn: (scope: Scope) => T,
  handOver: (result: Awaited<T>, own: Scope, outer: Scope | null) => void = passOn,
  ended?: () => void,
): T {
  const outer = currentScope();
  const holder = new Holder();
  return enclosed(
    SCOPE,
    holder,
    (context) => {
      holder.scope = new Scope(context);
      return fn(holder.scope);
    },
    (result) => {
      // Open still, though perhaps waiting: for this one.
      const heir = outer === null || outer.context.open ? outer : adopting(outer.context);
      handOver(result, holder.scope as Scope, heir);
    },
    () => {
      try {
        ended?.();
      } finally {
        holder.scope?._release();
      }
    },
  );
}

/** Holds the scope of a function, which ends in any case. */
class Holder implements Held {
  scope: Scope | undefined;

  deref(): Scope | undefined {
    return this.scope;
  }
}

/** Hands the tensors in a result that belong to a scope over to the one around. */
function passOn(result: unknown, own: Scope, outer: Scope | null): void {
  visitTensors(result, (tensor) => {
    if (tensor._takenIn === own.context) {
      if (outer === null) keep(tensor);
      else tensor._takenIn = outer.context;
    }
    if (tensor._scope !== own.context) return;
    if (outer === null) tensor._scope = null;
    else outer._adopt(tensor);
  });
}

/** Lets tensors outlive the scopes they were made in. Returns its argument. */
export function keep<T>(value: T): T {
  admit(arguments, "keep(value: any)");
  visitTensors(value, (tensor) => {
    tensor._scope = null;
    tensor._kept = true;
    // A gradient: it may outlive the tensor that it belongs to.
    if (tensor._takenIn !== null && !tensor._released) tensor.device.want(tensor._value);
  });
  return value;
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
