/**
 * Options objects. Their names are data, so one that nobody reads is an error, not a setting that is silently lost; and
 * so is a bare value in their place, such as `new Dropout(0.2)` for `new Dropout({ p: 0.2 })`.
 */
import { Device } from "./device.ts";
import { ArgumentError } from "./errors.ts";

/**
 * Throws unless the options are a plain object, and all of its names are known.
 *
 * @param who      begins the message: the operation, class or function
 * @param options  what the caller gave; absent is fine
 * @param known    the names that are read
 * @returns        the options
 * @throws         ArgumentError
 */
export function checkOptions<T extends object | undefined>(who: string, options: T, known: readonly string[]): T {
  if (options === undefined) return options;
  if (!isPlain(options)) {
    throw new ArgumentError(
      `${who}: the options are ${described(options)}: wanted an object such as { ${known[0]}: … }; known: ${known.join(", ")}`,
    );
  }
  for (const name in options) {
    if (!known.includes(name)) {
      throw new ArgumentError(`${who}: unknown option ${name}: wanted one of ${known.join(", ")}`);
    }
  }
  return options;
}

/** Throws unless a device, if there is one, is a device: a name such as "cpu" is for `init`. */
export function checkDevice(who: string, device: Device | undefined): void {
  if (device === undefined || device instanceof Device) return;
  throw new ArgumentError(`${who}: device is ${JSON.stringify(device)}: wanted what init() returns`);
}

/** An object literal, of whatever realm: its prototype, if it has one, has none. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A value that is no options object, for messages. */
function described(value: unknown): string {
  if (typeof value === "function") return "a function";
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}
