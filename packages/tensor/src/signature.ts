/**
 * Signatures: what a public function takes, as a line of text that stands beside it.
 *
 *     "conv2d(x: tensor, weight: tensor, bias?: tensor|null, options?: { stride: number|numbers, groups: number })"
 *
 * JavaScript drops arguments that a function does not name, makes `undefined` of those that are missing, and passes a
 * string for a tensor. A signature names each *parameter* and its *kinds*: `tensor|number`. `?` marks what may be missing,
 * `...` a list, braces all options that there are, `any` what the function itself looks at. A function with several ways of
 * being called has several signatures: *overloads*.
 *
 * Two ways of calling are taken beside the written one. Options may stand in the place of an optional tensor:
 * `conv2d(x, w, { padding: 1 })`. And a function of one argument may be given to `array.map`, which passes three.
 */
import { Device } from "./device.ts";
import { ArgumentError, ShapeError } from "./errors.ts";
import { described } from "./host-data.ts";
import { checkOptions, isPlain } from "./options.ts";
import { show } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** What an argument may be: how signatures call it, how messages do, and which values are. */
interface Kind {
  readonly name: string;
  readonly words: string;
  readonly test: (value: unknown) => boolean;
}

export interface Parameter {
  readonly name: string;
  readonly isOptional: boolean;
  readonly isRest: boolean;
  /** Null where anything is taken. */
  readonly kinds: readonly Kind[] | null;
  /** Kinds of all options by name, where an object of options is taken. */
  readonly options: ReadonlyMap<string, readonly Kind[] | null> | null;
  /** The names of the options. */
  readonly known: readonly string[];
  /** The kinds that a glance tells apart, as bits: an argument with one of them is right. */
  readonly glance: number;
}

export interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** Is there a list at the end? */
  readonly isOpen: boolean;
}

// ---- kinds --------------------------------------------------------------------------------------------------

const isList = (value: unknown): boolean =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const isNumber = (value: unknown): boolean => typeof value === "number" || typeof value === "boolean";

const ofNumbers = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === "number");

const KINDS = new Map<string, Kind>();

/**
 * @internal Makes a word of signatures.
 *
 * @param words  what a message says was wanted
 */
export function defineKind(name: string, words: string, test: (value: unknown) => boolean): void {
  KINDS.set(name, { name, words, test });
}

defineKind("tensor", "a tensor", (value) => value instanceof Tensor);
defineKind("operand", "a tensor or a number", (value) => value instanceof Tensor || isNumber(value));
defineKind("number", "a number", (value) => typeof value === "number");
defineKind("boolean", "true or false", (value) => typeof value === "boolean");
defineKind("string", "a string", (value) => typeof value === "string");
defineKind("null", "null", (value) => value === null);
defineKind("function", "a function", (value) => typeof value === "function");
defineKind("device", "a device, which init() returns", (value) => value instanceof Device);
defineKind("numbers", "an array such as [2, 3]", ofNumbers);
defineKind("list", "an array", isList);
defineKind(
  "tensors",
  "an array of tensors",
  (value) => Array.isArray(value) && value.every((x) => x instanceof Tensor),
);
defineKind(
  "partial",
  "an array of tensors or null",
  (value) => Array.isArray(value) && value.every((x) => x instanceof Tensor || x === null),
);
defineKind(
  "iterable",
  "an array or another iterable",
  (value) => typeof value === "object" && value !== null && Symbol.iterator in value,
);
defineKind("object", "an object", (value) => typeof value === "object" && value !== null && !isList(value));

/** Kinds that `typeof` and one `instanceof` tell, as bits. */
const GLANCE: Record<string, number> = {
  number: 1,
  boolean: 2,
  string: 4,
  function: 8,
  tensor: 16,
  operand: 1 | 2 | 16,
  null: 32,
};
const MISSING = 64;
const ANY = 128;

function glanceAt(value: unknown): number {
  switch (typeof value) {
    case "number":
      return 1;
    case "boolean":
      return 2;
    case "string":
      return 4;
    case "function":
      return 8;
    case "undefined":
      return MISSING;
    default:
      return value instanceof Tensor ? 16 : value === null ? 32 : 0;
  }
}

// ---- text to signatures ---------------------------------------------------------------------------------------

const PARAMETER = /(\.\.\.)?(\w+)(\?)?: ((?:\{[^}]*\}|[^,{}])+)/g;

function kindsOf(text: string): readonly Kind[] | null {
  const words = text.split("|").filter((word) => word !== "");
  if (words.includes("any")) return null;
  return words.map((word) => {
    const kind = KINDS.get(word);
    if (kind === undefined) throw new ArgumentError(`internal: a signature says ${word}, which is no kind`);
    return kind;
  });
}

