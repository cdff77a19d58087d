/**
 * vmap: a function of one task, run once for many.
 *
 * The function is written for one task. It runs once, or once for each chunk of tasks, and each operation in it
 * computes for all tasks together; see level.ts for how.
 */
import { admit } from "../checked.ts";
import type { Device } from "../device.ts";
import { ArgumentError, LoopgradError, ShapeError } from "../errors.ts";
import { cat } from "../ops/join.ts";
import { movedim, narrow } from "../ops/movement.ts";
import { getRngState, setRngState } from "../random.ts";
import { withinScope } from "../scope.ts";
import { show } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { batching } from "./batching.ts";
import { Fit } from "./fitting.ts";
import { Level, levelsOf, openLevels, type Randomness } from "./level.ts";
import { insideVmap, spreadOver, withTasks } from "./tasks.ts";

/** Which dim of a tensor, or of all tensors in an array or object, counts the tasks; null: the same for all tasks. */
export type VmapAxes = number | null | readonly VmapAxes[] | { readonly [name: string]: VmapAxes };

/** Options of {@link vmap}. */
export interface VmapOptions {
  /** For every argument, or a list of one for each: nested as the arguments are. Default 0. */
  inAxes?: VmapAxes;
  /** Where results have the dim of the tasks; null for one that is the same for all. Nested as the result is. Default 0. */
  outAxes?: VmapAxes;
  /**
   * Tasks that run together; null: all; "auto": as many as the device has memory for, which is tried: the largest tensor
   * that it binds, and the budget of `init({ memory })`. Chunks are submitted one after another. Results differ by rounding
   * at most. Default null.
   *
   * Where gradients are taken inside (`backward`, `grad`), a chunk's memory is free for the next one. A walk back from what
   * vmap returned needs what all chunks have saved.
   */
  chunkSize?: number | "auto" | null;
  /**
   * Random numbers inside: an "error", for all tasks the "same", or "different" ones, which are a task's own whatever the
   * number of tasks and the chunks. Default "error".
   */
  randomness?: Randomness;
}

/**
 * A function that computes for many tasks at once what `fn` computes for one.
 *
 * Inside, tensors have the shapes that one task has. Everything works there as if the tasks ran one after another: operations,
 * layers, losses, `grad`, `backward`, inner loops, hooks, checkpoints. A gradient by a tensor that all tasks share is asked for
 * outside, or by an image of it, as inner loops have. What cannot be is refused: reading a tensor, and
 * changing a parameter or a buffer.
 *
 * @param fn  a synchronous function of tensors, and of arrays and objects with tensors in them; returns the like
 * @returns   a function of the same arguments, in which tensors have one dim more (see `inAxes`), as has what it returns
 * @throws    ArgumentError for arguments, axes or results that do not fit; ShapeError for sizes that differ
 * @see       torch.func.vmap
 * @example
 * const losses = vmap((x: Tensor, y: Tensor) => mseLoss(model.forward(x), y))(xs, ys); // [tasks]
 * @example
 * const rowwise = vmap((x, w) => dot(x, w), { inAxes: [0, null] })(rows, weights);
 */
export function vmap<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: VmapOptions = {},
): (...args: A) => R {
  admit(
    arguments,
    "vmap(fn: function, options?: { inAxes: any, outAxes: any, chunkSize: number|string|null, randomness: string })",
  );
  const { inAxes = 0, outAxes = 0, chunkSize = null, randomness = "error" } = options;
  if (chunkSize !== null && chunkSize !== "auto" && !(Number.isInteger(chunkSize) && chunkSize >= 1)) {
    throw new ArgumentError(
      `vmap: chunkSize is ${String(chunkSize)}: wanted a number of tasks, at least 1, "auto" or null`,
    );
  }
  if (!["error", "same", "different"].includes(randomness)) {
    throw new ArgumentError(`vmap: randomness is "${randomness}": wanted "error", "same" or "different"`);
  }
  const fit = chunkSize === "auto" ? new Fit() : null;
  return (...args) => {
    const inputs = new Inputs(args, inAxes);
    const { tasks, device } = inputs;
    const random = getRngState();
    const parts: unknown[] = [];
    try {
      for (let first = 0; first < tasks; ) {
        const left = tasks - first;
        const size = fit?.of(left) ?? Math.min((chunkSize as number | null) ?? tasks, left);
        const level = new Level(size, first, randomness, openLevels(), batching);
        // Every chunk draws under the keys of the same calls.
        setRngState(random);
        const run = (): unknown => together(fn, inputs, level, outAxes);
        const tried =
          fit === null ? { result: run() } : fit.tried(device, level, run, (made) => dispose(made, outAxes));
        if (tried === null) continue;
        parts.push(tried.result);
        first += size;
        if (fit === null && size < tasks) device.flush();
      }
    } catch (error) {
      for (const part of parts) dispose(part, outAxes);
      throw error;
    }
    return (parts.length === 1 ? parts[0] : joinedParts(parts, outAxes)) as R;
  };
}

