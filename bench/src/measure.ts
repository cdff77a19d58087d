/**
 * Measuring a step: its time, our own CPU time in it, and what it makes the device do.
 *
 * The *cold* first call compiles plans and kernels. *Steady* calls come after a warm-up; their median and
 * spread are reported. `cpuMs` is the process's CPU time per steady step, user and system, all threads: on the null
 * adapter that is our own cost and the API's; on a software adapter the kernels run on our CPU and count as well.
 * `syncMs` is the part of a step before its first wait: recording, planning and submitting.
 */
import type { Device, DeviceStats } from "loopgrad";
import type { Step } from "./workloads.ts";

export interface Measurement {
  /** The first call. */
  firstMs: number;
  medianMs: number;
  minMs: number;
  maxMs: number;
  cpuMs: number;
  syncMs: number;
  /** Timed steps. */
  calls: number;
  /** Of one steady step: the largest over the timed ones. */
  recorded: number;
  dispatches: number;
  submits: number;
  pipelinesCreated: number;
  bindGroupsCreated: number;
  buffersCreated: number;
  plansMade: number;
  /** Of all buffers, at their most. */
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

/**
 * Runs a step again and again.
 *
 * @param calls   timed calls; at least one
 * @param warmup  what comes between the first call and the timed ones: so many calls, and so many milliseconds
 */
export async function measure(
  device: Device,
  step: Step,
  { calls, warmup }: { calls: number; warmup: { calls: number; ms: number } },
): Promise<Measurement> {
  const firstStarted = performance.now();
  await step();
  const firstMs = performance.now() - firstStarted;
  const warmFrom = performance.now();
  for (let i = 0; i < warmup.calls || performance.now() - warmFrom < warmup.ms; i++) await step();

  const times: number[] = [];
  const syncTimes: number[] = [];
  const counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<(typeof COUNTS)[number], number>;
  let before = device.stats();
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < calls; i++) {
    const started = performance.now();
    const done = step();
    syncTimes.push(performance.now() - started);
    await done;
    times.push(performance.now() - started);
    const after = device.stats();
    for (const name of COUNTS) counts[name] = Math.max(counts[name], after[name] - before[name]);
    before = after;
  }
  const cpu = process.cpuUsage(cpuBefore);
  return {
    firstMs,
    medianMs: median(times),
    minMs: Math.min(...times),
    maxMs: Math.max(...times),
    cpuMs: (cpu.user + cpu.system) / 1000 / calls,
    syncMs: median(syncTimes),
    calls,
    ...counts,
    peakBytes: before.peakBytes,
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
