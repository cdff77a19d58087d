/**
 * Functional modules: a module whose parameters are values that change in time.
 *
 * The *fast weights* are a list of tensors, in the order of `module.parameters()`. *Time* counts updates: at time 0
 * they are the *initial* ones, made from the module's own parameters; each `update` adds a time. Buffers are
 * functional too: what a forward assigns to them is seen by the next forward, and the module's own stay as they are.
 *
 * Time 0 comes in two kinds. *Connected*: images of the module's parameters, so that an outer `backward()` fills
 * the module's `.grad`, as MAML wants. *Detached*: leaves of their own.
 *
 * A functional module holds its tensors by handles outside every scope, and gives them back when it is disposed of.
 */

import { disposeRecalled, enableGrad, heldValues, image, recall, runsAround, timeMark } from "@loopgrad/autograd";
import { type Buffer, checkFits, type Module, type Parameter, type Slot } from "@loopgrad/nn";
import {
  ArgumentError,
  admit,
  GradError,
  keep,
  LoopgradError,
  levelsOf,
  openLevels,
  ReleasedError,
  type Tensor,
  type Value,
  watching,
  withStandIns,
} from "@loopgrad/tensor";
import { PlainTensors } from "./plain-tensors.ts";

/** How the weights at time 0 relate to the module's. */
export type Initial = "connected" | "detached";

/** Options of {@link functionalize}. */
export interface FunctionalizeOptions {
  /** Default "connected". */
  initial?: Initial;
  /** Which weights `parameters({ time })` can give. Default "all". */
  history?: History;
}

/** Which weights are kept: of every time, or of time 0 and the latest only. */
export type History = "all" | "ends";

type Args<M extends Module> = Parameters<M["forward"]>;
type Output<M extends Module> = ReturnType<M["forward"]>;

/**
 * The functional form of a module. The module is neither copied nor changed; its training mode is shared.
 *
 * @throws   LoopgradError if the module holds a plain tensor that requires a gradient: it would be shared silently
 * @example
 * const fmodel = functionalize(model);
 * const gs = grad(loss(fmodel.forward(x), y), fmodel.parameters(), { createGraph: true });
 * fmodel.update(fmodel.parameters().map((p, i) => p.sub(gs[i].mul(0.1))));
 */
export function functionalize<M extends Module>(module: M, options: FunctionalizeOptions = {}): FunctionalModule<M> {
  admit(arguments, "functionalize(module: module, options?: { initial: string, history: string })");
  return new FunctionalModule(module, options);
}

/** See {@link functionalize}. */
export class FunctionalModule<M extends Module = Module> {
  /** Names of the parameters, in the order of every list of them. */
  readonly names: readonly string[];
  readonly bufferNames: readonly string[];
  readonly #parameters: readonly Parameter[];
  readonly #bufferSlots: readonly Buffer[];
  readonly #slots: readonly Slot[];
  readonly #initial: Initial;
  readonly #historyKept: History;
  readonly #fields: PlainTensors;
  /** The vmaps inside which it was made. */
  readonly #levels = openLevels();
  /** When it was made: a checkpointed function that is older recalls it as it then was. */
  #born = timeMark();
  /** Within `_during`. */
  #borrowed = false;
  #time = 0;
  /** When each time began, in the tape's count; the last is open. */
  #marks: number[] = [];
  /** Weights by time, where they are kept. */
  #history = new Map<number, readonly Tensor[]>();
  /** What the slots stand for: the latest weights, then the buffers. */
  #standIns: Tensor[] = [];
  readonly #yielded = new Set<Tensor>();
  #disposed = false;

  constructor(
    readonly module: M,
    options: FunctionalizeOptions = {},
  ) {
    admit(arguments, "FunctionalModule(module: module, options?: object)");
    const { initial = "connected", history = "all", ...rest } = options;
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new ArgumentError(`functionalize: unknown option ${unknown.join(", ")}`);
    if (initial !== "connected" && initial !== "detached") {
      throw new ArgumentError(`functionalize: initial is ${String(initial)}, wanted "connected" or "detached"`);
    }
    if (history !== "all" && history !== "ends") {
      throw new ArgumentError(`functionalize: history is ${String(history)}, wanted "all" or "ends"`);
    }
    const parameters = module.namedParameters();
    const buffers = module.namedBuffers();
    this.names = parameters.map(([name]) => name);
    this.bufferNames = buffers.map(([name]) => name);
    this.#parameters = parameters.map(([, parameter]) => parameter);
    this.#bufferSlots = buffers.map(([, buffer]) => buffer);
    this.#slots = [...this.#parameters, ...this.#bufferSlots];
    this.#initial = initial;
    this.#historyKept = history;
    this.#fields = new PlainTensors(module);
    this.#start();
    watching()?.holders.add(this);
  }

