/**
 * Profiles: which kernels a function makes a device run, how often, for how long, and on how many bytes.
 */
import { admit } from "../checked.ts";
import type { Device } from "../device.ts";
import { ArgumentError } from "../errors.ts";
import type { KernelRun } from "../record/backend.ts";

/** All runs of one kernel. */
export interface ProfileRow {
  /** Its role, what it computes, and over which space. */
  readonly kernel: string;
  readonly calls: number;
  /** Microseconds, of all calls; null where the adapter has no clock. */
  readonly us: number | null;
  /** Bytes that it reads and writes, in all calls, if each is touched once. */
  readonly bytes: number;
  /** Of the time of all kernels; where there is no clock, of their bytes. */
  readonly share: number;
}

/** An event of Chrome's trace format. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly args?: object;
}

export interface Profile<T> {
  /** What the function returned. */
  readonly result: T;
  /** Milliseconds from its call until the device had done all its work. */
  readonly wallMs: number;
  /** Kernels, those that took most first. */
  readonly rows: readonly ProfileRow[];
  /** A table of the rows. */
  toString(): string;
  /** The runs in time, for chrome://tracing and ui.perfetto.dev: write it to a file with `JSON.stringify`. */
  chromeTrace(): { readonly traceEvents: readonly TraceEvent[] };
}

/**
 * Runs a function, and notes every kernel that its work makes the device run.
 *
 * Each kernel is timed where the adapter has `timestamp-query`, and on the cpu device; elsewhere there are counts and bytes. What the
 * first call of a function compiles is no kernel's time, but let it run once before. A profile makes the work a little slower.
 *
 * @param fn  what is looked at; may be async. What it leaves pending is computed and counted
 * @returns   the profile; print it: `console.log(String(profile))`
 * @throws    ArgumentError if a profile of the device is being taken
 * @see       torch.profiler.profile
 * @example   const { rows } = await profile(device, () => trainingStep());
 */
export async function profile<T>(device: Device, fn: () => T | Promise<T>): Promise<Profile<T>> {
  admit(arguments, "profile(device: device, fn: function)");
  await device.synchronize();
  const log = device.backend.logKernels?.();
  if (log === undefined) {
    throw new ArgumentError(
      `profile: ${device} is being profiled: wait for the other profile, and nest none in another`,
    );
  }
  const started = performance.now();
  let runs: readonly KernelRun[] = [];
  let result: T;
  let wallMs = 0;
  try {
    result = await fn();
    await device.synchronize();
    wallMs = performance.now() - started;
  } finally {
    runs = await log.end();
  }
  const rows = rowsOf(runs);
  return {
    result,
    wallMs,
    rows,
    toString: () => table(rows, wallMs),
    chromeTrace: () => ({ traceEvents: events(runs, device, wallMs) }),
  };
}

function rowsOf(runs: readonly KernelRun[]): ProfileRow[] {
  const sums = new Map<string, { calls: number; us: number | null; bytes: number }>();
  for (const { kernel, bytes, clock } of runs) {
    const sum = sums.get(kernel) ?? { calls: 0, us: 0, bytes: 0 };
    const us = sum.us === null || clock === null ? null : sum.us + clock.us;
    sums.set(kernel, { calls: sum.calls + 1, us, bytes: sum.bytes + bytes });
  }
  const timed = runs.every(({ clock }) => clock !== null);
  const weight = (sum: { us: number | null; bytes: number }): number => (timed ? (sum.us ?? 0) : sum.bytes);
  const total = [...sums.values()].reduce((all, sum) => all + weight(sum), 0);
  return [...sums]
    .map(([kernel, sum]) => ({ kernel, ...sum, share: total === 0 ? 0 : weight(sum) / total }))
    .sort((a, b) => b.share - a.share);
}

function table(rows: readonly ProfileRow[], wallMs: number): string {
  const cells = rows.map(({ kernel, calls, us, bytes, share }) => [
    kernel,
    String(calls),
    us === null ? "–" : us.toFixed(1),
    String(bytes),
    us === null || us === 0 ? "–" : (bytes / us / 1000).toFixed(2),
    `${(100 * share).toFixed(1)} %`,
  ]);
  const lines = [["kernel", "calls", "µs", "bytes", "GB/s", "share"], ...cells];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  const us = rows.reduce((sum: number | null, row) => (sum === null || row.us === null ? null : sum + row.us), 0);
  const timed = us === null ? "no clock on this adapter" : `${(us / 1000).toFixed(3)} ms in them`;
  return [
    ...lines.map((line) =>
      line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
    ),
    `${calls} kernels, ${timed}; ${wallMs.toFixed(3)} ms in all`,
  ].join("\n");
}

/** The function on one line of the picture, the kernels on another, which begins with the first of them. */
function events(runs: readonly KernelRun[], device: Device, wallMs: number): TraceEvent[] {
  const [host, kernels] = [0, 1];
  const named = (tid: number, name: string): TraceEvent => ({
    name: "thread_name",
    ph: "M",
    pid: 0,
    tid,
    ts: 0,
    args: { name },
  });
  return [
    named(host, "host"),
    named(kernels, String(device)),
    { name: "profile", ph: "X", pid: 0, tid: host, ts: 0, dur: 1000 * wallMs },
    ...runs.map(({ kernel, bytes, clock }, i): TraceEvent => {
      // Without a clock they stand in their order, a microsecond each.
      const { start, us } = clock ?? { start: i, us: 1 };
      const args = clock === null ? { bytes, timed: false } : { bytes };
      return { name: kernel, ph: "X", pid: 0, tid: kernels, ts: start, dur: us, args };
    }),
  ];
}
