/**
 * Tensor: an immutable array on a device, and a handle.
 *
 * A *handle* is the JavaScript object; several may stand for one value. Operations never change a tensor.
 * The methods that compute are installed by `ops/methods.ts`, those of the tape by `@loopgrad/autograd`.
 */
import type { Batch } from "./batch/level.ts";
import "./dispose.ts";
import type { Context } from "./context.ts";
import type { Device } from "./device.ts";
import type { DType, HostArray } from "./dtype.ts";
import { ArgumentError, GradError, LoopgradError, ReleasedError, ShapeError } from "./errors.ts";
import { printedHtml, withElements } from "./print.ts";
import { noteMade } from "./record/attempt.ts";
import type { Value } from "./record/value.ts";
import { currentScope, type Scope } from "./scope.ts";
import { numel, type Shape, sameShape, show } from "./shape.ts";
import { standInFor } from "./stand-in.ts";
import { partWithGrad, storeTaken, take } from "./taken.ts";
import { inTurn } from "./tracked.ts";

/** What the tape hangs on a tensor: counted, so that a graph nobody can reach is given back at once. */
export interface TapeLink {
  retain(): void;
  release(): void;
}

/** Numbers in nested arrays, as deep as the tensor's rank. */
export type NestedArray = number | boolean | NestedArray[];

export class Tensor {
  /** @internal */ _value: Value;
  /** @internal Of a tensor of which each task of a vmap has its own: the task axes, which its shape does not show. */ _batch: Batch | null =
    null;
  /** @internal The scope that releases this handle, by its context. */ _scope: Context | null = null;
  /** @internal Where the tape made this tensor; null for one that no gradient flows through. */ _link: TapeLink | null =
    null;
  /** @internal What stands for this handle until a synchronous functional call ends. */ _standsNow: Tensor | null =
    null;
  /** @internal Async functional calls under way in which something stands for this handle; see stand-in.ts. */ _calls = 0;
  /** @internal */ _released = false;
  /** @internal The gradient; `grad` is for those who may hold on to it. */ _grad: Tensor | null = null;
  /** @internal Of a gradient: who was given this handle (see taken.ts). */ _takenIn: Context | "nowhere" | null = null;
  /** @internal Of a gradient: the program said keep(). */ _kept = false;

  /** @internal */
  constructor(value: Value, scope: Scope | null = currentScope()) {
    this._value = value;
    value.handles++;
    if (scope !== null) scope._adopt(this);
    noteMade(this);
  }

  /** @internal Stands for this handle in operations while a functional call runs. */
  get _standIn(): Tensor | null {
    return this._standsNow ?? (this._calls === 0 ? null : standInFor(this));
  }

  /**
   * The gradient that `backward()` accumulated; null before.
   *
   * The handle stays the gradient, to which the next `backward()` adds. After `zeroGrad()`, or when another is set, it
   * is an ordinary tensor with the value that it had: released with the scope in which it was asked for. Outside every
   * scope it can be used until the parameter has been assigned twice, and one of at most 16,384 elements longer;
   * `keep(grad)` lets any live on.
   *
   * @see     torch.Tensor.grad
   * @throws  ArgumentError if something is set that is neither a tensor nor null; ShapeError if its shape differs
   */
  get grad(): Tensor | null {
    if (this._grad !== null) take(this._grad);
    return this._grad;
  }

  set grad(grad: Tensor | null) {
    if (grad === this._grad) return;
    if (grad !== null) checkGrad(this, grad);
    // A handle of its own, outside every scope.
    const own = grad === null ? null : grad._share();
    partWithGrad(this, own === null ? "zeroed" : "replaced");
    this._grad = own;
  }

  /** Sizes of the dimensions: a frozen array, which no one can change by accident. */
  get shape(): Shape {
    const { _batch, _value } = this._standIn ?? this;
    return _batch === null ? _value.shownShape : _batch.shape;
  }

  /** @internal The same as the value has it: not frozen, which engines are faster with. */
  get _shape(): Shape {
    const { _batch, _value } = this._standIn ?? this;
    return _batch === null ? _value.shape : _batch.shape;
  }

  /** @internal Its task axes; those of what stands for it now. */
  get _tasks(): Batch | null {
    return (this._standIn ?? this)._batch;
  }

