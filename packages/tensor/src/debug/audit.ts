/**
 * Audits: is every count and flag of a device's values explained by someone who holds them?
 */
import { LoopgradError } from "../errors.ts";
import type { Backend, Storage } from "../record/backend.ts";
import type { IdleValues } from "../record/idle.ts";
import type { Segment } from "../record/segment.ts";
import type { Value } from "../record/value.ts";
import { show } from "../shape.ts";
import type { Ledger } from "./ledger.ts";

/** How many stored values a device has, by who needs them: the first of the reasons that applies. */
export interface Tally {
  pinned: number;
  saved: number;
  /** With a handle. */
  held: number;
  /** Inputs of records only. */
  used: number;
  /** Of all of these, those in the bank. */
  stowed: number;
  /** Taken by the collector, and not given back yet. */
  collected: number;
}

/** What a device lends for an audit. */
export interface Books {
  readonly ledger: Ledger;
  readonly backend: Backend;
  readonly segment: Segment;
  /** Values whose reads are asked for. */
  readonly reads: readonly Value[];
  /** Storages that values had, and that are kept until a flush is confirmed. */
  readonly kept: readonly Storage[];
  readonly idle: IdleValues;
  readonly isNeeded: (value: Value) => boolean;
}

/** @throws  LoopgradError that lists what nobody explains */
export function audit({ ledger, backend, segment, reads, kept, idle, isNeeded }: Books): Tally {
  const wrong: string[] = [];
  const tally: Tally = { pinned: 0, saved: 0, held: 0, used: 0, stowed: 0, collected: 0 };
  const explained = explainedCounts(ledger, reads);
  const stored = [...ledger.stored()];
  const { storages } = ledger;
  const seen = new Set([...stored, ...explained.keys(), ...segment.values]);
  for (const value of stored) {
    const { pins, saves, handles, storage } = value;
    tally[pins > 0 ? "pinned" : saves > 0 ? "saved" : handles > 0 ? "held" : "used"]++;
    if (storage?.stowed) tally.stowed++;
    const note = (what: string) => wrong.push(`${named(value)} ${what}`);
    if (storage === null) note("has no storage, though one is noted as its own");
    else if (!storages.has(storage)) note("has a storage that is not noted");
    if (!isNeeded(value)) note("is stored, and nobody needs it");
    if (value.failure !== null) note("is stored, and failed");
    if (value.cached && value.primitive === null) note("is stored for as long as it is used, and has no record");
    if (value.watched && !idle.has(value)) note("is said to be among those that may become idle, and is not");
  }
  for (const value of seen) {
    if (value.device.backend !== backend) continue;
    const note = (what: string) => wrong.push(`${named(value)} ${what}`);
    const { pins = 0, saves = 0, recipes = 0, by = [] } = explained.get(value) ?? {};
    const holders = () => by.map((name) => name()).join(", ") || "nobody";
    if (value.pins !== pins) note(`has ${value.pins} pins, and ${pins} are explained, by ${holders()}`);
    if (value.saves !== saves) note(`was saved ${value.saves} times, and ${saves} are explained, by ${holders()}`);
    if (value.recipes !== recipes)
      note(`is in ${value.recipes} recipes, and ${recipes} are explained, by ${holders()}`);
    if (value.handles < 0 || value.uses < 0) note("has been released more often than it was held");
    const isOpen = value.segment === segment.id && segment.values[value.index] === value;
    if (value.segment === segment.id && !isOpen) note("is said to be recorded, and another value is in its place");
    if (!isOpen && (value.pulled || value.again)) note("is marked as recorded again, and is not recorded");
    if (!isOpen && value.wanted && value.storage !== null) note("is stored, and still wanted");
    if (value.storage === null && value.cached)
      note("is said to be stored for as long as it is used, and is not stored");
    if (value.storage === null && value.watched) note("may become idle, and is not stored");
    if (
      value.storage === null &&
      value.host === null &&
      value.primitive === null &&
      value.failure === null &&
      value.handles > 0 &&
      !value.lapsed
    )
      note("can be had from nowhere");
  }
  for (const [value, uses] of usesOf(seen)) {
    if (value.uses < uses) wrong.push(`${named(value)} is used by ${uses} records, and counts ${value.uses}`);
  }
  for (const value of idle.all()) {
    if (value.storage === null || !value.watched)
      wrong.push(`${named(value)} is among those that may become idle, and is not stored`);
  }
  const live = new Set(stored.map(({ storage }) => storage));
  for (const storage of storages.keys()) if (!live.has(storage)) tally.collected++;
  for (const storage of kept) storages.set(storage, (storages.get(storage) ?? 0) + 1);
  wrong.push(...(backend.audit?.(storages) ?? []));
  if (wrong.length === 0) return tally;
  const more = wrong.length > MOST ? `\n  and ${wrong.length - MOST} more` : "";
  throw new LoopgradError(`audit of ${backend.kind}:\n  ${wrong.slice(0, MOST).join("\n  ")}${more}`);
}

/** Findings that are listed. */
const MOST = 20;

interface Explained {
  pins: number;
  saves: number;
  recipes: number;
  by: (() => string)[];
}

function explainedCounts(ledger: Ledger, reads: readonly Value[]): Map<Value, Explained> {
  const explained = new Map<Value, Explained>();
  const add = (value: Value, count: "pins" | "saves" | "recipes", by: () => string): void => {
    let own = explained.get(value);
    if (own === undefined) explained.set(value, (own = { pins: 0, saves: 0, recipes: 0, by: [] }));
    own[count]++;
    own.by.push(by);
  };
  for (const held of ledger.holders.held()) {
    for (const count of ["pins", "saves", "recipes"] as const) {
      for (const value of held[count] ?? []) add(value, count, held.by);
    }
  }
  for (const value of reads) add(value, "pins", () => "a read");
  return explained;
}

/** How many records among those of some values have each value as an input. */
function usesOf(values: Iterable<Value>): Map<Value, number> {
  const uses = new Map<Value, number>();
  for (const { inputs } of values) for (const input of inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
  return uses;
}

function named({ shape, dtype, primitive, storage, host }: Value): string {
  const state = storage?.stowed
    ? "in the bank"
    : storage !== null
      ? "stored"
      : host !== null
        ? "on the host"
        : "virtual";
  return `a value ${dtype} ${show(shape)}${primitive === null ? "" : ` of ${primitive.name}`}, ${state},`;
}
