/**
 * Learning hyperparameters: from an optimizer's options to leaves of the tape, and back.
 */

import type { Scalar } from "@loopgrad/optim";
import { ArgumentError, admit, full, Tensor } from "@loopgrad/tensor";
import type { AnyOptimizer } from "./differentiable.ts";

/** For each hyperparameter one leaf per group, or a tuple of leaves. Usable as an `override`. */
export type Trainable = Record<string, Tensor[] | Tensor[][]>;

type Group = Record<string, unknown> & { params: Tensor[] };

/**
 * Leaves for the real-valued hyperparameters of an optimizer: no flags, no counts.
 *
 * @param names  which ones; default: all
 * @throws       ArgumentError for a name that is no real-valued hyperparameter
 * @example
 * const learned = trainableHyperparameters(opt, ["lr"]);
 * using loop = innerLoop(model, opt, { override: learned });
 */
export function trainableHyperparameters(opt: AnyOptimizer, names?: readonly string[]): Trainable {
  admit(arguments, "trainableHyperparameters(opt: optimizer, names?: list)");
  const { defaults, counts } = opt;
  const real = Object.entries(defaults as Record<string, unknown>)
    .filter(([name, value]) => isReal(value) && !counts.includes(name))
    .map(([name]) => name);
  const groups = opt.paramGroups as unknown as Group[];
  return Object.fromEntries(
    (names ?? real).map((name) => {
      if (!real.includes(name)) {
        throw new ArgumentError(`trainableHyperparameters: ${name} is not one of ${real.join(", ")}`);
      }
      return [name, groups.map((group) => leaves(group[name] as Scalar | readonly Scalar[], group.params[0]))];
    }),
  ) as Trainable;
}

const leaf = (value: Scalar, like: Tensor): Tensor =>
  (value instanceof Tensor
    ? value.detach()
    : full([], value, { dtype: like.dtype, device: like.device })
  ).requiresGrad_(true);

const leaves = (value: Scalar | readonly Scalar[], like: Tensor): Tensor | Tensor[] =>
  Array.isArray(value) ? value.map((one) => leaf(one, like)) : leaf(value as Scalar, like);

/**
 * Writes values back to an optimizer's groups as numbers, at full precision. A value with more than one element
 * stays a tensor, detached.
 *
 * @param values  as from `trainableHyperparameters`: one per group, or one for all
 */
export async function applyHyperparameters(
  opt: AnyOptimizer,
  values: Readonly<Record<string, readonly unknown[]>>,
): Promise<void> {
  admit(arguments, "applyHyperparameters(opt: optimizer, values: object)");
  const groups = opt.paramGroups as unknown as Group[];
  const read = await Promise.all(
    Object.entries(values).map(async ([name, perGroup]) => {
      if (!isReal((opt.defaults as Record<string, unknown>)[name])) {
        throw new ArgumentError(`applyHyperparameters: ${name} is not a real-valued hyperparameter`);
      }
      if (perGroup.length !== 1 && perGroup.length !== groups.length) {
        throw new ArgumentError(`applyHyperparameters: ${name}: ${perGroup.length} values for ${groups.length} groups`);
      }
      return [name, await Promise.all(perGroup.map(plain))] as const;
    }),
  );
  for (const [name, perGroup] of read) {
    groups.forEach((group, g) => {
      group[name] = perGroup[perGroup.length === 1 ? 0 : g];
    });
  }
}

async function plain(value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  if (!(value instanceof Tensor)) return value;
  return value.size === 1 ? value.item() : value.detach();
}

/** Whether a value is a hyperparameter that can be learned: a number, a tensor, or several of them. */
const isReal = (value: unknown): boolean =>
  typeof value === "number" ||
  value instanceof Tensor ||
  (Array.isArray(value) && value.length > 0 && value.every(isReal));
