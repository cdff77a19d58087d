/**
 * Differentiable optimizers: an optimizer's own update rule, run on the tape.
 *
 * A step takes the gradient of a loss with respect to the present weights, and applies the rule to weights, gradients,
 * state and hyperparameters, all of them tensors on the tape. So what comes out can be differentiated with respect to
 * all that went in, through any number of steps. The *mode* says how much of this is recorded:
 *
 * - `"second-order"`: everything.
 * - `"first-order"`: the gradients are constants. New weights are still linked to the old ones and to the
 *   hyperparameters, through the rule.
 * - `"none"`: nothing. Each step's weights are leaves of their own.
 */

import { beginUpdate, grad, graphGroup, noGrad, type StepLoop } from "@loopgrad/autograd";
import { checkFits } from "@loopgrad/nn";
import { Optimizer, type ParamGroup, type State, type Updated } from "@loopgrad/optim";
import {
  ArgumentError,
  admit,
  currentScope,
  GradError,
  keep,
  LoopgradError,
  levelsOf,
  openLevels,
  ReleasedError,
  sameShape,
  scope,
  show,
  Tensor,
  type Value,
  watching,
} from "@loopgrad/tensor";
import { type FunctionalModule, pin, unpin } from "./functional-module.ts";
import { type Override, type Resolved, resolve } from "./override.ts";

/** How much of a step is recorded. */
export type Mode = "second-order" | "first-order" | "none";

/** A parameter and its gradient, as a callback sees them. `grad` is null where the loss does not depend on the parameter. */
export interface NamedGrad {
  name: string;
  param: Tensor;
  grad: Tensor | null;
}

/** Replaces the gradients before the rule sees them. What it computes is differentiated. */
export type GradCallback = (grads: readonly NamedGrad[]) => readonly (Tensor | null)[];

/** Options of {@link differentiable}. */
export interface DifferentiableOptions {
  /** Default "second-order". */
  mode?: Mode;
  /** Hyperparameters in place of the optimizer's. */
  override?: Override;
  gradCallback?: GradCallback;
  /** The functional module whose weights are updated. Without, `step` returns the new parameters only. */
  fmodel?: FunctionalModule;
  /** @internal Steps are taken by a checkpointed loop. */
  _wantsFunctions?: boolean;
}

/** Options of {@link DifferentiableOptimizer.step}. */
export interface StepOptions {
  /** The parameters to update. Default: the functional module's latest, or what the last step returned. */
  params?: readonly Tensor[];
  /** Over the constructor's, for this step. */
  override?: Override;
  /** In place of the constructor's, for this step. */
  gradCallback?: GradCallback;
  /** Keep the loss's graph for another walk. Default: in mode "second-order". */
  retainGraph?: boolean;
  /**
   * Parameters that the loss does not depend on are left alone; false makes them an error. Default: left alone, if the
   * loss depends on any; true allows that it depends on none.
   */
  allowUnused?: boolean;
}

/** What a step starts from. */
export interface StepFrom {
  readonly params: readonly Tensor[];
  readonly states: readonly State[];
  readonly groups: readonly Group[];
}

/** An optimizer of any kind. */
export type AnyOptimizer = Optimizer<object>;
type Group = ParamGroup<object> & Record<string, unknown>;

/**
 * An optimizer whose steps are differentiable, from the optimizer's present state, which is copied. Tensors among its
 * hyperparameters are used as they are: gradients flow to them.
 *
 * @param opt     holds (some of) the parameters
 * @param params  the parameters in the order in which steps take and return them, such as `model.parameters()`
 * @throws        ArgumentError if the optimizer holds a parameter that is not among them
 * @example       const diffopt = differentiable(opt, model.parameters(), { fmodel });
 */
export function differentiable(
  opt: object,
  params: readonly Tensor[],
  options: DifferentiableOptions = {},
): DifferentiableOptimizer {
  admit(
    arguments,
    "differentiable(opt: object, params: tensors, options?: { mode: string, override: object, gradCallback: function, fmodel: object, _wantsFunctions: boolean })",
  );
  for (
    let cls = opt.constructor;
    typeof cls === "function" && cls.prototype !== undefined;
    cls = Object.getPrototypeOf(cls)
  ) {
    const make = registered.get(cls);
    if (make !== undefined) return make(opt as never, params, options);
  }
  if (opt instanceof Optimizer) return new DifferentiableOptimizer(opt as AnyOptimizer, params, options);
  throw new ArgumentError(
    `differentiable: ${opt.constructor?.name ?? "the object"} has no update rule: make it a subclass of Optimizer, or registerDifferentiable`,
  );
}

type Make = (opt: never, params: readonly Tensor[], options: DifferentiableOptions) => DifferentiableOptimizer;
const registered = new Map<unknown, Make>();

