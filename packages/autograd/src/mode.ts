/**
 * Whether operations are put on the tape.
 *
 * A switch, on at the start. It is turned for a block or for a function, and is back when that ends, however it ends. A
 * turned switch is a context (see tensor's context.ts): it acts on the code that turned it, not on what else runs while
 * that code waits.
 *
 * While the code of a block waits for a read, its caller may run, for which the switch stands as it stood before. An
 * operation that makes a difference then could be the caller's or belong to the block: it is refused, and says so.
 */
import { admit, around, type Context, enclosed, enter, find, GradError, Kind, linesOf } from "@loopgrad/tensor";

const SWITCH = new Kind<boolean>("gradient switch", true);

/** Whether operations on tensors that require a gradient are put on the tape now. */
export function isGradEnabled(): boolean {
  admit(arguments, "isGradEnabled()");
  return find(SWITCH)?.value ?? true;
}

/**
 * Whether an operation that the tape would note is noted.
 *
 * @param what  names the operation
 * @throws      GradError if it cannot be told, because the switch was turned by code that waits
 */
export function isNoted(what: string): boolean {
  const innermost = find(SWITCH);
  if (innermost === null) return true;
  const { value } = innermost;
  // Whoever turned a switch that is waiting does not run: the code may be that of the next one around.
  for (let turned: Context<boolean> | null = innermost; turned !== null && turned.waiting > 0; ) {
    const outer: Context<boolean> | null = around(turned);
    if ((outer?.value ?? true) !== value) throw undecided(what, turned);
    turned = outer;
  }
  return value;
}

function undecided(what: string, { value, waitsAt }: Context<boolean>): GradError {
  const name = value ? "enableGrad" : "noGrad";
  return new GradError(
    `${what}: is a gradient wanted? A block with ${name}() waits for a read, and it cannot be told whether this operation ` +
      `belongs to the block or to other code that runs meanwhile. Use the function form, await ${name}(async () => …), ` +
      `around what waits. The block waits at\n${linesOf(waitsAt)}\nThe operation was called`,
  );
}

/** A turned switch: `using _ = noGrad()`. Turns back when it is disposed of. */
export class GradMode {
  readonly #context: Context<boolean>;

  /** @internal */
  constructor(on: boolean) {
    this.#context = enter(SWITCH, on);
  }

  end(): void {
    admit(arguments, "GradMode.end()");
    this.#context.close();
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/**
 * Turns the tape off, for a block or for a function: what is computed has no gradient, and saves nothing.
 *
 * In a block that awaits, code that runs meanwhile may find the switch turned, and is refused where that matters: use
 * the function form around an `await`.
 *
 * @param fn  a function, which may be async: the switch is turned for what it does, and for nothing else
 * @returns   the switch, to be turned back by `using` or `end()`; with fn, what fn returned
 * @see       torch.no_grad
 * @example   const accuracy = noGrad(() => model.forward(x).argmax(1).eq(y).mean());
 * @example   using _ = noGrad();
 * @example   const loss = await noGrad(async () => await mseLoss(model.forward(x), y).item());
 */
export function noGrad(): GradMode;
export function noGrad<T>(fn: () => T): T;
export function noGrad<T>(fn?: () => T): T | GradMode {
  admit(arguments, "noGrad(fn?: function)");
  return fn === undefined ? new GradMode(false) : within(false, fn);
}

/**
 * Turns the tape on again inside a `noGrad`, for a block or for a function.
 *
 * @param fn  a function, which may be async
 * @see       torch.enable_grad
 */
export function enableGrad(): GradMode;
export function enableGrad<T>(fn: () => T): T;
export function enableGrad<T>(fn?: () => T): T | GradMode {
  admit(arguments, "enableGrad(fn?: function)");
  return fn === undefined ? new GradMode(true) : within(true, fn);
}

/** Runs a function with the switch on or off. */
export const within = <T>(on: boolean, fn: () => T): T => enclosed(SWITCH, on, fn);
