/**
 * Parametrizations: a parameter that is computed from others whenever it is read.
 *
 * A *parametrization* is a module whose forward maps one or more *originals*, which are learned, to the *value* that
 * the layer sees under the parameter's old name; several make a chain. Its *right inverse* finds originals for a given
 * value, so that a layer starts from the weights it had. As in torch the originals are members of the module
 * `parametrizations.NAME`: `original`, or `original0`, `original1`, … where there are several.
 *
 * The field becomes a getter. So the value follows the originals at every read: after an optimizer's step, under other
 * weights in a functional call, along the fast weights of an inner loop; and it is on the tape, to any order.
 */

import { noGrad } from "@loopgrad/autograd";
import { ArgumentError, admit, ShapeError, sameShape, scope, show, type Tensor } from "@loopgrad/tensor";
import { ModuleDict } from "../containers.ts";
import { substitute } from "../functional-call.ts";
import { type Member, Module } from "../module.ts";
import { Buffer, Parameter, type Slot } from "../slot.ts";

/** A map from originals to a value. */
export interface Parametrization extends Module {
  forward(...originals: Tensor[]): Tensor;
  /** Originals that give this value. A parameter that is returned as it came stays the same object. */
  rightInverse?(value: Tensor): Tensor | readonly Tensor[];
}

/** Originals of one parameter, and the chain of maps that makes it. */
export class ParametrizationList extends Module {
  readonly #originals: readonly Slot[];
  readonly #steps: Parametrization[];

  constructor(originals: readonly Slot[], first: Parametrization) {
    admit(arguments, "ParametrizationList(originals: tensors, first: module)");
    super();
    this.#originals = originals;
    this.#steps = [first];
  }

