/**
 * Functions that look at their arguments before they begin.
 *
 * What computes tensors is defined through `operation(signature, fn)`; other public functions, constructors and methods begin
 * with `admit(arguments, signature)`. Both refuse what a signature (see signature.ts) does not name, in words, before anything
 * is recorded. What a kind does not say, shapes, dtypes, ranges, is the function's own to check.
 */
import { GradError, LoopgradError } from "./errors.ts";
import { beginAttempt, endAttempt, undoAttempt } from "./record/attempt.ts";
import { areSixAsWritten, isAsWritten, type Signature, settled, signaturesOf } from "./signature.ts";

type AnyFunction = (...args: never[]) => unknown;
type Call = (...args: readonly unknown[]) => unknown;

/** A signature, or several: overloads. */
export type Text = string | readonly string[];

const texts = new WeakMap<object, Text>();

/** @internal The signatures of a function made here; null for others. */
export function signatureOf(callable: object): readonly Signature[] | null {
  const text = texts.get(callable);
  return text === undefined ? null : signaturesOf(text);
}

const nameOf = (text: Text): string => {
  const first = typeof text === "string" ? text : text[0];
  return first.slice(0, first.indexOf("("));
};

function signed(text: Text, call: Call): Call {
  Object.defineProperty(call, "name", { value: nameOf(text) });
  texts.set(call, text);
  return call;
}

/**
 * @internal Throws unless the arguments of a function, constructor or method fit its signature.
 *
 * @param args  its `arguments`
 * @param self  for classes that have no name yet: the instance, whose class's name begins the signature
 * @example     admit(arguments, "Linear.forward(x: tensor)"); // or, in a class that a function makes:
 *              admit(arguments, ".forward(x: tensor)", this);
 */
export function admit(args: ArrayLike<unknown>, text: string, self?: object): void {
  const signatures = self === undefined ? signaturesOf(text) : signaturesAt(self.constructor, text);
  if (!isAsWritten(signatures[0], args)) settled(signatures, Array.from(args));
}

/** Signatures by the class whose name they begin with, so that the name is put before them once. */
const ofClasses = new WeakMap<object, Map<string, readonly Signature[]>>();

function signaturesAt(cls: { readonly name: string }, text: string): readonly Signature[] {
  let own = ofClasses.get(cls);
  if (own === undefined) {
    own = new Map();
    ofClasses.set(cls, own);
  }
  let signatures = own.get(text);
  if (signatures === undefined) {
    signatures = signaturesOf(`${cls.name}${text}`);
    own.set(text, signatures);
  }
  return signatures;
}

/**
 * @internal Has methods of a class check their arguments.
 *
 * @param methods  signatures such as "data()"
 * @param returns  "promise" for async methods, whose errors reject
 */
export function checkMethods(
  cls: { readonly name: string; readonly prototype: object },
  methods: readonly string[],
  returns?: "promise",
): void {
  const prototype = cls.prototype as Record<string, Call>;
  for (const text of methods) {
    const name = nameOf(text);
    const method = prototype[name];
    const signature = `${cls.name}.${text}`;
    const value = function (this: unknown, ...args: unknown[]): unknown {
      try {
        admit(args, signature);
      } catch (error) {
        if (returns === "promise") return Promise.reject(error);
        throw error;
      }
      return method.apply(this, args);
    };
    Object.defineProperty(value, "name", { value: name });
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}

// ---- operations -----------------------------------------------------------------------------------------------

/** The operation a message begins with. */
const LEADING = /^\w+(?=: )/;

/**
 * An operation: a function that checks its arguments, fails in its own name, and leaves nothing of itself when it does.
 *
 * An operation is composed of others. `lerp` is a product and two sums; what those reject is what lerp's caller got wrong,
 * so the message says `lerp`, and the tensors that it made until then are released.
 *
 * @param text     its signature, or several
 * @param returns  "promise" for an async function, whose errors reject
 * @example        const mv = operation("mv(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => matmul(a, b));
 */
/* @__NO_SIDE_EFFECTS__ */
export function operation<F extends AnyFunction>(text: Text, fn: F, returns?: "promise"): F {
  const inner = fn as unknown as Call;
  const name = nameOf(text);
  let signatures: readonly Signature[] | null = null;
  // Six parameters rather than a list of arguments, which would be made at every call.
  function call(a: unknown, b: unknown, c: unknown, d: unknown, e: unknown, f: unknown): unknown {
    signatures ??= signaturesOf(text);
    const start = beginAttempt();
    try {
      if (arguments.length <= 6 && areSixAsWritten(signatures[0], a, b, c, d, e, f)) return inner(a, b, c, d, e, f);
      return inner(...settled(signatures, Array.from(arguments)));
    } catch (error) {
      undoAttempt(start);
      if (error instanceof LoopgradError) rename(error, name);
      if (returns === "promise") return Promise.reject(error);
      throw error;
    } finally {
      endAttempt();
    }
  }
  return signed(text, call) as unknown as F;
}

/** Errors of the tape name the walk or the checkpoint that they belong to, whichever operation met them. */
function rename(error: LoopgradError, name: string): void {
  const { message } = error;
  if (new RegExp(`^${name}\\b`).test(message) || (error instanceof GradError && LEADING.test(message))) return;
  error.message = LEADING.test(message) ? message.replace(LEADING, name) : `${name}: ${message}`;
  // Engines write the message into the stack when the error is made.
  error.stack = error.stack?.replace(message, () => error.message);
}
