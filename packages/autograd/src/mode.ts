/**
 * Whether operations are put on the tape.
 *
 * One switch for the whole program, on at the start. It is turned for a block or for a synchronous function, and
 * turned back when that ends, however it ends.
 */

let enabled = true;

/** Whether operations on tensors that require a gradient are put on the tape now. */
export const isGradEnabled = (): boolean => enabled;

/** A turned switch: `using _ = noGrad()`. Turns back when it is disposed of. */
export class GradMode {
  readonly #before = enabled;
  #open = true;

  /** @internal */
  constructor(on: boolean) {
    enabled = on;
  }

  end(): void {
    if (this.#open) enabled = this.#before;
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/**
 * Turns the tape off, for a block or for a synchronous function: what is computed has no gradient, and saves nothing.
 *
 * @throws  TypeError if the function is async: the switch would be back before its work is done
 * @see     torch.no_grad
 * @example const accuracy = noGrad(() => model.forward(x).argmax(1).eq(y).mean());
 * @example using _ = noGrad();
 */
export function noGrad(): GradMode;
export function noGrad<T>(fn: () => T): T;
export function noGrad<T>(fn?: () => T): T | GradMode {
  return fn === undefined ? new GradMode(false) : within(false, fn);
}

/**
 * Turns the tape on again inside a `noGrad`, for a block or for a synchronous function.
 *
 * @throws  TypeError if the function is async
 * @see     torch.enable_grad
 */
export function enableGrad(): GradMode;
export function enableGrad<T>(fn: () => T): T;
export function enableGrad<T>(fn?: () => T): T | GradMode {
  return fn === undefined ? new GradMode(true) : within(true, fn);
}

/** Runs a synchronous function with the switch on or off. */
export function within<T>(on: boolean, fn: () => T): T {
  const mode = new GradMode(on);
  try {
    const result = fn();
    if (result instanceof Promise) {
      const name = on ? "enableGrad" : "noGrad";
      throw new TypeError(`${name}(fn): fn is async; use \`using _ = ${name}()\` around its synchronous parts instead`);
    }
    return result;
  } finally {
    mode.end();
  }
}