/** Runs the function for the tasks of a level. */
function together<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  inputs: Inputs,
  level: Level,
  outAxes: VmapAxes,
): unknown {
  return withinScope((own) => {
    level._scope = own.context;
    const given = inputs.of(level) as unknown as A;
    const returned = insideVmap([...level.outer, level], () => {
      const made = fn(...given);
      if (!(made instanceof Promise)) return made;
      made.catch(() => {});
      throw new TypeError("vmap: the function is async; compute synchronously, and await data() of what vmap returns");
    });
    return mapWithAxes(returned, outAxes, "the result", (y, axis, where) => left(y, axis, where, level));
  });
}

// ---- arguments ---------------------------------------------------------------------------------------------------

class Inputs {
  readonly tasks: number;
  /** Of the first argument that has tasks. */
  readonly device: Device;
  readonly #args: readonly unknown[];
  readonly #axes: VmapAxes;

  constructor(args: readonly unknown[], axes: VmapAxes) {
    this.#args = args;
    this.#axes = axes;
    let tasks = -1;
    let firstAt = "";
    let device: Device | null = null;
    mapWithAxes(args, axes, "argument", (x, axis, where) => {
      if (axis === null) return x;
      const size = x.shape.at(axisOf(axis, x.rank, where, "inAxes")) as number;
      if (tasks >= 0 && size !== tasks) {
        throw new ShapeError(`vmap: ${where} has ${size} tasks, ${firstAt} has ${tasks}: wanted as many`);
      }
      if (tasks < 0) [tasks, firstAt, device] = [size, where, x.device];
      return x;
    });
    if (device === null)
      throw new ArgumentError("vmap: no argument has tasks: wanted a tensor whose inAxes is a number");
    if (tasks === 0) throw new ShapeError(`vmap: ${firstAt} has no tasks: wanted at least one`);
    this.tasks = tasks;
    this.device = device;
  }

  /** The arguments as the tasks of a level see them. */
  of(level: Level): readonly unknown[] {
    return mapWithAxes(this.#args, this.#axes, "argument", (x, axis) => {
      if (axis === null) return x;
      const part = level.size === this.tasks ? x : narrow(x, axis, level.first, level.size);
      const first = axis === 0 || axis === -x.rank ? part : movedim(part, axis, 0);
      return withTasks(first, [...levelsOf(first), level]);
    }) as readonly unknown[];
  }
}

// ---- results -----------------------------------------------------------------------------------------------------

/** A result outside of its level: with the tasks along an axis. */
function left(y: Tensor, axis: number | null, where: string, level: Level): Tensor {
  const isOwn = levelsOf(y).includes(level);
  if (axis === null) {
    if (!isOwn) return y;
    throw new ArgumentError(
      `vmap: ${where} differs from task to task, and outAxes is null: wanted a dim for the tasks`,
    );
  }
  const at = axisOf(axis, y.rank + 1, where, "outAxes");
  const whole = isOwn ? y : insideVmap([...level.outer, level], () => spreadOver(y, [level]));
  const outside = withTasks(
    whole,
    levelsOf(whole).filter((other) => other !== level),
  );
  return at === 0 ? outside : movedim(outside, 0, at);
}

