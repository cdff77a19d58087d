/**
 * The interpreter that answers operations on tensors of tasks; see level.ts for what these are.
 *
 * It checks an operation as one task has it, so that errors speak of shapes that the program knows, then runs the
 * primitive's rule on the values, and compares: what a rule makes can never be taken for something else.
 */
import { bind, type Interpreter, isPhysically, physically } from "../bind.ts";
import { bytesPerElement } from "../dtype.ts";
import { LoopgradError, MemoryError } from "../errors.ts";
import { type Primitive, randomBitsP, type Spec } from "../primitives.ts";
import { sameShape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { currentLevel, levelsOfAll, markTasks, sizesOf } from "./level.ts";
import { randomOfTasks } from "./random.ts";
import { batched, valueShape, Work } from "./rules.ts";

/** Answers operations while a vmap runs. */
export const batching: Interpreter = {
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
