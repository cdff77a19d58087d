/**
 * Recomputation: a call whose backward runs its function again.
 *
 * Between forward and backward a call holds *sites*: the values that its function read, each with the place on the tape
 * where it was made. These are its arguments and what it *captured* from the variables around it, which the tape saw it
 * read. Everything in between is made anew, in backward, from the sites.
 *
 * A call has one or more *stages*: functions that ran one after the other, each fed from the results of the one
 * before. What passes from stage to stage is no site, and so is not held. Appending a stage to a call makes a new
 * call with all of the stages; the old one goes when its results do.
 *
 * The second run must do what the first did, and is refused if it did not (see trace.ts). Arguments and captured tensors have the values that they had then: for
 * the length of a stage their handles stand for places with the old values. The random state is put back to where it
 * stood. Under `createGraph` these places are linked to where the originals were made, and the second run stays
 * on the tape.
 */
import {
  GradError,
  getRngState,
  insideVmap,
  type Level,
  levelsOf,
  markTasks,
  openLevels,
  type RngState,
  scope,
  setRngState,
  Tensor,
  type Value,
  withStandIns,
  wrap,
} from "@loopgrad/tensor";
import { Call, handlesOf, origins, placeOf, Result, type Results, resultsOf } from "./call.ts";
import { within } from "./mode.ts";
import { firstRun, secondRun } from "./surroundings.ts";
import { attach, type Node, nodeOf, observe, passNode, timeMark } from "./tape.ts";
import { difference, signatureOf, type Trace, TraceRecorder } from "./trace.ts";
import { walk } from "./walk.ts";

type Fn = (...args: never[]) => Results;

/** A value that a call's functions read from outside. */
interface Site {
  readonly value: Value;
  /** Where it was made, if the results depend on it. */
  readonly node: Node | null;
  readonly levels: readonly Level[];
  /** Whether it is on the tape at all: a function may ask for gradients by tensors that its results don't depend on. */
  readonly linked: boolean;
}

/** Where a stage finds a tensor: from 0 up a site of the call; below, −1 − i is result i of the stage before. */
type Place = number;

/** One run of a function. */
interface Stage {
  readonly fn: Fn;
  readonly args: readonly ({ readonly place: Place } | { readonly plain: unknown })[];
  /** Captured tensors: where they are found, and the handles through which they were read. */
  readonly captured: readonly { readonly place: Place; readonly value: Value; readonly handles: readonly Tensor[] }[];
  readonly rng: RngState;
  /** The vmaps inside which it ran. */
  readonly levels: readonly Level[];
  /** When it ran first, and what it recalls of that time; see surroundings.ts. */
  readonly start: number;
  readonly notes: unknown[];
  /** What the first run did; signatures of arguments and captured tensors, in order; its results for people. */
  readonly trace: Trace;
  readonly signatures: readonly number[];
  readonly shown: readonly string[];
}

/** How a function is recorded that comes after others in one call. */
export interface Continuation {
  /** The call so far; null for a first stage. */
  readonly call: Recomputation | null;
  /** How many of a stage's first results are results of the call, though stages come after. */
  readonly emits: number;
  /** These results of the stages before, off the tape. */
  readonly emitted: readonly Tensor[];
  /** Called when a stage has run again, and when the walk back through all of them is done. */
  readonly submit: () => void;
}

const ALONE: Continuation = { call: null, emits: 0, emitted: [], submit: () => {} };