  override *members(): Generator<[string, Member]> {
    const several = this.#originals.length > 1;
    for (const [i, slot] of this.#originals.entries()) {
      yield [several ? `original${i}` : "original", slot as Parameter | Buffer];
    }
    for (const [i, step] of this.#steps.entries()) yield [String(i), step];
  }

  /** What the value is computed from. */
  get originals(): readonly Slot[] {
    return this.#originals;
  }

  /** Adds a map behind the others. */
  push(step: Parametrization): void {
    admit(arguments, "ParametrizationList.push(step: module)");
    this.#steps.push(step);
  }

  /** The value. */
  override forward(): Tensor {
    admit(arguments, "ParametrizationList.forward()");
    const [first, ...rest] = this.#steps;
    return rest.reduce<Tensor>((value, step) => step.forward(value), first.forward(...this.#originals));
  }

  /** Sets the originals so that the value becomes the given one, as far as the right inverses can. */
  assign(value: Tensor): void {
    admit(arguments, "ParametrizationList.assign(value: tensor)");
    using _scope = scope();
    using _mode = noGrad();
    const found = this.#steps.reduceRight<readonly Tensor[]>((values, step) => inverse(step, values[0]), [value]);
    for (const [i, slot] of this.#originals.entries()) slot.assign(found[i]);
  }
}

function inverse(step: Parametrization, value: Tensor): readonly Tensor[] {
  const found = step.rightInverse?.(value) ?? value;
  return Array.isArray(found) ? found : [found as Tensor];
}

type Fields = Record<string, unknown> & { parametrizations?: ModuleDict<ParametrizationList> };

/**
 * Has a parameter or buffer computed by a module, from now on. A second registration maps the first one's value.
 *
 * @param name  the field, or its name in state dicts: "weight", "inProjWeight" or "in_proj_weight"
 * @returns     the module
 * @throws      ArgumentError if there is no such field, ShapeError if the value would have another shape
 * @see         torch.nn.utils.parametrize.register_parametrization
 * @example
 * class Symmetric extends Module {
 *   override forward(x: Tensor): Tensor {
 *     return x.triu().add(x.triu(1).t());
 *   }
 * }
 * registerParametrization(layer, "weight", new Symmetric());
 */
export function registerParametrization<M extends Module>(module: M, name: string, step: Parametrization): M {
  admit(arguments, "registerParametrization(module: module, name: string, step: module)");
  const fields = module as unknown as Fields;
  const list = listOf(module, name);
  if (list !== null) {
    if (step.forward.length > 1) {
      throw new ArgumentError(
        `registerParametrization: ${name} is parametrized already, and ${step} makes it of ${step.forward.length} tensors: register it first`,
      );
    }
    checkShape(name, module, () => {
      const value = list.forward();
      return [value, step.forward(value)];
    });
    list.push(step);
    return module;
  }
  const field = fieldOf(module, name);
  const slot = fields[field] as Slot;
  const Kind = slot instanceof Parameter ? Parameter : Buffer;
  const originals = scope(() =>
    noGrad(() => inverse(step, slot)).map((x) =>
      x === slot ? slot : new Kind(x, { requiresGrad: slot.requiresGrad }),
    ),
  );
  const made = new ParametrizationList(originals, step).train(module.training);
  checkShape(name, made, () => [slot, made.forward()]);
  fields.parametrizations ??= new ModuleDict<ParametrizationList>().train(module.training);
  fields.parametrizations.set(module.stateName(field), made);
  Object.defineProperty(module, field, {
    get: () => made.forward(),
    set: (value: Tensor) => made.assign(value),
    configurable: true,
    enumerable: false,
  });
  return module;
}

/** Throws unless two values have one shape. Buffers that computing them changes are left as they were. */
function checkShape(name: string, module: Module, values: () => [before: Tensor, after: Tensor]): void {
  using _scope = scope();
  using _mode = noGrad();
  const [before, after] = substitute(module, {}, values).output;
  if (sameShape(before.shape, after.shape)) return;
  throw new ShapeError(
    `registerParametrization: ${name} is ${show(before.shape)}, the parametrization makes ${show(after.shape)}`,
  );
}

/** The field of a name, which holds a slot. */
function fieldOf(module: Module, name: string): string {
  const fields = module as unknown as Fields;
  const isSlot = (field: string): boolean => fields[field] instanceof Parameter || fields[field] instanceof Buffer;
  const known = Object.keys(module).filter(isSlot);
  const field = known.find((other) => other === name || module.stateName(other) === name);
  if (field !== undefined) return field;
  throw new ArgumentError(
    `registerParametrization: ${module.constructor.name} has no field ${name} with a parameter or buffer of its own: ` +
      `wanted one of ${known.join(", ") || "none"}`,
  );
}

/** How a parameter is computed; null if it is not. */
function listOf(module: Module, name: string): ParametrizationList | null {
  const { parametrizations } = module as unknown as Fields;
  if (!(parametrizations instanceof ModuleDict)) return null;
  const key = [name, module.stateName(name)].find((other) => parametrizations.has(other));
  return key === undefined ? null : parametrizations.get(key);
}

/** Whether a parameter of the module, or any, is computed. @see torch.nn.utils.parametrize.is_parametrized */
export function isParametrized(module: Module, name?: string): boolean {
  admit(arguments, "isParametrized(module: module, name?: string)");
  return name === undefined
    ? (module as unknown as Fields).parametrizations instanceof ModuleDict
    : listOf(module, name) !== null;
}

/**
 * Makes a computed parameter an ordinary one again. If an original has its shape, that parameter takes the place: an
 * optimizer that holds it goes on with it.
 *
 * @param options.leaveParametrized  it keeps its present value (default true); false: the original's, if there is one
 * @returns                          the module
 * @see                              torch.nn.utils.parametrize.remove_parametrizations
 */
export function removeParametrizations<M extends Module>(
  module: M,
  name: string,
  options: { leaveParametrized?: boolean } = {},
): M {
  admit(arguments, "removeParametrizations(module: module, name: string, options?: { leaveParametrized: boolean })");
  const { leaveParametrized = true } = options;
  const list = listOf(module, name);
  const fields = module as unknown as Fields;
  if (list === null || fields.parametrizations === undefined) {
    throw new ArgumentError(`removeParametrizations: ${name} of ${module.constructor.name} is not parametrized`);
  }
  const { originals } = list;
  if (!leaveParametrized && originals.length > 1) {
    throw new ArgumentError(
      `removeParametrizations: ${name} has ${originals.length} originals, none of which could take its place: ` +
        "leave it parametrized",
    );
  }
  const slot = scope(() => {
    if (!leaveParametrized) return originals[0];
    const value = noGrad(() => list.forward());
    const place = originals.findLast(
      (original) => sameShape(original.shape, value.shape) && original.dtype === value.dtype,
    );
    if (place === undefined) return new Parameter(value, { requiresGrad: originals.some((x) => x.requiresGrad) });
    place.assign(value);
    return place;
  });
  const field = Object.getOwnPropertyNames(module).find(
    (own) => own === name || module.stateName(own) === name,
  ) as string;
  Object.defineProperty(module, field, { value: slot, configurable: true, enumerable: true, writable: true });
  fields.parametrizations.delete(module.stateName(field));
  if (fields.parametrizations.length === 0) delete fields.parametrizations;
  return module;
}
