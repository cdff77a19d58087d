/** Something to plant mutants in. */

/** The sum of 1 … n. */
export function sumTo(n: number): number {
  let sum = 0;
  for (let i = 1; i <= n; i++) sum += i;
  return sum;
}

/** 1 for positive numbers, else 0. No test asks for 0. */
export const positive = (x: number): number => (x > 0 ? 1 : 0);

/** No test calls it. */
export const twice = (x: number): number => 2 * x;

let calls = 0;

/** How often it was called, in this module. */
export function count(): number {
  calls += 1;
  return calls;
}
