/**
 * Tracked promises: what the library gives to be waited for.
 *
 * A context must know when the code inside it waits (see context.ts). `await p` tells nobody, with one exception: it
 * asks `p` for its `constructor`, at once, and so does `Promise.all`. A tracked promise listens to that. Between then and
 * the moment at which the waiting code goes on, its blocks are *waiting*; where there is one chain of contexts for all,
 * the chain of the waiting code is put back.
 *
 * Code that was waiting may need several turns of the microtask queue until it is back in the function that opened a
 * context. So promises that were asked for in different contexts resolve in different *turns* of the event loop.
 */
import { anyOpen, type Context, innermost, isExact, onTrack, resumeIn, suspend } from "./context.ts";

/** While a method of a promise asks for its constructor, and nobody waits. */
let isAsking = false;

/** The promise whose constructor was asked for last. `Promise.all` calls its `then` next, `await` does not. */
let asked: Tracked<unknown> | null = null;

/** A promise that notices that it is waited for. Its `constructor` is `Promise`, and `then` gives another one. */
export class Tracked<T> extends Promise<T> {
  // biome-ignore lint/suspicious/noThenProperty: that of a promise
  override then<A = T, B = never>(
    resolved?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (asked === this) this.#wait(true);
    asked = null;
    const here = innermost();
    const back = <V, W>(fn: ((value: V) => W) | null | undefined): typeof fn => {
      if (isExact() || typeof fn !== "function") return fn;
      return (value) => {
        resumeIn(here);
        return fn(value);
      };
    };
    return tracked(this.#plainly(back(resolved), back(rejected)));
  }

  override finally(done?: (() => void) | null): Promise<T> {
    return this.then(
      async (value) => {
        await done?.();
        return value;
      },
      async (reason) => {
        await done?.();
        throw reason;
      },
    );
  }

  /** `then`, without being noticed. */
  #plainly<A, B>(
    resolved?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const before = isAsking;
    isAsking = true;
    try {
      return super.then(resolved, rejected);
    } finally {
      isAsking = before;
    }
  }

  /** @internal Someone is about to wait. */
  _noticed(): void {
    this.#wait(false);
    asked = this;
  }

  #wait(isOne: boolean): void {
    const goOn = suspend(isOne ? this.then : askedForConstructor, isOne);
    if (goOn !== null) this.#plainly(goOn, goOn);
  }
}

function askedForConstructor(this: Tracked<unknown>): PromiseConstructor {
  if (!isAsking) this._noticed();
  return Promise;
}

Object.defineProperty(Tracked.prototype, "constructor", { get: askedForConstructor, configurable: true });

/** Tracks a promise of the library's. */
export const tracked = <T>(promise: Promise<T>): Promise<T> =>
  promise instanceof Tracked ? promise : new Tracked<T>((resolve, reject) => promise.then(resolve, reject));

onTrack(tracked);

/** Tracks a promise, and lets it resolve in a turn in which no promise resolves that was asked for in another context. */
export function inTurn<T>(promise: Promise<T>): Promise<T> {
  const here = innermost();
  return new Tracked<T>((resolve, reject) => {
    promise.then(
      (value) => turns.take(here, () => resolve(value)),
      (reason) => turns.take(here, () => reject(reason)),
    );
  });
}

/** Who resolves in which turn of the event loop. */
class Turns {
  /** The context whose turn it is; undefined: nobody's. */
  #owner: Context | null | undefined = undefined;
  #queue: { readonly context: Context | null; readonly run: () => void }[] = [];

  take(context: Context | null, run: () => void): void {
    if (this.#owner !== undefined && (this.#owner !== context || this.#queue.length > 0)) {
      this.#queue.push({ context, run });
      return;
    }
    // With no context open there is nothing to keep apart.
    if (this.#owner === undefined && anyOpen()) this.#own(context);
    run();
  }

  #own(context: Context | null): void {
    this.#owner = context;
    nextTurn(() => this.#next());
  }

  #next(): void {
    this.#owner = undefined;
    const [first] = this.#queue;
    if (first === undefined) return;
    const its = this.#queue.filter(({ context }) => context === first.context);
    this.#queue = this.#queue.filter(({ context }) => context !== first.context);
    this.#own(first.context);
    for (const { run } of its) run();
  }
}

const turns = new Turns();

/** Calls back when the microtasks that are queued now, and those that they queue, have run. */
function nextTurn(fn: () => void): void {
  if (typeof setImmediate === "function") setImmediate(fn);
  else if (typeof MessageChannel === "function") {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      fn();
    };
    port2.postMessage(null);
  } else setTimeout(fn);
}
