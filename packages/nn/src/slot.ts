/**
 * Slots: tensors whose value may be replaced.
 *
 * Tensors are immutable; training needs things that change. A *slot* is a handle that outlives every scope and
 * is *rebound* to a new value by `assign`, outside the tape. What was computed with the old value keeps it, so a
 * recorded graph always means what it meant. A `Parameter` is a slot that wants a gradient; a `Buffer` is state
 * that is not learned, such as running statistics.
 *
 * During a functional call a slot *stands for* another tensor, its stand-in. A buffer assigned meanwhile
 * rebinds the stand-in, and the module is left as it was.
 */
import { admit, checkTasks, currentLevel } from "@loopgrad/tensor";
import "@loopgrad/autograd";
import {
  ArgumentError,
  type Change,
  DeviceError,
  DTypeError,
  LoopgradError,
  replaceStandIn,
  ShapeError,
  sameShape,
  show,
  Tensor,
  type Value,
  watching,
} from "@loopgrad/tensor";

/** A handle outside every scope whose value is stored at each flush, and can be replaced. */
export class Slot extends Tensor {
  /** The value before the present one: results computed from it can be asked for until the next change. */
  #before: Value | null = null;
  /** The vmap in which it was made. */
  readonly #madeAt = currentLevel();
  /** Large gradients that the program may hold: those since the last assignment, and those of the time before. */
  #parted: Tensor[] = [];
  #partedBefore: Tensor[] = [];

  /** @param tensor  gives the first value; the tensor itself is not held, nor is its place on the tape */
  constructor(tensor: Tensor) {
    checkTensor(new.target.name, tensor);
    const value = tensor._live();
    super(value, null);
    // What is made inside vmap may be each task's own, as a slot outside may not become.
    this._batch = tensor._tasks;
    value.pins++;
    watching()?.holders.add(this);
  }

  /** @internal For audits. */
  get _isHolding(): boolean {
    return !this._released;
  }

  /** @internal */
  _holding(): { by: () => string; pins: Value[] } {
    return { by: () => this.constructor.name, pins: [this._value] };
  }

  /**
   * Replaces the value, outside the tape.
   *
   * @param tensor  the slot's shape, dtype and device
   * @throws        ShapeError, DTypeError or DeviceError if it is not
   */
  assign(tensor: Tensor): void {
    checkFits("assign", this, tensor);
    this.#wantOutside("assign");
    checkTasks("assign", this, tensor);
    this._set(tensor._live());
  }

  /** Throws inside a vmap that began after the slot was made: each task would change it. */
  #wantOutside(what: string): void {
    if (currentLevel() === this.#madeAt) return;
    throw new LoopgradError(
      `${what}: inside vmap a parameter or buffer of a module that is outside would be changed once, not once a task: ` +
        "use innerLoop or functionalCall inside, where tasks have weights and buffers of their own; or change it outside",
    );
  }

  /** @internal */
  _set(value: Value): void {
    const old = this._value;
    if (value === old) return;
    this._live();
    value.pins++;
    this._rebind(value);
    const before = this.#before;
    this.#before = old;
    if (value.device.mayFail(value)) value.device.changed(new Assignment(this, old));
    else old.device.unpinned(old);
    if (before !== null) before.device.lapse(before);
    this.#forget(this.#partedBefore);
    this.#partedBefore = this.#parted;
    this.#parted = [];
  }

  /** @internal The value that was assigned could not be computed: the one before stands again. It is pinned already. */
  _return(old: Value): void {
    const failed = this._value;
    this._rebind(old);
    failed.device.unpinned(failed);
    this.#before = null;
  }

  /** @internal Lets a value that was held in case of need go, if the slot has moved on twice since it had it. */
  _letGo(value: Value): void {
    if (value !== this._value && value !== this.#before) value.device.lapse(value);
  }

  /** @internal */
  override _part(grad: Tensor): void {
    this.#parted.push(grad);
  }

  #forget(parted: readonly Tensor[]): void {
    for (const grad of parted) if (!grad._kept) grad._discard();
  }

  /**
   * @internal Replaces the value by one of another dtype or on another device: how modules move. Graphs recorded before
   * mean the old value, so the slot gets a new place on the tape; hooks on its gradient stay.
   */
  _move(tensor: Tensor): void {
    this.#wantOutside("to");
    const { requiresGrad } = this;
    const hooks = (this._link as { hooks?: unknown } | null)?.hooks;
    if (requiresGrad) this.requiresGrad_(false);
    this._set(tensor._live());
    if (!requiresGrad) return;
    this.requiresGrad_(true);
    (this._link as { hooks?: unknown }).hooks = hooks;
  }

