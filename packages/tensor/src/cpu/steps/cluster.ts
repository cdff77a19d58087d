/**
 * Clusters: elementwise primitives of one shape that run as one step.
 *
 * A cluster is a list of *instructions*: row loops that read the cluster's inputs and the results of earlier
 * instructions. Its iteration space is walked piece by piece: every instruction does a piece before the next
 * piece begins, so that results on the way lie in *registers*, short arrays that stay in the processor's cache.
 * The last instruction writes the output; or, in a reduction, adds each element to a total.
 */
import { type DType, type HostArray, hostArray } from "../../dtype.ts";
import { numel, type Shape } from "../../shape.ts";
import { broadcast, inStrideOrder, type Layout, lengthenRows, planWalk, walk } from "../layout.ts";
import { NOTHING, type Operand, type Run } from "../program.ts";
import type { RowLoop } from "./loops.ts";

/** Elements of a register: 4 kB in float32. */
const PIECE = 1024;

export interface Instruction {
  readonly loop: RowLoop;
  /** Dtype of the result. */
  readonly dtype: DType;
  /** Up to three operands: earlier instructions by number, the cluster's inputs as −1 − number. */
  readonly operands: readonly number[];
}

export interface Cluster {
  /** The iteration space. */
  readonly shape: Shape;
  readonly inputs: readonly Operand[];
  readonly instructions: readonly Instruction[];
  readonly slot: number;
  /** Where the elements belong in the slot's array, for the iteration space. */
  readonly to: Layout;
  /** Given for a reduction: the value of an empty one, and the number of totals. `to` has stride 0 along reduced axes. */
  readonly total?: { readonly identity: number; readonly size: number };
}

/** An operand of an instruction while the cluster runs. */
class Port {
  data: HostArray;
  at = 0;
  step: number;
  constructor(data: HostArray, step: number) {
    this.data = data;
    this.step = step;
  }
}

export function lowerCluster({ shape, inputs, instructions, slot, to, total }: Cluster): Run {
  const layouts = [to, ...inputs.map((input) => broadcast(input, shape))];
  // The order in which a reduction visits elements is the one in which they lie in its largest input.
  const largest = layouts.findIndex(
    (layout, i) => i > 0 && layout.strides.every((stride, axis) => stride !== 0 || shape[axis] === 1),
  );
  const plan = lengthenRows(
    total === undefined ? planWalk(shape, layouts) : inStrideOrder(shape, layouts, Math.max(largest, 0)),
  );
  const ports = layouts.map((_, i) => new Port(NOTHING, plan.steps[i]));
  const [out, ...from] = ports;
  const wired = wire(instructions, from, out);
  const slots = inputs.map((input) => input.slot);
  const piece = instructions.length === 1 ? plan.length : PIECE;

  const row = (starts: readonly number[]): void => {
    for (let i = 0; i < ports.length; i++) ports[i].at = starts[i];
    for (let left = plan.length; left > 0; left -= piece) {
      const n = Math.min(left, piece);
      for (let i = 0; i < wired.length; i++) {
        const { loop, o, x, y, z } = wired[i];
        loop(n, o.data, o.at, o.step, x.data, x.at, x.step, y.data, y.at, y.step, z.data, z.at, z.step);
      }
      if (left > piece) for (let i = 0; i < ports.length; i++) ports[i].at += piece * ports[i].step;
    }
  };

  if (total === undefined) {
    return (arrays) => {
      out.data = arrays[slot];
      for (let i = 0; i < slots.length; i++) from[i].data = arrays[slots[i]];
      walk(plan, row);
    };
  }
  return (arrays) => {
    const totals = totalsOf(total.size).fill(total.identity, 0, total.size);
    out.data = totals;
    for (let i = 0; i < slots.length; i++) from[i].data = arrays[slots[i]];
    walk(plan, row);
    const result = arrays[slot];
    for (let i = 0; i < total.size; i++) result[i] = totals[i];
  };
}

/** A copy of a value to where `to` has it; the rest of the array is zero if `to` leaves gaps. */
export function lowerCopy(loop: RowLoop, input: Operand, slot: number, to: Layout, size: number): Run {
  const { shape, dtype } = input;
  const run = lowerCluster({ shape, inputs: [input], instructions: [{ loop, dtype, operands: [-1] }], slot, to });
  if (numel(shape) === size) return run;
  return (arrays) => {
    arrays[slot].fill(0, 0, size);
    run(arrays);
  };
}

interface Wired {
  readonly loop: RowLoop;
  readonly o: Port;
  readonly x: Port;
  readonly y: Port;
  readonly z: Port;
}

/** Gives every instruction its ports. A register is free again after the last instruction that reads it. */
function wire(instructions: readonly Instruction[], inputs: readonly Port[], out: Port): Wired[] {
  const lastUse = new Array<number>(instructions.length).fill(-1);
  instructions.forEach(({ operands }, i) => {
    for (const operand of operands) if (operand >= 0) lastUse[operand] = i;
  });
  const inUse = new Set<HostArray>();
  const results: Port[] = [];
  return instructions.map(({ loop, dtype, operands }, i) => {
    const read = operands.map((operand) => (operand >= 0 ? results[operand] : inputs[-1 - operand]));
    for (const operand of operands) if (operand >= 0 && lastUse[operand] === i) inUse.delete(results[operand].data);
    let result = out;
    if (i < instructions.length - 1) {
      result = new Port(freeRegister(dtype, inUse), 1);
      inUse.add(result.data);
    }
    results.push(result);
    const [x, y = x, z = x] = read;
    return { loop, o: result, x, y, z };
  });
}

/** Registers are shared by all clusters: only one runs at a time. */
const registers = new Map<DType, HostArray[]>();

function freeRegister(dtype: DType, inUse: ReadonlySet<HostArray>): HostArray {
  const all = registers.get(dtype) ?? [];
  registers.set(dtype, all);
  const free = all.find((register) => !inUse.has(register));
  if (free !== undefined) return free;
  const register = hostArray(dtype, PIECE);
  all.push(register);
  return register;
}

let totals = new Float64Array(1024);

function totalsOf(size: number): Float64Array {
  if (totals.length < size) totals = new Float64Array(size);
  return totals;
}
