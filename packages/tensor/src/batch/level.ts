/**
 * Levels: the vmaps that run.
 *
 * While `vmap` runs its function, once for all tasks, a *level* is open. A tensor of which each task has its own is a
 * handle with *task axes*: its value leads with one axis for each level, the outermost first, and its `shape` shows none
 * of them. Tensors without are the same for all tasks. A function that runs inside a vmap sees the shapes that one task has.
 *
 * The tape stands below: it sees values, task axes and all. As tasks have nothing to do with one another, a walk back from
 * the losses of all tasks to the weights of all tasks gives each task its own gradient, at every order.
 */
import type { Interpreter } from "../bind.ts";
import type { Context } from "../context.ts";
import { LoopgradError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** What random operations give the tasks of a vmap. */
export type Randomness = "error" | "same" | "different";

/** A vmap that runs, or that ran: what its functions left behind may open it again. */
export class Level {
  /** How often it is open now. */
  #open = 0;

  constructor(
    /** Tasks that run together. */
    readonly size: number,
    /** The number of the first of them. */
    readonly first: number,
    readonly randomness: Randomness,
    /** The levels around it, and how many there are. */
    readonly outer: readonly Level[],
    /** Answers operations while the level is open. */
    readonly interpreter: Interpreter,
  ) {}

  get depth(): number {
    return this.outer.length;
  }

  get isOpen(): boolean {
    return this.#open > 0;
  }

  /** @internal Bytes of results so far; counted where there may be too many. */
  _bytes = 0;
  /** @internal The most bytes that a result may have. */
  _largest = Number.POSITIVE_INFINITY;
  /** @internal Counts results. */
  _isCounting = false;

  /** @internal The scope of the tasks: what is made inside belongs to it, or to one inside it. */
  _scope: Context | null = null;

  /** Whether a tensor was made while the level was open, and has not been kept. */
  holds({ _scope }: Tensor): boolean {
    for (let context = _scope; context !== null; context = context.parent) if (context === this._scope) return true;
    return false;
  }

  /** @internal */
  _opened(by: 1 | -1): void {
    this.#open += by;
  }
}

/** The task axes of a handle. */
export interface Batch {
  /** Outermost first. */
  readonly levels: readonly Level[];
  /** What the handle shows. */
  readonly shape: Shape;
}

const NONE: readonly Level[] = [];

let open: readonly Level[] = NONE;

/** The levels that are open, outermost first. */
export const openLevels = (): readonly Level[] => open;

/** The innermost of them; null outside of vmaps. */
export const currentLevel = (): Level | null => open.at(-1) ?? null;

/** Runs a synchronous function at levels, which may be closed by now, and at no others. */
export function atLevels<T>(levels: readonly Level[], fn: () => T): T {
  const before = open;
  open = levels;
  for (const level of levels) level._opened(1);
  try {
    return fn();
  } finally {
    for (const level of levels) level._opened(-1);
    open = before;
  }
}

/** The levels of a handle's task axes. */
export const levelsOf = (tensor: Tensor): readonly Level[] => tensor._tasks?.levels ?? NONE;

/** Sizes of the task axes. */
export const sizesOf = (levels: readonly Level[]): number[] => levels.map(({ size }) => size);

/** Says of a handle that its value leads with an axis for each of the levels. Returns the handle. */
export function markTasks(tensor: Tensor, levels: readonly Level[]): Tensor {
  tensor._batch =
    levels.length === 0 ? null : { levels, shape: Object.freeze(tensor._value.shape.slice(levels.length)) };
  return tensor;
}

/**
 * The levels that any of the tensors has, outermost first.
 *
 * @throws LoopgradError for a tensor whose vmap has ended
 */
export function levelsOfAll(tensors: readonly Tensor[]): readonly Level[] {
  let levels = NONE;
  for (const tensor of tensors) {
    const batch = tensor._tasks;
    if (batch === null || batch.levels === levels) continue;
    checkOpen(tensor, batch);
    levels = levels.length === 0 ? batch.levels : joined(levels, batch.levels);
  }
  return levels;
}

/** Levels in either list. All are open, so that each stands inside the one before. */
export function joined(a: readonly Level[], b: readonly Level[]): readonly Level[] {
  if (a === b || b.every((level) => a.includes(level))) return a;
  if (a.every((level) => b.includes(level))) return b;
  return [...new Set([...a, ...b])].sort((p, q) => p.depth - q.depth);
}

function checkOpen(tensor: Tensor, { levels }: Batch): void {
  if (levels.every((level) => open.includes(level))) return;
  throw escaped(tensor);
}

/** A tensor of a vmap is used where that vmap does not run. */
export const escaped = (tensor: Tensor): LoopgradError =>
  new LoopgradError(
    `${tensor} is used outside its vmap: it stands for the tensors of all tasks, and only the function that vmap runs can ` +
      "use it; return it from that function",
  );
