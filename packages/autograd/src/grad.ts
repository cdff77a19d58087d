/**
 * grad and backward: the two ways to ask for gradients.
 *
 * `grad` returns them, `backward` adds them to `.grad` of the leaves. Both check what they were given, start the walk
 * with the cotangents of the results, and place what it finds.
 */
import {
  ArgumentError,
  add,
  admit,
  changing,
  GradError,
  insideVmap,
  isFloat,
  isTrial,
  levelsOf,
  markTasks,
  sameShape,
  scope,
  show,
  Tensor,
  valueFor,
} from "@loopgrad/tensor";
import { within } from "./mode.ts";
import { nodeOf } from "./tape.ts";
import { type Seed, walk, walkToOwners } from "./walk.ts";

/** Options of {@link grad}. */
export interface GradOptions {
  /** The vector of the vector-Jacobian product, one per output; null or absent for a scalar: 1. */
  gradOutputs?: Tensor | readonly (Tensor | null)[] | null;
  /** Put the gradients' own computation on the tape, so that they can be differentiated. Default false. */
  createGraph?: boolean;
  /** Keep what the tape saved, for another walk through the same graph. Default: `createGraph`. */
  retainGraph?: boolean;
  /** Return null for an input that the outputs don't depend on, in place of an error. Default false. */
  allowUnused?: boolean;
}

/** Options of `Tensor.backward`. */
export interface BackwardOptions {
  /** The vector of the vector-Jacobian product; may be left out for a scalar: 1. */
  gradient?: Tensor | null;
  /** Keep what the tape saved, for another walk through the same graph. Default: `createGraph`. */
  retainGraph?: boolean;
  /** Put the gradients' own computation on the tape. Default false. */
  createGraph?: boolean;
  /** Only these get a gradient. Default: every leaf that the tensor depends on. */
  inputs?: Tensor | readonly Tensor[];
}

const list = <T>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);

/**
 * Gradients of outputs with respect to inputs; of a sum over all outputs, each multiplied with its `gradOutputs`.
 *
 * @param outputs  float tensors of any shape
 * @param inputs   tensors that require a gradient: leaves, or results in the middle of the graph
 * @returns        one tensor per input, of its shape; null for an unused one under `allowUnused`
 * @throws         GradError if an output is not on the tape, an input doesn't require a gradient or is unused, a
 *                 non-scalar output has no `gradOutputs`, or the graph was freed by an earlier walk
 * @see            torch.autograd.grad
 * @example
 * const [g] = grad(loss, [w], { createGraph: true });
 * const [h] = grad(g.square().sum(), [w]); // second order
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: GradOptions & { allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  admit(
    arguments,
    "grad(outputs: any, inputs: any, options?: { gradOutputs: tensor|list|null, createGraph: boolean, retainGraph: boolean, allowUnused: boolean })",
  );
  const { gradOutputs, createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const ys = list(outputs);
  const xs = list(inputs);
  const vs = gradOutputs === undefined || gradOutputs === null ? [] : list(gradOutputs);
  if (vs.length > 0 && vs.length !== ys.length) {
    throw new GradError(`grad: ${ys.length} outputs and ${vs.length} gradOutputs: wanted one for each`);
  }
  const wanted = xs.map((x, i) => {
    wantTensor(`grad: input ${i}`, x);
    const node = nodeOf(x);
    if (node === null) throw notRequired(`grad: input ${i}`, x);
    return node;
  });
  const seeds = ys.map((y, i) => seed(`grad: output ${i}`, "gradOutputs", y, vs[i] ?? null));
  wantOwn(xs, [...ys, ...vs]);
  const found = walk(seeds, wanted, { createGraph, retainGraph });
  found.forEach((g, i) => {
    if (g !== null) markTasks(g, levelsOf(xs[i]));
  });
  if (!allowUnused) {
    const unused = found.indexOf(null);
    if (unused >= 0) {
      throw new GradError(
        `grad: input ${unused}, ${describe(xs[unused])}, was not used to compute the outputs; ` +
          "pass { allowUnused: true } to get null for it",
      );
    }
  }
  return found;
}

/** Inside vmap a walk by a tensor that all tasks share gives the sum over the tasks, which is no task's gradient. */
function wantOwn(xs: readonly Tensor[], ys: readonly (Tensor | null)[]): void {
  const levels = new Set(ys.flatMap((y) => (y === null ? [] : levelsOf(y))));
  for (const [i, x] of xs.entries()) {
    const own = levelsOf(x);
    if ([...levels].every((level) => own.includes(level))) continue;
    throw new GradError(
      `grad: inside vmap, input ${i}, ${describe(x)}, is the same for all tasks, and the outputs differ from task to task: ` +
        "take the gradient by image(x), of which each task has its own and from which the outputs are computed; or outside of vmap",
    );
  }
}

