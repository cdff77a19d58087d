/**
 * The order of examples, from a generator that any language can repeat.
 *
 * A run that is to be compared with another program's has to see the same batches. So where an example draws its
 * batches it uses this *linear congruential generator*, which is two lines anywhere (bench/peers/lcg.py has them in
 * Python). It is too simple for anything that needs good random numbers.
 */

/** s ← 1664525 s + 1013904223 (mod 2³²); the upper bits are the better ones, so a draw scales s down. */
export class Lcg {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number in [0, n): ⌊s n / 2³²⌋. Exact for n up to 2²¹. */
  below(n: number): number {
    this.#state = (Math.imul(1664525, this.#state) + 1013904223) >>> 0;
    return Math.floor((this.#state * n) / 2 ** 32);
  }
}

/**
 * Index lists of batches, epoch after epoch: 0 … count − 1 shuffled anew (Fisher and Yates, from the end), cut into
 * batches of equal size. What is left over at an epoch's end is dropped.
 *
 * @example for (const rows of batches(60_000, 64, new Lcg(1))) …   // endless
 */
export function* batches(count: number, size: number, random: Lcg): Generator<number[], never> {
  if (size > count) throw new RangeError(`batches of ${size} cannot be had from ${count} examples`);
  const order = Array.from({ length: count }, (_, i) => i);
  for (;;) {
    for (let i = count - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (let start = 0; start + size <= count; start += size) yield order.slice(start, start + size);
  }
}
