/**
 * What every role prints: loops over dimensions, and the code that ends a kernel.
 */
import type { Operand, OutputBody } from "./description.ts";
import { type Axis, BodyPrinter, outerViews, type Parameters, sizeOf, stored, takeApart } from "./print.ts";
import type { MathFunction } from "./scalar/wgsl.ts";
import { coalesce } from "./view.ts";

/** Invocations of a workgroup, in all kernels but the tiled contraction. */
export const WORKGROUP = 64;

export const product = (sizes: readonly number[]): number => sizes.reduce((n, d) => n * d, 1);

/** The code that ends a kernel: over output element `o`, in lines. */
export function printOutput(
  operands: readonly Operand[],
  output: OutputBody,
  params: Parameters,
  functions: Set<MathFunction>,
  result: string | null,
): string[] {
  const groups = coalesce(output.space, outerViews(output));
  const apart = takeApart("o", output.space, groups, "o", params);
  const body = new BodyPrinter("v", params, operands, result);
  const values = body.print(output.code, apart.axes);
  for (const name of body.functions) functions.add(name);
  const stores = output.stores.map(({ operand, value }) => stored(operands, operand, "o", values(value)));
  return [...apart.lines, ...body.lines, ...stores];
}

/** Nested loops over groups of dimensions; the innermost body stands between `open` and `close`. */
export function loops(
  space: readonly number[],
  groups: readonly (readonly number[])[],
  name: string,
  params: Parameters,
) {
  const open: string[] = [];
  const close: string[] = [];
  const axes: Axis[] = [];
  groups.forEach((dims, g) => {
    const coordinate = `${name}${g}`;
    open.push(`for (var ${coordinate} = 0; ${coordinate} < ${params.number(sizeOf(space, dims))}; ${coordinate}++) {`);
    close.push("}");
    axes.push({ dims, coordinate });
  });
  return { open, close, axes };
}
