/**
 * Host data: numbers as a program has them, on their way into a tensor.
 *
 * *Data* are numbers, booleans and bigints, typed arrays, and arrays of these. Its *kind* is the dtype that its elements
 * have of themselves: an array of booleans is bool, a typed array of integers int32 (a Uint32Array uint32), plain numbers
 * are the device's default float dtype, and what is mixed meets as operands do. An element that a dtype cannot hold is
 * refused by name and place: nothing wraps, and no fraction is dropped unseen.
 */
import type { Device } from "./device.ts";
import { type DType, type HostArray, hostArray, numberDType, promote } from "./dtype.ts";
import { ArgumentError, ShapeError } from "./errors.ts";
import { Tensor } from "./tensor.ts";

/** Typed arrays that a tensor can be made of. */
export type NumberArray =
  | HostArray
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | BigInt64Array
  | BigUint64Array;

/** The integers that a dtype holds, both ends included; null where it is none of integers. */
export function integerRange(dtype: DType): readonly [number, number] | null {
  if (dtype === "int32") return [-(2 ** 31), 2 ** 31 - 1];
  return dtype === "uint32" ? [0, 2 ** 32 - 1] : null;
}

/**
 * A number as an element of a dtype: 0 or 1 for bool. Floats are rounded where they are stored, as in torch: what is too
 * large becomes infinity.
 *
 * @param what  names the number in the message
 * @throws      ArgumentError for a number that an integer dtype does not hold
 */
export function elementOf(what: string, value: number, dtype: DType): number {
  if (dtype === "bool") return value === 0 ? 0 : 1;
  const range = integerRange(dtype);
  if (range === null || (Number.isInteger(value) && value >= range[0] && value <= range[1])) return value;
  throw new ArgumentError(misfit(what, value, dtype, range));
}

function misfit(what: string, value: number | bigint, dtype: DType, range: readonly [number, number]): string {
  const advice =
    typeof value === "number" && Number.isFinite(value) && !Number.isInteger(value)
      ? "round it first, or use a float dtype"
      : "use a float dtype";
  return `${what} is ${value}: ${dtype} holds integers from ${range[0]} to ${range[1]}; ${advice}`;
}

/** The name of a typed array's class, whatever realm it is of; null for anything else. */
const typedName = (data: unknown): string | null =>
  ArrayBuffer.isView(data) && !(data instanceof DataView)
    ? ((data as unknown as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? null)
    : null;

/** Whether data is a typed array: Node's Buffer is one. */
export const isNumberArray = (data: unknown): data is NumberArray => typedName(data) !== null;

/** The dtype of a typed array. Its elements are numbers: only booleans, or the option, make bool. */
function typedKind(name: string, device: Device): DType {
  switch (name) {
    case "Float32Array":
      return "float32";
    case "Float64Array":
      return "float64";
    case "Float16Array":
      return holdsHalf(device) ? "float16" : "float32";
    case "Uint32Array":
      return "uint32";
    default:
      return "int32";
  }
}

function holdsHalf(device: Device): boolean {
  try {
    device.backend.checkDType("float16");
    return true;
  } catch {
    return false;
  }
}

/** The shape of data: the lengths along the first elements. `hostElements` checks the others. */
export function shapeOfData(data: unknown): number[] {
  const shape: number[] = [];
  let level = data;
  for (; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) return shape;
  }
  if (isNumberArray(level)) shape.push(level.length);
  return shape;
}

/** An array that holds itself has no end. */
const DEEPEST = 64;

/** The tensors among data, in order. */
export function tensorsIn(data: unknown): Tensor[] {
  const found: Tensor[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (item instanceof Tensor) found.push(item);
    if (!Array.isArray(item)) return;
    if (depth === DEEPEST) throw new ShapeError(`tensor: data are nested more than ${DEEPEST} deep`);
    for (let i = 0; i < item.length; i++) visit(item[i], depth + 1);
  };
  visit(data, 0);
  return found;
}

/** The dtype that data has of itself. A plain number beside tensors takes theirs if it can, as in an operation. */
export function kindOfData(data: unknown, tensors: readonly Tensor[], device: Device): DType {
  const { defaultDType } = device;
  const beside = tensors.length === 0 ? null : tensors.map(({ dtype }) => dtype).reduce(promote);
  let kind = beside;
  const visit = (item: unknown): void => {
    if (Array.isArray(item)) {
      for (let i = 0; i < item.length; i++) visit(item[i]);
      return;
    }
    if (item instanceof Tensor) return;
    const name = typedName(item);
    let own: DType;
    if (name !== null) own = typedKind(name, device);
    else if (typeof item === "boolean") own = "bool";
    else if (typeof item === "bigint") own = "int32";
    else own = beside === null || typeof item !== "number" ? defaultDType : numberDType(item, beside, defaultDType);
    kind = kind === null ? own : promote(kind, own);
  };
  visit(data);
  return kind ?? defaultDType;
}

