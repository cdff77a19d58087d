/**
 * Differentiable optimizers from a class and its options, with no ordinary optimizer before them.
 */
import { Optimizer, type Params } from "@loopgrad/optim";
import { ArgumentError, admit, Tensor } from "@loopgrad/tensor";
import { type DifferentiableOptimizer, type DifferentiableOptions, differentiable } from "./differentiable.ts";
import type { FunctionalModule } from "./functional-module.ts";

/** Where {@link createDifferentiable} finds its parameters. */
export type Target<H> =
  | { params: Params<H> }
  | { fmodel: FunctionalModule; groups?: readonly ({ params: readonly string[] } & Partial<H>)[] };

/**
 * A differentiable optimizer with no ordinary one behind it: for plain tensors, or for a functional module.
 *
 * @param cls      a class of optimizers
 * @param options  its options
 * @param target   `params`: tensors, or groups of them; or `fmodel`, with groups by parameter names
 * @example
 * // Deep energy models: the prediction itself is optimized.
 * const diffopt = createDifferentiable(SGD, { lr: 0.1 }, { params: [y] });
 * for (let k = 0; k < 5; k++) [y] = diffopt.step(energy.forward(x, y).sum(), { params: [y] });
 */
export function createDifferentiable<H extends object>(
  cls: new (params: Params<H>, options: Partial<H>) => Optimizer<H>,
  options: Partial<H>,
  target: Target<H> & Pick<DifferentiableOptions, "mode" | "override" | "gradCallback">,
): DifferentiableOptimizer {
  admit(arguments, "createDifferentiable(cls: function, options: object, target: object)");
  if (!(cls.prototype instanceof Optimizer)) {
    throw new ArgumentError(`createDifferentiable: cls is ${cls.name || "a function"}: wanted a class of optimizers`);
  }
  const { mode, override, gradCallback } = target;
  const settings = { mode, override, gradCallback };
  if ("fmodel" in target) {
    const { fmodel, groups } = target;
    const handles = fmodel.module.parameters();
    const named = (name: string): Tensor => {
      const i = fmodel.names.indexOf(name);
      if (i < 0)
        throw new ArgumentError(`createDifferentiable: unknown parameter ${name}: wanted ${fmodel.names.join(", ")}`);
      return handles[i];
    };
    const params = groups?.map((group) => ({ ...group, params: group.params.map(named) }));
    return differentiable(new cls((params ?? handles) as Params<H>, options), handles, { ...settings, fmodel });
  }
  if (!isIterable(target.params)) {
    throw new ArgumentError(
      "createDifferentiable: the target has no params: wanted { fmodel } or { params: [tensor, …] }",
    );
  }
  const items = [...target.params];
  const handles = items.flatMap((item) => (item instanceof Tensor ? [item] : [...item.params]));
  return differentiable(new cls(items as Params<H>, options), handles, settings);
}

const isIterable = (value: unknown): boolean => typeof value === "object" && value !== null && Symbol.iterator in value;
