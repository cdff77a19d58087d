/**
 * Optimizers: an update rule, the parameters it is applied to, and the state it keeps.
 *
 * A *rule* is pure: `update(param, grad, state, hyper)` returns the new parameter and the new state, computed in tensor
 * operations. It changes nothing. `step()` runs it off the tape and assigns what comes out; `@loopgrad/higher` runs
 * the very same rule on the tape. So every optimizer can be differentiated, in its hyperparameters too.
 *
 * *Groups* are sets of parameters with their own hyperparameters. *State* is what a rule remembers of one parameter:
 * tensors (moving averages) and plain numbers (the step count). State dicts have torch's layout and names.
 *
 * A rule that is *elementwise* runs once for many parameters, on vectors of all their elements: see states.ts.
 */

import { enableGrad, noGrad } from "@loopgrad/autograd";
import { Buffer, checkFits, Parameter } from "@loopgrad/nn";
import {
  ArgumentError,
  admit,
  checkOptions,
  type Device,
  defineKind,
  handleLike,
  LoopgradError,
  levelsOf,
  openLevels,
  ShapeError,
  sameShape,
  show,
  syncScope,
  Tensor,
  type Value,
} from "@loopgrad/tensor";
import { checkVectors } from "./cohort.ts";
import type { Scalar } from "./scalar.ts";
import { States } from "./states.ts";

/** A hyperparameter: a scalar, a pair of scalars such as betas, or a flag. */
export type Hyperparameter = Scalar | readonly Scalar[] | boolean;

/** What a rule remembers of one parameter. Empty before its first step. */
export type State = Readonly<Record<string, Tensor | number>>;

/** What a rule returns. */
export interface Updated {
  param: Tensor;
  state: State;
}

/** Parameters, or groups of them with hyperparameters of their own. */
export type Params<H> = Iterable<Tensor> | Iterable<{ params: Iterable<Tensor> } & Partial<H>>;

/** Parameters that share hyperparameters. These may be changed between steps: `group.lr = 0.01`. */
export type ParamGroup<H> = { params: Tensor[] } & H;

/** Parameters of a group up to which each is updated by itself: often in the kernel that makes its gradient. */
const FEW = 4;

/**
 * Base class of optimizers. A subclass gives defaults to the constructor and a rule in `update`.
 *
 * @see      torch.optim.Optimizer
 * @example
 * class SignDescent extends Optimizer<{ lr: Scalar }> {
 *   static override readonly elementwise = true;
 *   constructor(params: Params<{ lr: Scalar }>, options: { lr?: Scalar } = {}) {
 *     super(params, options, { lr: 1e-3 });
 *   }
 *   override update(param: Tensor, grad: Tensor, state: State, { lr }: { lr: Scalar }): Updated {
 *     return { param: param.sub(grad.sign().mul(lr)), state };
 *   }
 * }
 */
export abstract class Optimizer<H extends object = Record<string, Hyperparameter>> {
  /**
   * Does `update` treat every element by itself, whatever the shape and whatever the other elements? Then a step runs it on
   * vectors of many parameters, in a number of kernels that does not grow with theirs. A rule that looks at a parameter
   * as a whole (its norm, its rows) must not say so.
   *
   * It speaks for the `update` of the class that sets it: a subclass with an `update` of its own says it again.
   */
  static readonly elementwise: boolean = false;

  readonly paramGroups: ParamGroup<H>[] = [];
  /** Hyperparameters of a group that does not give its own. */
  readonly defaults: Readonly<H>;
  readonly #states = new States();
  /** The value of a leaf that is no parameter before its present one. */
  readonly #before = new WeakMap<Tensor, Value>();