function parameterOf([, rest, name, optional, type]: RegExpMatchArray): Parameter {
  const braces = /\{([^}]*)\}/.exec(type);
  const others = type.replace(/\{[^}]*\}/, "").replaceAll(/\s/g, "");
  const options =
    braces === null
      ? null
      : new Map(Array.from(braces[1].matchAll(/(\w+): ([\w|]+)/g), ([, option, kinds]) => [option, kindsOf(kinds)]));
  const kinds = kindsOf(others);
  let glance = kinds === null ? ANY : optional ? MISSING : 0;
  for (const kind of kinds ?? []) glance |= GLANCE[kind.name] ?? 0;
  const known = [...(options?.keys() ?? [])];
  return { name, isOptional: optional !== undefined, isRest: rest !== undefined, kinds, options, known, glance };
}

function parse(text: string): Signature {
  const [, name, list] = /^([\w. ]+)\((.*)\)$/s.exec(text) ?? [];
  if (name === undefined) throw new ArgumentError(`internal: ${text} is no signature`);
  const parameters = Array.from(list.matchAll(PARAMETER), parameterOf);
  return { name, parameters, isOpen: parameters.at(-1)?.isRest ?? false };
}

const parsed = new Map<string, readonly Signature[]>();

/** The signatures that texts say. Read at the first call: most programs use few of the functions. */
export function signaturesOf(text: string | readonly string[]): readonly Signature[] {
  const key = typeof text === "string" ? text : text.join();
  let signatures = parsed.get(key);
  if (signatures === undefined) {
    signatures = [text].flat().map(parse);
    parsed.set(key, signatures);
  }
  return signatures;
}

// ---- arguments ------------------------------------------------------------------------------------------------

/** Is the call as the signature writes it? False leaves the question open: there are other ways to call. */
export function isAsWritten({ parameters, isOpen }: Signature, args: ArrayLike<unknown>): boolean {
  if (isOpen) return false;
  for (let i = 0; i < Math.max(parameters.length, args.length); i++) if (!admits(parameters, i, args[i])) return false;
  return true;
}

/** {@link isAsWritten} for up to six arguments, without a list of them: operations are called often. */
export function areSixAsWritten(
  { parameters, isOpen }: Signature,
  a: unknown,
  b: unknown,
  c: unknown,
  d: unknown,
  e: unknown,
  f: unknown,
): boolean {
  return (
    !isOpen &&
    admits(parameters, 0, a) &&
    admits(parameters, 1, b) &&
    admits(parameters, 2, c) &&
    admits(parameters, 3, d) &&
    admits(parameters, 4, e) &&
    admits(parameters, 5, f)
  );
}

function admits(parameters: readonly Parameter[], i: number, value: unknown): boolean {
  if (i >= parameters.length) return value === undefined;
  const parameter = parameters[i];
  const { glance, kinds, options } = parameter;
  if (glance === ANY || (glance & glanceAt(value)) !== 0) return true;
  if (value === undefined) return false;
  return options !== null && isPlain(value) ? optionsFit(options, value) : fits(kinds, value);
}

function optionsFit(options: NonNullable<Parameter["options"]>, given: object): boolean {
  for (const name in given) {
    const kinds = options.get(name);
    if (kinds === undefined) return false;
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined && !fits(kinds, value)) return false;
  }
  return true;
}

/**
 * The arguments as the function takes them.
 *
 * @throws  ArgumentError for one too many, one that is missing, or one of another kind; of overloads, that of the one
 *          that fits furthest
 */
export function settled(signatures: readonly Signature[], args: readonly unknown[]): readonly unknown[] {
  let furthest: Refusal | null = null;
  for (const signature of signatures) {
    const outcome = settle(signature, args);
    if (!(outcome instanceof Refusal)) return outcome;
    if (furthest === null || outcome.at > furthest.at) furthest = outcome;
  }
  throw (furthest as Refusal).error;
}

/** Why arguments are refused, and at which of them. */
class Refusal {
  constructor(
    readonly at: number,
    readonly error: unknown,
  ) {}
}

function settle(signature: Signature, given: readonly unknown[]): readonly unknown[] | Refusal {
  const { parameters, isOpen } = signature;
  const count = parameters.length;
  let args = given;
  let isTooLong = false;
  if (!isOpen) {
    let length = args.length;
    while (length > count && args[length - 1] === undefined) length--;
    if (length > count && isMapped(args, count)) length = 1;
    isTooLong = length > count;
    args = withOptionsInPlace(parameters, args.slice(0, length));
  }
  for (let i = 0; i < (isOpen ? Math.max(args.length, count) : count); i++) {
    const parameter = parameters[Math.min(i, count - 1)];
    if (parameter.isRest && i >= args.length) break;
    try {
      check(signature.name, parameter, args[i]);
    } catch (error) {
      return new Refusal(i, error);
    }
  }
  return isTooLong ? new Refusal(count, tooMany(signature, args)) : args;
}

