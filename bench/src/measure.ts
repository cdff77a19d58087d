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
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    const done = this.step();
    this.#syncTimes.push(performance.now() - started);
    const arrays = await done;
    const ms = performance.now() - started;
    const cpu = process.cpuUsage(cpuBefore);
    this.#cpuMs += (cpu.user + cpu.system) / 1000;
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

/**
 * Measures subjects in turns.
 *
 * @returns  the times of each, in the order of the subjects
 * @throws   LoopgradError if results differ, or are not finite, or are all zero
 */
export async function alternate(subjects: readonly Subject[], rounds: Rounds): Promise<Times[]> {
  const first: number[] = [];
  const compared = rounds.tolerance === null ? 1 : COMPARED;
  for (let i = 0; i < compared; i++) {
    const calls: Call[] = [];
    for (const subject of subjects) calls.push(await subject.call({ results: rounds.tolerance !== null }));
    if (i === 0) first.push(...calls.map(({ ms }) => ms));
    if (rounds.tolerance !== null) compare(subjects, calls, rounds.tolerance);
  }
  for (const subject of subjects) {
    const from = performance.now();
    for (let i = 0; i < rounds.warmup.calls || performance.now() - from < rounds.warmup.ms; i++) {
      await subject.call({ results: false });
    }
  }
  const times: number[][] = subjects.map(() => []);
  for (const subject of subjects) subject.begin?.();
  for (let i = 0; i < rounds.calls; i++) {
    for (let j = 0; j < subjects.length; j++) times[j].push((await subjects[j].call({ results: false })).ms);
  }
  return times.map((ms, j) => ({
    firstMs: first[j],
    medianMs: median(ms),
    minMs: Math.min(...ms),
    maxMs: Math.max(...ms),
    calls: rounds.calls,
  }));
}

/** Results must be numbers, of work that was done, and agree with the first subject's. */
function compare(subjects: readonly Subject[], calls: readonly Call[], tolerance: number): void {
  const [wanted, ...others] = calls.map(({ results }) => results ?? []);
  for (let j = 0; j < calls.length; j++) {
    const all = (calls[j].results ?? []).flat();
    const at = all.findIndex((x) => !Number.isFinite(x));
    if (at >= 0) throw new LoopgradError(`${subjects[j].name}: a result is ${all[at]}, so its time says nothing`);
    if (all.every((x) => x === 0))
      throw new LoopgradError(`${subjects[j].name}: all results are 0, so no work was done`);
  }
  others.forEach((got, j) => {
    const name = `${subjects[j + 1].name} and ${subjects[0].name}`;
    if (got.length !== wanted.length) throw new LoopgradError(`${name}: ${got.length} and ${wanted.length} results`);
    for (let r = 0; r < got.length; r++) {
      const scale = Math.max(...wanted[r].map(Math.abs));
      for (let i = 0; i < Math.max(got[r].length, wanted[r].length); i++) {
        if (Math.abs(got[r][i] - wanted[r][i]) <= tolerance * scale) continue;
        throw new LoopgradError(
          `${name} differ: result ${r}, sample ${i}: ${got[r][i]} and ${wanted[r][i]}, where ${tolerance} of ${scale} is ` +
            "rounding. What computes something else is not timed",
        );
      }
    }
  });
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
  return { ...times, ...subject.seen() };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
