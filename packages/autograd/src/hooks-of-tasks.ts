/**
 * Hooks inside vmap: they see gradients as one task has them.
 *
 * A walk works with values, in which all tasks stand one behind another, and may come after the vmap has ended. A hook
 * runs where it was registered.
 */
import { GradError, insideVmap, type Level, levelsOf, openLevels, Tensor, valueFor, withTasks } from "@loopgrad/tensor";
import type { Hook } from "./tape.ts";

/** A user's hook for a tensor's gradient, as a walk calls it. */
export function hookFor(tensor: Tensor, hook: Hook): Hook {
  const open = openLevels();
  if (open.length === 0) {
    return (grad) => {
      wantWithin(open);
      return hook(grad);
    };
  }
  const levels = levelsOf(tensor);
  if (levels.length < open.length) {
    throw new GradError(
      "registerHook: inside vmap, the tensor is the same for all tasks, and the hook would see the sum of their gradients: " +
        "register it outside, or on image(tensor), of which each task has its own",
    );
  }
  return (grad) => {
    wantWithin(open);
    const returned = insideVmap(open, () => hook(withTasks(grad, levels)));
    return returned instanceof Tensor ? insideVmap(open, () => valueFor(returned, levels)) : returned;
  };
}

/** Throws where a gradient is taken inside a vmap that the hook knows nothing of. */
function wantWithin(levels: readonly Level[]): void {
  if (openLevels().every((level) => levels.includes(level))) return;
  throw new GradError(
    "a hook that was registered outside of vmap is reached by a gradient that is taken inside: it would see all tasks at once, " +
      "and run once: register it inside, or take the gradient outside",
  );
}
