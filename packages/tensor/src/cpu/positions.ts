/**
 * Positions: indices checked while a program runs, and the first one that was outside.
 *
 * Programs of this device run to their end before anything else does, so a variable of this file holds what a run has found.
 * Whoever runs one takes it afterwards.
 */
import type { Attrs } from "../primitives.ts";
import type { OutsideIndex } from "../record/index-sites.ts";
import type { Formula1 } from "./formulas.ts";

let first: OutsideIndex | null = null;

/** What a run has found; null if all indices were inside. */
export function takeOutside(): OutsideIndex | null {
  const found = first;
  first = null;
  return found;
}

/** The primitive `position`: what it does to an index. */
export function positionFormula([n, fromEnd, site, ignores, ignored]: Attrs): Formula1 {
  const lowest = fromEnd !== 0 ? -n : 0;
  return (index) => {
    if (index >= lowest && index < n) return index < 0 ? index + n : index;
    if (site !== 0 && first === null && !(ignores !== 0 && index === ignored)) first = { site, index };
    return -1;
  };
}