/**
 * Says how to make optimizers of a class, and of its subclasses, differentiable. Needed only for a class that is not
 * written as an update rule, or wants another rule on the tape.
 */
export function registerDifferentiable<O extends object>(
  cls: abstract new (...args: never[]) => O,
  make: (opt: O, params: readonly Tensor[], options: DifferentiableOptions) => DifferentiableOptimizer,
): void {
  admit(arguments, "registerDifferentiable(cls: function, make: function)");
  registered.set(cls, make as Make);
}

/** See {@link differentiable}. */
export class DifferentiableOptimizer {
  /** Groups with their hyperparameters. They may be changed between steps, as by a schedule. */
  readonly paramGroups: Group[];
  readonly mode: Mode;
  readonly #opt: AnyOptimizer;
  readonly #handles: readonly Tensor[];
  readonly #indices: readonly (readonly number[])[];
  readonly #fmodel: FunctionalModule | null;
  readonly #override: Resolved | null;
  readonly #gradCallback: GradCallback | null;
  /** The vmaps inside which it was made. */
  readonly #levels = openLevels();
  /** State by parameter, held by handles outside every scope. */
  #states: State[] = [];
  /** Without a functional module: what the last step returned. */
  #latest: readonly Tensor[] | null = null;
  #disposed = false;
  /** Without a functional module: steps taken. */
  #steps = 0;
  readonly #wantsFunctions: boolean;
  /** @internal */ readonly _loop: StepLoop = { updates: 0, isLong: false };