  /** @internal For audits. */
  get _isHolding(): boolean {
    return !this.#disposed;
  }

  /** @internal */
  _holding(): { by: () => string; pins: Value[] } {
    return { by: () => "a functional module", pins: this.#standIns.map((tensor) => tensor._value) };
  }

  #start(): void {
    this.#marks = [timeMark()];
    const connected = this.#initial === "connected";
    const first = enableGrad(() =>
      this.#parameters.map((p) =>
        keep(connected && p.requiresGrad ? image(p) : p.detach().requiresGrad_(p.requiresGrad)),
      ),
    );
    this.#time = 0;
    this.#history = new Map([[0, first]]);
    this.#stand([...first, ...this.#bufferSlots.map((buffer) => keep(buffer.detach()))]);
  }

  /** Lets tensors stand in for the slots, from a place on. A flush stores what stands in, so that no step is computed twice. */
  #stand(tensors: readonly Tensor[], first = 0): void {
    for (const [i, tensor] of tensors.entries()) {
      this.#wantOwn(tensor);
      const before = this.#standIns[first + i];
      pin(tensor);
      if (before !== undefined) unpin(before);
      this.#standIns[first + i] = tensor;
    }
  }

  /** Throws for a tensor of the tasks of a vmap that began after this was made: outside, they would be gone. */
  #wantOwn(tensor: Tensor): void {
    if (levelsOf(tensor).every((level) => this.#levels.includes(level))) return;
    throw new LoopgradError(
      "a functional module that was made outside of vmap would have weights or buffers that differ from task to task: make it, or " +
        "the inner loop, inside the function that vmap runs",
    );
  }

  // ---- running ---------------------------------------------------------------------------------------------------

  /** The module's forward, with the latest weights. */
  forward(...args: Args<M>): Output<M> {
    admit(arguments, "FunctionalModule.forward(...args: any)");
    return this.call((module) => module.forward(...(args as never[])) as Output<M>);
  }

  /**
   * Runs any function of the module with the latest weights: a submodule, a method of the user's.
   *
   * @param fn  may be async: other code that runs meanwhile sees the module as it is
   * @throws   LoopgradError if the function assigned a plain tensor to a field of a module
   * @example  const h = fmodel.call((m) => m.encoder.forward(x));
   */
  call<T>(fn: (module: M) => T): T {
    admit(arguments, "FunctionalModule.call(fn: function)");
    this.#alive();
    const standIns = recall(this.#born, () => [...this.#standIns]);
    return withStandIns(
      this.#slots,
      standIns,
      () => fn(this.module),
      (_, standIn) => {
        this.#fields.check();
        // A checkpointed function that runs again assigned them the first time.
        if (runsAround(this.#born) !== "again") this._setBuffers(this.#bufferSlots.map(standIn));
      },
    );
  }

  #setBuffer(place: number, tensor: Tensor): void {
    const before = this.#standIns[place];
    if (tensor === before) return;
    this.#stand([tensor._share()], place);
    disposeRecalled(this.#born, before);
  }

  /**
   * The functional module with other weights: nothing persists, no time is added. Buffers assigned meanwhile are
   * dropped.
   *
   * @param params  all of them in order, or some by name, the others at their latest
   */
  withParams(params: readonly Tensor[] | Readonly<Record<string, Tensor>>): FunctionalView<M> {
    admit(arguments, "FunctionalModule.withParams(params: tensors|object)");
    this.#alive();
    const weights = this.#complete("withParams", params);
    const standIns = [...weights, ...recall(this.#born, () => this.#standIns.slice(weights.length))];
    const call = <T>(fn: (module: M) => T): T => {
      this.#alive();
      return withStandIns(
        this.#slots,
        standIns,
        () => fn(this.module),
        () => this.#fields.check(),
      );
    };
    return { call, forward: (...args) => call((module) => module.forward(...(args as never[])) as Output<M>) };
  }

  // ---- weights by time -------------------------------------------------------------------------------------------

  /** The latest time: how many updates there were. */
  get time(): number {
    return this.#time;
  }

  /**
   * The weights at a time, in the order of `names`. They belong to the functional module and are released with it;
   * `detach()` gives tensors that outlive it.
   *
   * @param options.time  0: initial; −1 (default): latest
   * @throws              RangeError for a time that has not been, or was not kept
   */
  parameters(options: { time?: number } = {}): Tensor[] {
    admit(arguments, "FunctionalModule.parameters(options?: { time: number })");
    this.#alive();
    const { time = -1 } = options;
    return recall(this.#born, () => this.#parametersAt(time));
  }

  #parametersAt(time: number): Tensor[] {
    const latest = this.#time;
    const at = time === -1 ? latest : time;
    if (!Number.isInteger(at) || at < 0 || at > latest) {
      throw new RangeError(`parameters: time ${time}: wanted an integer from 0 to ${latest}, or -1 for the latest`);
    }
    const params = this.#history.get(at);
    if (params === undefined) {
      throw new RangeError(
        `parameters: the weights at time ${at} were not kept, only those at 0 and ${latest}: ask for { history: "all" }`,
      );
    }
    return [...params];
  }

  /** Names and weights at a time. */
  namedParameters(options: { time?: number } = {}): [string, Tensor][] {
    admit(arguments, "FunctionalModule.namedParameters(options?: { time: number })");
    return this.parameters(options).map((param, i) => [this.names[i], param]);
  }

  /** The latest weights. */
  get fastParams(): Tensor[] {
    return this.parameters();
  }

  /** The weights at time 0: with `initial: "detached"` these are what meta-gradients are asked for. */
  get initialParams(): Tensor[] {
    return this.parameters({ time: 0 });
  }

  /**
   * Adds a time with new weights.
   *
   * @param params  all of them in order, or some by name, the others unchanged
   * @throws        ArgumentError for a wrong number or an unknown name, ShapeError for a wrong shape
   */
  update(params: readonly Tensor[] | Readonly<Record<string, Tensor>>): void {
    this.#alive();
    this._advance(this.#complete("update", params).map((param) => param._share()));
  }

  /** @internal Adds a time, taking over the handles. */
  _advance(params: readonly Tensor[]): void {
    this.#changeable();
    if (runsAround(this.#born) !== null) {
      throw new GradError(
        "checkpoint: fn updates the weights of a functional model that was there before it, and would do so twice: " +
          "checkpoint the inner loop itself, innerLoop(model, opt, { checkpoint })",
      );
    }
    this.#stand(params);
    const latest = this.#time++;
    this.#marks.push(timeMark());
    if (this.#historyKept === "ends" && latest > 0) {
      for (const param of this.#history.get(latest) ?? []) param.dispose();
      this.#history.delete(latest);
    }
    this.#history.set(this.#time, params);
  }

  #complete(what: string, params: readonly Tensor[] | Readonly<Record<string, Tensor>>): Tensor[] {
    const count = this.names.length;
    let complete: Tensor[];
    if (Array.isArray(params)) {
      if (params.length !== count) throw new ArgumentError(`${what}: got ${params.length} tensors, wanted ${count}`);
      complete = [...params];
    } else {
      complete = recall(this.#born, () => this.#standIns.slice(0, count));
      for (const [name, tensor] of Object.entries(params as Readonly<Record<string, Tensor>>)) {
        const i = this.names.indexOf(name);
        if (i < 0) throw new ArgumentError(`${what}: unknown parameter ${name}: wanted ${this.names.join(", ")}`);
        complete[i] = tensor;
      }
    }
    for (let i = 0; i < count; i++) checkFits(`${what}: ${this.names[i]}`, this.#parameters[i], complete[i]);
    return complete;
  }

  /** The buffers by name, as the last forward left them. */
  get buffers(): Record<string, Tensor> {
    this.#alive();
    return Object.fromEntries(this._bufferList().map((buffer, i) => [this.bufferNames[i], buffer]));
  }

  /**
   * @internal The values that are held for the weights, the buffers, and backward from them and from the tensors given:
   * each once, with the time at which it came.
   */
  _held(others: readonly Tensor[]): { value: Value; time: number }[] {
    const held = new Map<Value, number>();
    const note = (value: Value, time: number): void => {
      if (!held.has(value)) held.set(value, time);
    };
    for (const param of this.#history.get(0) ?? []) note(param._live(), 0);
    const tensors = [...this.#standIns, ...others];
    let time = 0;
    for (const { value, at } of heldValues(tensors, this.#marks[0])) {
      while (time < this.#time && at > this.#marks[time + 1]) time++;
      note(value, Math.min(time + 1, this.#time));
    }
    for (const [at, params] of this.#history) for (const param of params) note(param._live(), at);
    for (const tensor of tensors) note(tensor._live(), this.#time);
    return Array.from(held, ([value, at]) => ({ value, time: at }));
  }

  /** @internal The module's own parameters, in the order of `names`. */
  get _handles(): readonly Parameter[] {
    return this.#parameters;
  }

  /** @internal */
  _bufferList(): Tensor[] {
    return this.#standIns.slice(this.names.length);
  }

  /** @internal */
  _setBuffers(buffers: readonly Tensor[]): void {
    for (const [i, buffer] of buffers.entries()) this.#setBuffer(this.names.length + i, buffer);
  }

  /**
   * Truncates: the latest weights and the buffers become constants for what follows. The weights are new leaves, at
   * the same time.
   */
  detach(): void {
    admit(arguments, "FunctionalModule.detach()");
    this.#changeable();
    const old = this.#history.get(this.#time) as readonly Tensor[];
    const fresh = old.map((param) => keep(param.detach().requiresGrad_(param.requiresGrad)));
    this.#stand(fresh);
    for (const param of old) param.dispose();
    this.#history.set(this.#time, fresh);
    this._detachBuffers();
  }

  /** @internal */
  _detachBuffers(): void {
    for (let i = this.names.length; i < this.#standIns.length; i++) {
      const before = this.#standIns[i];
      if (!before.requiresGrad) continue;
      this.#stand([keep(before.detach())], i);
      before.dispose();
    }
  }

  /** Back to time 0, with the module's present parameters and buffers. */
  reset(): void {
    admit(arguments, "FunctionalModule.reset()");
    this.#changeable();
    this.#release();
    this.#start();
  }

  /** Assigns the latest weights and buffers to a module of the same make, by default the one this was made from. */
  commitTo(module: Module = this.module): void {
    admit(arguments, "FunctionalModule.commitTo(module?: module)");
    this.#alive();
    const slots = [...module.parameters(), ...module.buffers()];
    if (slots.length !== this.#standIns.length) {
      throw new ArgumentError(
        `commitTo: the module has ${slots.length} parameters and buffers, wanted ${this.#standIns.length}`,
      );
    }
    for (const [i, slot] of slots.entries()) checkFits("commitTo", slot, this.#standIns[i]);
    for (const [i, slot] of slots.entries()) slot.assign(this.#standIns[i]);
  }

  /** @internal Lets go of a tensor of its own: whoever asks holds it from now on. False if it is not its own. */
  _yield(tensor: Tensor): boolean {
    const own =
      this.#standIns.includes(tensor) || [...this.#history.values()].some((params) => params.includes(tensor));
    if (own) this.#yielded.add(tensor);
    return own;
  }

  /** Gives everything back that no graph still needs. */
  dispose(): void {
    admit(arguments, "FunctionalModule.dispose()");
    if (this.#disposed) return;
    this.#release();
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #release(): void {
    for (const tensor of this.#standIns) unpin(tensor);
    const held = [...[...this.#history.values()].flat(), ...this.#standIns.slice(this.names.length)];
    for (const tensor of held) if (!this.#yielded.has(tensor)) tensor.dispose();
    this.#history = new Map();
    this.#standIns = [];
  }

  // ---- being another for a while -----------------------------------------------------------------------------------

  /** @internal What a step must find when it runs again. The latest weights and the buffers are given by then. */
  _moment(): Moment {
    const history = new Map(this.#history);
    history.delete(this.#time);
    return { time: this.#time, history, training: this.module.modules().map((m) => [m, m.training] as const) };
  }

  /**
   * @internal Runs fn as if it were another time, with these weights and buffers, though the module may have been
   * disposed of. Nothing that fn does to it stays.
   */
  _during<T>(
    { time, history, training }: Moment,
    weights: readonly Tensor[],
    buffers: readonly Tensor[],
    fn: () => T,
  ): T {
    const before = [this.#time, this.#history, this.#standIns, this.#born, this.#disposed, this.#borrowed] as const;
    const modes = training.map(([module]) => module.training);
    const own = weights.map((weight) => weight._share());
    this.#time = time;
    this.#history = new Map(history).set(time, own);
    this.#standIns = [];
    this.#born = timeMark();
    [this.#disposed, this.#borrowed] = [false, true];
    this.#stand([...own, ...buffers.map((buffer) => buffer._share())]);
    for (const [module, mode] of training) module.training = mode;
    try {
      return fn();
    } finally {
      training.forEach(([module], i) => {
        module.training = modes[i];
      });
      for (const tensor of this.#standIns) unpin(tensor);
      for (const tensor of [...own, ...this._bufferList()]) tensor.dispose();
      [this.#time, this.#history, this.#standIns, this.#born, this.#disposed, this.#borrowed] = before;
    }
  }

  #changeable(): void {
    this.#alive();
    if (!this.#borrowed) return;
    throw new LoopgradError(
      "the weights cannot be replaced inside the function of a checkpointed step: it computes a loss, and runs twice; " +
        "update, detach and reset between steps",
    );
  }

  #alive(): void {
    if (this.#disposed) throw new ReleasedError("the functional module was used after it was disposed of");
  }
}

/** What a functional module is at some time, besides its latest weights and its buffers. */
export interface Moment {
  readonly time: number;
  readonly history: ReadonlyMap<number, readonly Tensor[]>;
  readonly training: readonly (readonly [Module, boolean])[];
}

/** A functional module under other weights. */
export interface FunctionalView<M extends Module> {
  forward(...args: Args<M>): Output<M>;
  call<T>(fn: (module: M) => T): T;
}

/** Has a flush store the tensor's value. */
export function pin(tensor: Tensor): void {
  tensor._live().pins++;
}

/** Takes a pin off. */
export const unpin = (tensor: Tensor): void => tensor.device.unpinned(tensor._value);
