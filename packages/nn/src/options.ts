/**
 * Options of layers: data, so an unknown one is an error rather than a typo that trains the wrong model.
 */
import {
  ArgumentError,
  checkDevice,
  checkOptions,
  type Device,
  type DType,
  getDevice,
  isFloat,
} from "@loopgrad/tensor";

export { checkOptions };

/** Where a layer's parameters are made. */
export interface PlacementOptions {
  /** Default: the device of the last `init()`. */
  device?: Device;
  /** A float dtype. Default: the device's. */
  dtype?: DType;
}

/**
 * The options over their defaults.
 *
 * @throws  ArgumentError for one that there is not, or whose value is of another kind than the default: a truth, a word
 *          (which may also be a function), or a number (which may also be a list or a word)
 */
export function withDefaults<T extends object>(who: string, defaults: T, options: Partial<T>): T {
  checkOptions(who, options, Object.keys(defaults));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) checkLike(who, name, value, defaults[name as keyof T]);
  return { ...defaults, ...Object.fromEntries(given) };
}

/** Throws unless a value is of the kind that a default shows. */
function checkLike(who: string, name: string, value: unknown, usual: unknown): void {
  const kind = typeof usual;
  const isOdd =
    kind === "number"
      ? typeof value === "boolean" || typeof value === "function"
      : (kind === "boolean" && typeof value !== kind) ||
        (kind === "string" && typeof value !== kind && typeof value !== "function");
  if (!isOdd) return;
  const wanted = kind === "boolean" ? "true or false" : kind === "string" ? "a string" : "a number";
  throw new ArgumentError(`${who}: ${name} is ${JSON.stringify(value) ?? String(value)}, wanted ${wanted}`);
}

/**
 * What a constructor with options was given, as options: an object of them, or their values in the order of the defaults.
 *
 * @throws  ArgumentError for more values than there are options
 * @example byName("Hardtanh", [-2, 2], { minVal: -1, maxVal: 1 }) // { minVal: -2, maxVal: 2 }
 */
export function byName<T extends object>(who: string, given: readonly unknown[], defaults: T): Partial<T> {
  const names = Object.keys(defaults);
  const [first] = given;
  const isByPlace = typeof first === "number" || typeof first === "string";
  const most = isByPlace ? names.length : 1;
  if (given.length > most) {
    throw new ArgumentError(
      `${who}: takes ${isByPlace ? `(${names.join(", ")})` : "(options)"}, got ${given.length} arguments`,
    );
  }
  if (!isByPlace) return (first ?? {}) as Partial<T>;
  return Object.fromEntries(given.map((value, i) => [names[i], value])) as Partial<T>;
}

/** Defaults of {@link PlacementOptions}, to be resolved by {@link placement}. */
export const PLACEMENT: PlacementOptions = { device: undefined, dtype: undefined };

/** The device and dtype that the options mean. */
export function placement(who: string, options: PlacementOptions): { device: Device; dtype: DType } {
  const device = options.device ?? getDevice();
  checkDevice(who, device);
  const dtype = options.dtype ?? device.defaultDType;
  if (!isFloat(dtype)) throw new ArgumentError(`${who}: dtype ${dtype}: parameters must be float32 or float64`);
  return { device, dtype };
}

/** Throws unless the sizes are integers >= 1. */
export function checkSizes(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1)
      throw new ArgumentError(`${who}: ${name} is ${size}, wanted an integer >= 1`);
  }
}

/** Throws unless the number is a probability. */
export function checkProbability(who: string, name: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${who}: ${name} is ${p}, wanted a probability in [0, 1]`);
}

/** Throws unless the value is one of the words. */
export function checkWord<T extends string>(who: string, name: string, value: T, words: readonly T[]): void {
  if (words.includes(value)) return;
  throw new ArgumentError(`${who}: ${name} is ${String(value)}, wanted ${words.map((w) => `"${w}"`).join(" or ")}`);
}

/** One number for every spatial dimension, or one each; integers, of at least `least` if that is given. */
export function tuple(
  who: string,
  name: string,
  value: number | readonly number[],
  n: number,
  least = Number.NEGATIVE_INFINITY,
): number[] {
  const list = Array.isArray(value) ? [...value] : new Array<number>(n).fill(value as number);
  if (list.length !== n) throw new ArgumentError(`${who}: ${name} has ${list.length} numbers, wanted ${n}`);
  if (list.some((item) => !Number.isInteger(item) || item < least)) {
    throw new ArgumentError(`${who}: ${name} is ${String(value)}, wanted integers${least < 0 ? "" : ` >= ${least}`}`);
  }
  return list;
}

/** Throws unless all are numbers. */
export function checkNumbers(who: string, numbers: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== "number" || Number.isNaN(value)) {
      throw new ArgumentError(`${who}: ${name} is ${String(value)}, wanted a number`);
    }
  }
}
