/**
 * Contexts: what surrounds a piece of code without being named in it.
 *
 * Whether gradients are recorded, who releases tensors, which device is the default: each is a *context*, opened for a
 * block (`using _ = noGrad()`) or for a function (`noGrad(fn)`), of one *kind*, with a *value*. Contexts nest. Whoever
 * wants to know looks for the innermost one of a kind that is open.
 *
 * JavaScript waits in the middle of a function, and other code runs meanwhile. A context must not act on code that did
 * not open it. So a context is an object in a chain (`parent`), and closing it marks that object and nothing else:
 *
 * - Where the engine has an `AsyncLocalStorage` (Node, Deno, Bun), the storage holds the innermost context of each
 *   chain of `await`s. It holds the object, never its value: a function runs in its caller's chain until it first
 *   waits, so what it opens stays there after it has returned. Closed objects are skipped.
 * - The *function form* sets the chain back when the function returns or first waits: it is exact.
 * - A *block* cannot: between the first wait and the end of the block its context is still innermost for the caller. So
 *   a block whose code waits for one of our promises (see tracked.ts) is *waiting*. What is recorded meanwhile may be
 *   the caller's. Each kind says what that means: scopes do not adopt, a gradient switch refuses.
 * - Elsewhere (browsers, until they have `AsyncContext`) there is one chain for all. Our own promises put back the chain
 *   of whoever waited for them; function forms can be waiting there, like blocks.
 */

/** A sort of context. */
export class Kind<T> {
  /** For types only. */
  declare readonly value: T;

  constructor(
    readonly name: string,
    /** A context that is waiting refuses, and says where it waits. */
    readonly refuses = false,
  ) {}
}

export class Context<T = unknown> {
  open = true;
  /** Promises of ours for which code inside waits now, if others may run in this context meanwhile. */
  waiting = 0;
  /** Where the latest wait began. */
  waitsAt: Place | null = null;
  /** Of synchronous code: what was innermost before it, as `within` has it. */
  isSync = false;
  before: Context | null | undefined = null;

  constructor(
    readonly kind: Kind<T>,
    readonly value: T,
    /** Opened by the function form: in a chain of its own. */
    readonly isEnclosed: boolean,
    public parent: Context | null,
  ) {}

  /** Ends it. Contexts that were opened inside stay as they are. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    openCount--;
    if (this.isSync) within = this.before;
    else if (innermost() === this) setInnermost(firstOpen(this.parent));
  }
}

/** Contexts that are open, in all chains. */
let openCount = 0;

/** Whether any context is open anywhere. */
export const anyOpen = (): boolean => openCount > 0;

/** Where the innermost context is kept. */
interface Store {
  get(): Context | null;
  set(context: Context | null): void;
  /** Whether each chain of `await`s has its own. */
  readonly isPerChain: boolean;
}

const store: Store = perChain() ?? single();

/**
 * The innermost context while synchronous code of the library runs, such as a walk's rule: nobody can come between, and
 * the store need not know. Undefined: the store knows.
 */
let within: Context | null | undefined;

/** Whether each chain of `await`s has contexts of its own here; else our promises put them back. */
export const isExact = (): boolean => store.isPerChain;

function perChain(): Store | null {
  type Storage = { getStore(): Context | null | undefined; enterWith(context: Context | null): void };
  type Builtins = { AsyncLocalStorage?: new () => Storage } | undefined;
  // Asked for at run time: bundlers for browsers never see the name of a module of Node.
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => Builtins } };
  const AsyncLocalStorage = process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
  if (AsyncLocalStorage === undefined) return null;
  const storage = new AsyncLocalStorage();
  if (typeof storage.enterWith !== "function") return null;
  return {
    get: () => storage.getStore() ?? null,
    set: (context) => storage.enterWith(context),
    isPerChain: true,
  };
}

function single(): Store {
  let current: Context | null = null;
  return {
    get: () => current,
    set: (context) => {
      current = context;
    },
    isPerChain: false,
  };
}

/** The innermost context of the code that runs, whatever its kind; it may be closed. */
export const innermost = (): Context | null => (within !== undefined ? within : store.get());

function setInnermost(context: Context | null): void {
  if (within !== undefined) within = context;
  else store.set(context);
}

/** Makes a context the innermost. */
export const resumeIn = (context: Context | null): void => store.set(context);

function firstOpen(from: Context | null): Context | null {
  let context = from;
  while (context !== null && !context.open) context = context.parent;
  return context;
}

/** The innermost open context of a kind. */
export function find<T>(kind: Kind<T>): Context<T> | null {
  for (let context = innermost(); context !== null; context = context.parent) {
    if (context.kind === kind && context.open) return context as Context<T>;
  }
  return null;
}

/** The next open context of the same kind around one. */
export function around<T>({ kind, parent }: Context<T>): Context<T> | null {
  for (let context = parent; context !== null; context = context.parent) {
    if (context.kind === kind && context.open) return context as Context<T>;
  }
  return null;
}

