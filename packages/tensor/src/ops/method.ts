/**
 * Methods: operations that are also called on their tensor. `x.add(y)` is `add(x, y)`.
 *
 * Where a function is defined through `method`, that is all it takes: the method is installed, `methods.ts` gives it its type,
 * and editors show the function's documentation on it.
 */
import { operation, type Text } from "../checked.ts";
import { Tensor } from "../tensor.ts";

declare const isMethod: unique symbol;

/** A function that is a method as well. */
export type Method<F> = F & { readonly [isMethod]: true };

/**
 * An operation (see checked.ts) that is a method of every tensor, under its own name.
 *
 * @example  const mv = method("mv(a: tensor, b: tensor)", (a: Tensor, b: Tensor): Tensor => matmul(a, b));
 */
export function method<F>(text: Text, fn: F, returns?: "promise"): Method<F> {
  const call = operation(text, fn as (...args: never[]) => unknown, returns);
  install(call.name, call as (x: Tensor, ...rest: never[]) => unknown);
  return call as unknown as Method<F>;
}

/** Makes a function that takes a tensor first a method of a name. */
export function install(name: string, fn: (x: Tensor, ...rest: never[]) => unknown): void {
  const call = fn as (x: Tensor, ...rest: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return call(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}

/** The names of the functions in a module that are methods. */
type Names<M> = { [K in keyof M]: M[K] extends { readonly [isMethod]: true } ? K : never }[keyof M];

type AsMethods<M> = {
  [K in keyof M]: M[K] extends (x: Tensor, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never;
};

/** The methods that a module's functions are. A mapped type over the module: so editors find their documentation. */
export type MethodsOf<M> = AsMethods<Pick<M, Names<M>>>;