  get dtype(): DType {
    return (this._standIn ?? this)._value.dtype;
  }

  get device(): Device {
    return this._value.device;
  }

  /** Number of dimensions. */
  get rank(): number {
    return this._shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return numel(this._shape);
  }

  /** True once the tensor was disposed of, or its scope ended. */
  get isReleased(): boolean {
    return this._released;
  }

  /** The elements in row-major order, copied to the host. */
  data(): Promise<HostArray> {
    return inTurn(this.#elements());
  }

  /** The one element of a tensor of size 1. */
  item(): Promise<number> {
    return inTurn(this.#one());
  }

  async #elements(): Promise<HostArray> {
    const value = this._live();
    this.#wantOneForAll();
    return value.device.read(value);
  }

  /** A tensor of which each task has its own has no elements that a program could look at. */
  #wantOneForAll(): void {
    const batch = this._tasks;
    if (batch === null) return;
    throw new LoopgradError(
      `${this} is read ${batch.levels.every(({ isOpen }) => isOpen) ? "inside a vmap, where it stands for the tensors of all tasks" : "after its vmap ended"}: ` +
        "wanted a read of what vmap returned",
    );
  }

  async #one(): Promise<number> {
    if (this.size !== 1) throw new LoopgradError(`item: ${show(this.shape)} has ${this.size} elements, wanted 1`);
    return (await this.#elements())[0];
  }

  /** The elements as nested arrays; booleans for a bool tensor. */
  toArray(): Promise<NestedArray> {
    return inTurn(this.#nested());
  }

  async #nested(): Promise<NestedArray> {
    const { shape, dtype } = this;
    const data = await this.#elements();
    let position = 0;
    const build = (axis: number): NestedArray => {
      if (axis === shape.length) {
        const x = data[position++];
        return dtype === "bool" ? x !== 0 : x;
      }
      return Array.from({ length: shape[axis] }, () => build(axis + 1));
    };
    return build(0);
  }

  /** Shape, dtype and device. The elements need a read: `await t.toArray()`. */
  toString(): string {
    if (this._released) return "Tensor(released)";
    const batch = this._tasks;
    const tasks = batch === null ? "" : `, of each of ${batch.levels.map(({ size }) => size).join(" × ")} tasks`;
    return `Tensor(${show(this.shape)}, ${this.dtype}, ${this.device.name}${tasks})`;
  }

  /**
   * Text for `${x}`. There is no number to be had without a read: `x * 2` or `loss < best` would be NaN and false.
   *
   * @throws  TypeError where JavaScript wants a number
   */
  [Symbol.toPrimitive](hint: "string" | "number" | "default"): string {
    if (hint !== "number") return this.toString();
    throw new TypeError(`${this} is used as a number: wanted an operation such as x.mul(2), or await x.item()`);
  }

  /**
   * For JSON.stringify, which cannot wait for a read.
   *
   * @throws  ArgumentError, always
   */
  toJSON(): never {
    throw new ArgumentError(`${this} has its elements on the device: wanted JSON.stringify(await t.toArray())`);
  }

