/**
 * Checking programs of the cpu device: does every step find what it reads?
 *
 * A program is followed step by step, without computing anything: which slot's elements lie in which block. Tests check
 * every program that they make (see debug/watch.ts).
 */
import { numel } from "../shape.ts";
import { isContiguous } from "./layout.ts";
import type { Operand, Source, Step } from "./program.ts";

/** A program, as far as memory is concerned. */
export interface CpuPlan {
  readonly steps: readonly Pick<Step, "slot" | "home" | "takes" | "frees">[];
  /** What each step reads. */
  readonly reads: readonly (readonly Operand[])[];
  /** Steps that write every element after they have read all that it depends on, and never look back: elementwise ones. */
  readonly elementwise: readonly boolean[];
  /** Elements of each slot. */
  readonly sizes: readonly number[];
  readonly leaves: readonly Source[];
  /** Slots that have an array of their own for as long as the program lives. */
  readonly constants: ReadonlySet<number>;
  readonly outputSlots: readonly number[];
  readonly outputStarts: readonly number[];
  readonly outputSizes: readonly number[];
}

/**
 * Checks that a program can be right, whatever its steps compute: nothing is read that is not there any more or not there
 * yet, a block is overwritten only by an elementwise step that reads it just where it writes, and every block that was
 * taken is an output's or given back once.
 *
 * @throws  Error that lists all that is wrong
 */
export function checkProgram(plan: CpuPlan): void {
  const { steps, reads, elementwise, sizes, leaves, constants, outputSlots, outputStarts, outputSizes } = plan;
  const wrong: string[] = [];
  /** The block of each slot: a number; leaves and constants have none that the program may take. */
  const blockOf = new Map<number, number>();
  /** The slot whose elements a block has; −1 for one that was given back. */
  const holds: number[] = [];
  const outputs = new Set(outputSlots);
  const homes = new Map(steps.map(({ slot, home }) => [slot, home]));
  const outer = new Set([...leaves.map(({ slot }) => slot), ...constants]);
  const isThere = (slot: number): boolean => outer.has(slot) || holds[blockOf.get(slot) ?? -1] === slot;
  steps.forEach(({ slot, home, takes, frees }, k) => {
    for (const read of reads[k]) {
      if (!isThere(read.slot)) wrong.push(`step ${k} reads slot ${read.slot}, which is not there`);
      const problem = outside(read, sizes[read.slot]);
      if (problem !== null) wrong.push(`step ${k} reads slot ${read.slot}: ${problem}`);
    }
    if (outer.has(slot) || blockOf.has(slot)) wrong.push(`step ${k} writes slot ${slot}, which has elements`);
    if (sizes[slot] > home.length) wrong.push(`step ${k} writes ${sizes[slot]} elements to a block of ${home.length}`);
    if (takes < 0) blockOf.set(slot, holds.push(slot) - 1);
    else {
      const block = blockOf.get(takes) ?? -1;
      if (outer.has(takes) || holds[block] !== takes)
        wrong.push(`step ${k} takes the block of slot ${takes}, which has none`);
      if (outputs.has(takes)) wrong.push(`step ${k} overwrites slot ${takes}, an output`);
      const own = reads[k].filter((read) => read.slot === takes);
      const inPlace = own.every((read) => isContiguous(read) && numel(read.shape) === sizes[slot]);
      if (!elementwise[k] || !inPlace) wrong.push(`step ${k} overwrites slot ${takes}, which it reads elsewhere too`);
      if (homes.get(takes) !== home)
        wrong.push(`step ${k} takes the block of slot ${takes}, which is of another size or dtype`);
      blockOf.set(slot, block);
      holds[block] = slot;
    }
    for (const freed of frees) {
      const block = blockOf.get(freed) ?? -1;
      if (holds[block] !== freed) wrong.push(`step ${k} gives back the block of slot ${freed}, which has none`);
      if (outputs.has(freed)) wrong.push(`step ${k} gives back slot ${freed}, an output`);
      holds[block] = -1;
    }
  });
  for (const [j, slot] of outputSlots.entries()) {
    if (!isThere(slot)) wrong.push(`output ${j}, slot ${slot}, is not there at the end`);
    if (outputSizes[j] > 0 && outputStarts[j] + outputSizes[j] > sizes[slot])
      wrong.push(`output ${j} is more than slot ${slot} has`);
  }
  for (const slot of holds) {
    if (slot >= 0 && !outputs.has(slot)) wrong.push(`the block of slot ${slot} is never given back`);
  }
  if (wrong.length > 0) throw new Error(`internal: a program cannot be right:\n  ${wrong.join("\n  ")}`);
}

/** Says which elements a layout reads that do not exist; null if there are none. */
function outside({ shape, strides, offset }: Operand, elements: number): string | null {
  if (numel(shape) === 0) return null;
  let [low, high] = [offset, offset];
  for (const [i, d] of shape.entries()) {
    low += Math.min((d - 1) * strides[i], 0);
    high += Math.max((d - 1) * strides[i], 0);
  }
  return low < 0 || high >= elements ? `elements ${low} to ${high} of ${elements}` : null;
}
