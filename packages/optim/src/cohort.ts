/**
 * Cohorts: parameters that step together, as one vector.
 *
 * An elementwise rule does the same to every element, whichever parameter it belongs to. So a *cohort* keeps the values
 * of its parameters in one vector, and each tensor of their state in one more; the rule runs once, on vectors, and
 * a model of 200 tensors is updated by one kernel. A parameter's value is a *piece* of the vector: the same memory, without
 * a copy. Gradients become a vector by being written there in the first place, or by copies (see `pack`).
 *
 * Parameters can be in one cohort if they are of one dtype and device and have the same state: the same names, and the
 * same numbers, which are step counts. Whoever asks for the state of one parameter gets pieces of the cohort's.
 */
import { Buffer, type Parameter } from "@loopgrad/nn";
import {
  type Device,
  handleLike,
  LoopgradError,
  numel,
  pack,
  packLayout,
  type Shape,
  sameShape,
  Tensor,
  unpack,
  type Value,
} from "@loopgrad/tensor";
import type { State, Updated } from "./optimizer.ts";
import { isWhole, type Kept, StateChange, slotsBut } from "./undo.ts";

/** Elements of a vector, at most: 128 MiB of float32, which every WebGPU device can bind. */
const MOST_ELEMENTS = 2 ** 25;

/** Tensors in sets that make no longer vectors than every device can bind. Their order stays. */
export function inReach<T extends Tensor>(tensors: readonly T[]): T[][] {
  const sets: T[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const tensor of tensors) {
    const own = packLayout([tensor.size], tensor.dtype).length;
    length += own;
    if (length > MOST_ELEMENTS) {
      sets.push([]);
      length = own;
    }
    sets[sets.length - 1].push(tensor);
  }
  return sets;
}

export class Cohort {
  readonly #shapes: readonly Shape[];
  readonly #starts: readonly number[];
  readonly #index: ReadonlyMap<Tensor, number>;
  /** The parameters' values as one vector; null before the first step. */
  #vector: Buffer | null = null;
  /** The pieces of it that the parameters were given. Another value in a parameter was assigned by someone else. */
  #values: readonly Value[] = [];
  #state: Kept = {};
  #members: number;
  #isGone = false;

  /** @param params  no two of different dtype or device; none of size 0 */
  constructor(readonly params: readonly Parameter[]) {
    this.#shapes = params.map(({ shape }) => shape);
    this.#starts = packLayout(this.#shapes.map(numel), params[0].dtype).starts;
    this.#index = new Map(params.map((param, i) => [param, i]));
    this.#members = params.length;
  }

  /** The parameters' present values, as one vector. */
  values(): Tensor {
    const { params } = this;
    if (this.#vector !== null && params.every((param, i) => param._value === this.#values[i])) return this.#vector;
    return pack(params);
  }

  grads(): Tensor {
    return pack(this.params.map(({ _grad }) => _grad as Tensor));
  }

  /** The state as the rule sees it: vectors in place of tensors. */
  get state(): State {
    return this.#state;
  }

  /** What the rule remembers of one parameter. Tensors belong to the current scope. */
  stateOf(param: Tensor): State {
    const index = this.#index.get(param) as number;
    const size = numel(this.#shapes[index]);
    const entries = Object.entries(this.#state).map(([name, value]) => {
      if (!(value instanceof Tensor)) return [name, value];
      if (value.rank === 0) return [name, handleLike(value, value._live())];
      const start = this.#starts[index];
      return [name, value.slice(0, start, start + size).reshape(this.#shapes[index])];
    });
    return Object.fromEntries(entries);
  }

  /** Takes over what the rule made of the vectors, and gives the parameters their pieces. */
  adopt({ param: vector, state }: Updated): void {
    const before = { vector: this.#vector, values: this.#values, state: this.#state };
    const pieces = unpack(vector, this.#shapes);
    this.#vector = replaced(this.#vector, vector);
    for (const [i, param] of this.params.entries()) param.assign(pieces[i]);
    this.#values = this.params.map(({ _value }) => _value);
    this.#state = replacedState(before.state, state);
    const slots = (): Tensor[] => [...this.params, ...slotsBut(this.#state, {})];
    const restore = (): void => {
      if (!isWhole(before.state) || before.vector?.isReleased) return;
      for (const slot of slotsBut(this.#state, before.state)) slot.dispose();
      if (before.vector === null) this.#vector?.dispose();
      this.#vector = before.vector;
      this.#values = before.values;
      this.#state = before.state;
    };
    this.params[0].device.changed(new StateChange(this, slots, slotsBut(before.state, this.#state), restore));
  }

  /** One parameter goes its own way. When all have, the vectors are given back. */
  leave(): void {
    this.#members--;
    if (this.#members > 0) return;
    for (const slot of slotsBut(this.#state, {})) slot.dispose();
    this.#state = {};
    this.#vector?.dispose();
    this.#vector = null;
    this.#values = [];
  }

  /**
   * One parameter goes its own way, unless what it goes to cannot be computed: the vectors are given back when that is known.
   * Returns what brings it back.
   */
  leaveIfSettled(device: Device): () => void {
    this.#members--;
    let isBack = false;
    device.changed({
      of: {},
      settled: () => {
        if (isBack || this.#members > 0 || this.#isGone) return;
        this.#isGone = true;
        this.#members = 1;
        this.leave();
      },
      hasFailed: () => false,
      undone: () => {},
    });
    return () => {
      isBack = true;
      this.#members++;
    };
  }
}

/** The slot with another value, or a new slot where there was none, or one of another shape. */
function replaced(slot: Buffer | number | null | undefined, tensor: Tensor): Buffer {
  const fits =
    slot instanceof Buffer &&
    sameShape(slot.shape, tensor.shape) &&
    slot.dtype === tensor.dtype &&
    slot.device === tensor.device;
  if (!fits) return new Buffer(tensor);
  slot.assign(tensor);
  return slot;
}

/** Slots and numbers of a new state. Slots of the old one are reused where they fit. */
export function replacedState(before: Kept, state: State): Kept {
  const after: Record<string, Buffer | number> = {};
  for (const [name, value] of Object.entries(state)) {
    after[name] = value instanceof Tensor ? replaced(before[name], value) : value;
  }
  return after;
}

/** Throws unless what a rule made of vectors are vectors of their length, or single elements in the state. */
export function checkVectors(who: string, length: number, { param, state }: Updated): void {
  const fits = (tensor: Tensor): boolean => tensor.rank === 1 && tensor.size === length;
  const misfit = !fits(param)
    ? "the parameter"
    : Object.keys(state).find((name) => {
        const value = state[name];
        return value instanceof Tensor && value.rank > 0 && !fits(value);
      });
  if (misfit === undefined) return;
  throw new LoopgradError(
    `${who}: update returned ${misfit} in another shape than it was given: a class whose rule is not elementwise ` +
      "does not set `static elementwise = true`",
  );
}