  /** @internal */
  override _release(): void {
    if (this._released) return;
    const value = this._value;
    value.device.forget(this);
    super._release();
    const { device } = value;
    device.unpinned(value);
    // Results computed from it that still have handles, and are not stored, go with it: else they would hold it.
    device.lapse(value);
    if (this.#before !== null) device.lapse(this.#before);
    this.#before = null;
    this.#forget(this.#parted);
    this.#forget(this.#partedBefore);
  }
}

/** A slot's change of value. Until the new one is known to be there, the old one stays: stored, or else its record. */
class Assignment implements Change {
  readonly #isStored: boolean;
  #isOver = false;

  /** @param old  pinned by the slot, which leaves the pin to the assignment */
  constructor(
    readonly of: Slot,
    readonly old: Value,
  ) {
    this.#isStored = old.storage !== null || old.host !== null;
    watching()?.holders.add(this);
    if (this.#isStored) return;
    old.recipes++;
    old.device.unpinned(old);
  }

  get _isHolding(): boolean {
    return !this.#isOver;
  }

  _holding(): { by: () => string; pins?: Value[]; recipes?: Value[] } {
    return { by: () => "an assignment", [this.#isStored ? "pins" : "recipes"]: [this.old] };
  }

  settled(): void {
    const { of, old } = this;
    this.#isOver = true;
    if (this.#isStored) old.device.unpinned(old);
    else old.device.unrecorded(old);
    of._letGo(old);
  }

  hasFailed(): boolean {
    return !this.of._released && this.of._value.failure !== null;
  }

  undone(): void {
    const { of, old } = this;
    this.#isOver = true;
    if (!this.#isStored) {
      old.pins++;
      old.device.unrecorded(old);
    }
    of._return(old);
  }
}

/** Throws for a value that is no tensor, such as a number or an array. */
function checkTensor(what: string, value: unknown): void {
  if (value instanceof Tensor) return;
  throw new ArgumentError(`${what}: got ${String(value)}, wanted a tensor, such as tensor([1, 2])`);
}

/** Throws unless the tensor may take the slot's place. */
export function checkFits(what: string, slot: Tensor, tensor: Tensor): void {
  checkTensor(what, tensor);
  const value = slot._value;
  const shape = slot._batch?.shape ?? value.shape;
  if (!sameShape(shape, tensor.shape)) {
    throw new ShapeError(`${what}: the slot has shape ${show(shape)}, the tensor ${show(tensor.shape)}`);
  }
  if (value.dtype !== tensor.dtype) {
    throw new DTypeError(`${what}: the slot is ${value.dtype}, the tensor ${tensor.dtype}; convert it with to()`);
  }
  if (value.device !== tensor.device) {
    throw new DeviceError(`${what}: the slot is on ${value.device}, the tensor on ${tensor.device}; move it with to()`);
  }
}

/**
 * A tensor that is learned: a leaf of the tape, found by `Module.parameters()`, changed by optimizers.
 *
 * @see      torch.nn.Parameter
 * @example  this.scale = new Parameter(ones([features]));
 */
export class Parameter extends Slot {
  constructor(tensor: Tensor, options: { requiresGrad?: boolean } = {}) {
    admit(arguments, "Parameter(tensor: tensor, options?: { requiresGrad: boolean })");
    if (currentLevel() !== null) {
      throw new LoopgradError(
        "Parameter: inside vmap each task would have its own, and a module holds one: make the module outside, and use it " +
          "inside by innerLoop or functionalCall; or a leaf of each task's own, tensor.detach().requiresGrad_()",
      );
    }
    super(tensor);
    if (options.requiresGrad ?? true) this.requiresGrad_(true);
  }

  override assign(tensor: Tensor): void {
    admit(arguments, "Parameter.assign(tensor: tensor)");
    if (this._standIn !== null) {
      throw new LoopgradError(
        "assign: a parameter cannot be assigned during a functional call; assign it before or after",
      );
    }
    super.assign(tensor);
  }
}

/**
 * State of a module that is not learned.
 *
 * In a functional call `assign` rebinds the stand-in, gradients flow on through the tensor given, and the
 * caller gets the result; otherwise the buffer's own value is replaced, outside the tape.
 *
 * @see      torch.nn.Module.register_buffer
 * @example  this.runningMean = new Buffer(zeros([features]));
 */
export class Buffer extends Slot {
  override assign(tensor: Tensor): void {
    admit(arguments, "Buffer.assign(tensor: tensor)");
    if (this._standIn === null) {
      super.assign(tensor);
      return;
    }
    checkFits("assign", this, tensor);
    replaceStandIn(this, tensor);
  }

  /** @internal Assigns a tensor that no one else holds; disposes of it, unless it is the stand-in now. */
  _adopt(tensor: Tensor): void {
    this.assign(tensor);
    if (this._standIn !== tensor) tensor.dispose();
  }
}
