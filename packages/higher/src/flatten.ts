/**
 * Flattening: the leaves of nested arrays and plain objects, in order.
 */

/** Arrays and plain objects, nested, of T. */
export type Nested<T> = T | readonly Nested<T>[] | { readonly [key: string]: Nested<T> };

/**
 * The leaves of nested arrays and plain objects. Tensors, and whatever else is neither, are leaves.
 *
 * @example  const leaves = flatten({ lr: [lr], betas: [[b1, b2]] }); // [lr, b1, b2]
 */
export function flatten<T>(nested: Nested<T>): T[] {
  if (Array.isArray(nested)) return nested.flatMap((item) => flatten<T>(item));
  if (typeof nested === "object" && nested !== null && Object.getPrototypeOf(nested) === Object.prototype) {
    return Object.values(nested).flatMap((item) => flatten<T>(item as Nested<T>));
  }
  return [nested as T];
}
