/**
 * What a kernel is called where people look at it: its role, what it computes, and over which space.
 */
import type { Instruction, KernelDescription } from "@loopgrad/kernels";
import { show } from "../shape.ts";

/** Operations that a name lists at most. */
const LISTED = 4;

/** `contract 256×10×784 add relu`, `reduce sum [64, 784 → ]`, `map mul add [64, 10]`. */
export function kernelName(description: KernelDescription): string {
  const { role } = description;
  const size = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);
  switch (role) {
    case "map":
      return `map${operations(description.output.code)} ${show(description.output.space)}`;
    case "reduce": {
      const { space } = description.input;
      const kept = space.slice(0, space.length - description.axes);
      const before = operations(description.input.code);
      return `reduce ${description.op}${before} ${show(space)} → ${show(kept)}${operations(description.output.code)}`;
    }
    case "contract": {
      const { batch, m, n, k } = description;
      const lead = size(batch) === 1 ? "" : `${size(batch)}× `;
      return `contract ${lead}${size(m)}×${size(n)}×${size(k)}${operations(description.output.code)}`;
    }
    case "scan":
    case "sort":
      return `${role} ${show(description.dims)}`;
    case "scatter":
      return `scatter ${show(description.shape)}`;
    default:
      throw new Error(`unknown role ${role satisfies never}`);
  }
}

/** The primitives of some code, in order, each once. */
function operations(code: readonly Instruction[]): string {
  const names = [...new Set(code.flatMap((one) => (one.kind === "op" ? [one.op] : [])))];
  const more = names.length > LISTED ? " …" : "";
  return names.length === 0 ? "" : ` ${names.slice(0, LISTED).join(" ")}${more}`;
}
