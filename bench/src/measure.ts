/**
 * Measuring calls: their time, our own CPU time in them, and what they make the device do.
 *
 * A *subject* is one library on one device with one task. The *first* call compiles plans and kernels, and stands apart. Then
 * come calls whose results are compared between the subjects, then a warm-up, then the timed calls: of several subjects in
 * turns, A B A B, so that what else the machine does meets all of them. A call ends with its results on the host.
 *
 * `cpuMs` is the process's CPU time per steady call, user and system, all threads: on the null adapter that is our own cost and
 * the API's; on a software adapter the kernels run on our CPU and count as well. `syncMs` is the part of a call before its
 * first wait: recording, planning and submitting.
 */
import { type Device, type DeviceStats, LoopgradError } from "loopgrad";
import type { Step } from "./catalog/workload.ts";
import { sample } from "./data.ts";

/** Milliseconds of the timed calls, and of the first one. */
export interface Times {
  /** The first call. */
  firstMs: number;
  medianMs: number;
  minMs: number;
  maxMs: number;
  /** Timed calls. */
  calls: number;
}

export interface Measurement extends Times {
  cpuMs: number;
  syncMs: number;
  /** Of one steady call: the largest over the timed ones. */
  recorded: number;
  dispatches: number;
  submits: number;
  pipelinesCreated: number;
  bindGroupsCreated: number;
  buffersCreated: number;
  plansMade: number;
  /** Of the device, from its first call to its last: plans, pipelines, and the bytes of their WGSL. */
  plans: number;
  pipelines: number;
  wgslBytes: number;
  /** Of all buffers, scratch among them, at their most. */
  peakBytes: number;
}

const COUNTS = [
  "recorded",
  "dispatches",
  "submits",
  "pipelinesCreated",
  "bindGroupsCreated",
  "buffersCreated",
  "plansMade",
] as const satisfies readonly (keyof DeviceStats)[];

/** One call of a subject, and some elements of each of its results; null where they are not wanted. */
export interface Call {
  readonly ms: number;
  readonly results: readonly (readonly number[])[] | null;
}

export interface Subject {
  readonly name: string;
  call(options: { results: boolean }): Promise<Call>;
  /** The timed calls begin. */
  begin?(): void;
}

/** loopgrad itself. */
export class OwnSubject implements Subject {
  readonly #syncTimes: number[] = [];
  readonly #counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<(typeof COUNTS)[number], number>;
  #cpuMs = 0;

  constructor(
    readonly name: string,
    readonly device: Device,
    readonly step: Step,
  ) {}

  begin(): void {
    this.#syncTimes.length = 0;
    this.#cpuMs = 0;
    for (const name of COUNTS) this.#counts[name] = 0;
  }

  async call({ results }: { results: boolean }): Promise<Call> {
    const before = this.device.stats();
    const cpuBefore = cpuMs();
    const started = performance.now();
    const done = this.step();
    this.#syncTimes.push(performance.now() - started);
    const arrays = await done;
    const ms = performance.now() - started;
    this.#cpuMs += cpuMs() - cpuBefore;
    const after = this.device.stats();
    for (const name of COUNTS) this.#counts[name] = Math.max(this.#counts[name], after[name] - before[name]);
    return { ms, results: results ? arrays.map(sample) : null };
  }