/**
 * The elements of data in row-major order, in an array of their own.
 *
 * @throws  ShapeError for rows of different lengths, ArgumentError for what is no number, or none of the dtype's
 */
export function hostElements(op: string, data: unknown, shape: readonly number[], dtype: DType): HostArray {
  const out = hostArray(
    dtype,
    shape.reduce((n, d) => n * d, 1),
  );
  const fill = filler(op, out, dtype);
  let position = 0;
  const path: number[] = [];
  const visit = (item: unknown, axis: number): void => {
    if (axis === shape.length) {
      out[position++] = fill.one(item, path);
      return;
    }
    if (isNumberArray(item) && axis === shape.length - 1) {
      wantLength(op, item.length, shape[axis], path);
      fill.many(item, position, path);
      position += item.length;
      return;
    }
    if (!Array.isArray(item)) {
      if (!isNumberArray(item)) wantData(op, item, path);
      throw new ShapeError(`${op}: data${at(path)} is ${described(item)}, wanted an array of length ${shape[axis]}`);
    }
    wantLength(op, item.length, shape[axis], path);
    for (let i = 0; i < item.length; i++) {
      path.push(i);
      visit(item[i], axis + 1);
      path.pop();
    }
  };
  visit(data, 0);
  return out;
}

function wantLength(op: string, length: number, wanted: number, path: readonly number[]): void {
  if (length === wanted) return;
  throw new ShapeError(`${op}: data${at(path)} has length ${length}, wanted ${wanted} as in the first row`);
}

const isBigInts = (row: NumberArray): row is BigInt64Array | BigUint64Array => typeof row[0] === "bigint";

/** How single elements, and rows of them, get into an array. */
function filler(op: string, out: HostArray, dtype: DType) {
  const range = integerRange(dtype);
  const holds = (value: number | bigint): boolean =>
    range === null ||
    ((typeof value === "bigint" || Number.isInteger(value)) && value >= range[0] && value <= range[1]);
  const one = (item: unknown, path: readonly number[]): number => {
    if (typeof item !== "number" && typeof item !== "boolean" && typeof item !== "bigint") {
      wantData(op, item, path);
      throw new ShapeError(`${op}: data${at(path)} is ${described(item)}, wanted a number as at the first position`);
    }
    const value = typeof item === "boolean" ? Number(item) : item;
    if (dtype === "bool") return value === 0 || value === 0n ? 0 : 1;
    if (!holds(value)) throw misfitAt(op, value, path);
    return Number(value);
  };
  const misfitAt = (where: string, value: number | bigint, path: readonly number[]): ArgumentError =>
    new ArgumentError(misfit(`${where}: data${at(path)}`, value, dtype, range as readonly [number, number]));
  const many = (row: NumberArray, start: number, path: readonly number[]): void => {
    if (range === null && dtype !== "bool" && !isBigInts(row)) {
      out.set(row, start);
      return;
    }
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (dtype === "bool") out[start + i] = value === 0 || value === 0n ? 0 : 1;
      else if (holds(value)) out[start + i] = Number(value);
      else throw misfitAt(op, value, [...path, i]);
    }
  };
  return { one, many };
}

/** Throws for what can be no part of data. */
function wantData(op: string, item: unknown, path: readonly number[]): void {
  if (Array.isArray(item) || isNumberArray(item) || item instanceof Tensor) return;
  if (typeof item === "number" || typeof item === "boolean" || typeof item === "bigint") return;
  throw new ArgumentError(`${op}: data${at(path)} is ${described(item)}: ${advice(item)}`);
}

function advice(item: unknown): string {
  if (item instanceof DataView || isBuffer(item)) {
    return "wanted numbers; a typed array says which its bytes are: new Float32Array(buffer)";
  }
  if (typeof item === "object" && item !== null && Symbol.iterator in item) {
    return "wanted numbers, an array or a typed array; [...data] makes one";
  }
  return "wanted numbers, booleans, a typed array, tensors, or arrays of these";
}

const isBuffer = (item: unknown): boolean =>
  /^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(item));

const at = (path: readonly number[]): string => path.map((i) => `[${i}]`).join("");

/** Something given by a user, for messages. */
export function described(item: unknown): string {
  if (item === null || item === undefined) return String(item);
  if (Array.isArray(item)) return "an array";
  if (typeof item !== "object") {
    return typeof item === "string" ? `the string ${JSON.stringify(item)}` : `a ${typeof item}`;
  }
  const name = item.constructor?.name;
  if (name === undefined || name === "" || name === "Object") return "an object";
  return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
}
