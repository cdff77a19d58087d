/**
 * Containers: modules made of modules. Their items are named by index or key, as in torch.
 */
import { ArgumentError, type Tensor } from "@loopgrad/tensor";
import { type Member, Module } from "./module.ts";

/** A module of one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/**
 * Modules run one after the other.
 *
 * @see      torch.nn.Sequential
 * @example  const model = new Sequential(new Linear(2, 16), new ReLU(), new Linear(16, 1));
 */
export class Sequential extends Module {
  readonly #layers: Layer[];

  constructor(...layers: Layer[]) {
    super();
    this.#layers = layers;
  }

  override *members(): Generator<[string, Member]> {
    for (let i = 0; i < this.#layers.length; i++) yield [String(i), this.#layers[i]];
    yield* super.members();
  }

  override forward(x: Tensor): Tensor {
    let y = x;
    for (const layer of this.#layers) y = layer.forward(y);
    return y;
  }

  get length(): number {
    return this.#layers.length;
  }

  /** The i-th module; negative indices count from the end. */
  at(index: number): Layer {
    const layer = this.#layers.at(index);
    if (layer === undefined) throw new ArgumentError(`Sequential: index ${index}: there are ${this.length} modules`);
    return layer;
  }

  [Symbol.iterator](): IterableIterator<Layer> {
    return this.#layers.values();
  }
}

/**
 * A list of modules, to be run by its owner.
 *
 * @see torch.nn.ModuleList
 */
export class ModuleList<M extends Module = Module> extends Module {
  readonly #items: M[];

  constructor(items: Iterable<M> = []) {
    super();
    this.#items = [...items];
  }

  override *members(): Generator<[string, Member]> {
    for (let i = 0; i < this.#items.length; i++) yield [String(i), this.#items[i]];
  }

  get length(): number {
    return this.#items.length;
  }

  /** The i-th module; negative indices count from the end. */
  at(index: number): M {
    const item = this.#items.at(index);
    if (item === undefined) throw new ArgumentError(`ModuleList: index ${index}: there are ${this.length} modules`);
    return item;
  }

  push(...items: M[]): this {
    this.#items.push(...items);
    return this;
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#items.values();
  }
}
