/**
 * States: what rules remember of parameters, and which parameters step together.
 *
 * State is kept in *slots*, of each parameter alone, or of a *cohort* of parameters as vectors (see cohort.ts). A parameter
 * goes from one to the other as steps need it; nobody who asks for its state sees a difference.
 */
import type { Parameter } from "@loopgrad/nn";
import { type Device, pack, sameShape, Tensor } from "@loopgrad/tensor";
import { Cohort, inReach, replacedState } from "./cohort.ts";
import type { State } from "./optimizer.ts";
import { isWhole, type Kept, StateChange, slotsBut } from "./undo.ts";

/** Cohorts of a group above which they are merged where their state allows it. */
const MOST_COHORTS = 4;

export class States {
  readonly #alone = new Map<Tensor, Kept>();
  readonly #cohorts = new Map<Tensor, Cohort>();
  /** Stands for the state of a parameter, where a change says what it changed. */
  readonly #keys = new WeakMap<Tensor, object>();

  of(param: Tensor): State {
    return this.#cohorts.get(param)?.stateOf(param) ?? this.#alone.get(param) ?? {};
  }

  /** Replaces the state of a parameter, which is then in no cohort. */
  set(param: Tensor, state: State): void {
    const tensors = [param, ...Object.values(state)].filter((value) => value instanceof Tensor);
    this.#replace(param, state, Object.keys(state).length > 0 && tensors.some((x) => x.device.mayFail(x._live())));
  }

  /** @param mayFail  it may turn out that the new state cannot be computed: then the old one stands again */
  #replace(param: Tensor, state: State, mayFail: boolean): void {
    const before = this.#alone.get(param) ?? {};
    const cohort = this.#cohorts.get(param);
    const slots = replacedState(before, state);
    if (Object.keys(slots).length > 0) this.#alone.set(param, slots);
    else this.#alone.delete(param);
    this.#cohorts.delete(param);
    const retired = slotsBut(before, slots);
    if (!mayFail) {
      for (const slot of retired) slot.dispose();
      cohort?.leave();
      return;
    }
    const rejoin = cohort?.leaveIfSettled(param.device);
    const present = (): Tensor[] => [param, ...slotsBut(this.#alone.get(param) ?? {}, {})];
    const restore = (): void => this.#restore(param, before, cohort, rejoin);
    param.device.changed(new StateChange(this.#keyOf(param), present, retired, restore));
  }

  #restore(param: Tensor, before: Kept, cohort: Cohort | undefined, rejoin?: () => void): void {
    if (!isWhole(before)) return;
    for (const slot of slotsBut(this.#alone.get(param) ?? {}, before)) slot.dispose();
    if (Object.keys(before).length > 0) this.#alone.set(param, before);
    else this.#alone.delete(param);
    if (cohort === undefined) this.#cohorts.delete(param);
    else {
      this.#cohorts.set(param, cohort);
      rejoin?.();
    }
  }

  #keyOf(param: Tensor): object {
    let key = this.#keys.get(param);
    if (key === undefined) {
      key = {};
      this.#keys.set(param, key);
    }
    return key;
  }

  clear(): void {
    for (const param of [...this.#alone.keys(), ...this.#cohorts.keys()]) this.#replace(param, {}, false);
  }

  /**
   * Which parameters with gradients step together, and which alone. Those that stepped together last time do so again;
   * when some of them have no gradient this time, they part. If there come to be many cohorts, those of equal numbers are
   * merged.
   */
  divide(active: readonly Parameter[]): { together: Parameter[][]; alone: Parameter[] } {
    const devices = [...new Set(active.map(({ device }) => device))];
    const alone: Parameter[] = [];
    let sets = new Map<Cohort | string, Parameter[]>();
    for (const param of active) {
      const key = this.#cohorts.get(param) ?? this.#likeness(param, devices);
      if (key === null || !fitsVector(param)) alone.push(param);
      else append(sets, key, param);
    }
    if (sets.size > MOST_COHORTS) {
      const merged = new Map<Cohort | string, Parameter[]>();
      for (const [key, params] of sets) {
        for (const param of params) append(merged, this.#likeness(param, devices) ?? key, param);
      }
      sets = merged;
    }
    const together: Parameter[][] = [];
    for (const set of [...sets.values()].flatMap(inReach)) {
      if (set.length > 1) together.push(set);
      else alone.push(...set);
    }
    return { together, alone };
  }

  /** Equal for parameters that could step together; null if the state is such that this one can with none. */
  #likeness(param: Parameter, devices: readonly Device[]): string | null {
    const parts: string[] = [param.dtype, String(devices.indexOf(param.device))];
    const cohort = this.#cohorts.get(param);
    for (const [name, value] of Object.entries(cohort?.state ?? this.#alone.get(param) ?? {})) {
      if (!(value instanceof Tensor)) parts.push(`${name} ${value}`);
      else if (cohort !== undefined ? value.rank === 1 : sameShape(value.shape, param.shape)) parts.push(name);
      else return null;
    }
    return parts.join(", ");
  }

  /** The cohort of just these parameters, and its state: the one they are in, or a new one, which is still to be joined. */
  cohortOf(params: readonly Parameter[]): { cohort: Cohort; state: State } {
    const known = this.#cohorts.get(params[0]);
    if (known?.params.length === params.length && params.every((param, i) => known.params[i] === param)) {
      return { cohort: known, state: known.state };
    }
    return { cohort: new Cohort(params), state: packedState(params, (param) => this.of(param)) };
  }

  /** The parameters of a cohort are in it from now on, and in no other. */
  join(cohort: Cohort): void {
    for (const param of cohort.params) {
      if (this.#cohorts.get(param) === cohort) continue;
      this.#replace(param, {}, true);
      this.#cohorts.set(param, cohort);
    }
  }
}

/** Has the parameter a gradient just like itself, and elements at all? */
function fitsVector(param: Parameter): boolean {
  const { _grad: grad, size } = param;
  return size > 0 && grad?.dtype === param.dtype && sameShape(grad.shape, param.shape);
}

/** Vectors of the tensors of states that are alike. A tensor that is not a parameter's size is one of the old cohort's. */
function packedState(params: readonly Parameter[], stateOf: (param: Parameter) => State): State {
  const states = params.map(stateOf);
  const entries = Object.entries(states[0]).map(([name, value]) => {
    if (!(value instanceof Tensor)) return [name, value];
    const tensors = states.map((state) => state[name] as Tensor);
    const isOfEach = tensors.every((tensor, i) => sameShape(tensor.shape, params[i].shape));
    return [name, isOfEach ? pack(tensors) : value];
  });
  return Object.fromEntries(entries);
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
