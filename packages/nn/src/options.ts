/**
 * Options of layers: data, so an unknown one is an error rather than a typo that trains the wrong model.
 */
import { ArgumentError, type Device, type DType, getDevice, isFloat } from "@loopgrad/tensor";

/** Where a layer's parameters are made. */
export interface PlacementOptions {
  /** Default: the device of the last `init()`. */
  device?: Device;
  /** A float dtype. Default: the device's. */
  dtype?: DType;
}

/** Throws for an option that is not among the known ones. */
export function checkOptions(who: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new ArgumentError(`${who}: unknown option ${name}: wanted one of ${known.join(", ")}`);
    }
  }
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

/** One number for every spatial dimension, or one each. */
export function tuple(who: string, name: string, value: number | readonly number[], n: number): number[] {
  if (typeof value === "number") return new Array<number>(n).fill(value);
  if (value.length !== n) throw new ArgumentError(`${who}: ${name} has ${value.length} numbers, wanted ${n}`);
  return [...value];
}
