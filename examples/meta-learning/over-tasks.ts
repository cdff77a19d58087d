/**
 * All tasks at once, or one after the other: the same function, and the same results.
 *
 * A function is written for one task. `vmap` gives it tensors that stand for those of all tasks, and so it runs once: the
 * device gets a few large operations in place of many small ones. `looped` says in plain code what that comes to.
 */
import { stack, Tensor, vmap } from "loopgrad";

/**
 * A function of stacked tasks from a function of one. Results are stacked as well.
 *
 * @param fn       of tensors, and of arrays and objects of tensors; returns the like
 * @param batched  by vmap, or in a loop
 * @example        const { loss } = overTasks((task: Task) => maml(model, task, settings), true)(tasks); // [tasks]
 */
export function overTasks<A extends readonly unknown[], R>(fn: (...args: A) => R, batched: boolean): (...args: A) => R {
  return batched ? vmap(fn, { randomness: "different" }) : looped(fn);
}

/** Calls the function for one task after the other. */
const looped =
  <A extends readonly unknown[], R>(fn: (...args: A) => R) =>
  (...args: A): R =>
    stacked(Array.from({ length: tasksIn(args) }, (_, task) => fn(...taken(args, task))));

/** Many alike values, of tensors in arrays and objects, as one. */
function stacked<T>(values: readonly T[]): T {
  const [first] = values;
  if (first instanceof Tensor) return stack(values as readonly Tensor[]) as T;
  return mapParts(first, (_, name) => stacked(values.map((value) => value[name])));
}

/** What belongs to one of the tasks. */
const taken = <T>(value: T, task: number): T =>
  value instanceof Tensor ? (value.select(0, task) as T) : mapParts(value, (part) => taken(part, task));

const tasksIn = (value: unknown): number =>
  value instanceof Tensor ? value.shape[0] : tasksIn(Object.values(value as object)[0]);

/** An array or object with other parts. */
function mapParts<T>(value: T, fn: <K extends keyof T>(part: T[K], name: K) => T[K]): T {
  const parts = Object.entries(value as object).map(([name, part]) => [name, fn(part, name as keyof T)] as const);
  return (Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts)) as T;
}
