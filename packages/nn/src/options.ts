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

/** The options over their defaults. */
export function withDefaults<T extends object>(who: string, defaults: T, options: Partial<T>): T {
  checkOptions(who, options, Object.keys(defaults));
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
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
