/**
 * checkpoint: memory for time. Nothing inside a function is kept for backward; backward runs the function again.
 *
 * Between forward and backward a call holds its arguments and what the function *captured*: tensors it read from the
 * variables around it, such as parameters. These get their gradients like arguments do. The tape saw the
 * function read them, so they need not be declared. How this is done, recompute.ts tells.
 *
 * The second run must mean what the first did:
 * - Arguments and captured tensors have the values that they had then, though a parameter was assigned or a
 *   functional call has ended meanwhile. A buffer that the function assigns (running statistics) is not assigned twice.
 * - Random operations draw the same numbers.
 * - The function must do the same operations: read no other tensors of the tape (an error), depend on nothing else that
 *   has changed (not detected).
 *
 * Gradients of every order are right; what is saved is the memory between forward and the first backward.
 */
import { admit, handleLike, type Tensor } from "@loopgrad/tensor";
import { Result, type Results } from "./call.ts";
import { isGradEnabled } from "./mode.ts";
import { type Recomputation, record } from "./recompute.ts";
import { attach, nodeOf } from "./tape.ts";

/**
 * A function that does not keep its inner values for backward, but computes them again there.
 *
 * @param fn  a synchronous function of tensors and other things, that returns a tensor or a list of tensors. Run
 *            again with the same arguments it must do the same; random operations are replayed. It may ask for
 *            gradients itself: a whole inner step can be checkpointed
 * @returns   the function, for use in fn's place
 * @throws    TypeError if fn is async; GradError, in backward, if fn did something else the second time
 * @see       torch.utils.checkpoint.checkpoint
 * @example   const h = checkpoint((x: Tensor) => block.forward(x))(input); // block's parameters get their gradients
 */
export function checkpoint<A extends readonly unknown[], R extends Results>(fn: (...args: A) => R): (...args: A) => R {
  admit(arguments, "checkpoint(fn: function)");
  return (...args) => (isGradEnabled() ? record(fn, args).results : fn(...args));
}

/**
 * Functions that follow one another, each taking what the one before returned, in calls of several *stages*: only what
 * the first stage of a call took, and what the stages captured, is held for backward.
 *
 * @internal
 * @example
 * const chain = new CheckpointChain(() => device.flush());
 * let [w, loss] = chain.extend(step, [w0]);
 * [w, loss] = chain.extend(step, [w]); // w in between is not held
 */
export class CheckpointChain {
  readonly #submit: () => void;
  readonly #emits: number;
  readonly #handOver: (emitted: Tensor[]) => void;
  #call: Recomputation | null = null;
  #length = 0;
  /** Held off the tape and outside every scope; `linked` are those that belong on it. */
  #emitted: { readonly tensor: Tensor; readonly linked: boolean }[] = [];

  /**
   * @param submit    submits the work of a stage when it has run again, and of the walk back through a call: so that
   *                  stages of one structure replay one plan. In the first run that is up to the caller
   * @param emits     how many of a stage's first results are results of the call, though stages follow
   * @param handOver  gets these when the call has ended, for all its stages in order
   */
  constructor(submit: () => void, emits = 0, handOver: (emitted: Tensor[]) => void = () => {}) {
    this.#submit = submit;
    this.#emits = emits;
    this.#handOver = handOver;
  }

  /** Stages of the present call. */
  get length(): number {
    return this.#length;
  }

  /**
   * Runs a function as the next stage, or as the first of a new call, if something else came of what it takes: a loss
   * by weights in between, say.
   */
  extend(fn: (...args: Tensor[]) => Tensor[], args: readonly Tensor[]): Tensor[] {
    if (this.#call === null || this.#call.isFree || args.some((x) => this.#isExposed(x))) this.cut();
    const emitted = this.#emitted.map(({ tensor }) => tensor);
    const { call, results } = isGradEnabled()
      ? record<Tensor[], Tensor[]>(fn, [...args], {
          call: this.#call,
          emits: this.#emits,
          emitted,
          submit: this.#submit,
        })
      : { call: null, results: fn(...args) };
    if (call === null) this.cut();
    for (const y of results.slice(0, this.#emits)) {
      this.#emitted.push({ tensor: handleLike(y, y._live(), null), linked: nodeOf(y) !== null });
    }
    this.#call = call;
    this.#length++;
    return results;
  }

  /** Whether a result of the last stage has been used by other than the one handle that holds it. */
  #isExposed(tensor: Tensor): boolean {
    const node = nodeOf(tensor);
    return node instanceof Result && node.call === this.#call && node.refs > 1;
  }

  /** Ends the call: the next stage begins a new one. */
  cut(): void {
    const [call, last] = [this.#call, this.#emitted.length - this.#emits];
    const emitted = this.#emitted.map(({ tensor, linked }, i) => {
      const handle = handleLike(tensor, tensor._live());
      if (call === null || !linked) return handle;
      // The last stage's are its first results; those of the others come after all of its results.
      return attach(handle, call.result(i >= last ? i - last : call.stageResults + i));
    });
    for (const { tensor } of this.#emitted) tensor.dispose();
    this.#emitted = [];
    this.#call = null;
    this.#length = 0;
    if (emitted.length > 0) this.#handOver(emitted);
  }
}
