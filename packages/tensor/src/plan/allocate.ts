/**
 * Allocating: values that live only inside a plan share buffers.
 *
 * A *slot* is a buffer of a size class. A value takes a free slot of its class when the kernel that writes it runs,
 * and gives it back after the last kernel that reads it. A kernel's inputs are given back after its outputs took
 * their slots: WebGPU forbids binding one buffer for reading and for writing in one dispatch.
 *
 * A *pack* has a place of its own, and the pieces that kernels write are *parts* of it. No kernel reads a part, so none
 * reads the buffer that it writes. A pack has its slot from the start: copies and zeros come before the first kernel.
 */
import type { FusedKernel } from "./fuse/build.ts";
import type { Piece } from "./lower/work.ts";

/** Where a value of a plan is found. */
export type Place =
  | { readonly kind: "leaf"; readonly index: number }
  | { readonly kind: "output"; readonly index: number }
  /** The device's flag (see lower/work.ts). */
  | { readonly kind: "flag" }
  | ScratchPlace
  | { readonly kind: "part"; readonly of: Place; readonly offset: number; readonly bytes: number };

export interface ScratchPlace {
  readonly kind: "scratch";
  readonly bytes: number;
  readonly index: number;
}

/** Is the storage at a place the same in every replay? */
export const isFixed = (place: Place): boolean =>
  place.kind === "part" ? isFixed(place.of) : place.kind === "scratch" || place.kind === "flag";

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
 * Gives a scratch slot to every value that kernels write, or packs hold, and that `places` does not have yet.
 *
 * @param packs    the pieces of every pack
 * @param bytesOf  bytes of a value, or of so many elements of it
 */
export function allocate(
  kernels: readonly FusedKernel[],
  packs: ReadonlyMap<number, readonly Piece[]>,
  places: Map<number, Place>,
  bytesOf: (value: number, elements?: number) => number,
): void {
  const lastUse = new Map<number, number>();
  kernels.forEach(({ operands }, k) => {
    for (const value of operands) lastUse.set(value, k);
  });
  const free = new Map<number, number[]>();
  const counts = new Map<number, number>();
  const slotFor = (value: number): Place => {
    const bytes = sizeClass(bytesOf(value));
    let index = free.get(bytes)?.pop();
    if (index === undefined) {
      index = counts.get(bytes) ?? 0;
      counts.set(bytes, index + 1);
    }
    return { kind: "scratch", bytes, index };
  };
  for (const [pack, pieces] of packs) {
    const of = places.get(pack) ?? slotFor(pack);
    places.set(pack, of);
    for (const { ref, start, size } of pieces) {
      if (places.has(ref.node)) continue;
      places.set(ref.node, { kind: "part", of, offset: bytesOf(pack, start), bytes: bytesOf(pack, size) });
      lastUse.set(pack, Math.max(lastUse.get(pack) ?? 0, lastUse.get(ref.node) ?? 0));
    }
  }
  kernels.forEach(({ description, operands }, k) => {
    operands.forEach((value, i) => {
      if (description.operands[i].access === "write" && !places.has(value)) places.set(value, slotFor(value));
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