  constructor(opt: AnyOptimizer, params: readonly Tensor[], options: DifferentiableOptions = {}) {
    admit(arguments, "DifferentiableOptimizer(opt: optimizer, params: tensors, options?: object)");
    const { mode = "second-order", override, gradCallback, fmodel, _wantsFunctions = false, ...rest } = options;
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new ArgumentError(`differentiable: unknown option ${unknown.join(", ")}`);
    if (mode !== "second-order" && mode !== "first-order" && mode !== "none") {
      throw new ArgumentError(`differentiable: mode ${String(mode)}: wanted "second-order", "first-order" or "none"`);
    }
    const place = new Map(params.map((param, i) => [param, i]));
    this.#indices = opt.paramGroups.map((group, g) =>
      group.params.map((param, i) => {
        const at = place.get(param);
        if (at !== undefined) return at;
        throw new ArgumentError(
          `differentiable: parameter ${i} of the optimizer's group ${g} is not among those given`,
        );
      }),
    );
    this.mode = mode;
    this.#opt = opt;
    this.#handles = params;
    this.#fmodel = fmodel ?? null;
    this.#wantsFunctions = _wantsFunctions;
    this.paramGroups = opt.paramGroups.map((group) => ({ ...group }) as Group);
    this.#override = override === undefined ? null : this.#resolve(override);
    this.#gradCallback = gradCallback ?? null;
    this.reset();
    watching()?.holders.add(this);
  }

  /** @internal For audits. */
  get _isHolding(): boolean {
    return !this.#disposed;
  }

  /** @internal */
  _holding(): { by: () => string; pins: Value[] } {
    const held = [...this.#states.flatMap((state) => Object.values(state)), ...(this.#latest ?? [])];
    const pins = held.flatMap((value) => (value instanceof Tensor ? [value._value] : []));
    return { by: () => "a differentiable optimizer", pins };
  }

  #resolve(override: Override): Resolved {
    const hyper = this.#opt.defaults as Record<string, unknown>;
    return resolve(override, hyper, this.paramGroups.length, this.#handles.length);
  }

  /** State back to the optimizer's present one. */
  reset(): void {
    admit(arguments, "DifferentiableOptimizer.reset()");
    this.#release();
    this.#states = this.#handles.map((param) => mapTensors(this.#opt.stateOf(param), constant));
  }

  /**
   * One step down the gradient of a loss.
   *
   * Parameters that need no gradient, are in no group, or are not used by the loss are left alone, with their state.
   *
   * @param loss  a scalar computed from the present parameters
   * @returns     the new parameters, all of them: the functional module's latest, or tensors of the current scope
   * @throws      GradError if the loss's graph was freed (`retainGraph` keeps it), or depends on no parameter
   */
  step(loss: Tensor, options: StepOptions = {}): Tensor[] {
    admit(
      arguments,
      "DifferentiableOptimizer.step(loss: any, options?: { params: tensors, override: object, gradCallback: function, retainGraph: boolean, allowUnused: boolean })",
    );
    if (this.#disposed) throw new ReleasedError("the differentiable optimizer was used after it was disposed of");
    if (this.#wantsFunctions) {
      throw new ArgumentError(
        "diffopt.step: a checkpointed loop computes its losses twice, so it wants a function: " +
          "loop.step(() => loss), or loop.run(k, (i) => loss)",
      );
    }
    const params = this.#params(options.params);
    const from = { params, states: this.#states, groups: this.paramGroups };
    const step = (): void => this.#adopt(params, this._updates(loss, from, options));
    scope(() => (this.mode === "none" ? noGrad(step) : step()));
    if (this._loop.updates > 1) params.at(0)?.device.seam();
    return this.#fmodel?.parameters() ?? (this.#latest as readonly Tensor[]).map(inScope);
  }

  /** @internal What a step makes of parameters and state; null for a parameter that is left alone. Changes neither. */
  _updates(loss: Tensor, from: StepFrom, options: StepOptions): (Updated | null)[] {
    const { override, gradCallback = this.#gradCallback, allowUnused = true } = options;
    const { params } = from;
    // One part of the graph when it is drawn.
    const number = this.#fmodel === null ? ++this.#steps : this.#fmodel.time + 1;
    return graphGroup(`step ${number}`, () => {
      const retainGraph = options.retainGraph ?? this.mode === "second-order";
      let grads = this.#grads(loss, params, retainGraph, allowUnused, options.allowUnused === undefined);
      if (gradCallback !== null) grads = this.#called(gradCallback, params, grads);
      beginUpdate(this._loop);
      return this.#applied(from, grads, override === undefined ? null : this.#resolve(override));
    });
  }

  #params(given: readonly Tensor[] | undefined): readonly Tensor[] {
    const params = given ?? this.#fmodel?.parameters() ?? this.#latest ?? this.#handles;
    if (params.length !== this.#handles.length) {
      throw new ArgumentError(`step: got ${params.length} parameters, wanted ${this.#handles.length}`);
    }
    return params;
  }

  #grads(
    loss: Tensor,
    params: readonly Tensor[],
    retainGraph: boolean,
    allowUnused: boolean,
    mustUse: boolean,
  ): (Tensor | null)[] {
    const places = this.#indices.flat().filter((i) => params[i].requiresGrad);
    const grads = new Array<Tensor | null>(params.length).fill(null);
    if (places.length === 0) return grads;
    const wanted = places.map((i) => params[i]);
    const createGraph = this.mode === "second-order";
    const found = grad(loss, wanted, { createGraph, retainGraph, allowUnused });
    if (mustUse && found.every((g) => g === null)) {
      throw new GradError(
        "step: the loss depends on none of the parameters: compute it with the functional module (fmodel.forward), " +
          "not with the model; { allowUnused: true } lets such a step do nothing",
      );
    }
    places.forEach((place, i) => {
      grads[place] = found[i];
    });
    return grads;
  }

  #called(callback: GradCallback, params: readonly Tensor[], grads: readonly (Tensor | null)[]): (Tensor | null)[] {
    const names = this.#fmodel?.names;
    const named = params.map((param, i) => ({ name: names?.[i] ?? String(i), param, grad: grads[i] }));
    const returned: unknown = callback(named);
    if (!Array.isArray(returned)) {
      const what = returned instanceof Promise ? "a promise" : String(returned);
      throw new ArgumentError(`gradCallback: returned ${what}: wanted an array of gradients, one for each parameter`);
    }
    const replaced = returned as (Tensor | null)[];
    if (replaced.length !== params.length) {
      throw new ArgumentError(`gradCallback: returned ${replaced.length} gradients for ${params.length} parameters`);
    }
    replaced.forEach((g, i) => {
      if (g !== null && !(g instanceof Tensor)) {
        throw new ArgumentError(`gradCallback: gradient ${i} is ${String(g)}: wanted a tensor or null`);
      }
      if (g !== null && !sameShape(g.shape, params[i].shape)) {
        throw new ArgumentError(
          `gradCallback: gradient ${i} is ${show(g.shape)}, the parameter ${show(params[i].shape)}`,
        );
      }
    });
    return replaced;
  }

  /** Runs the rule. */
  #applied(from: StepFrom, grads: readonly (Tensor | null)[], perStep: Resolved | null): (Updated | null)[] {
    const { params, states, groups } = from;
    const next = new Array<Updated | null>(params.length).fill(null);
    for (let g = 0; g < this.#indices.length; g++) {
      const group = groups[g];
      for (const i of this.#indices[g]) {
        const gradient = grads[i];
        if (gradient === null) continue;
        const hyper =
          this.#override === null && perStep === null
            ? group
            : { ...group, ...this.#override?.for(g, i), ...perStep?.for(g, i) };
        next[i] = this.update(params[i], gradient, states[i], hyper);
        checkFits("step: the new parameter", params[i], next[i].param);
      }
    }
    return next;
  }

  /** The rule: the optimizer's own. A registered subclass may give another. */
  protected update(param: Tensor, gradient: Tensor, state: State, hyper: object): Updated {
    return this.#opt.update(param, gradient, state, hyper);
  }

  /** Takes over the results: new state, new weights. */
  #adopt(params: readonly Tensor[], next: readonly (Updated | null)[]): void {
    const untracked = this.mode === "none";
    const fresh = params.map((param, i) => {
      const updated = next[i];
      if (updated === null) return param._share();
      this._setState(i, updated.state);
      // A rule may return a tensor that someone else holds, such as the parameter itself.
      const value = updated.param === param ? param._share() : keep(updated.param);
      return untracked ? value.requiresGrad_(true) : value;
    });
    if (this.#fmodel !== null) {
      this.#fmodel._advance(fresh);
      if (untracked) this.#fmodel._detachBuffers();
      return;
    }
    for (const param of fresh) pin(param);
    for (const param of this.#latest ?? []) drop(param);
    this.#latest = fresh;
  }

  /** @internal Replaces what the rule remembers of a parameter; it is held by handles of the optimizer's own. */
  _setState(i: number, state: State): void {
    for (const value of Object.values(state)) {
      if (!(value instanceof Tensor) || levelsOf(value).every((level) => this.#levels.includes(level))) continue;
      throw new LoopgradError(
        "a differentiable optimizer that was made outside of vmap would have state that differs from task to task: make it, " +
          "or the inner loop, inside the function that vmap runs",
      );
    }
    const before = this.#states[i];
    this.#states[i] = mapTensors(state, (tensor) => held(tensor._share()));
    dropAll(before);
  }

  /** What the rule remembers of a parameter, by its position. */
  stateOf(index: number): State {
    admit(arguments, "DifferentiableOptimizer.stateOf(index: number)");
    return this.#states[index];
  }

  /** @internal All tensors of the state. */
  _stateTensors(): Tensor[] {
    return this.#states.flatMap((state) => Object.values(state).filter((value) => value instanceof Tensor));
  }

  /** Truncates: the state becomes a constant for what follows. `fmodel.detach()` does the same for the weights. */
  detach(): void {
    admit(arguments, "DifferentiableOptimizer.detach()");
    for (let i = 0; i < this.#states.length; i++) {
      const before = this.#states[i];
      this.#states[i] = mapTensors(before, constant);
      dropAll(before);
    }
  }

  /** Copies the state to an optimizer over the same parameters, by default the one this was made from. */
  commitTo(opt: Pick<AnyOptimizer, "paramGroups" | "setState"> = this.#opt): void {
    admit(arguments, "DifferentiableOptimizer.commitTo(opt?: object)");
    if (opt instanceof Optimizer && opt.constructor !== this.#opt.constructor) {
      throw new ArgumentError(
        `commitTo: got ${opt.constructor.name}, whose state is another than that of ${this.#opt.constructor.name}`,
      );
    }
    const sizes = (groups: readonly { length: number }[]): string => groups.map(({ length }) => length).join(", ");
    const target = opt.paramGroups.map(({ params }) => params);
    if (sizes(target) !== sizes(this.#indices)) {
      throw new ArgumentError(`commitTo: groups of [${sizes(target)}] parameters, wanted [${sizes(this.#indices)}]`);
    }
    this.#indices.forEach((indices, g) => {
      for (const [i, index] of indices.entries()) opt.setState(target[g][i], this.#states[index]);
    });
  }

  /** Gives everything back that no graph still needs. */
  dispose(): void {
    admit(arguments, "DifferentiableOptimizer.dispose()");
    if (this.#disposed) return;
    this.#disposed = true;
    this.#release();
  }

  #release(): void {
    for (const state of this.#states) dropAll(state);
    for (const param of this.#latest ?? []) drop(param);
    this.#states = [];
    this.#latest = null;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @internal Another handle, which belongs to the current scope. */
export function inScope(tensor: Tensor): Tensor {
  const handle = tensor._share();
  currentScope()?._adopt(handle);
  return handle;
}

const mapTensors = (state: State, fn: (tensor: Tensor) => Tensor): State =>
  Object.fromEntries(Object.entries(state).map(([name, value]) => [name, value instanceof Tensor ? fn(value) : value]));

/** What the optimizer holds from step to step is stored at a flush: else the next one would compute it again. */
function held(tensor: Tensor): Tensor {
  pin(tensor);
  return tensor;
}

/** The tensor's value off the tape, held. */
const constant = (tensor: Tensor): Tensor => held(keep(tensor.detach()));

function drop(tensor: Tensor): void {
  unpin(tensor);
  tensor.dispose();
}

function dropAll(state: State): void {
  for (const value of Object.values(state)) if (value instanceof Tensor) drop(value);
}
