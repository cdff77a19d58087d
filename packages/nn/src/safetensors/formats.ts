/**
 * Element formats: how safetensors files store numbers, and which dtype holds them here.
 *
 * Every format that this table *decodes* is decoded exactly, or not at all: narrow floats and integers are *widened* to
 * float32, int32 or uint32, and 64-bit integers are *narrowed* only if each one fits. The bytes of the format are
 * little-endian, as are the hosts that JavaScript with WebGPU runs on.
 */
import { type DType, DTypeError, fromHalf, type HostArray, toHalf } from "@loopgrad/tensor";

/** A format's name in a file's header. */
export type Format = keyof typeof FORMATS;

interface ElementFormat {
  /** Bits of an element. */
  readonly bits: number;
  /** What its elements become; null where nothing here can hold them. */
  readonly dtype: DType | null;
  /** @param bytes  the elements' bytes and nothing else */
  readonly decode: ((bytes: ArrayBuffer) => HostArray) | null;
}

const format = <D extends DType>(bits: number, dtype: D, decode: (bytes: ArrayBuffer) => HostArray): ElementFormat => ({
  bits,
  dtype,
  decode,
});

/** A format that can stand in a valid file, but whose elements fit no dtype. */
const foreign = (bits: number): ElementFormat => ({ bits, dtype: null, decode: null });

/**
 * Every format of the specification. They stand from the widest to the narrowest, in the order in which the
 * reference library lays out the tensors of a file.
 */
export const FORMATS = {
  U64: format(64, "uint32", narrowUnsigned),
  I64: format(64, "int32", narrowSigned),
  F64: format(64, "float64", (bytes) => new Float64Array(bytes)),
  C64: foreign(64),
  F32: format(32, "float32", (bytes) => new Float32Array(bytes)),
  U32: format(32, "uint32", (bytes) => new Uint32Array(bytes)),
  I32: format(32, "int32", (bytes) => new Int32Array(bytes)),
  BF16: format(16, "float32", widenBfloat16),
  F16: format(16, "float32", (bytes) => lookUp(halfValues(), new Uint16Array(bytes))),
  U16: format(16, "uint32", (bytes) => Uint32Array.from(new Uint16Array(bytes))),
  I16: format(16, "int32", (bytes) => Int32Array.from(new Int16Array(bytes))),
  F8_E5M2FNUZ: format(8, "float32", float8({ fractionBits: 2, bias: 16, nan: (byte) => byte === 0x80 })),
  F8_E4M3FNUZ: format(8, "float32", float8({ fractionBits: 3, bias: 8, nan: (byte) => byte === 0x80 })),
  F8_E8M0: format(8, "float32", (bytes) =>
    Float32Array.from(new Uint8Array(bytes), (byte) => (byte === 0xff ? Number.NaN : 2 ** (byte - 127))),
  ),
  F8_E4M3: format(8, "float32", float8({ fractionBits: 3, bias: 7, nan: (byte) => (byte & 0x7f) === 0x7f })),
  F8_E5M2: format(8, "float32", (bytes) =>
    lookUp(
      halfValues(),
      Uint16Array.from(new Uint8Array(bytes), (byte) => byte << 8),
    ),
  ),
  I8: format(8, "int32", (bytes) => Int32Array.from(new Int8Array(bytes))),
  U8: format(8, "uint32", (bytes) => Uint32Array.from(new Uint8Array(bytes))),
  F6_E3M2: foreign(6),
  F6_E2M3: foreign(6),
  F4: foreign(4),
  BOOL: format(8, "bool", (bytes) => new Uint8Array(bytes).map((byte) => (byte === 0 ? 0 : 1))),
};

// ---- reading -------------------------------------------------------------------------------------------------------

/** A bfloat16 is the upper half of a float32. */
function widenBfloat16(bytes: ArrayBuffer): Float32Array {
  const bits = Uint32Array.from(new Uint16Array(bytes), (half) => half << 16);
  return new Float32Array(bits.buffer);
}

let halves: Float32Array | null = null;

/** The values of all 65536 halves: looking them up is faster than working them out. */
const halfValues = (): Float32Array => (halves ??= fromHalf(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits)));

function lookUp(values: Float32Array, indices: Uint16Array): Float32Array {
  const out = new Float32Array(indices.length);
  for (let i = 0; i < out.length; i++) out[i] = values[indices[i]];
  return out;
}

/** A float of 8 bits without infinities: ±(1 + fraction) · 2^(exponent − bias), or ±fraction · 2^(1 − bias). */
function float8({ fractionBits, bias, nan }: { fractionBits: number; bias: number; nan(byte: number): boolean }) {
  const value = (byte: number): number => {
    if (nan(byte)) return Number.NaN;
    const exponent = (byte & 0x7f) >> fractionBits;
    const fraction = (byte & (2 ** fractionBits - 1)) / 2 ** fractionBits;
    const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
    return byte & 0x80 ? -magnitude : magnitude;
  };
  return (bytes: ArrayBuffer): Float32Array => Float32Array.from(new Uint8Array(bytes), value);
}

/** An int64 fits 32 bits if its upper word repeats its sign bit. */
function narrowSigned(bytes: ArrayBuffer): Int32Array {
  const words = new Int32Array(bytes);
  const out = new Int32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    out[i] = words[2 * i];
    if (words[2 * i + 1] !== out[i] >> 31) throw tooWide(i, new BigInt64Array(bytes)[i], "int32");
  }
  return out;
}

function narrowUnsigned(bytes: ArrayBuffer): Uint32Array {
  const words = new Uint32Array(bytes);
  const out = new Uint32Array(words.length / 2);
  for (let i = 0; i < out.length; i++) {
    out[i] = words[2 * i];
    if (words[2 * i + 1] !== 0) throw tooWide(i, new BigUint64Array(bytes)[i], "uint32");
  }
  return out;
}

const tooWide = (i: number, value: bigint, dtype: DType): DTypeError =>
  new DTypeError(`element ${i} is ${value}, which ${dtype}, the widest integer there is here, cannot hold`);

// ---- writing -------------------------------------------------------------------------------------------------------

/** The format of a dtype's elements in files. */
export const FORMAT_OF: Readonly<Record<DType, Format>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  int32: "I32",
  uint32: "U32",
  bool: "BOOL",
};

/** Formats that any float tensor can be stored in. */
export const FLOAT_FORMATS = ["F64", "F32", "F16", "BF16"] as const;
export type FloatFormat = (typeof FLOAT_FORMATS)[number];

/** The bytes of a tensor's elements in a format that suits its dtype. A float in a narrower one is rounded. */
export function encode(data: HostArray, to: Format): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = elements(data, to);
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

function elements(data: HostArray, to: Format): HostArray | Uint16Array {
  switch (to) {
    case "F64":
      return data instanceof Float64Array ? data : Float64Array.from(data);
    case "F32":
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case "F16":
      return toHalf(data).subarray(0, data.length);
    case "BF16":
      return roundToBfloat16(data);
    default:
      return data;
  }
}

/** To the nearest, half to even. A NaN stays one. */
function roundToBfloat16(data: HostArray): Uint16Array {
  const bits = new Uint32Array(Float32Array.from(data).buffer);
  return Uint16Array.from(bits, (x) =>
    (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16,
  );
}
