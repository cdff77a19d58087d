/**
 * From torch's names to loopgrad's.
 *
 * loopgrad takes tensors and the arguments that an operation cannot do without by position, in torch's order, and
 * everything optional in one options object at the end. So a torch call is known by the keywords that become
 * positions; all others go into the options, in camelCase.
 */
import * as loopgrad from "loopgrad";
import type { Keywords } from "./format.ts";

/** Something a case needs that loopgrad does not have. */
export class NotBuilt extends Error {
  override name = "NotBuilt";
}

/** `label_smoothing` → `labelSmoothing`; `T_max` → `tMax`. */
export function camelCase(name: string): string {
  const joined = name.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return joined[0].toLowerCase() + joined.slice(1);
}

/** Keywords as an options object: names in camelCase, "inf" and "-inf" as numbers. */
export function options(keywords: Keywords): Record<string, unknown> {
  return Object.fromEntries(Object.entries(keywords).map(([key, value]) => [camelCase(key), plain(value)]));
}

/**
 * The arguments of a call: the positional keywords in order, then the options if any are left.
 *
 * @param keywords    torch's keyword arguments
 * @param positional  keywords that loopgrad takes by position; absent ones at the end are left out
 */
export function callArguments(keywords: Keywords, positional: readonly string[]): unknown[] {
  const args: unknown[] = positional.map((name) => plain(keywords[name]));
  const rest = options(Object.fromEntries(Object.entries(keywords).filter(([key]) => !positional.includes(key))));
  if (Object.keys(rest).length > 0) return [...args, rest];
  while (args.length > 0 && args[args.length - 1] === undefined) args.pop();
  return args;
}

const plain = (value: unknown): unknown =>
  value === "inf" ? Number.POSITIVE_INFINITY : value === "-inf" ? Number.NEGATIVE_INFINITY : value;

/**
 * An export of loopgrad by name: an operation, a function of `functional`, or a class.
 *
 * @throws NotBuilt if there is none
 */
export function exported<T>(name: string, kind: string): T {
  const found = (loopgrad as Record<string, unknown>)[name] ?? (loopgrad.functional as Record<string, unknown>)[name];
  if (typeof found !== "function") throw new NotBuilt(`not built: loopgrad has no ${kind} ${name}`);
  return found as T;
}