/** Releases results, but for those that all tasks share, which may be anybody's. */
function dispose(results: unknown, axes: VmapAxes): void {
  mapWithAxes(results, axes, "the result", (y, axis) => {
    if (axis !== null) y.dispose();
    return y;
  });
}

/** The results of chunks as one. */
function joinedParts(parts: readonly unknown[], axes: VmapAxes): unknown {
  const lists = parts.map((part) => {
    const list: Tensor[] = [];
    mapWithAxes(part, axes, "the result", (y) => {
      list.push(y);
      return y;
    });
    return list;
  });
  if (lists.some((list) => list.length !== lists[0].length)) {
    throw new LoopgradError(
      "vmap: the function returned other tensors for some chunk of tasks: wanted the same of all",
    );
  }
  let i = 0;
  const whole = mapWithAxes(parts[0], axes, "the result", (y, axis) => {
    const all = lists.map((list) => list[i]);
    i++;
    return axis === null ? y : cat(all, axis);
  });
  for (const part of parts) dispose(part, axes);
  return whole;
}

// ---- nested values -----------------------------------------------------------------------------------------------

/**
 * Replaces every tensor in nested arrays and plain objects.
 *
 * @param axes   a number or null for all tensors in the value, or nested as it is
 * @param where  names the value in messages
 */
function mapWithAxes(
  value: unknown,
  axes: VmapAxes,
  where: string,
  fn: (tensor: Tensor, axis: number | null, where: string) => Tensor,
): unknown {
  if (value instanceof Tensor) {
    if (axes === null || typeof axes === "number") return fn(value, axes, where);
    throw new ArgumentError(`vmap: ${where} is a tensor, and its axes ${shown(axes)}: wanted a number or null`);
  }
  if (Array.isArray(value)) {
    if (Array.isArray(axes) && axes.length !== value.length) {
      throw new ArgumentError(`vmap: ${where}: ${axes.length} axes for ${value.length} values: wanted one for each`);
    }
    if (!Array.isArray(axes) && typeof axes === "object" && axes !== null) throw unlike(where, "a list", axes);
    return value.map((item, i) => mapWithAxes(item, Array.isArray(axes) ? axes[i] : axes, `${where} ${i}`, fn));
  }
  if (isPlain(value)) {
    if (Array.isArray(axes)) throw unlike(where, "an object", axes);
    const named = typeof axes === "object" && axes !== null ? (axes as Readonly<Record<string, VmapAxes>>) : null;
    const unknown = Object.keys(named ?? {}).find((name) => !(name in value));
    if (unknown !== undefined) throw new ArgumentError(`vmap: ${where} has no ${unknown}, for which there is an axis`);
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const own = named === null ? (axes as number | null) : named[name];
        if (own === undefined) throw new ArgumentError(`vmap: ${where}.${name} has no axis in ${shown(axes)}`);
        return [name, mapWithAxes(item, own, `${where}.${name}`, fn)];
      }),
    );
  }
  if (value === null || value === undefined || axes === null) return value;
  throw new ArgumentError(
    `vmap: ${where} is ${typeof value === "object" ? value.constructor.name : typeof value}: wanted a tensor` +
      `${where.startsWith("argument") ? ", or null for it in inAxes: the same for all tasks" : ", or null for it in outAxes"}`,
  );
}

const unlike = (where: string, what: string, axes: VmapAxes): ArgumentError =>
  new ArgumentError(`vmap: ${where} is ${what}, and its axes ${shown(axes)}: wanted the like, or a number or null`);

const shown = (axes: VmapAxes): string => JSON.stringify(axes);

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A dim, counted from 0. */
function axisOf(axis: unknown, rank: number, where: string, option: string): number {
  if (typeof axis === "number" && Number.isInteger(axis) && axis >= -rank && axis < rank) {
    return axis < 0 ? axis + rank : axis;
  }
  throw new ArgumentError(
    `vmap: ${option} of ${where} is ${String(axis)}: wanted ${rank === 0 ? "null, for it has no dims" : show([-rank, rank - 1]).replace(", ", " to ")}`,
  );
}
