/**
 * Values of a checkpoint: nested plain values with tensors in them, taken apart for a file, and put together again.
 *
 * A safetensors file has tensors, and strings beside them. *Packing* replaces each tensor by a *reference*,
 * `{ "$tensor": name }`, so that what is left is JSON. The few plain values that JSON does not have (NaN, the infinities,
 * −0 and undefined) become `{ "$value": "NaN" }`. Numbers survive as they are: JSON writes as many digits as they need.
 */
import { ArgumentError, Tensor } from "@loopgrad/tensor";

/** What can be saved in a checkpoint: plain values, and tensors among them. */
export type Saveable =
  | null
  | undefined
  | boolean
  | number
  | string
  | Tensor
  | readonly Saveable[]
  | { readonly [key: string]: Saveable };

/** A value as JSON has it. */
export type Packed = null | boolean | number | string | Packed[] | { [key: string]: Packed };

const SPECIAL: Readonly<Record<string, number | undefined>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  "-0": -0,
  undefined: undefined,
};

/**
 * Takes a value apart.
 *
 * @param path     where the value stands; tensors get their names from it
 * @param tensors  takes up the tensors, by name
 * @throws         ArgumentError for what cannot be saved: functions, dates, class instances, values that hold themselves
 */
export function pack(value: unknown, path: string, tensors: Record<string, Tensor>, inside: object[] = []): Packed {
  if (value instanceof Tensor) {
    let name = path;
    while (name in tensors) name += "'";
    tensors[name] = value;
    return { $tensor: name };
  }
  const special = Object.keys(SPECIAL).find((name) => Object.is(SPECIAL[name], value));
  if (special !== undefined) return { $value: special };
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string")
    return value;
  if (!isPlain(value))
    throw new ArgumentError(`saveCheckpoint: ${path} is ${kind(value)}, wanted plain values and tensors`);
  if (inside.includes(value)) throw new ArgumentError(`saveCheckpoint: ${path} holds itself`);
  const deeper = [...inside, value];
  if (Array.isArray(value)) return Array.from(value, (item, i) => pack(item, `${path}.${i}`, tensors, deeper));
  const entries = Object.entries(value).map(([key, item]): [string, Packed] => {
    if (key.startsWith("$") || key === "__proto__") {
      throw new ArgumentError(`saveCheckpoint: ${path} has the key ${key}, which has a meaning of its own`);
    }
    return [key, pack(item, `${path}.${key}`, tensors, deeper)];
  });
  return Object.fromEntries(entries);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || prototype === Object.prototype;
}

const kind = (value: unknown): string =>
  typeof value === "object" && value !== null ? `a ${value.constructor?.name ?? "object"}` : `a ${typeof value}`;

/** The name that a value refers to, if it is a reference. */
const referred = (value: Packed): string | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) && typeof value.$tensor === "string"
    ? value.$tensor
    : null;

/** The names of all tensors in a value. */
export function* references(value: Packed): Generator<string> {
  const name = referred(value);
  if (name !== null) yield name;
  else if (typeof value === "object" && value !== null)
    for (const item of Object.values(value)) yield* references(item);
}

/** Puts a value together. Every tensor that it refers to must be given. */
export function unpack(value: Packed, tensors: ReadonlyMap<string, Tensor>): Saveable {
  const name = referred(value);
  if (name !== null) return tensors.get(name);
  if (Array.isArray(value)) return value.map((item) => unpack(item, tensors));
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.$value === "string") return SPECIAL[value.$value];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, tensors)]));
}
