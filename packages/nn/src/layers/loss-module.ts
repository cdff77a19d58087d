/**
 * What the modules of losses share: a function of nn.functional with its options fixed.
 *
 * A tensor among the options (class weights) becomes a buffer, under torch's name: it is part of the state dict and
 * moves with the model. One that requires a gradient, as in meta-learning of class weights, stays what it is: gradients
 * flow to it, and the state dict leaves it to its owner.
 */
import { Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";
import { snakeCase } from "../repr.ts";
import { Buffer } from "../slot.ts";

// What the class keeps for itself: a copy takes it along, and no list of fields shows it. The fields are declared and not
// defined, for to bundlers a computed name is an effect.
const FN = Symbol("fn");
const OPTIONS = Symbol("options");

/** A loss of the tensors `Inputs`. */
export abstract class Loss<
  Options extends object,
  Inputs extends unknown[] = [input: Tensor, target: Tensor],
> extends Module {
  private readonly [FN]: (...args: [...Inputs, Options]) => Tensor;
  declare private readonly [OPTIONS]: Options;

  constructor(
    who: string,
    fn: (...args: [...Inputs, Options]) => Tensor,
    known: readonly (keyof Options & string)[],
    options: Options,
  ) {
    super();
    const defaults = Object.fromEntries(known.map((name) => [name, undefined])) as Required<Options>;
    const given: Record<string, unknown> = { ...withDefaults(who, defaults, options as Partial<Required<Options>>) };
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) delete given[name];
      else if (value instanceof Tensor && !value.requiresGrad) {
        given[name] = this.register(snakeCase(name), new Buffer(value));
      }
    }
    this[OPTIONS] = given as Options;
    this[FN] = fn;
  }

  override forward(...inputs: Inputs): Tensor {
    return this[FN](...inputs, this[OPTIONS]);
  }
}
