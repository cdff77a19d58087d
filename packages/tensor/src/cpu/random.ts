/**
 * Threefry-2x32-20: random bits as a function of a key and a counter.
 *
 * J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (the Random123 library).
 * Twenty rounds of add, rotate and xor on two words of 32 bits; every fourth round adds a word of the key.
 */
import type { HostArray } from "../dtype.ts";
import type { GraphNode } from "../record/backend.ts";
import { numel } from "../shape.ts";
import { contiguous, type HostView, planWalk, walk } from "./layout.ts";

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];
/** The third word of the key is the xor of the other two and this constant. */
const KEY_PARITY = 0x1bd11bda;

/** The two words for a key and a counter. */
export function threefry(key0: number, key1: number, counter0: number, counter1: number): [number, number] {
  const key = [key0, key1, key0 ^ key1 ^ KEY_PARITY];
  let a = (counter0 + key0) | 0;
  let b = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = ROTATIONS[round % 8];
    a = (a + b) | 0;
    b = ((b << rotation) | (b >>> (32 - rotation))) ^ a;
    if (round % 4 === 3) {
      const turn = (round + 1) / 4;
      a = (a + key[turn % 3]) | 0;
      b = (b + key[(turn + 1) % 3] + turn) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
}

/** Element i is the first word at counter (i, 0), or at the counters given for it. */
export function randomBits(node: GraphNode, [key, ...counters]: readonly HostView[], out: HostArray): void {
  const key0 = key.data[key.offset];
  const key1 = key.data[key.offset + key.strides[0]];
  if (counters.length > 0) {
    const [counter, task] = counters;
    const plan = planWalk(node.shape, [contiguous(node.shape), counter, task]);
    const [step, stepCounter, stepTask] = plan.steps;
    walk(plan, ([o, i, j]) => {
      for (let k = 0; k < plan.length; k++) {
        out[o + k * step] = threefry(key0, key1, counter.data[i + k * stepCounter], task.data[j + k * stepTask])[0];
      }
    });
    return;
  }
  const size = numel(node.shape);
  for (let i = 0; i < size; i++) out[i] = threefry(key0, key1, i, 0)[0];
}
