/**
 * Stand-ins: tensors that take the place of handles while a function runs.
 *
 * A functional call runs a module with other tensors in place of its parameters. While it is synchronous nothing else
 * can run, so each handle simply notes its stand-in. An async function goes on later, between other code for which the
 * handles mean what they always mean: from its first wait on its stand-ins are a context (see context.ts), in force for
 * whoever runs in it.
 */
import { around, type Context, enclosed, find, Kind, linesOf } from "./context.ts";
import { LoopgradError } from "./errors.ts";
import type { Tensor } from "./tensor.ts";

/** What stands for which handle in an async call. */
type StandIns = Map<Tensor, Tensor>;

const CALL = new Kind<StandIns>("functional call", true);

/** The innermost async call around the code that runs in which something stands for the handle. */
function callOf(handle: Tensor): Context<StandIns> | null {
  let call = find(CALL);
  while (call !== null && !call.value.has(handle)) call = around(call);
  return call;
}

/** What stands for a handle in the async functional calls around the code that runs; null for nothing. */
export function standInFor(handle: Tensor): Tensor | null {
  const call = callOf(handle);
  if (call === null) return null;
  if (call.waiting > 0) {
    throw new LoopgradError(
      `${handle.constructor.name}: an async functional call waits for a read, and it cannot be told whether this code ` +
        `belongs to it: await the call before you use its module. It waits at\n${linesOf(call.waitsAt)}`,
    );
  }
  return call.value.get(handle) as Tensor;
}

/**
 * Runs a function, sync or async, while handles stand for tensors. Calls may nest; an error restores what was before.
 *
 * @internal
 * @param finish  called with the result and what stands for a handle at the end
 */
export function withStandIns<T>(
  handles: readonly Tensor[],
  tensors: readonly Tensor[],
  fn: () => T,
  finish?: (result: Awaited<T>, standIn: (handle: Tensor) => Tensor) => void,
): T {
  const count = handles.length;
  const resolved = tensors.map((tensor) => tensor._standIn ?? tensor);
  const standIns: StandIns = new Map();
  let isAsync = false;
  const start = (): T => {
    const before = new Array<Tensor | null>(count);
    for (let i = 0; i < count; i++) {
      before[i] = handles[i]._standsNow;
      handles[i]._standsNow = resolved[i];
    }
    try {
      const result = fn();
      if (!(result instanceof Promise)) finish?.(result as Awaited<T>, (handle) => handle._standsNow as Tensor);
      else {
        isAsync = true;
        for (const handle of handles) {
          standIns.set(handle, handle._standsNow as Tensor);
          handle._calls++;
        }
      }
      return result;
    } finally {
      for (let i = 0; i < count; i++) handles[i]._standsNow = before[i];
    }
  };
  return enclosed(
    CALL,
    standIns,
    start,
    (result) => {
      if (isAsync) finish?.(result, (handle) => standIns.get(handle) as Tensor);
    },
    () => {
      for (const handle of standIns.keys()) handle._calls--;
    },
  );
}

/** Has a handle that stands for a tensor stand for another, until the call ends. */
export function replaceStandIn(handle: Tensor, tensor: Tensor): void {
  const standIn = tensor._standIn ?? tensor;
  if (handle._standsNow !== null) handle._standsNow = standIn;
  else callOf(handle)?.value.set(handle, standIn);
}
