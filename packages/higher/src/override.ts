/**
 * Overrides: hyperparameters of a differentiable optimizer given anew, as numbers or tensors.
 *
 * A value may be one for all parameters; an array with one per group; or `perParameter([...])`, with one per
 * parameter, such as elementwise learning rates. A hyperparameter that is a pair (betas) wants pairs in these places.
 */

import type { Hyperparameter, Scalar } from "@loopgrad/optim";
import { ArgumentError, admit, Tensor } from "@loopgrad/tensor";

/** One value for each parameter, in their order. */
export class PerParameter {
  constructor(readonly values: readonly (Scalar | readonly Scalar[])[]) {
    admit(arguments, "PerParameter(values: list)");
  }
}

/**
 * A hyperparameter for each parameter, in the order of `fmodel.parameters()`.
 *
 * @example  innerLoop(model, opt, { override: { lr: perParameter(rates) } }); // Meta-SGD
 */
export function perParameter(values: readonly (Scalar | readonly Scalar[])[]): PerParameter {
  admit(arguments, "perParameter(values: list)");
  return new PerParameter(values);
}

/** Values of one hyperparameter: for all, per group, or per parameter. */
export type OverrideValue = Scalar | readonly Scalar[] | readonly (readonly Scalar[])[] | PerParameter;

/** Values by hyperparameter. */
export type Override = Readonly<Record<string, OverrideValue>>;

/** An override that was checked: asks for the values of a parameter. */
export interface Resolved {
  for(group: number, param: number): Record<string, Hyperparameter>;
}

/**
 * Checks an override against an optimizer's hyperparameters.
 *
 * @throws  ArgumentError for an unknown name, a flag, or a wrong number of values
 */
export function resolve(
  override: Override,
  hyper: Readonly<Record<string, unknown>>,
  groups: number,
  params: number,
): Resolved {
  const readers = Object.entries(override).map(([name, value]) => {
    if (!(name in hyper)) {
      throw new ArgumentError(
        `override: unknown hyperparameter ${name}: wanted one of ${Object.keys(hyper).join(", ")}`,
      );
    }
    if (typeof hyper[name] === "boolean")
      throw new ArgumentError(`override: ${name} is a flag: give it to the optimizer`);
    return [name, reader(name, value, hyper[name], groups, params)] as const;
  });
  return { for: (group, param) => Object.fromEntries(readers.map(([name, read]) => [name, read(group, param)])) };
}

type Reader = (group: number, param: number) => Hyperparameter;

function reader(name: string, value: OverrideValue, standard: unknown, groups: number, params: number): Reader {
  const size = Array.isArray(standard) ? standard.length : 0;
  if (value instanceof PerParameter) {
    const { values } = value;
    if (values.length !== params) {
      throw new ArgumentError(`override: ${name}: ${values.length} values were given for ${params} parameters`);
    }
    for (const one of values) checkValue(name, one, size);
    return (_, param) => values[param];
  }
  if (isValue(value, size)) return () => value as Hyperparameter;
  if (Array.isArray(value)) {
    if (value.length !== 1 && value.length !== groups) {
      throw new ArgumentError(`override: ${name}: ${value.length} values were given for ${groups} groups`);
    }
    for (const one of value) checkValue(name, one, size);
    return (group) => value[value.length === 1 ? 0 : group];
  }
  return checkValue(name, value, size);
}

const isScalar = (value: unknown): boolean => typeof value === "number" || value instanceof Tensor;

/** Whether this is one value: a scalar, or a tuple of the right size. */
const isValue = (value: unknown, size: number): boolean =>
  size === 0 ? isScalar(value) : Array.isArray(value) && value.length === size && value.every(isScalar);

function checkValue(name: string, value: unknown, size: number): never | Reader {
  if (isValue(value, size)) return () => value as Hyperparameter;
  const wanted = size === 0 ? "a number or a tensor" : `${size} numbers or tensors`;
  throw new ArgumentError(`override: ${name} is ${String(value)}, wanted ${wanted}`);
}