/** Runs fn, notes what it read, and keeps of its graph nothing but where it began. The call is null if there is no graph. */
export function record<A extends readonly unknown[], R extends Results>(
  fn: (...args: A) => R,
  args: A,
  after: Continuation = ALONE,
): { call: Recomputation | null; results: R } {
  return scope(() => {
    const start = timeMark();
    const rng = getRngState();
    const places = args.map((x) => (x instanceof Tensor ? placeOf(x) : x));
    const reads = new Map<Tensor, Read>();
    const notes: unknown[] = [];
    const late: Tensor[] = [];
    const recorder = new TraceRecorder();
    const returned = watch(reads, recorder, () =>
      scope(() => {
        const value = firstRun(start, notes, late, () => fn(...(places as unknown as A)));
        resultsOf("checkpoint", value);
        return value;
      }),
    );
    const results = resultsOf("checkpoint", returned);
    const sites = new Sites(after.call);
    const operands = operandsOf(args, places, reads, results, start, sites);
    const stage = operands && {
      fn: fn as unknown as Fn,
      ...operands,
      rng,
      levels: openLevels(),
      start,
      notes,
      ...traced(recorder, operands, args, results),
    };
    const call = stage && new Recomputation([...(after.call?.stages ?? []), stage], sites.all, results, after);
    for (const tensor of late) tensor.dispose();
    return { call, results: handlesOf(call, results, returned) };
  });
}

/** What the first run of a stage did. */
function traced(
  recorder: TraceRecorder,
  { captured }: Pick<Stage, "captured">,
  args: readonly unknown[],
  results: readonly Tensor[],
): Pick<Stage, "trace" | "signatures" | "shown"> {
  const values = args.flatMap((x) => (x instanceof Tensor ? [x._live()] : []));
  values.push(...captured.map(({ value }) => value));
  const outside = values.filter((value) => !recorder.made(value));
  const places = new Map(outside.map((value) => [value, signatureOf(value)]));
  const { trace, of } = recorder.end(
    results.map((y) => y._live()),
    places,
  );
  return { trace, signatures: values.map(of), shown: results.map(String) };
}

/** Where a function found its arguments and what it captured; null if no gradient flows from its results. */
function operandsOf(
  args: readonly unknown[],
  places: readonly unknown[],
  reads: ReadonlyMap<Tensor, Read>,
  results: readonly Tensor[],
  start: number,
  sites: Sites,
): Pick<Stage, "args" | "captured"> | null {
  const placeNodes = places.map((x) => (x instanceof Tensor ? nodeOf(x) : null));
  const from = origins(results, new Set(placeNodes.filter((node) => node !== null)), start);
  if (from.used.size + from.captured.size === 0) return null;
  const own = args.map((x, i) => {
    if (!(x instanceof Tensor)) return { plain: x };
    const place = placeNodes[i];
    const node = place !== null && from.used.has(place) ? nodeOf(x) : null;
    return { place: sites.add({ value: x._live(), node, levels: levelsOf(x), linked: place !== null }, nodeOf(x)) };
  });
  const known = new Set<unknown>([...places, ...results]);
  const explained = new Set<Node>();
  const captured: { place: Place; value: Value; handles: Tensor[] }[] = [];
  for (const [tensor, { value, node, levels, given }] of reads) {
    // What fn made was released when it returned: what still lives was there before.
    if (tensor.isReleased || known.has(tensor)) continue;
    const reached = node !== null && from.captured.has(node) ? node : null;
    if (reached !== null) explained.add(reached);
    captured.push({
      place: sites.add({ value, node: reached, levels, linked: node !== null }, node),
      value,
      handles: [tensor, ...given],
    });
  }
  for (const node of from.captured) {
    if (explained.has(node)) continue;
    throw new GradError(
      `checkpoint: fn differentiates a graph that was made before it (${node.label()}): ` +
        "compute that inside fn, or take its gradient outside",
    );
  }
  return { args: own, captured };
}

/** The sites of a call, each once, with those of the call that it continues. */
class Sites {
  readonly all: Site[];
  readonly #before: Recomputation | null;
  readonly #byValue = new Map<Value, number[]>();

  constructor(before: Recomputation | null) {
    this.#before = before;
    this.all = [...(before?.sites ?? [])];
    this.all.forEach(({ value }, i) => {
      this.#index(value, i);
    });
  }

