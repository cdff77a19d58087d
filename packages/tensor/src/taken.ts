/**
 * Taken gradients: handles of gradients that the program was given.
 *
 * A gradient belongs to its tensor, outside every scope. When it is zeroed or replaced, and nobody was ever given it, its
 * storage goes back at once: a training loop without scopes depends on that. One that was *taken* (`tensor.grad`)
 * may still be in use, as in `g = p.grad; opt.zeroGrad()`, so its handle becomes an ordinary one:
 *
 * - taken in a scope that is open still, it ends with that scope;
 * - taken outside scopes, it stays. It is stored at the next flush, unless it is large: that could cost a loop that merely
 *   looks at its gradients as much memory as the model at every step. A large one *parts*: it goes when the parameter
 *   has been assigned twice since, as the parameter's own value does;
 * - one that `keep` was called with stays, and is stored.
 *
 * A tensor that is disposed of, or whose scope ends, takes its gradient along, unless that was kept or is returned from
 * the scope.
 */

import type { Context } from "./context.ts";
import { MAX_HOST_COPY } from "./record/idle.ts";
import { currentScope, scopeOf } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/** Notes that the program was given a gradient's handle. */
export function take(grad: Tensor): void {
  const scope = currentScope();
  if (scope === null) {
    if (grad._takenIn === "nowhere") return;
    grad._takenIn = "nowhere";
    storeTaken(grad);
    return;
  }
  const before = grad._takenIn;
  if (before === "nowhere" || (before?.open && !isInside(before, scope.context))) return;
  grad._takenIn = scope.context;
}

/** Whether a context was opened in another one. */
function isInside(inner: Context, outer: Context): boolean {
  let context = inner.parent;
  while (context !== null && context !== outer) context = context.parent;
  return context !== null;
}

/** A gradient that may outlive its record is stored. */
export function storeTaken(grad: Tensor): void {
  const value = grad._value;
  if (grad._kept || (grad._takenIn === "nowhere" && value.size <= MAX_HOST_COPY)) value.device.want(value);
}

/**
 * The tensor has its gradient no more.
 *
 * @param why  zeroed: what was computed from it goes with it; replaced: perhaps by what was computed from it; released:
 *             the tensor itself goes, and takes its gradient along
 */
export function partWithGrad(owner: Tensor, why: "zeroed" | "replaced" | "released"): void {
  const grad = owner._grad;
  if (grad === null) return;
  owner._grad = null;
  const { _takenIn: takenIn } = grad;
  if (grad._released || grad._kept) return;
  const scope = takenIn === null || takenIn === "nowhere" ? null : scopeOf(takenIn);
  if (scope !== null) scope._adopt(grad);
  else if (takenIn !== "nowhere") {
    if (why === "zeroed") grad._discard();
    else grad._release();
  } else if (why === "released") grad._release();
  else if (grad._value.size > MAX_HOST_COPY) owner._part(grad);
}
