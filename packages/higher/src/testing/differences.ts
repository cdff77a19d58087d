/**
 * Central differences, the independent answer that this package's gradients are compared with; and reading tensors.
 */
import { Slot } from "@loopgrad/nn";
import { scope, type Tensor } from "@loopgrad/tensor";

/** A tensor's elements; of a missing gradient none, so that a comparison fails. */
export const read = async (x: Tensor | null): Promise<number[]> => (x === null ? [] : Array.from(await x.data()));

/** Each one's elements. */
export const readAll = (xs: readonly (Tensor | null)[]): Promise<number[][]> => Promise.all(xs.map(read));

/** The largest difference between elements, relative to 1 + |x|. Infinite if the sizes differ. */
export function distance(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  if (a.some((list, i) => list.length !== b[i]?.length) || a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(...a.flatMap((list, i) => list.map((x, j) => Math.abs(x - b[i][j]) / (1 + Math.abs(x)))));
}

/**
 * The derivative of a function by one element of a tensor that it reads: differences with steps h and 2h, with an error
 * of O(h⁴).
 *
 * @param f  a scalar, computed anew from x at each call
 * @param x  a leaf in float64; its value is changed for the calls, and put back
 * @param i  the element's position in x, flattened
 */
export async function centralDifference(f: () => Tensor, x: Tensor, i: number, h = 5e-5): Promise<number> {
  const own = await read(x);
  const rebind = (data: readonly number[]): void => {
    const value = x.device.fromHost(Float64Array.from(data), x.shape, x.dtype);
    // Not assigned: what was computed from its own value lapses no more than the slot's value does.
    const before = x._value;
    if (x instanceof Slot) value.pins++;
    x._rebind(value);
    if (x instanceof Slot) x.device.unpinned(before);
  };
  const at = async (step: number): Promise<number> => {
    rebind(own.map((value, j) => (j === i ? value + step : value)));
    using result = scope(() => f().detach());
    return result.item();
  };
  const near = (await at(h)) - (await at(-h));
  const far = (await at(2 * h)) - (await at(-2 * h));
  rebind(own);
  return (8 * near - far) / (12 * h);
}
