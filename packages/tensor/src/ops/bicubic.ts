/**
 * Bicubic interpolation along one axis: each element from the four neighbours of its place, weighed by cubic pieces with
 * continuous slope (Keys, with a = −¾, as torch has it).
 */

/** The piece between a place's nearest neighbours, at distance 0 ≤ d ≤ 1. */
const near = (d: number): number => (1.25 * d - 2.25) * d * d + 1;

/** The piece beyond them, at distance 1 ≤ d ≤ 2. */
const far = (d: number): number => ((-0.75 * d + 3.75) * d - 6) * d + 3;

/**
 * Weights of `from` elements in `to` places: row-major [from, to]. Beyond the ends, the element there counts.
 *
 * @param place  where element i of the result lies among those that there are
 */
export function bicubicWeights(from: number, to: number, place: (i: number) => number): Float64Array {
  const weights = new Float64Array(from * to);
  for (let i = 0; i < to; i++) {
    const low = Math.floor(place(i));
    const d = place(i) - low;
    for (const [step, weight] of [far(d + 1), near(d), near(1 - d), far(2 - d)].entries()) {
      weights[Math.min(Math.max(low - 1 + step, 0), from - 1) * to + i] += weight;
    }
  }
  return weights;
}