  constructor(params: Params<H>, options: Partial<H>, defaults: H) {
    admit(arguments, "Optimizer(params: iterable, options: object, defaults: object)");
    this.defaults = { ...defaults, ...this.#known(options, defaults) };
    this.validate(this.defaults as H);
    if (typeof params?.[Symbol.iterator] !== "function") {
      throw new ArgumentError(`${this.constructor.name}: got ${String(params)}, wanted parameters, or groups of them`);
    }
    const items = [...params] as (Tensor | { params: Iterable<Tensor> })[];
    if (items.length === 0) throw new ArgumentError(`${this.constructor.name}: got no parameters`);
    const groups = items.every((item) => item instanceof Tensor) ? [{ params: items }] : items;
    for (const group of groups) {
      if (group instanceof Tensor) {
        throw new ArgumentError(`${this.constructor.name}: got parameters among groups: wanted one or the other`);
      }
      this.addParamGroup(group as { params: Iterable<Tensor> } & Partial<H>);
    }
  }

  /**
   * The rule: from a parameter, its gradient and its state to their successors. Pure, and differentiable.
   *
   * Decide by what a hyperparameter *is* (`isPresent`), never by the value of a tensor.
   *
   * @param param  the parameter's value
   * @param grad   of its shape
   * @param state  what the last call returned; empty at first
   * @param hyper  the group's hyperparameters
   */
  abstract update(param: Tensor, grad: Tensor, state: State, hyper: H): Updated;

  /** Names of numeric hyperparameters that count something, and have no derivative. */
  get counts(): readonly string[] {
    return [];
  }

  /** Throws for hyperparameters that make no sense. Tensors are not looked at. */
  protected validate(_hyper: H): void {}

  /** The options that were given, if all of them exist. */
  #known(options: Partial<H>, defaults: H = this.defaults as H): Partial<H> {
    checkOptions(this.constructor.name, options, Object.keys(defaults));
    for (const [name, value] of Object.entries(options)) {
      const isFlag = typeof defaults[name as keyof H] === "boolean";
      if (!isFlag || value === undefined || typeof value === "boolean") continue;
      throw new ArgumentError(`${this.constructor.name}: ${name} is ${String(value)}, wanted true or false`);
    }
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<H>;
  }

  /** Adds parameters with hyperparameters of their own. */
  addParamGroup(group: { params: Iterable<Tensor> } & Partial<H>): void {
    admit(arguments, "Optimizer.addParamGroup(group: object)");
    const { params: given, ...options } = group;
    if (typeof given?.[Symbol.iterator] !== "function") {
      throw new ArgumentError(
        `${this.constructor.name}: wanted parameters, or groups { params: [...] }, got ${String(group)}`,
      );
    }
    const params = [...given];
    const taken = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const [i, param] of params.entries()) {
      if (!(param instanceof Tensor))
        throw new ArgumentError(`${this.constructor.name}: parameter ${i} is not a tensor`);
      if (taken.has(param)) throw new ArgumentError(`${this.constructor.name}: parameter ${i} appears twice`);
      taken.add(param);
    }
    const hyper = { ...this.defaults, ...this.#known(options as Partial<H>) } as H;
    this.validate(hyper);
    this.paramGroups.push({ params, ...hyper });
  }

  /**
   * Updates every parameter that has a gradient, and submits the work. The others and their state are left alone.
   *
   * A plain tensor that is a leaf of the tape is updated as a Parameter is: its handle stands for the new value.
   *
   * @param closure  computes the loss and its gradients anew: called first, with gradients on
   * @returns        what the closure returned
   * @throws         LoopgradError for a parameter that was computed on the tape
   * @see            torch.optim.Optimizer.step
   * @example        const loss = opt.step(() => { opt.zeroGrad(); const l = lossOf(model); l.backward(); return l; });
   */
  step(): void;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | undefined {
    admit(arguments, "Optimizer.step(closure?: function)");
    if (closure !== undefined && typeof closure !== "function") {
      throw new ArgumentError(`${this.constructor.name}.step: got ${String(closure)}, wanted a function, or nothing`);
    }
    const loss = closure === undefined ? undefined : enableGrad(closure);
    if (loss instanceof Promise) {
      loss.catch(() => {});
      throw new ArgumentError(`${this.constructor.name}.step: the closure is async: wanted one that returns the loss`);
    }
    this.#update();
    return loss;
  }