/** Implements `Tensor.backward`. */
export function backward(loss: Tensor, options: BackwardOptions = {}): void {
  const { gradient = null, createGraph = false, retainGraph = createGraph, inputs } = options;
  const seeds = [seed("backward: the tensor", "gradient", loss, gradient)];
  if (inputs === undefined) {
    for (const [node, g] of walkToOwners(seeds, { createGraph, retainGraph })) {
      if (node.owner !== null) accumulate(node.owner, g, createGraph);
      g._release();
    }
    return;
  }
  const xs = list(inputs);
  const wanted = xs.map((x, i) => {
    wantTensor(`backward: input ${i}`, x);
    const node = nodeOf(x);
    if (node === null) throw notRequired(`backward: input ${i}`, x);
    return node;
  });
  walk(seeds, wanted, { createGraph, retainGraph }).forEach((g, i) => {
    if (g === null) return;
    accumulate(xs[i], g, createGraph);
    g._release();
  });
}

/**
 * Adds to a tensor's `.grad`, a handle outside every scope. The handle stays the same from one backward to the next,
 * unless the gradient is on the tape.
 */
function accumulate(tensor: Tensor, g: Tensor, createGraph: boolean): void {
  if (tensor.isReleased) return;
  const old = tensor._grad;
  if (isTrial()) putBackIfUndone(tensor, old);
  markTasks(g, levelsOf(tensor));
  if (old === null) {
    tensor._grad = g._share();
    return;
  }
  scope(() => {
    const sum = insideVmap(levelsOf(tensor), () => within(createGraph, () => add(old, g)));
    if (sum._link === null && old._link === null) old._regrad(sum);
    else tensor.grad = sum;
  });
}

/** Should the tasks at work not fit into memory, the tensor gets the gradient back that it has now. */
function putBackIfUndone(tensor: Tensor, old: Tensor | null): void {
  const value = old?._share() ?? null;
  changing({
    undo() {
      if (value === null || old === null) tensor.grad = null;
      else if (tensor._grad === old) old._regrad(value);
      else tensor.grad = value;
    },
    done: () => value?.dispose(),
  });
}

/** Checks a result and its cotangent. */
function seed(what: string, option: string, y: Tensor, v: Tensor | null): Seed {
  wantTensor(what, y);
  if (v !== null) wantTensor(`${what}'s ${option}`, v);
  const node = nodeOf(y);
  if (node === null) {
    if (!isFloat(y.dtype)) throw new GradError(`${what} is ${y.dtype}: only float tensors have gradients`);
    throw new GradError(
      `${what}, ${describe(y)}, is not on the tape: nothing it was computed from requires a gradient, ` +
        "or it was computed under noGrad or detached",
    );
  }
  if (v === null) {
    if (y.size !== 1) {
      throw new GradError(
        `${what} has shape ${show(y.shape)}: a gradient can be started without ${option} from a single element only; ` +
          `reduce it, or pass { ${option} } of that shape`,
      );
    }
  } else if (!sameShape(v.shape, y.shape) || v.dtype !== y.dtype) {
    throw new GradError(`${what} is ${describe(y)}, its ${option} ${describe(v)}: shape and dtype must be the same`);
  }
  return { node, cotangent: v === null ? null : valueFor(v, levelsOf(y)) };
}

function wantTensor(what: string, x: unknown): void {
  if (x instanceof Tensor) return;
  throw new ArgumentError(`${what} is ${typeof x === "function" ? "a function" : String(x)}: wanted a tensor`);
}

function notRequired(what: string, x: Tensor): GradError {
  return isFloat(x.dtype)
    ? new GradError(`${what}, ${describe(x)}, does not require a gradient: call requiresGrad_(true) before it is used`)
    : new GradError(`${what} is ${x.dtype}: only float tensors have gradients`);
}

const describe = (x: Tensor): string => `${x.dtype} ${show(x.shape)}`;