/** Is this how `array.map(fn)` calls: with an element, its index and the array? */
const isMapped = (args: readonly unknown[], count: number): boolean =>
  count === 1 && args.length === 3 && Array.isArray(args[2]) && args[2][args[1] as number] === args[0];

/** Options in the place of an optional tensor go to their own. */
function withOptionsInPlace(parameters: readonly Parameter[], args: readonly unknown[]): readonly unknown[] {
  const at = args.length - 1;
  const last = parameters.length - 1;
  if (at < 0 || at >= last || parameters[last].options === null || !isPlain(args[at])) return args;
  const { kinds, options } = parameters[at];
  if (kinds === null || options !== null || !kinds.some(({ name }) => name === "tensor")) return args;
  for (let i = at; i < last; i++) if (!parameters[i].isOptional) return args;
  return [...args.slice(0, at), ...new Array<undefined>(last - at).fill(undefined), args[at]];
}

// ---- one argument ---------------------------------------------------------------------------------------------

function fits(kinds: readonly Kind[] | null, value: unknown): boolean {
  if (kinds === null) return true;
  for (const kind of kinds) if (kind.test(value)) return true;
  return false;
}

/** What messages call parameters with these names. */
const NAMES = new Map([["options", "the options are"]]);

/** What is wrong with a shape or an axis is a ShapeError, whichever check finds it. */
const AXES = /^(shape|dims?)$/;

/** Throws unless an argument is what its parameter wants. */
function check(who: string, parameter: Parameter, value: unknown): void {
  const { name, kinds, options, known, isOptional } = parameter;
  if (kinds === null || (value === undefined && isOptional)) return;
  if (options !== null && isPlain(value)) {
    checkOptions(who, value, known);
    checkValues(who, options, value);
    return;
  }
  if (options !== null && kinds.length === 0) checkOptions(who, value as object, known);
  if (value !== undefined && fits(kinds, value)) return;
  const given = kinds.some((kind) => kind.name === "operand") ? "an operand is" : (NAMES.get(name) ?? `${name} is`);
  const Refused = AXES.test(name) && kinds.some((kind) => kind.name === "numbers") ? ShapeError : ArgumentError;
  throw new Refused(`${who}: ${given} ${shown(value)}: wanted ${wanted(kinds, options)}${advice(value, parameter)}`);
}

function checkValues(who: string, options: NonNullable<Parameter["options"]>, given: object): void {
  for (const [option, kinds] of options) {
    const value = (given as Record<string, unknown>)[option];
    if (value === undefined || fits(kinds, value)) continue;
    throw new ArgumentError(`${who}: ${option} is ${shown(value)}: wanted ${wanted(kinds, null)}`);
  }
}

// ---- words ----------------------------------------------------------------------------------------------------

function tooMany({ name, parameters }: Signature, args: readonly unknown[]): ArgumentError {
  const takes = parameters.length === 0 ? "no arguments" : `(${parameters.map((p) => p.name).join(", ")})`;
  return new ArgumentError(
    `${name}: takes ${takes}, got ${args.length} argument${args.length === 1 ? "" : "s"}: ${shown(args.at(-1))} would be lost`,
  );
}

function wanted(kinds: readonly Kind[] | null, options: Parameter["options"]): string {
  const words = (kinds ?? []).map((kind) => kind.words);
  if (options !== null) words.push(`an object such as { ${[...options.keys()][0]}: … }`);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** A value as a message shows it. */
function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "number" || typeof value === "boolean" || value instanceof Tensor) return String(value);
  if (!Array.isArray(value)) return described(value);
  if (ofNumbers(value)) return show(value);
  const isOfTensors = value.some((item) => item instanceof Tensor);
  const odd = value.find((item) => (isOfTensors ? !(item instanceof Tensor) : typeof item !== "number"));
  return odd === undefined ? "an array of tensors" : `an array with ${described(odd)} in it`;
}

function advice(value: unknown, { name, kinds, options }: Parameter): string {
  if (isPlain(value) && name in value && options === null) return `; ${name} is given by its place, not in an object`;
  const isData = isList(value) || isNumber(value);
  return isData && /^(tensor|operand)$/.test(kinds?.[0]?.name ?? "") ? "; tensor(data) makes one" : "";
}
