/**
 * Hooks inside vmap: they see gradients as one task has them.
 *
 * A walk works with values, in which all tasks stand one behind another, and may come after the vmap has ended. A hook
 * runs where it was registered.
 */
import { GradError, insideVmap, levelsOf, openLevels, Tensor, valueFor, withTasks } from "@loopgrad/tensor";
import type { Hook } from "./tape.ts";

/** A user's hook for a tensor's gradient, as a walk calls it. */
export function hookFor(tensor: Tensor, hook: Hook): Hook {
  const open = openLevels();
  if (open.length === 0) return (grad) => hook(grad);
  const levels = levelsOf(tensor);
  if (levels.length < open.length) {
    throw new GradError(
      "registerHook: inside vmap, the tensor is the same for all tasks, and the hook would see the sum of their gradients: " +
        "register it outside, or on image(tensor), of which each task has its own",
    );
  }
  return (grad) => {
    const returned = insideVmap(open, () => hook(withTasks(grad, levels)));
    return returned instanceof Tensor ? insideVmap(open, () => valueFor(returned, levels)) : returned;
  };
}
