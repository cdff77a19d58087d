/**
 * Random numbers of tasks.
 *
 * A call draws under one key. Element i of task t is a function of the key, i and t alone: a task has the same numbers
 * however many tasks run beside it, and however they are cut in chunks; the first task has those of a call outside of
 * vmap.
 */
import { bind, physically } from "../bind.ts";
import { iota } from "../creation.ts";
import { ArgumentError, LoopgradError } from "../errors.ts";
import { scalar } from "../ops/operand.ts";
import { type Attrs, addP, expandP, mulP, randomBitsP, reshapeP, shrP } from "../primitives.ts";
import { numel } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { type Level, markTasks, openLevels, sizesOf } from "./level.ts";

/** Numbers of tasks in two vmaps, one in the other, are paired in 32 bits. */
const MOST_NESTED = 2 ** 15;

/** Random bits at the levels that are open. */
export function randomOfTasks(key: Tensor, shape: Attrs): Tensor {
  const open = openLevels();
  if (open.some(({ randomness }) => randomness === "error")) {
    throw new ArgumentError(
      'vmap: random numbers are drawn inside: wanted { randomness: "different" }, for each task its own, or "same", for all ' +
        "tasks the same",
    );
  }
  const levels = open.filter(({ randomness }) => randomness === "different");
  if (levels.length === 0) return bind(randomBitsP, [key], shape);
  const sizes = sizesOf(levels);
  const whole = [...sizes, ...shape];
  const bits = physically(() => {
    const counter = bind(reshapeP, [iota(key.device, "uint32", numel(shape))], [...sizes.map(() => 1), ...shape]);
    const task = bind(reshapeP, [taskNumbers(key, levels)], [...sizes, ...shape.map(() => 1)]);
    return bind(randomBitsP, [key, bind(expandP, [counter], whole), bind(expandP, [task], whole)], whole);
  });
  return markTasks(bits, levels);
}

/** A number for every task: its own, or of vmaps in one another a number for the pair. [...sizes], uint32. */
function taskNumbers(key: Tensor, levels: readonly Level[]): Tensor {
  const { device } = key;
  const number = (value: number): Tensor => scalar(device, "uint32", value);
  const isNested = levels.length > 1;
  return levels
    .map(({ size, first }, i) => {
      if (isNested && first + size > MOST_NESTED) {
        throw new LoopgradError(
          `vmap: random numbers of ${first + size} tasks in nested vmaps: at most ${MOST_NESTED}`,
        );
      }
      const own = bind(addP, [iota(device, "uint32", size), number(first)]);
      return bind(reshapeP, [own], [size, ...levels.slice(i + 1).map(() => 1)]);
    })
    .reduce((outer, inner) => {
      // Cantor's pairing: (a + b) (a + b + 1) / 2 + b.
      const sum = bind(addP, [outer, inner]);
      const twice = bind(mulP, [sum, bind(addP, [sum, number(1)])]);
      return bind(addP, [bind(shrP, [twice, number(1)]), inner]);
    });
}
