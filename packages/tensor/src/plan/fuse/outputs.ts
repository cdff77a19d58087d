/**
 * Outputs: which work a plan stores for those who asked for it.
 *
 * An output that is a constant or a view gets a copy that is stored. But a *range* of a value that is stored anyway is a
 * part of its buffer, where it begins at a byte that can be bound. And if most of a value is asked for in such ranges,
 * as the pieces of a pack are, the value is stored as a whole, although nobody asked for that: it is *hidden*.
 */
import { isIdentity, rangeStart } from "@loopgrad/kernels";
import { elementBytes } from "../../half.ts";
import { PIECE_ALIGNMENT, packLayout } from "../../primitives.ts";
import { numel } from "../../shape.ts";
import { chainOf, type Ref, type Work } from "../lower/work.ts";

/** An output: the work whose storage holds it, and the element there with which it begins. */
export interface Output {
  readonly value: number;
  readonly start: number;
}

export const isConstant = (work: Work): boolean =>
  work.kind === "scalar" || work.kind === "literal" || work.kind === "iota";

/** Where outputs are found. Copies are added to the work. */
export function placeOutputs(work: Work[], refs: readonly Ref[]): { outputs: Output[]; hidden: number[] } {
  const whole = new Set(refs.filter((ref) => isWhole(work, ref)).map((ref) => ref.node));
  const hidden = mostlyAskedFor(work, refs, whole);
  for (const i of hidden) whole.add(i);
  const outputs = refs.map((ref): Output => {
    const start = whole.has(ref.node) ? startOf(work, ref) : -1;
    return start >= 0 ? { value: ref.node, start } : { value: storedOutput(work, ref), start: 0 };
  });
  return { outputs, hidden };
}

const sizeOf = (work: readonly Work[], ref: Ref): number => numel(ref.moves.at(-1)?.shape ?? work[ref.node].shape);

/** Is the ref all of a value that can be stored? */
function isWhole(work: readonly Work[], ref: Ref): boolean {
  const node = work[ref.node];
  return !isConstant(node) && isIdentity(chainOf(work, ref)) && sizeOf(work, ref) === numel(node.shape);
}

/** The element of a stored value with which a ref begins, if the ref is a range of it that can be bound; else −1. */
function startOf(work: readonly Work[], ref: Ref): number {
  if (sizeOf(work, ref) === 0) return -1;
  const start = rangeStart(chainOf(work, ref));
  return (start * elementBytes(work[ref.node].dtype)) % PIECE_ALIGNMENT === 0 ? start : -1;
}

/** Values that are not outputs themselves, but ranges of which are, and most of it in all. */
function mostlyAskedFor(work: readonly Work[], refs: readonly Ref[], whole: ReadonlySet<number>): number[] {
  const asked = new Map<number, number>();
  for (const ref of refs) {
    const node = work[ref.node];
    if (whole.has(ref.node) || node.kind === "leaf" || isConstant(node) || startOf(work, ref) < 0) continue;
    // In a pack, what lies between the pieces is nothing that is kept for their sake.
    const { length } = packLayout([sizeOf(work, ref)], node.dtype);
    asked.set(ref.node, (asked.get(ref.node) ?? 0) + length);
  }
  return [...asked].filter(([i, size]) => 2 * size >= numel(work[i].shape)).map(([i]) => i);
}

/** The work whose storage will hold an output: a copy where the ref is a constant or a view. */
function storedOutput(work: Work[], ref: Ref): number {
  const node = work[ref.node];
  if (!isConstant(node) && isIdentity(chainOf(work, ref))) {
    if (node.kind === "leaf" || sizeOf(work, ref) === numel(node.shape)) return ref.node;
  }
  const shape = ref.moves.at(-1)?.shape ?? node.shape;
  work.push({ kind: "map", op: "alias", args: [ref], store: true, shape, dtype: node.dtype });
  return work.length - 1;
}
