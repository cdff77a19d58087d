/**
 * Ledgers: who holds what on a device.
 *
 * A value's counts say how many need it, not who. While tests watch (see watch.ts), a *holder* says what it holds: a slot its
 * value, a node of the tape what it has saved. A device's *ledger* knows all storages that values have. An audit compares:
 * what nobody explains was forgotten, and what is explained and not counted would be given away while it is needed.
 */
import type { Storage } from "../record/backend.ts";
import type { Value } from "../record/value.ts";

/** What a holder needs of values: each is named as often as it is counted. */
export interface Held {
  readonly by: () => string;
  readonly pins?: Iterable<Value>;
  readonly saves?: Iterable<Value>;
  readonly recipes?: Iterable<Value>;
}

/** Says what it holds now. */
export interface Holder {
  /** False once it holds nothing any more, and never will. */
  readonly _isHolding: boolean;
  _holding(): Held;
}

/** Who holds values, on all devices. */
export class Holders {
  #holders: Holder[] = [];
  #limit = 1024;

  add(holder: Holder): void {
    this.#holders.push(holder);
    if (this.#holders.length < this.#limit) return;
    this.#holders = this.#holders.filter((one) => one._isHolding);
    this.#limit = Math.max(1024, 2 * this.#holders.length);
  }

  *held(): Generator<Held> {
    for (const holder of this.#holders) if (holder._isHolding) yield holder._holding();
  }
}

/** The storages of a device's values. A value that the collector took is still known by its storage, until that is given back. */
export class Ledger {
  readonly #values = new Map<Storage, Set<WeakRef<Value>>>();
  readonly holders: Holders;

  constructor(holders: Holders) {
    this.holders = holders;
  }

  /** How many values have each storage. */
  get storages(): Map<Storage, number> {
    return new Map([...this.#values].map(([storage, refs]) => [storage, refs.size]));
  }

  /** The values that are stored and have not been collected. */
  *stored(): Generator<Value> {
    for (const refs of this.#values.values()) {
      for (const ref of refs) {
        const value = ref.deref();
        if (value !== undefined) yield value;
      }
    }
  }

  /** Those of one storage that have not been collected. */
  of(storage: Storage): Value[] {
    return [...(this.#values.get(storage) ?? [])].flatMap((ref) => ref.deref() ?? []);
  }

  store(value: Value, storage: Storage): void {
    const ref = new WeakRef(value);
    const refs = this.#values.get(storage);
    if (refs === undefined) this.#values.set(storage, new Set([ref]));
    else refs.add(ref);
  }

  /** @param value  null: the collector took it */
  release(storage: Storage, value: Value | null): void {
    const refs = this.#values.get(storage);
    if (refs === undefined) return;
    for (const ref of refs) {
      if (ref.deref() !== (value ?? undefined)) continue;
      refs.delete(ref);
      break;
    }
    if (refs.size === 0) this.#values.delete(storage);
  }
}