  #index(value: Value, at: number): void {
    const places = this.#byValue.get(value);
    if (places === undefined) this.#byValue.set(value, [at]);
    else places.push(at);
  }

  /** @param made  where it was made, whether or not the results depend on it */
  add(site: Site, made: Node | null): Place {
    const passed = this.#before?.resultOf(site.value, made) ?? -1;
    if (passed >= 0) return -1 - passed;
    const { value, node, levels, linked } = site;
    for (const at of this.#byValue.get(value) ?? []) {
      const other = this.all[at];
      // Two places on the tape that no result depends on are not known to be one.
      const isSame = other.node === node && other.linked === linked && other.levels.length === levels.length;
      if (isSame && (node !== null || !linked)) return at;
    }
    this.#index(value, this.all.length);
    return this.all.push(site) - 1;
  }
}

/** What a tensor was when it was first read, and the slots that it was read through. */
interface Read {
  readonly value: Value;
  readonly node: Node | null;
  readonly levels: readonly Level[];
  readonly given: Set<Tensor>;
}

/** Runs fn, and notes the operands of all its operations. */
function watch<T>(reads: Map<Tensor, Read>, recorder: TraceRecorder, fn: () => T): T {
  const stop = observe((primitive, inputs, attrs, output, given) => {
    recorder.see(primitive, inputs, attrs, output);
    inputs.forEach((tensor, i) => {
      let read = reads.get(tensor);
      if (read === undefined) {
        const node = tensor._link as Node | null;
        read = { value: tensor._value, node, levels: levelsOf(tensor), given: new Set() };
        reads.set(tensor, read);
      }
      if (given[i] !== tensor) read.given.add(given[i]);
    });
  });
  try {
    return fn();
  } finally {
    stop();
  }
}

/** The call. Its results are those of the last stage, then those that the stages before emitted, in order. */
export class Recomputation extends Call {
  stages: readonly Stage[];
  sites: readonly Site[];
  /** The last stage's results, and whether each is on the tape. */
  readonly #last: readonly { readonly value: Value; readonly linked: boolean }[];
  readonly #emits: number;
  readonly #submit: () => void;

  constructor(stages: readonly Stage[], sites: readonly Site[], results: readonly Tensor[], after: Continuation) {
    super(
      "checkpoint",
      sites.map((site) => site.node),
      sites.map((site) => site.value),
      [...results, ...after.emitted].map((y) => y._live()),
      results[0].device,
    );
    this.stages = stages;
    this.sites = sites;
    this.#last = results.map((y) => ({ value: y._live(), linked: nodeOf(y) !== null }));
    this.#emits = after.emits;
    this.#submit = after.submit;
  }

  /** The position of a result of the last stage; −1 for what is none, or has been taken off the tape since. */
  resultOf(value: Value, made: Node | null): number {
    if (made !== null) return made instanceof Result && made.call === this ? made.at : -1;
    return this.#last.findIndex((y) => !y.linked && y.value === value);
  }

  /** How many results the last stage has. */
  get stageResults(): number {
    return this.#last.length;
  }

  /** Whether a walk has gone through, and a stage can no more be added. */
  get isFree(): boolean {
    return this.saved === null;
  }

  override free(): void {
    super.free();
    this.stages = [];
    this.sites = [];
  }

  backward(gs: readonly (Tensor | null)[], createGraph: boolean): (Tensor | null)[] {
    const { sites } = this;
    const start = timeMark();
    const places = sites.map(({ value, node, levels, linked }) => {
      const tensor = markTasks(wrap(value), levels);
      if (!linked) return tensor;
      const place = passNode(value, createGraph ? node : null);
      place.markSource();
      return attach(tensor, place);
    });
    const results = this.#again(places, start);
    const seeds = gs.flatMap((cotangent, at) => {
      if (cotangent === null) return [];
      const node = nodeOf(results[at]);
      return node === null ? [] : [{ node, cotangent }];
    });
    const at = sites.flatMap(({ node }, i) => (node === null ? [] : [i]));
    const wanted = at.map((i) => nodeOf(places[i]) as Node);
    const shares = new Array<Tensor | null>(sites.length).fill(null);
    walk(seeds, wanted, { createGraph, retainGraph: createGraph }).forEach((share, k) => {
      shares[at[k]] = share;
    });
    this.#submit();
    return shares;
  }

