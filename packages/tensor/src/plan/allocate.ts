/**
 * Allocating: values that live only inside a plan share buffers.
 *
 * A *slot* is a buffer of a size class. A value takes a free slot of its class when the kernel that writes it runs,
 * and gives it back after the last kernel that reads it. A kernel's inputs are given back after its outputs took
 * their slots: WebGPU forbids binding one buffer for reading and for writing in one dispatch.
 */
import type { FusedKernel } from "./fuse/build.ts";

/** Where a value of a plan is found. */
export type Place =
  | { readonly kind: "leaf"; readonly index: number }
  | { readonly kind: "output"; readonly index: number }
  | { readonly kind: "scratch"; readonly bytes: number; readonly index: number };

/** A size that buffers are made in: 256 bytes times a power of two, or one and a half times that. */
export function sizeClass(bytes: number): number {
  let size = 256;
  while (size < bytes) {
    if (size * 1.5 >= bytes) return size * 1.5;
    size *= 2;
  }
  return size;
}

/**
 * Gives a scratch slot to every value that kernels write and `places` does not have yet.
 *
 * @param bytesOf  bytes of a value
 */
export function allocate(
  kernels: readonly FusedKernel[],
  places: Map<number, Place>,
  bytesOf: (value: number) => number,
): void {
  const lastUse = new Map<number, number>();
  kernels.forEach(({ operands }, k) => {
    for (const value of operands) lastUse.set(value, k);
  });
  const free = new Map<number, number[]>();
  const counts = new Map<number, number>();
  kernels.forEach(({ description, operands }, k) => {
    operands.forEach((value, i) => {
      if (description.operands[i].access === "read" || places.has(value)) return;
      const bytes = sizeClass(bytesOf(value));
      let index = free.get(bytes)?.pop();
      if (index === undefined) {
        index = counts.get(bytes) ?? 0;
        counts.set(bytes, index + 1);
      }
      places.set(value, { kind: "scratch", bytes, index });
    });
    for (const value of new Set(operands)) {
      const place = places.get(value);
      if (place?.kind !== "scratch" || lastUse.get(value) !== k) continue;
      const list = free.get(place.bytes);
      if (list === undefined) free.set(place.bytes, [place.index]);
      else list.push(place.index);
    }
  });
}
