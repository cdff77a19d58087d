/**
 * Tensors of tasks, for code that works with their values: the tape, slots, inner loops.
 *
 * What vmap itself needs, the interpreter and its rules, stands elsewhere, so that programs without it do not carry them:
 * a level brings its interpreter along.
 */
import { bind, interpreted, physically } from "../bind.ts";
import { expandP, reshapeP, sumP } from "../primitives.ts";
import { type Tensor, wrap } from "../tensor.ts";
import { atLevels, joined, type Level, levelsOf, markTasks, openLevels, sizesOf } from "./level.ts";

/** Runs a synchronous function at levels, and at no others: those of a vmap, or what it left behind, a hook say. */
export const insideVmap = <T>(levels: readonly Level[], fn: () => T): T =>
  atLevels(levels, () => (levels.length === 0 ? fn() : interpreted(levels[0].interpreter, fn)));

/**
 * A tensor of which each task has its own, at these levels at least: repeated where it was the same for all of them. An
 * operation of its own; the tensor itself if there is nothing to repeat.
 */
export function spreadOver(tensor: Tensor, levels: readonly Level[]): Tensor {
  const own = levelsOf(tensor);
  const all = joined(levels, own);
  if (all.length === own.length) return tensor;
  const spread = physically(() => {
    const sizes = all.map((level) => (own.includes(level) ? level.size : 1));
    const led = bind(reshapeP, [tensor], [...sizes, ...tensor._shape]);
    const whole = bind(expandP, [led], [...sizesOf(all), ...tensor._shape]);
    led._release();
    return whole;
  });
  return markTasks(spread, all);
}

/** Another handle in the current scope, at the same place on the tape, whose value has other axes for tasks, or none. */
export function withTasks(x: Tensor, levels: readonly Level[]): Tensor {
  const handle = wrap(x._live());
  const { _link } = x._standIn ?? x;
  handle._link = _link;
  _link?.retain();
  return markTasks(handle, levels);
}

/**
 * The value of a tensor with exactly these task axes, as a handle that shows them: repeated over those that it has not, and
 * summed over those that are not asked for.
 */
export function valueFor(x: Tensor, levels: readonly Level[]): Tensor {
  const own = levelsOf(x);
  if (own.length === levels.length && own.every((level, i) => level === levels[i])) return withTasks(x, []);
  const all = spreadOver(x, levels);
  const axes = levelsOf(all).flatMap((level, i) => (levels.includes(level) ? [] : [i]));
  const whole = withTasks(all, []);
  if (axes.length === 0) return whole;
  return bind(reshapeP, [bind(sumP, [whole], axes)], [...sizesOf(levels), ...x._shape]);
}

/** Of a tensor that is made inside vmaps: the levels that are open and in which it was made. */
export const levelsAround = (tensor: Tensor): readonly Level[] => openLevels().filter((level) => level.holds(tensor));
