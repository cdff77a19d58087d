/**
 * float16 on the host: its bits, to and from float32 (IEEE 754 binary16, rounding half to even).
 */
import type { DType, HostArray } from "./dtype.ts";

/** Bytes of an element in a GPU buffer. */
export const elementBytes = (dtype: DType): number => (dtype === "float16" ? 2 : 4);

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Bits of the half nearest to a number. */
function halfBits(x: number): number {
  float[0] = x;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above are nearer to 65536, which is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half, 2^-14, halves are whole multiples of 2^-24.
    const units = Math.abs(float[0]) * 2 ** 24;
    const down = Math.floor(units);
    const rest = units - down;
    return sign | (down + (rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Halves, in an array whose bytes are a multiple of 4. */
export function toHalf(data: HostArray): Uint16Array {
  const halves = new Uint16Array(Math.ceil(data.length / 2) * 2);
  for (let i = 0; i < data.length; i++) halves[i] = halfBits(data[i]);
  return halves;
}

export function fromHalf(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