  #update(): void {
    const devices = new Set<Device>();
    {
      using _scope = syncScope();
      using _mode = noGrad();
      // First everything is computed, then assigned: a rule that fails changes nothing.
      const assignments: (() => void)[] = [];
      for (const group of this.paramGroups) {
        const active: Parameter[] = [];
        const leaves: Tensor[] = [];
        for (const param of group.params) {
          if (param._grad === null) continue;
          devices.add(param.device);
          if (param instanceof Parameter) active.push(param);
          else if (param.isLeaf) leaves.push(param);
          else throw this.#computed();
        }
        const isTogether = active.length > FEW && this.#isElementwise() && suitsAll(group);
        const { together, alone } = isTogether ? this.#states.divide(active) : { together: [], alone: active };
        for (const params of together) assignments.push(this.#updatedTogether(params, group));
        for (const param of alone) {
          const updated = this.update(param, param._grad as Tensor, this.stateOf(param), group);
          assignments.push(() => {
            param.assign(updated.param);
            this.setState(param, updated.state);
          });
        }
        for (const leaf of leaves) assignments.push(this.#updatedLeaf(leaf, group));
      }
      for (const assign of assignments) assign();
    }
    for (const device of devices) device.flush();
  }

  /** Runs the rule once for parameters that step together. Returns what assigns the result. */
  #updatedTogether(params: readonly Parameter[], group: ParamGroup<H>): () => void {
    const { cohort, state } = this.#states.cohortOf(params);
    const values = cohort.values();
    const updated = this.update(values, cohort.grads(), state, group);
    checkVectors(this.constructor.name, values.size, updated);
    return () => {
      this.#states.join(cohort);
      cohort.adopt(updated);
    };
  }

  /** What the class says that defines `update`, or a class below it. */
  #isElementwise(): boolean {
    if (Object.hasOwn(this, "update")) return false;
    for (let type = this.constructor as typeof Optimizer; type !== Optimizer; type = Object.getPrototypeOf(type)) {
      if (Object.hasOwn(type, "elementwise")) return type.elementwise;
      if (Object.hasOwn(type.prototype, "update")) return false;
    }
    return false;
  }

  /** Runs the rule for a plain tensor. Returns what rebinds its handle. */
  #updatedLeaf(leaf: Tensor, group: ParamGroup<H>): () => void {
    if (levelsOf(leaf).length < openLevels().length) {
      throw new LoopgradError(
        `${this.constructor.name}: inside vmap a tensor that all tasks share would be updated once, not once a task: ` +
          "give a leaf of each task's own, made inside, or step outside",
      );
    }
    const { param, state } = this.update(leaf, leaf._grad as Tensor, this.stateOf(leaf), group);
    checkFits(this.constructor.name, leaf, param);
    return () => {
      const old = leaf._value;
      leaf._rebind(param._live());
      // As a Parameter's: what was computed two values ago, and neither read nor stored, goes.
      const older = this.#before.get(leaf);
      older?.device.lapse(older);
      this.#before.set(leaf, old);
      this.setState(leaf, state);
    };
  }

  #computed(): LoopgradError {
    return new LoopgradError(
      `${this.constructor.name}: a tensor computed on the tape cannot be updated in place: give the leaf that it was ` +
        "computed from, make it a Parameter, or step on the tape",
    );
  }

  /** Drops the gradients of all parameters. */
  zeroGrad(): void {
    admit(arguments, "Optimizer.zeroGrad()");
    for (const { params } of this.paramGroups) {
      for (const param of params) param.grad = null;
    }
  }

  /** What the rule remembers of a parameter. Its tensors belong to the current scope, or change with the next step. */
  stateOf(param: Tensor): State {
    admit(arguments, "Optimizer.stateOf(param: tensor)");
    return this.#states.of(param);
  }

  /** Replaces what the rule remembers of a parameter. Tensors are kept by value, off the tape. */
  setState(param: Tensor, state: State): void {
    admit(arguments, "Optimizer.setState(param: tensor, state: object)");
    for (const [name, value] of Object.entries(state)) {
      if (!(value instanceof Tensor) || levelsOf(value).every((level) => levelsOf(param).includes(level))) continue;
      throw new LoopgradError(
        `${this.constructor.name}.setState: ${name} differs from task to task of a vmap, and the parameter is the same for ` +
          "all: commit state outside of vmap",
      );
    }
    this.#states.set(param, state);
  }

  /** Gives back the state's storage. The optimizer then starts anew. */
  dispose(): void {
    admit(arguments, "Optimizer.dispose()");
    this.#states.clear();
  }

  // ---- state dicts ---------------------------------------------------------------------------------------------

  /**
   * State and hyperparameters in torch's layout: parameters go by their position over all groups.
   * Tensors belong to the current scope, and stay as they are when the optimizer steps on.
   */
  stateDict(): OptimizerStateDict {
    admit(arguments, "Optimizer.stateDict()");
    const state: OptimizerStateDict["state"] = {};
    const groups: OptimizerStateDict["paramGroups"] = [];
    let index = 0;
    for (const { params, ...hyper } of this.paramGroups) {
      const indices = params.map((param, i) => {
        const remembered = Object.entries(this.stateOf(param));
        if (remembered.length > 0) state[index + i] = renamed(remembered, snakeCase);
        return index + i;
      });
      index += params.length;
      groups.push({ ...renamed(Object.entries(hyper), snakeCase), params: indices });
    }
    return { state, paramGroups: groups };
  }

  /** Takes over state and hyperparameters, by position. */
  loadStateDict(dict: OptimizerStateDict): void {
    admit(arguments, "Optimizer.loadStateDict(dict: object)");
    const sizes = (groups: { params: unknown[] }[]): string => groups.map(({ params }) => params.length).join(", ");
    if (sizes(dict.paramGroups) !== sizes(this.paramGroups)) {
      throw new ArgumentError(
        `loadStateDict: groups of [${sizes(dict.paramGroups)}] parameters were given, wanted [${sizes(this.paramGroups)}]`,
      );
    }
    const loaded = dict.paramGroups.map(({ params, ...hyper }) => {
      const known = this.#known(renamed(Object.entries(hyper), camelCase) as Partial<H>);
      this.validate({ ...this.defaults, ...known } as H);
      return { known, params };
    });
    if (this.#isElementwise()) this.#checkShapes(dict);
    for (const [g, { known, params }] of loaded.entries()) {
      const group = this.paramGroups[g];
      Object.assign(group, known);
      for (const [i, key] of params.entries()) {
        const remembered = dict.state[key] ?? {};
        this.setState(group.params[i], renamed(Object.entries(remembered), camelCase) as State);
      }
    }
  }

  /** Throws for state that an elementwise rule cannot have: each tensor is a scalar or of its parameter's shape. */
  #checkShapes({ state, paramGroups }: OptimizerStateDict): void {
    for (const [g, { params }] of paramGroups.entries()) {
      for (const [i, key] of params.entries()) {
        const { shape } = this.paramGroups[g].params[i];
        for (const [name, value] of Object.entries(state[key] ?? {})) {
          if (!(value instanceof Tensor) || value.size === 1 || sameShape(value.shape, shape)) continue;
          throw new ShapeError(
            `loadStateDict: ${name} of parameter ${key} is ${show(value.shape)}, the parameter ${show(shape)}`,
          );
        }
      }
    }
  }

  /** The groups with their hyperparameters. */
  toString(): string {
    const groups = this.paramGroups.map(({ params, ...hyper }, i) => {
      const lines = Object.entries(hyper).map(([name, value]) => `  ${name}: ${String(value)}`);
      return `Group ${i} (${params.length} parameters)\n${lines.join("\n")}`;
    });
    return `${this.constructor.name} (\n${groups.join("\n")}\n)`;
  }
}

