/**
 * Operations as wholes: one composed of others fails in its own name, and leaves nothing of itself when it does.
 *
 * `lerp` is a product and two sums; what those reject is what lerp's caller got wrong, so the message says `lerp`.
 */
import { LoopgradError } from "../errors.ts";
import { beginAttempt, endAttempt, undoAttempt } from "../record/attempt.ts";

/** The operation a message begins with. */
const LEADING = /^\w+(?=: )/;

/**
 * The same function, whose errors begin with the operation's name: in place of that of an operation inside. If it
 * throws, the tensors that it made are released.
 *
 * @example const mv = named("mv", (a: Tensor, b: Tensor): Tensor => matmul(a, b)); // mv: [2, 3] × [2]: inner …
 */
export function named<F extends (...args: never[]) => unknown>(name: string, operation: F): F {
  return whole(operation, (error) => {
    if (error instanceof LoopgradError && !new RegExp(`^${name}\\b`).test(error.message)) rename(error, name);
  });
}

/** The same function, which releases the tensors that it made if it throws. */
export function whole<F extends (...args: never[]) => unknown>(operation: F, failed?: (error: unknown) => void): F {
  const call = (...args: Parameters<F>): unknown => {
    const start = beginAttempt();
    try {
      return operation(...args);
    } catch (error) {
      undoAttempt(start);
      failed?.(error);
      throw error;
    } finally {
      endAttempt();
    }
  };
  return call as F;
}

function rename(error: LoopgradError, name: string): void {
  const { message } = error;
  error.message = LEADING.test(message) ? message.replace(LEADING, name) : `${name}: ${message}`;
  // Engines write the message into the stack when the error is made.
  error.stack = error.stack?.replace(message, () => error.message);
}
