/**
 * Dtypes: what the elements of a tensor are, and how they are stored on the host.
 *
 * `code` is the dtype's number in records and plan keys. A bool is one byte on the host and
 * 32 bits wide on the GPU. float64 exists on the cpu device only; float16 on WebGPU adapters that have shader-f16, where it is
 * a storage type: elements are computed in float32 and rounded where they are stored, or cast. Its host array is a Float32Array.
 */
import { admit } from "./checked.ts";
import { DTypeError } from "./errors.ts";

export type DType = "float32" | "float64" | "int32" | "uint32" | "bool" | "float16";

/** Host storage of a tensor's elements. */
export type HostArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** Every dtype; the position is its code. */
export const DTYPES: readonly DType[] = ["float32", "float64", "int32", "uint32", "bool", "float16"];

const CODES: Record<DType, number> = { float32: 0, float64: 1, int32: 2, uint32: 3, bool: 4, float16: 5 };

/** @throws DTypeError for a string that is no dtype */
export const dtypeCode = (dtype: DType): number => (Object.hasOwn(CODES, dtype) ? CODES[dtype] : unknown(dtype));

function unknown(dtype: never | string): never {
  throw new DTypeError(`unknown dtype ${dtype}: wanted one of ${DTYPES.join(", ")}`);
}

export function isFloat(dtype: DType): boolean {
  admit(arguments, "isFloat(dtype: string)");
  return dtype === "float32" || dtype === "float64" || dtype === "float16";
}

/** A fresh host array of `length` zeros for the dtype. */
export function hostArray(dtype: DType, length: number): HostArray {
  switch (dtype) {
    case "float32":
    case "float16":
      return new Float32Array(length);
    case "float64":
      return new Float64Array(length);
    case "int32":
      return new Int32Array(length);
    case "uint32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
    default:
      dtype satisfies never;
      return unknown(dtype);
  }
}

/** Bytes of one element on the host. */
export const bytesPerElement = (dtype: DType): number => (dtype === "float64" ? 8 : dtype === "bool" ? 1 : 4);

/** The order of promotion: bool < uint32 < int32 < float16 < float32 < float64. */
const RANK: Record<DType, number> = { bool: 0, uint32: 1, int32: 2, float16: 3, float32: 4, float64: 5 };

/** The dtype in which two tensors meet, as torch promotes. */
export const promote = (a: DType, b: DType): DType => (RANK[a] >= RANK[b] ? a : b);

/** The dtype a plain number takes beside a tensor: a float tensor's own, or float32 for a fraction beside integers. */
export function numberDType(value: number | boolean, beside: DType, defaultFloat: DType): DType {
  if (typeof value === "boolean") return beside;
  if (isFloat(beside)) return beside;
  if (!Number.isInteger(value)) return defaultFloat;
  return beside === "bool" ? "int32" : beside;
}
