/**
 * The interpreter that answers operations on tensors of tasks; see level.ts for what these are.
 *
 * It checks an operation as one task has it, so that errors speak of shapes that the program knows, then runs the
 * primitive's rule on the values, and compares: what a rule makes can never be taken for something else.
 */
import { bind, type Interpreter, interpreted, isPhysically, physically } from "../bind.ts";
import { bytesPerElement } from "../dtype.ts";
import { LoopgradError, MemoryError } from "../errors.ts";
import { expandP, type Primitive, randomBitsP, reshapeP, type Spec, sumP } from "../primitives.ts";
import { sameShape, show } from "../shape.ts";
import { type Tensor, wrap } from "../tensor.ts";
import {
  atLevels,
  currentLevel,
  joined,
  type Level,
  levelsOf,
  levelsOfAll,
  markTasks,
  openLevels,
  sizesOf,
} from "./level.ts";
import { randomOfTasks } from "./random.ts";
import { batched, valueShape, Work } from "./rules.ts";

const batching: Interpreter = {
  apply(primitive, inputs, attrs) {
    // One above, of a vmap inside this one, has dealt with all levels.
    if (isPhysically()) return bind(primitive, inputs, attrs);
    if (primitive === randomBitsP) return randomOfTasks(inputs[0], attrs);
    const levels = levelsOfAll(inputs);
    if (levels.length === 0) return counted(primitive, bind(primitive, inputs, attrs));
    const spec = primitive.infer(inputs.map(shown), attrs);
    const output = physically(() => {
      const work = new Work(levels);
      const result = batched(primitive, inputs, attrs, work);
      work.end(result);
      return result;
    });
    const wanted = [...sizesOf(levels), ...spec.shape];
    if (!sameShape(valueShape(output), wanted)) {
      throw new LoopgradError(
        `internal: the batching rule of ${primitive.name} gave ${show(valueShape(output))}, wanted ${show(wanted)}`,
      );
    }
    return markTasks(counted(primitive, output), levels);
  },
};

/** Counts the bytes of a result, for levels that are to fit; those that are views of others cost none. */
function counted(primitive: Primitive, output: Tensor): Tensor {
  const level = currentLevel();
  if (level === null || !level._isCounting || primitive.kind === "movement") return output;
  const { size, dtype } = output._value;
  const bytes = size * bytesPerElement(dtype);
  level._bytes += bytes;
  if (bytes <= level._largest) return output;
  output._release();
  throw new MemoryError(
    `${primitive.name} of ${level.size} tasks: ${bytes} bytes, and the device holds at most ${level._largest} in one tensor`,
  );
}

/** What one task sees of an operand. */
const shown = (x: Tensor): Spec => ({ shape: x._shape, dtype: x.dtype });

/** Runs a synchronous function at levels, and at no others: those of a vmap, or what it left behind, a hook say. */
export const insideVmap = <T>(levels: readonly Level[], fn: () => T): T =>
  atLevels(levels, () => (levels.length === 0 ? fn() : interpreted(batching, fn)));

/**
 * A tensor of which each task has its own, at these levels at least: repeated where it was the same for all of them. An
 * operation of its own; the tensor itself if there is nothing to repeat.
 */
export function spreadOver(tensor: Tensor, levels: readonly Level[]): Tensor {
  const all = joined(levels, levelsOf(tensor));
  if (all.length === levelsOf(tensor).length) return tensor;
  const spread = physically(() => {
    const work = new Work(all);
    const led = work.led(tensor);
    const whole = bind(expandP, [led], [...work.sizes, ...tensor._shape]);
    if (led !== tensor) led._release();
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
