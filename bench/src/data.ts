/**
 * Data of the benchmarks: the same numbers for every subject, in every language, without a file.
 *
 * A *stream* is mulberry32 from a seed. Its state is a counter, so that the i-th number needs none before it: `bench/peers`
 * draws the same ones with NumPy, all at once.
 */

/** A seeded source of numbers in [0, 1): the same tasks in every run (mulberry32). */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** So many numbers, uniform in [−bound, bound). */
export function uniform(seed: number, length: number, bound = 1): Float32Array {
  const random = seeded(seed);
  return Float32Array.from({ length }, () => bound * (2 * random() - 1));
}

/** So many classes, in [0, n). */
export function classes(seed: number, length: number, n: number): Int32Array {
  const random = seeded(seed);
  return Int32Array.from({ length }, () => Math.floor(n * random()));
}

/** Elements of a result that are compared. */
const SAMPLED = 64;

/** Some elements of a result, evenly spread. */
export function sample(result: ArrayLike<number>): number[] {
  const length = Math.min(SAMPLED, result.length);
  return Array.from({ length }, (_, i) => Number(result[Math.floor((i * result.length) / length)]));
}
