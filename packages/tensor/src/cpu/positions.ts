/**
 * Positions: indices checked while a program runs, and the first one that was outside.
 *
 * Programs of this device run to their end before anything else does, so a variable of this file holds what a run has found.
 * Whoever runs one takes it afterwards.
 */
import type { Attrs } from "../primitives.ts";
import type { OutsideIndex } from "../record/index-sites.ts";

let first: OutsideIndex | null = null;

/** What a run has found; null if all indices were inside. */
export function takeOutside(): OutsideIndex | null {
  const found = first;
  first = null;
  return found;
}

/** Notes an index outside, where the attributes of the primitive `position` do not say that it is no mistake. */
export function noteOutside([, , site, ignores, ignored]: Attrs, index: number): void {
  if (site !== 0 && first === null && !(ignores !== 0 && index === ignored)) first = { site, index };
}

/** The primitive `position`: what it does to an index. */
export function positionFormula(attrs: Attrs): (index: number) => number {
  const [n, fromEnd] = attrs;
  return (index) => {
    if (index >= 0 && index < n) return index;
    if (fromEnd !== 0 && index < 0 && index >= -n) return index + n;
    noteOutside(attrs, index);
    return -1;
  };
}