  /** Runs all stages a second time. */
  #again(places: readonly Tensor[], start: number): readonly Tensor[] {
    let results: readonly Tensor[] = [];
    let pinned: readonly Value[] = [];
    const emitted: Tensor[] = [];
    const pin = (values: readonly Value[]): void => {
      for (const value of values) value.pins++;
      for (const value of pinned) value.device.unpinned(value);
      pinned = values;
    };
    try {
      this.stages.forEach((stage, i) => {
        if (i > 0) emitted.push(...results.slice(0, this.#emits));
        const before = results;
        const find = (place: Place): Tensor => (place >= 0 ? places[place] : before[-1 - place]);
        results = runAgain(stage, find, start);
        // Submitted, a stage's results are stored: the next one starts from them, and not from how they came about.
        pin(results.map((y) => y._live()));
        this.#submit();
      });
    } finally {
      pin([]);
    }
    return [...results, ...emitted];
  }
}

/** Runs a stage a second time, with everything as it was. */
function runAgain(stage: Stage, find: (place: Place) => Tensor, start: number): readonly Tensor[] {
  const { fn, args, captured, rng, levels } = stage;
  const xs = args.map((arg) => ("plain" in arg ? arg.plain : find(arg.place)));
  const rngNow = getRngState();
  const recorder = new TraceRecorder();
  const stop = observe((primitive, inputs, attrs, output) => {
    recorder.see(primitive, inputs, attrs, output);
    for (const { _link } of inputs) {
      const node = _link as Node | null;
      if (node === null || node.seq > start) continue;
      throw new GradError(
        `checkpoint: run again, fn read a tensor of the tape (${node.label()}) that it had not read before: ` +
          "the variables it reads must be the same in backward; pass what changes as an argument",
      );
    }
  });
  const handles = captured.flatMap((one) => one.handles);
  const standIns = captured.flatMap(({ place, handles }) => handles.map(() => find(place)));
  try {
    setRngState(rng);
    const returned = withStandIns(handles, standIns, () =>
      within(true, () => insideVmap(levels, () => secondRun(stage.start, stage.notes, () => fn(...(xs as never[]))))),
    );
    const results = resultsOf("checkpoint", returned);
    checkSame(stage, recorder, find, results);
    return results;
  } finally {
    stop();
    setRngState(rngNow);
  }
}

/** Throws if the second run of a stage did not do what the first did. */
function checkSame(
  { args, captured, signatures, trace, shown }: Stage,
  recorder: TraceRecorder,
  find: (place: Place) => Tensor,
  results: readonly Tensor[],
): void {
  const wrong = Math.max(
    results.findIndex((y, at) => String(y) !== shown[at]),
    results.length < shown.length ? results.length : -1,
  );
  if (wrong >= 0) {
    const now = wrong < results.length ? results[wrong] : "is missing";
    throw new GradError(`checkpoint: fn's result ${wrong} was ${shown[wrong]}, and run again ${now}`);
  }
  const found = [...args.flatMap((arg) => ("plain" in arg ? [] : [arg.place])), ...captured.map(({ place }) => place)];
  const places = new Map(found.map((place, i) => [find(place)._value, signatures[i]]));
  const { trace: again } = recorder.end(
    results.map((y) => y._live()),
    places,
  );
  const what = difference(trace, again);
  if (what === null) return;
  throw new GradError(
    `checkpoint: run again in backward, fn did something else: ${what}. It must do the same both times: what changes ` +
      "between them (data, counters, numbers) is passed as an argument, or chosen by the step's number as in run(k, (i) => …)",
  );
}