/** An optimizer's state in torch's layout, with torch's names (`exp_avg`, `weight_decay`). */
export interface OptimizerStateDict {
  state: Record<number, Record<string, Tensor | number>>;
  paramGroups: ({ params: number[] } & Record<string, unknown>)[];
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const camelCase = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Entries under other names; slots as plain tensors. */
function renamed<T>(entries: [string, T][], rename: (name: string) => string): Record<string, T> {
  return Object.fromEntries(
    entries.map(([name, value]) => [
      rename(name),
      value instanceof Buffer ? (handleLike(value, value._live()) as T) : value,
    ]),
  );
}

/** Can all hyperparameters be used with a vector of many parameters? Not one with a value for each element. */
function suitsAll({ params: _, ...hyper }: { params: readonly Tensor[] }): boolean {
  return Object.values(hyper)
    .flat()
    .every((value) => !(value instanceof Tensor) || value.rank === 0);
}

/** Throws unless a number lies in [low, high). Tensors pass. */
export function checkRange(
  who: string,
  name: string,
  value: Scalar | undefined,
  low = 0,
  high = Number.POSITIVE_INFINITY,
): void {
  if (value instanceof Tensor) return;
  const fits = typeof value === "number" && value >= low && (value < high || high === Number.POSITIVE_INFINITY);
  if (fits) return;
  const wanted = high === Number.POSITIVE_INFINITY ? `>= ${low}` : `in [${low}, ${high})`;
  throw new ArgumentError(`${who}: ${name} is ${String(value)}, wanted a number ${wanted}, or a tensor`);
}

defineKind("optimizer", "an optimizer", (value) => value instanceof Optimizer);