/** Opens a context for a block: it is innermost from now on, until it is closed. */
export function enter<T>(kind: Kind<T>, value: T): Context<T> {
  const context = make(kind, value, false);
  setInnermost(context);
  return context;
}

/** Opens a context around synchronous code that closes it in any case: nobody else runs in it. */
export function enterSync<T>(kind: Kind<T>, value: T): Context<T> {
  const context = make(kind, value, true);
  context.isSync = true;
  context.before = within;
  within = context;
  return context;
}

/**
 * Runs a function in a context, sync or async.
 *
 * @param finish  called with what the function returned, or its promise resolved to, while the context is open, but no
 *                longer innermost. An error in it is the call's
 * @param ended   called when the context was closed, however it came to that
 * @returns       what the function returned; for an async one a promise of that
 */
export function enclosed<T, R>(
  kind: Kind<T>,
  value: T,
  fn: (context: Context<T>) => R,
  finish?: (result: Awaited<R>) => void,
  ended?: () => void,
): R {
  const outer = innermost();
  // An async function goes on when the synchronous code around this call is long done: then the store must know.
  const stored = within === undefined ? undefined : store.get();
  const context = make(kind, value, true);
  let isAsync = false;
  try {
    setInnermost(context);
    if (stored !== undefined) store.set(context);
    let result: R;
    try {
      result = fn(context);
    } finally {
      setInnermost(outer);
      if (stored !== undefined) store.set(stored);
    }
    if (!(result instanceof Promise)) {
      finish?.(result as Awaited<R>);
      return result;
    }
    isAsync = true;
    return track(finishing(result as Promise<Awaited<R>>, context, finish, ended)) as R;
  } finally {
    if (!isAsync) {
      context.close();
      ended?.();
    }
  }
}

async function finishing<R>(
  running: Promise<R>,
  context: Context,
  finish?: (result: R) => void,
  ended?: () => void,
): Promise<R> {
  try {
    const result = await running;
    finish?.(result);
    return result;
  } finally {
    context.close();
    ended?.();
  }
}

function make<T>(kind: Kind<T>, value: T, isEnclosed: boolean): Context<T> {
  const parent = firstOpen(innermost());
  // Links lead to what is open, or was a moment ago: a chain does not grow by what is closed.
  if (parent !== null) parent.parent = firstOpen(parent.parent);
  openCount++;
  return new Context(kind, value, isEnclosed, parent);
}

// ---- waiting -----------------------------------------------------------------------------------------------------

/**
 * The code that runs is about to wait: other code runs meanwhile.
 *
 * A block that is waiting already is so for whoever opened it: this code was let in while that waited.
 *
 * @param who     a function on the stack: frames from it up are not shown
 * @param isOne   one of several promises that are waited for together: counts in any case
 * @returns       to be called when the code goes on; null if there is nothing to do then
 */
export function suspend(who: (...args: never[]) => unknown, isOne: boolean): (() => void) | null {
  const here = innermost();
  if (openCount === 0 && store.isPerChain) return null;
  const waiting: Context[] = [];
  for (let context = here; context !== null; context = context.parent) {
    // Nobody outside runs in a chain of its own.
    if (context.isEnclosed && store.isPerChain) break;
    if (!context.open || (context.waiting > 0 && !isOne)) continue;
    context.waiting++;
    waiting.push(context);
  }
  if (waiting.some(({ kind }) => kind.refuses)) {
    const at = placeOf(who);
    for (const context of waiting) context.waitsAt = at;
  }
  if (waiting.length === 0 && store.isPerChain) return null;
  return () => {
    for (const context of waiting) context.waiting--;
    if (!store.isPerChain) store.set(here);
  };
}

/** A place in the program, as a stack. Its text is made when it is asked for. */
export interface Place {
  readonly stack?: string;
}

/** Frames that are kept of a place. */
const FRAMES = 6;

/** The place in the program from which a function was called. Costs 2 µs, and 30 under async functions. */
export function placeOf(called: (...args: never[]) => unknown, frames = FRAMES): Place {
  const errors = Error as { captureStackTrace?: (target: object, from: unknown) => void; stackTraceLimit?: number };
  if (errors.captureStackTrace === undefined) return new Error();
  const limit = errors.stackTraceLimit;
  errors.stackTraceLimit = frames;
  const place = {};
  errors.captureStackTrace(place, called);
  errors.stackTraceLimit = limit;
  return place;
}

/** The lines of a place, for a message. */
export const linesOf = (place: Place | null, count = FRAMES): string =>
  (place?.stack ?? "")
    .split("\n")
    // Frames, as V8 writes them or as others do; no headline.
    .filter((line) => /^\s*at |@/.test(line))
    .slice(0, count)
    .join("\n") || "    at a place that the engine does not tell";

/** Installed by tracked.ts, which imports this. */
let track: <T>(promise: Promise<T>) => Promise<T> = (promise) => promise;

/** @internal */
export function onTrack(wrap: <T>(promise: Promise<T>) => Promise<T>): void {
  track = wrap;
}