  /** What was seen beside the times since `begin`. */
  seen(): Omit<Measurement, keyof Times> {
    const calls = this.#syncTimes.length;
    const { plansMade: plans, pipelinesCreated: pipelines, wgslBytes, peakBytes } = this.device.stats();
    return {
      cpuMs: this.#cpuMs / calls,
      syncMs: median(this.#syncTimes),
      ...this.#counts,
      plans,
      pipelines,
      wgslBytes,
      peakBytes,
    };
  }
}

/** The process's CPU time, user and system; NaN in a page, which cannot know. */
function cpuMs(): number {
  if (typeof process === "undefined") return Number.NaN;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Calls whose results are compared, the first among them. */
const COMPARED = 3;

export interface Rounds {
  /** Timed calls of each subject; at least one. */
  readonly calls: number;
  /** What comes between the compared calls and the timed ones: so many calls, and so many milliseconds. */
  readonly warmup: { readonly calls: number; readonly ms: number };
  /** How far results may differ, relative to the largest of a result; null: nothing is computed, and nothing compared. */
  readonly tolerance: number | null;
}

/** Timed calls that every subject makes, and the time after which a guest makes no more. */
const [FEWEST, GUEST_MS] = [5, 15_000];

/**
 * Measures subjects in turns. The first is the host, the others are compared with it: one that fails, or computes something else,
 * is left out, and not timed. A guest that is slow makes fewer calls than asked for, but five.
 *
 * @returns  of each subject, in their order, its times, or why there are none
 * @throws   LoopgradError if the first subject's results are not finite, or all zero
 */
export async function alternate(subjects: readonly Subject[], rounds: Rounds): Promise<(Times | LoopgradError)[]> {
  const runs = subjects.map((subject) => new Run(subject));
  const [host, ...guests] = runs;
  const turn = async (run: Run, results: boolean): Promise<Call | null> => {
    if (run.failure !== null) return null;
    try {
      return await run.subject.call({ results });
    } catch (error) {
      if (run === host || !(error instanceof LoopgradError)) throw error;
      run.failure = error;
      return null;
    }
  };
  const { tolerance, warmup } = rounds;
  for (let i = 0; i < (tolerance === null ? 1 : COMPARED); i++) {
    const wanted = (await turn(host, tolerance !== null)) as Call;
    if (i === 0) host.firstMs = wanted.ms;
    if (tolerance !== null) sound(host.subject.name, wanted);
    for (const guest of guests) {
      const got = await turn(guest, tolerance !== null);
      if (got === null) continue;
      if (i === 0) guest.firstMs = got.ms;
      if (tolerance !== null) guest.failure = differing(guest.subject.name, got, host.subject.name, wanted, tolerance);
    }
  }
  for (const run of runs) {
    const from = performance.now();
    for (let i = 0; i < warmup.calls || performance.now() - from < warmup.ms; i++) {
      await turn(run, false);
      if (run.failure !== null || (run !== host && performance.now() - from > GUEST_MS)) break;
    }
    run.subject.begin?.();
  }
  for (let i = 0; i < rounds.calls; i++) {
    for (const run of runs) {
      if (run !== host && i >= FEWEST && run.spent > GUEST_MS) continue;
      const call = await turn(run, false);
      if (call !== null) run.ms.push(call.ms);
    }
  }
  return runs.map((run) => run.failure ?? run.times());
}

/** What became of a subject. */
class Run {
  failure: LoopgradError | null = null;
  firstMs = 0;
  readonly ms: number[] = [];

  constructor(readonly subject: Subject) {}

  get spent(): number {
    return this.ms.reduce((sum, one) => sum + one, 0);
  }

  times(): Times {
    const { firstMs, ms } = this;
    return { firstMs, medianMs: median(ms), minMs: Math.min(...ms), maxMs: Math.max(...ms), calls: ms.length };
  }
}

/** Results must be numbers, of work that was done. */
function sound(name: string, { results }: Call): void {
  const all = (results ?? []).flat();
  const odd = all.find((x) => !Number.isFinite(x));
  if (odd !== undefined) throw new LoopgradError(`${name}: a result is ${odd}, so its time says nothing`);
  if (all.every((x) => x === 0)) throw new LoopgradError(`${name}: all results are 0, so no work was done`);
}

/** How the results of two subjects differ; null: by rounding at most. */
function differing(guest: string, got: Call, host: string, wanted: Call, tolerance: number): LoopgradError | null {
  const [theirs, ours] = [got.results ?? [], wanted.results ?? []];
  const name = `${guest} and ${host} differ`;
  if (theirs.length !== ours.length) return new LoopgradError(`${name}: ${theirs.length} and ${ours.length} results`);
  const largest = ours.map((result) => Math.max(...result.map(Math.abs)));
  for (let r = 0; r < ours.length; r++) {
    // Where a result is nothing but the rounding of others, as the gradient of a bias before a norm, theirs is the measure.
    const scale = Math.max(largest[r], Math.max(...largest) / 100);
    for (let i = 0; i < Math.max(theirs[r].length, ours[r].length); i++) {
      if (Math.abs(theirs[r][i] - ours[r][i]) <= tolerance * scale) continue;
      return new LoopgradError(
        `${name}: result ${r}, sample ${i}: ${theirs[r][i]} and ${ours[r][i]}, where ${tolerance} of ${scale} is ` +
          "rounding. What computes something else is not timed",
      );
    }
  }
  return null;
}

/**
 * Runs a step again and again, alone.
 *
 * @param calls   timed calls; at least one
 * @param warmup  what comes between the first call and the timed ones: so many calls, and so many milliseconds
 */
export async function measure(
  device: Device,
  step: Step,
  { calls, warmup }: Omit<Rounds, "tolerance">,
): Promise<Measurement> {
  const subject = new OwnSubject("loopgrad", device, step);
  const [times] = await alternate([subject], { calls, warmup, tolerance: null });
  return { ...(times as Times), ...subject.seen() };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