  /**
   * What `console.log` shows in Node, Deno and Bun: on the cpu device the elements too, of which there is nothing to wait for. They
   * are looked at, or computed beside the device: the program goes on as if it had not printed. What would take long, or
   * is on a GPU, needs a read: `await t.toArray()`.
   */
  [Symbol.for("nodejs.util.inspect.custom")](depth = 0): string {
    if (this._released || depth < 0) return this.toString();
    const value = this._live();
    if (this._batch !== null) return this.toString();
    const elements = value.device.peek(value);
    if (elements === null) return this.toString();
    if (typeof elements === "string") return this.toString().replace(/\)$/, `: ${elements})`);
    return withElements(this.toString(), elements, value.shape, value.dtype);
  }

  /** What a notebook of Deno's shows: the elements, on every device. */
  [Symbol.for("Jupyter.display")](): Promise<Record<string, string>> {
    return inTurn(this.#display());
  }

  async #display(): Promise<Record<string, string>> {
    const said = this.toString();
    if (this._released) return { "text/plain": said };
    const { shape, dtype } = this;
    if (this._tasks !== null) return { "text/plain": said };
    try {
      const data = await this.#elements();
      return {
        "text/plain": withElements(said, data, shape, dtype),
        "text/html": `<div>${said}</div>${printedHtml(data, shape, dtype)}`,
      };
    } catch (error) {
      if (!(error instanceof LoopgradError)) throw error;
      return { "text/plain": `${said}: ${error.message}` };
    }
  }

  /** Gives the tensor back before its scope ends. Using it afterwards is an error. */
  dispose(): void {
    this._release();
  }

  [Symbol.dispose](): void {
    this._release();
  }

  /** @internal */
  _release(): void {
    if (this._released) return;
    this._released = true;
    this._scope = null;
    const link = this._link;
    this._link = null;
    this._value.device.released(this._value);
    if (link !== null) link.release();
    partWithGrad(this, "released");
  }

  /** @internal A large gradient that was this tensor's, and that the program may hold. Slots let go of it in time. */
  _part(_grad: Tensor): void {}

  /** @internal Releases a gradient that is zeroed: what was computed from it and not stored goes with it. */
  _discard(): void {
    const value = this._value;
    this._release();
    value.device.lapse(value);
  }

  /** @internal The value, if the tensor may be used. */
  _live(): Value {
    const tensor = this._standIn ?? this;
    if (tensor._released) {
      throw new ReleasedError(
        `a released tensor of shape ${show(tensor._batch?.shape ?? tensor._value.shape)} was used: its scope ended or it was disposed` +
          `${tensor._takenIn === null ? "" : ", or, as a gradient, its parameter was assigned twice since zeroGrad"}; ` +
          "keep(tensor) or returning it from scope(fn) lets it live on",
      );
    }
    return tensor._value;
  }

  /** @internal Another handle for the same value, outside every scope, at the same place on the tape. */
  _share(): Tensor {
    const source = this._standIn ?? this;
    const tensor = handleLike(source, this._live(), null);
    tensor._link = source._link;
    if (source._link !== null) source._link.retain();
    return tensor;
  }

  /** @internal Changes a gradient in place: who was given the handle sees it. */
  _regrad(grad: Tensor): void {
    checkTasks("grad", this, grad);
    this._rebind(grad._live());
    storeTaken(this);
  }

  /** @internal Makes this handle stand for another value: how parameters change. */
  _rebind(value: Value): void {
    if (this._link !== null && !("leaf" in this._link))
      throw new GradError("a tensor computed on the tape cannot be rebound");
    value.handles++;
    const old = this._value;
    this._value = value;
    old.device.released(old);
  }
}

/** @internal Throws unless both are of each task of the same vmaps: one takes the other's place. */
export function checkTasks(what: string, tensor: Tensor, other: Tensor): void {
  const [a, b] = [tensor._tasks?.levels ?? [], other._tasks?.levels ?? []];
  if (a.length === b.length && a.every((level, i) => level === b[i])) return;
  const kind = (levels: readonly unknown[]): string =>
    levels.length === 0 ? "one for all tasks" : "one for each task";
  throw new LoopgradError(
    `${what}: inside vmap, ${other} is ${kind(b)}, and takes the place of what is ${kind(a)}: wanted ${kind(a)}`,
  );
}

function checkGrad(tensor: Tensor, grad: unknown): void {
  if (!(grad instanceof Tensor)) {
    throw new ArgumentError(`grad: got ${String(grad)}, wanted a tensor of shape ${show(tensor.shape)}, or null`);
  }
  checkTasks("grad", tensor, grad);
  if (sameShape(grad.shape, tensor.shape)) return;
  throw new ShapeError(`grad: the tensor has shape ${show(tensor.shape)}, the gradient ${show(grad.shape)}`);
}

/**
 * @internal A handle for a value: the one way to make one, but for handles that are like another.
 *
 * Of a value that has task axes (see batch/level.ts) it shows them: what the library computes with, no user's tensor.
 */
export const wrap = (value: Value, scope: Scope | null = currentScope()): Tensor => new Tensor(value, scope);

/** @internal A handle for a value with the task axes of a handle: for its own value, or one of that shape. */
export function handleLike(like: Tensor, value: Value, scope: Scope | null = currentScope()): Tensor {
  const tensor = new Tensor(value, scope);
  tensor._batch = like._tasks;
  return tensor;
}
