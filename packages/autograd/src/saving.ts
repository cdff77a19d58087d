/**
 * Saving: what a node must hold so that its derivatives can read a value.
 *
 * A value is saved *as it is*, or as a *recipe*: its record is kept, and what the record is computed from, its *roots*,
 * is saved in its place. Recipes are for values that are nearly free to compute again, and they must not cost memory.
 * Two kinds never do:
 *
 * - Chains with one root no larger than the value. A transposed matrix, 1 − y², the mask x > 0.
 * - Results of an operation whose operands its own node has saved: in dA = dH · (1 − H²), to save dA besides dH and H
 *   would be a third.
 *
 * A second-order graph is full of both. In one with a flush between its making and its walk, as in a long unroll, this is
 * what is stored. Within one flush there is no difference: nothing of it is stored at all.
 */
import { literalP, type Primitive, SCALARS, scalarP, type Value } from "@loopgrad/tensor";

/** What stands for a saved value. */
export interface Recipe {
  /** Saved as they are. */
  readonly roots: readonly Value[];
  /** The value, and what is computed on the way to it: their records are kept. */
  readonly steps: readonly Value[];
}

/** Movements, and the scalar functions that their table calls so. */
function isCheap(primitive: Primitive): boolean {
  switch (primitive.kind) {
    case "movement":
      return true;
    case "unary":
    case "binary":
    case "compare":
    case "where":
    case "cast":
      return SCALARS[primitive.name].cheap === true;
    default:
      return false;
  }
}

const isConstant = ({ primitive }: Value): boolean => primitive === literalP || primitive === scalarP;

/** The longest chain. Longer ones are rare, and searching them would take time from every operation. */
const LONGEST = 6;
/** The most roots that a recipe may have. */
const MOST_ROOTS = 4;

/**
 * Whether the value is stored already, or will be for another node, or has no record to be computed from. Pins do not
 * count: a walk has its cotangents pinned, and they are gone when it is done.
 */
const isSettled = ({ primitive, storage, saves }: Value): boolean =>
  primitive === null || storage !== null || saves > 0;

/**
 * How to save a value by others; null to save it as it is.
 *
 * @param made  the node of the operation that made it, if it is on the tape
 */
export function recipeFor(value: Value, made: Saver | null): Recipe | null {
  if (isSettled(value) || !isCheap(value.primitive as Primitive)) return null;
  return chain(value) ?? (made === null ? null : fromOperands(value, made));
}

/** What the node of an operation has saved of its operands, by their places. */
interface Saver {
  readonly saved: readonly (Value | null)[] | null;
  readonly recipes: readonly (Recipe | null)[] | null;
}

/** Follows a value to the one root that it is computed from. */
function chain(value: Value): Recipe | null {
  const steps: Value[] = [];
  let root = value;
  while (steps.length < LONGEST && !isSettled(root) && isCheap(root.primitive as Primitive)) {
    const operands = new Set(root.inputs.filter((input) => !isConstant(input)));
    if (operands.size !== 1) break;
    steps.push(root);
    [root] = operands;
  }
  return steps.length > 0 && bytes(root) <= bytes(value) ? { roots: [root], steps } : null;
}

const bytes = ({ size, dtype }: Value): number => size * (dtype === "float64" ? 8 : dtype === "float16" ? 2 : 4);

/** Puts together how the operands were saved. */
function fromOperands(value: Value, { saved, recipes }: Saver): Recipe | null {
  const roots = new Set<Value>();
  const steps = new Set([value]);
  for (let i = 0; i < value.inputs.length; i++) {
    if (isConstant(value.inputs[i])) continue;
    const operand = saved?.[i] ?? null;
    // A call's saved values are not its operands.
    if (operand !== value.inputs[i]) return null;
    const recipe = recipes?.[i] ?? null;
    if (recipe === null) roots.add(operand);
    else {
      for (const root of recipe.roots) roots.add(root);
      for (const step of recipe.steps) steps.add(step);
    }
  }
  return roots.size <= MOST_ROOTS ? { roots: [...roots], steps: [...steps] } : null;
}
