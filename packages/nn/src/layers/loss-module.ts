/**
 * What the modules of losses share: a function of nn.functional with its options fixed.
 */
import type { Tensor } from "@loopgrad/tensor";
import { Module } from "../module.ts";
import { withDefaults } from "../options.ts";

/** A loss of the tensors `Inputs`. */
export abstract class Loss<
  Options extends object,
  Inputs extends unknown[] = [input: Tensor, target: Tensor],
> extends Module {
  readonly #fn: (...args: [...Inputs, Options]) => Tensor;
  readonly #options: Options;

  constructor(
    who: string,
    fn: (...args: [...Inputs, Options]) => Tensor,
    known: readonly (keyof Options & string)[],
    options: Options,
  ) {
    super();
    const defaults = Object.fromEntries(known.map((name) => [name, undefined])) as Required<Options>;
    this.#options = withDefaults(who, defaults, options as Partial<Required<Options>>);
    this.#fn = fn;
  }

  override forward(...inputs: Inputs): Tensor {
    return this.#fn(...inputs, this.#options);
  }

  override extraRepr(): string {
    const given = Object.entries(this.#options).filter(([, value]) => value !== undefined);
    return given.map(([name, value]) => `${name}=${String(value)}`).join(", ");
  }
}
