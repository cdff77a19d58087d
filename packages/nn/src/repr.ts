/**
 * Text of modules and their settings, in torch's spelling: `Linear(in_features=4, out_features=3, bias=True)`.
 *
 * Python prints what JavaScript does not tell apart: a number that is a *float* has a point or an exponent (`1.0`,
 * `1e-05`), and a tuple of one has a comma. So a layer says which of its numbers are floats.
 */

/** torch's name of a field: `runningMean` → `running_mean`. */
export const snakeCase = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A float as Python prints it: 1 → `1.0`, 0.00001 → `1e-05`. */
export function float(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return x.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** A string as Python prints it. */
export const quoted = (text: string): string => `'${text}'`;

/** A value as Python prints it; strings as they stand. */
export function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `(${value.map(python).join(", ")}${value.length === 1 ? "," : ""})`;
  return String(value);
}

/** Settings by name: `{ inFeatures: 4, bias: true }` → `in_features=4, bias=True`. */
export const settings = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${snakeCase(name)}=${python(value)}`)
    .join(", ");

/** The settings that differ from their defaults. */
export function changed(
  values: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>,
): string {
  const given = Object.entries(values).filter(([name, value]) => python(value) !== python(defaults[name]));
  return settings(Object.fromEntries(given));
}

/** The parts that are not empty, with commas. */
export const listed = (...parts: string[]): string => parts.filter((part) => part !== "").join(", ");

/**
 * A module in torch's layout: its name, its settings, and a line for each child, indented.
 *
 * @param children  names and texts
 */
export function tree(name: string, own: string, children: readonly (readonly [string, string])[]): string {
  const ownLines = own === "" ? [] : own.split("\n");
  if (children.length === 0 && ownLines.length <= 1) return `${name}(${own})`;
  const lines = children.map(([key, text]) => `(${key}): ${text.replaceAll("\n", "\n  ")}`);
  return `${name}(\n  ${[...ownLines, ...lines].join("\n  ")}\n)`;
}
